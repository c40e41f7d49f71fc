"""Duplicates of a golden dataset: within a split they make it smaller than it looks, between splits they are leakage.

Exact duplicates have equal inputs; their ids and labels do not matter. Near duplicates are defined in `near_texts`.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from harness.core.types import Case
from harness.project.near_texts import Text, near_pairs

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MOST_TEXTS = 50_000
"""In larger datasets, near duplicates are found only if they differ in case, spaces and punctuation at most."""


class Duplicate(NamedTuple):
    """A case that repeats an earlier one. `case`, `earlier`: indices in the dataset."""

    case: int
    earlier: int
    is_exact: bool


@dataclass(frozen=True, slots=True)
class SplitSize:
    """Number of cases of a split, and of those that repeat no other case of the split."""

    cases: int
    distinct: int


@dataclass(frozen=True, slots=True)
class Duplicates:
    """All duplicates of a dataset.

    `sizes`: by split. `within`: duplicates of a case of the same split. `leaks`: of a case of another split.
    `is_complete`: false if the dataset has more than `MOST_TEXTS` cases.
    """

    sizes: Mapping[str, SplitSize]
    within: tuple[Duplicate, ...]
    leaks: tuple[Duplicate, ...]
    is_complete: bool


def find(cases: Sequence[Case], *, near: bool = True) -> Duplicates:
    """Find exact and, with `near`, near duplicates. Memory grows with the number of cases, not with its square."""
    exact, alike = array("Q"), array("Q")
    splits: list[str] = []
    texts: dict[int, Text] = {}
    is_complete = not near or len(cases) <= MOST_TEXTS
    for case in cases:
        exact.append(_hash(json.dumps(case.inputs, sort_keys=True)))
        splits.append(case.split)
        if not near:
            alike.append(exact[-1])
            continue
        text = Text.of(case.inputs)
        alike.append(_hash(text.key))
        if is_complete:
            texts.setdefault(alike[-1], text)
    hashes = list(texts)
    similar = [(hashes[a], hashes[b]) for a, b in near_pairs(list(texts.values()))]
    groups = _Groups(exact, alike, splits, similar)
    found = sorted(groups.duplicates())
    leaks = tuple(pair for pair in found if splits[pair.case] != splits[pair.earlier])
    within = tuple(pair for pair in found if splits[pair.case] == splits[pair.earlier])
    return Duplicates(groups.sizes(), within, leaks, is_complete)


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())


@dataclass(frozen=True)
class _Groups:
    """Cases by the hashes of their inputs. `exact`, `alike`: of each case. `similar`: pairs of `alike`."""

    exact: array[int]
    alike: array[int]
    splits: Sequence[str]
    similar: Sequence[tuple[int, int]]

    def duplicates(self) -> Iterator[Duplicate]:
        """Each repeat of a text in a split once, and each text once for every further split."""
        firsts: defaultdict[int, dict[str, dict[int, int]]] = defaultdict(lambda: defaultdict(dict))
        for case in self._repeated():
            same = firsts[self.alike[case]]
            own = same[self.splits[case]]
            if self.exact[case] in own:
                yield Duplicate(case, own[self.exact[case]], is_exact=True)
                continue
            for split, known in same.items():
                if self.exact[case] in known:
                    yield Duplicate(case, known[self.exact[case]], is_exact=True)
                elif known and (split == self.splits[case] or not own):
                    yield Duplicate(case, next(iter(known.values())), is_exact=False)
            own[self.exact[case]] = case
        for a, b in self.similar:
            for one, two in _across(firsts[a], firsts[b]):
                yield Duplicate(max(one, two), min(one, two), is_exact=False)

    def sizes(self) -> dict[str, SplitSize]:
        """Count cases and different texts of each split."""
        roots: dict[int, int] = {}
        for a, b in self.similar:
            roots[_root(roots, b)] = _root(roots, a)
        counts = Counter(self.splits)
        texts: dict[str, set[int]] = {split: set() for split in counts}
        for split, alike in zip(self.splits, self.alike, strict=True):
            texts[split].add(_root(roots, alike) if roots else alike)
        return {split: SplitSize(counts[split], len(texts[split])) for split in sorted(counts)}

    def _repeated(self) -> Iterable[int]:
        """Cases whose text is not the only one of its kind, in the dataset's order."""
        import numpy as np

        hashes: npt.NDArray[np.uint64] = np.frombuffer(self.alike, dtype=np.uint64)
        _, places, counts = np.unique(hashes, return_inverse=True, return_counts=True)
        kept = counts[places] > 1
        if self.similar:
            kept |= np.isin(hashes, np.array(self.similar, dtype=np.uint64))
        return (int(case) for case in np.flatnonzero(kept))


def _across(one: Mapping[str, Mapping[int, int]], two: Mapping[str, Mapping[int, int]]) -> Iterator[tuple[int, int]]:
    """The first case of each split of one text, with the first of each split of another."""
    for firsts in one.values():
        for others in two.values():
            if firsts and others:
                yield next(iter(firsts.values())), next(iter(others.values()))


def _root(roots: dict[int, int], name: int) -> int:
    """The name of a text's group, with the way there shortened."""
    while (parent := roots.get(name, name)) != name:
        roots[name] = roots.get(parent, parent)
        name = parent
    return name

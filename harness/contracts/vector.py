"""The vector contract: what an embedding must satisfy for an index to accept it.

`strict` and `lenient` are a short description ("576 dimensions"), because the response already holds the numbers.
`lenient` is set if the vector has a direction, even with other dimensions than declared or without unit length.
`together` finds violations that only a comparison with other vectors shows.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from harness.contracts.violations import VIOLATIONS
from harness.core.types import Reading, Response

UNIT = 1e-3
"""Tolerance of the norm: vectors sent as 16-bit floats stay well within it."""
SAME = 1e-5
"""Tolerance of equal components: far above rounding, far below the difference of two texts."""

_ORDER = {code: place for place, code in enumerate(VIOLATIONS)}


@dataclass(frozen=True)
class VectorContract:
    """Accepts finite numbers that are not all equal, `dimensions` of them, of unit length if `normalized`."""

    dimensions: int | None = None
    normalized: bool = False

    @property
    def id(self) -> str:
        """Name and version of the rules. The version changes whenever a reading could."""
        return "vector/1"

    def read(self, response: Response) -> Reading:
        """Read one vector: usable by an index, and usable as a direction."""
        vector = response.vector
        if unusable := _unusable(vector):
            return broken((unusable,))
        codes = []
        if self.dimensions is not None and len(vector) != self.dimensions:
            codes.append("wrong_dimensions")
        if self.normalized and abs(math.hypot(*vector) - 1) > UNIT:
            codes.append("not_normalized")
        size = f"{len(vector)} dimensions"
        return Reading(None if codes else size, size, compliant=not codes, violations=tuple(codes))

    def together(self, vectors: Sequence[Sequence[float]], texts: Sequence[str]) -> list[str]:
        """Return for each vector the violation that only a comparison with the others shows, or "".

        `wrong_dimensions`: not the declared length; or, if none has it or nothing is declared, not the most common
        length. `duplicate_vector`: another text has the same vector, as with a server that pools the wrong token.
        Equal `texts` may have equal vectors.
        """
        codes = [""] * len(vectors)
        usable = [place for place, vector in enumerate(vectors) if not _unusable(vector)]
        if not usable:
            return codes
        lengths = Counter(len(vectors[place]) for place in usable)
        length = self.dimensions if self.dimensions in lengths else max(lengths, key=lambda n: (lengths[n], n))
        for place in usable:
            codes[place] = "" if len(vectors[place]) == length else "wrong_dimensions"
        alike = [place for place in usable if not codes[place]]
        for group in _same([vectors[place] for place in alike]):
            if len({texts[alike[place]] for place in group}) > 1:
                for place in group:
                    codes[alike[place]] = "duplicate_vector"
        return codes


def broken(codes: Sequence[str]) -> Reading:
    """Return the reading of an unusable vector."""
    return Reading(None, None, compliant=False, violations=tuple(sorted(set(codes), key=_ORDER.__getitem__)))


def _unusable(vector: Sequence[float]) -> str:
    """Return the violation of a vector without a meaningful direction."""
    if not vector:
        return "empty"
    if not all(map(math.isfinite, vector)):
        return "not_finite"
    return "constant_vector" if min(vector) == max(vector) else ""


def _same(vectors: Sequence[Sequence[float]]) -> list[list[int]]:
    """Return groups of positions with equal vectors, apart from rounding.

    Sorted along one random direction, equal vectors are neighbours; that avoids pairwise comparison.
    """
    import numpy as np

    unit = np.asarray(vectors, dtype=np.float64)
    unit /= np.abs(unit).max(axis=1, keepdims=True)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    order = np.argsort(unit @ np.random.default_rng(0).standard_normal(unit.shape[1]), kind="stable")
    groups = [[int(order[0])]]
    for before, here in pairwise(order):
        if np.abs(unit[here] - unit[before]).max() < SAME:
            groups[-1].append(int(here))
        else:
            groups.append([int(here)])
    return groups

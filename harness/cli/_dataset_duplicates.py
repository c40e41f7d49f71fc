"""What `harness datasets validate` says about duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.core.formatting import plural
from harness.project import duplicates
from harness.project.datasets import SHOWN, Dataset
from harness.project.duplicates import Duplicate


@dataclass(frozen=True, slots=True)
class DuplicateReview:
    """Lines to print. `sizes`: splits that are smaller than they look. `leaks`: errors, with the cases of each."""

    sizes: tuple[str, ...]
    warnings: tuple[str, ...]
    leaks: tuple[str, ...]


def review(dataset: Dataset, places: Sequence[str], *, near: bool) -> DuplicateReview:
    """Find the duplicates of a dataset. `places`: where each case stands in its source."""
    found = duplicates.find(dataset.cases, near=near)
    words = _Words(dataset, places)
    sizes = tuple(
        f"{split or 'all cases'}: {size.distinct:,} different of {plural(size.cases, 'case')}"
        for split, size in found.sizes.items()
        if size.distinct < size.cases
    )
    return DuplicateReview(sizes, tuple(words.warnings(found)), tuple(words.leaks(found.leaks)))


@dataclass(frozen=True, slots=True)
class _Words:
    dataset: Dataset
    places: Sequence[str]

    def warnings(self, found: duplicates.Duplicates) -> list[str]:
        """Duplicates within splits, contradicting labels, and what was not compared."""
        name = self.dataset.name
        exact = [pair for pair in found.within if pair.is_exact]
        near = [pair for pair in found.within if not pair.is_exact]
        contradictions = [pair for pair in (*found.within, *found.leaks) if not pair.is_exact and self._disagree(pair)]
        lines = []
        if exact:
            lines.append(f"{name}: {plural(len(exact), 'exact duplicate')}: comparisons count equal cases as one")
            lines += self._listed(exact, "repeats")
        if near:
            lines.append(
                f"{name}: {plural(len(near), 'near duplicate')}: remove one of each pair, or give both the same cluster"
            )
            lines += self._listed(near, "is almost")
        if contradictions:
            n = plural(len(contradictions), "near duplicate")
            lines.append(f"{name}: {n} with different labels: check the labels")
            lines += self._listed(contradictions, "is almost", labels=True)
        if not found.is_complete:
            most = f"more than {duplicates.MOST_TEXTS:,} cases"
            lines.append(f"{name}: {most}: near duplicates are only those that differ in case, spaces or punctuation")
        return lines

    def leaks(self, pairs: Sequence[Duplicate]) -> list[str]:
        """One error with the number of leaks, then the first of them."""
        if not pairs:
            return []
        cases = self.dataset.cases
        splits = sorted({cases[index].split or "no split" for pair in pairs for index in (pair.case, pair.earlier)})
        n = plural(len({pair.case for pair in pairs}), "case")
        named = " and ".join(splits)
        head = f"{self.dataset.path}: leakage: {n} in more than one of the splits {named}: keep each text in one split"
        exact = self._listed([pair for pair in pairs if pair.is_exact], "repeats", splits=True)
        near = self._listed([pair for pair in pairs if not pair.is_exact], "is almost", splits=True)
        return [head, *exact, *near]

    def _listed(
        self, pairs: Sequence[Duplicate], verb: str, *, labels: bool = False, splits: bool = False
    ) -> list[str]:
        lines = []
        for pair in pairs[:SHOWN]:
            case, earlier = (self._named(index, splits=splits) for index in (pair.case, pair.earlier))
            lines.append(f"  {self.places[pair.case]} ({case}) {verb} {self.places[pair.earlier]} ({earlier})")
            if labels:
                one, two = (self.dataset.cases[index].expected for index in (pair.case, pair.earlier))
                lines[-1] += f": expected {one!r:.60}, not {two!r:.60}"
        if len(pairs) > SHOWN:
            lines[-1] += f" (and {len(pairs) - SHOWN:,} more)"
        return lines

    def _named(self, index: int, *, splits: bool) -> str:
        case = self.dataset.cases[index]
        return f"case {case.id} in {case.split or 'no split'}" if splits else f"case {case.id}"

    def _disagree(self, pair: Duplicate) -> bool:
        one, two = (self.dataset.cases[index].expected for index in (pair.case, pair.earlier))
        return bool(one != two)

"""Extraction metrics: records compared field by field."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.analysis.stats import Rate, rate
from harness.core.types import FieldCounts, Result


@dataclass(frozen=True, slots=True)
class FieldScore:
    """Score of one field over all records. Undefined values are 0, as in scikit-learn.

    `right` counts correct values, `given` the values in the answers, `expected` the values in the documents.
    """

    name: str
    right: int
    given: int
    expected: int

    @property
    def precision(self) -> float:
        """Share of the given values that are correct, 0..1."""
        return self.right / self.given if self.given else 0.0

    @property
    def recall(self) -> float:
        """Share of the expected values that were given correctly, 0..1."""
        return self.right / self.expected if self.expected else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, 0..1."""
        total = self.given + self.expected
        return 2 * self.right / total if total else 0.0


@dataclass(frozen=True, slots=True)
class ExtractionMetrics:
    """Metrics of a run by field, for the strict or the lenient answers.

    `invented` is the share of given values for which the document has no value.
    """

    fields: tuple[FieldScore, ...]
    invented: Rate


def extract(results: Sequence[Result], *, lenient: bool = False) -> ExtractionMetrics | None:
    """Score the answered results; `None` if no answer has fields. An unusable reply misses all fields.

    A wrong value lowers both precision and recall.
    """
    counted: dict[str, list[FieldCounts]] = {}
    for result in results:
        for name, pair in result.score.fields.items() if result.score else ():
            counted.setdefault(name, []).append(pair[lenient])
    if not counted:
        return None
    scores = tuple(_score(name, counts) for name, counts in counted.items())
    invented = sum(counts.invented for each in counted.values() for counts in each)
    return ExtractionMetrics(scores, rate(invented, sum(score.given for score in scores)))


def _score(name: str, counts: Iterable[FieldCounts]) -> FieldScore:
    right, wrong, missed, invented = (sum(column) for column in zip(*counts, strict=True))
    return FieldScore(name, right, right + wrong + invented, right + wrong + missed)

"""Records against records, field by field."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.analysis.stats import Rate, rate
from harness.core.types import FieldCounts, Result


@dataclass(frozen=True, slots=True)
class FieldScore:
    """One field over all records. Precision, recall and F1 are 0..1; a share of nothing is 0, as in scikit-learn.

    `right` of the `given` values are right (precision), of the `expected` ones (recall).
    """

    name: str
    right: int
    given: int
    expected: int

    @property
    def precision(self) -> float:
        """Of what was given, the share that is right."""
        return self.right / self.given if self.given else 0.0

    @property
    def recall(self) -> float:
        """Of what stands in the documents, the share that was given right."""
        return self.right / self.expected if self.expected else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean of both."""
        together = self.given + self.expected
        return 2 * self.right / together if together else 0.0


@dataclass(frozen=True, slots=True)
class ExtractionMetrics:
    """How a run did on each field, read strictly or leniently.

    `invented`: of all the values that were given, those given where the document has none.
    """

    fields: tuple[FieldScore, ...]
    invented: Rate


def extract(results: Sequence[Result], *, lenient: bool = False) -> ExtractionMetrics | None:
    """Score the answered among `results`, `None` where no answer has fields. A reply without a value misses them all.

    A wrong value counts twice, as one given and one missed: that is what precision and recall each ask.
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

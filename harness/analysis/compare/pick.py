"""Pick the cheapest candidate that is proven good enough, among several. Pure.

All candidates share the error of one verdict (Bonferroni), so that the best of many is never picked for its luck.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.analysis.compare.comparison import Comparison
from harness.analysis.compare.pairing import compare
from harness.analysis.compare.sides import RunOutcomes
from harness.analysis.compare.verdicts import ComparisonQuestion, Verdict


@dataclass(frozen=True, slots=True)
class Candidate:
    """A candidate with its comparison with the reference. `usd_per_1k`: of 1,000 calls; `None` if unknown."""

    backend: str
    comparison: Comparison
    usd_per_1k: float | None


@dataclass(frozen=True, slots=True)
class Pick:
    """The candidates, cheapest first, those of unknown cost last. `picked`: `None` if none is proven good enough."""

    candidates: tuple[Candidate, ...]
    picked: Candidate | None

    @property
    def n_proven(self) -> int:
        """Number of candidates that are proven good enough."""
        return sum(candidate.comparison.verdict is Verdict.MOVE for candidate in self.candidates)

    @property
    def is_open(self) -> bool:
        """Whether a candidate may be good enough, but is not proven to be."""
        return any(candidate.comparison.verdict is not Verdict.STAY for candidate in self.candidates)


def pick(
    reference: RunOutcomes,
    candidates: Sequence[RunOutcomes],
    question: ComparisonQuestion,
    usd_per_1k: Mapping[str, float | None],
) -> Pick:
    """Compare each candidate with the reference and pick the cheapest with MOVE.

    Args:
        reference: The run of today's model.
        candidates: A run of each candidate.
        question: Of kind `move`. Its number of candidates is raised to the number of these.
        usd_per_1k: By backend. A candidate of unknown cost is picked only if no cost is known.
    """
    shared = replace(question, candidates=max(question.candidates, len(candidates)))
    compared = [
        Candidate(each.backend, compare(reference, each, shared), usd_per_1k.get(each.backend)) for each in candidates
    ]
    ordered = sorted(compared, key=_cost)
    proven = [candidate for candidate in ordered if candidate.comparison.verdict is Verdict.MOVE]
    return Pick(tuple(ordered), proven[0] if proven else None)


def _cost(candidate: Candidate) -> tuple[bool, float, float]:
    """Known costs first; of equal costs, the faster one."""
    latency = candidate.comparison.head.latency_s
    return candidate.usd_per_1k is None, candidate.usd_per_1k or 0.0, latency or 0.0

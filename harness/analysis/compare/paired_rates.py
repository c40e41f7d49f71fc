"""Rates of two runs over the same cases, and their paired difference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

from harness.analysis.compare.sides import CaseOutcome
from harness.analysis.compare.verdicts import LegName
from harness.analysis.stats import Paired, Rate, clustered_paired, clustered_rate, sequential_paired

Pairs = Sequence[tuple[CaseOutcome, CaseOutcome]]
"""The outcomes of base and head, case by case."""

Count = Callable[[CaseOutcome], int]
"""Counts the replies of a case that have a property, such as being strictly right."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A rate of both runs and the difference, head minus base, over the same cases."""

    base: Rate
    head: Rate
    paired: Paired


def count_of(leg: LegName) -> Count:
    """Count the replies that are right when read in this way."""
    return attrgetter(leg)


def difference_of(pairs: Pairs, count: Count, confidence: float = 0.95, *, anytime: bool = False) -> Difference:
    """Compare the rates of a property. `confidence`, `anytime`: of the difference; rates have plain 95% intervals."""
    clusters, weights = clusters_of(pairs), _weights(pairs)
    base, head = (
        clustered_rate(
            [(count(case), case.judged) for case in _outcomes(pairs, place)], clusters=clusters, weights=weights
        )
        for place in (0, 1)
    )
    return Difference(base, head, paired_of(pairs, count, confidence, anytime=anytime))


def paired_of(pairs: Pairs, count: Count, confidence: float = 0.95, *, anytime: bool = False) -> Paired:
    """Compare a property case by case, without its rates. `anytime`: see `ComparisonQuestion`."""
    if anytime:
        differences = (count(head) / head.judged - count(base) / base.judged for base, head in pairs)
        return sequential_paired([round(d, 12) for d in differences], confidence, clusters=clusters_of(pairs))
    base, head = ([(count(case), case.judged) for case in side] for side in (_outcomes(pairs, 0), _outcomes(pairs, 1)))
    return clustered_paired(base, head, confidence, clusters=clusters_of(pairs), weights=_weights(pairs))


def clusters_of(pairs: Pairs) -> list[str]:
    """The cluster of each case. A baseline does not know the clusters, so either run may name them."""
    return [head.cluster or base.cluster for base, head in pairs]


def _weights(pairs: Pairs) -> list[float]:
    """The weight of each case; empty if all are equal."""
    weights = [head.weight for _, head in pairs]
    return weights if len(set(weights)) > 1 and any(weights) else []


def negated(p: Paired) -> Paired:
    """Return the same difference with its sign changed, as seen from the other run."""
    return replace(p, gains=p.losses, losses=p.gains, delta=-p.delta, low=-p.high, high=-p.low)


def _outcomes(pairs: Pairs, place: int) -> list[CaseOutcome]:
    return [pair[place] for pair in pairs]

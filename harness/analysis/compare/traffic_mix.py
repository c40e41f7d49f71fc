"""Traffic mix and error costs: what the cases of a golden dataset stand for in production."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from harness.analysis.compare.paired_rates import Pairs, clusters_of
from harness.analysis.compare.sides import CaseOutcome
from harness.analysis.compare.verdicts import LegName, TrafficMix
from harness.analysis.stats import interaction_mean
from harness.project.evals import CostsConfig


@dataclass(frozen=True, slots=True)
class CostDifference:
    """Mean cost of errors per case: of base and head, and head minus base with its interval. `p` is of no change."""

    base: float
    head: float
    delta: float
    low: float
    high: float
    p: float


def weighted(pairs: Pairs, mix: TrafficMix | None) -> Pairs:
    """Give each case the weight of its label or tag: its share of the traffic over its share of these cases.

    A case without a share has weight 0: production has no such case.
    """
    if mix is None or not pairs:
        return pairs
    shares = dict(mix.shares)
    groups = [_group(base, mix, shares) for base, _ in pairs]
    sizes, total = Counter(groups), math.fsum(shares[group] for group in set(groups) if group)
    weights = [len(pairs) * shares[group] / total / sizes[group] if group and total else 0.0 for group in groups]
    if not any(weights):
        return pairs
    return [(replace(b, weight=w), replace(h, weight=w)) for (b, h), w in zip(pairs, weights, strict=True)]


def cost_difference(pairs: Pairs, costs: CostsConfig, leg: LegName, confidence: float) -> CostDifference | None:
    """Compare the mean cost of errors per case; `None` without cases.

    Student's interval with two extra cases at the largest cost, as `interaction_mean`. Cases of one cluster are
    averaged first.
    """
    most = costs.largest
    if not pairs or not most:
        return None
    mean = math.fsum(head.weight for _, head in pairs) / len(pairs)
    by_cluster: dict[object, list[tuple[float, float]]] = {}
    for i, ((base, head), cluster) in enumerate(zip(pairs, clusters_of(pairs), strict=True)):
        weight = head.weight / mean
        values = weight * case_cost(base, costs, leg), weight * case_cost(head, costs, leg)
        by_cluster.setdefault(cluster or i, []).append(values)
    sides = [[math.fsum(values) / len(values) for values in zip(*each, strict=True)] for each in by_cluster.values()]
    base_cost, head_cost = (math.fsum(side) / len(sides) for side in zip(*sides, strict=True))
    found = interaction_mean([(head - base) / most for base, head in sides], confidence)
    return CostDifference(base_cost, head_cost, most * found.delta, most * found.low, most * found.high, found.p)


def case_cost(case: CaseOutcome, costs: CostsConfig, leg: LegName) -> float:
    """The cost of a case: 0 if it is right, else that of its error."""
    if case.is_right_read(leg):
        return 0.0
    predicted = case.predicted if leg == "strict" else case.predicted_leniently or case.predicted
    if not predicted:
        return costs.of_no_answer
    return costs.errors.get(f"{case.expected}->{predicted}", costs.default)


def _group(case: CaseOutcome, mix: TrafficMix, shares: Mapping[str, float]) -> str:
    names = (case.expected,) if mix.kind == "label" else case.tags
    return next((name for name in names if name in shares), "")

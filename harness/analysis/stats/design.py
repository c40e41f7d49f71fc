"""Sample design: cases in clusters, and weighted cases."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Self

FEW_CLUSTERS = 50
"""With fewer clusters their variance is too uncertain, so each counts as one case at most."""


@dataclass(frozen=True, slots=True)
class Design:
    """The clusters and weights of a sample. `members`: the indices of each cluster. `weights`: sum to 1."""

    members: tuple[tuple[int, ...], ...]
    weights: tuple[float, ...]

    @classmethod
    def of(cls, n: int, clusters: Sequence[str] = (), weights: Sequence[float] = ()) -> Self:
        """Build the design of `n` cases. An empty cluster name is a cluster of its own.

        Raises `ValueError` for weights that are negative or all zero, and for sequences of another length.
        """
        if clusters and len(clusters) != n:
            msg = f"{len(clusters)} cluster names for {n} cases: pass one per case"
            raise ValueError(msg)
        if weights and (len(weights) != n or min(weights) < 0 or not sum(weights)):
            msg = f"{len(weights)} weights for {n} cases: pass one per case, none negative, not all zero"
            raise ValueError(msg)
        named: dict[object, list[int]] = {}
        for i in range(n):
            named.setdefault((clusters[i] if clusters else "") or i, []).append(i)
        total = math.fsum(weights) if weights else n
        shares = [weight / total for weight in weights] if weights else [1 / n] * n
        return cls(tuple(map(tuple, named.values())), tuple(shares))

    def mean(self, values: Sequence[float]) -> float:
        """Return the weighted mean."""
        return math.fsum(w * v for w, v in zip(self.weights, values, strict=True))

    def totals(self, values: Sequence[float]) -> list[float]:
        """Return the weighted sum of the values of each cluster, times the number of cases."""
        n = len(values)
        return [n * math.fsum(self.weights[i] * values[i] for i in members) for members in self.members]

    def effective_n(
        self, values: Sequence[float], mean: float, single: float, answers: int, confidence: float
    ) -> float:
        """Return the effective sample size: independent, equally weighted cases with the same variance of the mean.

        The variance between clusters is the linearised estimate (Binder 1983, Int. Stat. Rev. 51:279). Without any
        variance, a cluster counts as one case. Student's t accounts for few clusters (Korn & Graubard 1998).

        Args:
            values: One per case.
            mean: Their weighted mean.
            single: The variance of one independent case with one answer.
            answers: The most that the size can be.
            confidence: Of the interval.
        """
        k = len(self.members)
        by_weight = 1 / math.fsum(math.fsum(self.weights[i] for i in members) ** 2 for members in self.members)
        if k < 2:
            return 1.0
        squares = math.fsum(total**2 for total in self.totals([value - mean for value in values]))
        variance = k / (k - 1) * squares / len(values) ** 2
        if single <= 0 or variance <= 0:
            return min(by_weight, float(answers))
        from scipy.stats import t

        level = (1 + confidence) / 2
        size = min(single / variance, float(answers), by_weight if k < FEW_CLUSTERS else math.inf)
        return max(1.0, size * (NormalDist().inv_cdf(level) / float(t.ppf(level, k - 1))) ** 2)


def has_clusters(clusters: Sequence[str]) -> bool:
    """Whether two cases share a cluster."""
    named = [name for name in clusters if name]
    return len(set(named)) < len(named)

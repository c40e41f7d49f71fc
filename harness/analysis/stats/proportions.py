"""Rates with confidence intervals, and quantiles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from harness.analysis.stats.design import Design, has_clusters

CaseTally = tuple[int, int]
"""Number of correct answers to a case, and number of answers."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`hits` of `n`, with the ends of the interval. `value`, `low` and `high` are shares in 0..1.

    With `n = 0`, `value` is NaN and the interval is 0..1. With repeats, `n` still counts cases, and `hits` is the sum
    of their shares, which can be fractional.
    """

    hits: float
    n: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """Observed share; NaN if `n` is 0."""
        return self.hits / self.n if self.n else float("nan")


def rate(hits: int, n: int, confidence: float = 0.95) -> Rate:
    """Return a share with its score interval (Wilson 1927), which stays accurate near 0 and 1 and for small `n`.

    Raises `ValueError` unless `0 <= hits <= n`.
    """
    if not 0 <= hits <= n:
        msg = f"{hits} hits of {n} is not a rate: hits must be in 0..n"
        raise ValueError(msg)
    if n == 0:
        return Rate(0, 0, 0.0, 1.0)
    return Rate(hits, n, *wilson(hits / n, n, confidence))


def clustered_rate(
    cases: Sequence[CaseTally],
    confidence: float = 0.95,
    *,
    clusters: Sequence[str] = (),
    weights: Sequence[float] = (),
) -> Rate:
    """Return the mean share over cases with repeats: `(correct answers, answers)` of each case.

    Each case counts once, by its share: ten answers to one case are not ten cases (Miller 2024). The interval is
    Wilson's at the effective sample size, as in cluster surveys (Korn & Graubard 1998; Franco et al. 2019): the number
    of single-answer cases with the same variance, at most the answers. With one answer per case, no clusters and no
    weights, the result equals `rate`.

    Args:
        cases: Correct answers and answers of each case.
        confidence: Of the interval.
        clusters: As in `clustered_paired`.
        weights: As in `clustered_paired`.
    """
    values = shares(cases)
    n = len(values)
    if any(weights) or has_clusters(clusters):
        design = Design.of(n, clusters, weights)
        mean = design.mean(values)
        answers = sum(answered for _, answered in cases)
        size = design.effective_n(values, mean, mean * (1 - mean), answers, confidence)
        return Rate(mean * n, n, *wilson(min(max(mean, 0.0), 1.0), size, confidence))
    if all(answered == 1 for _, answered in cases):
        return rate(sum(hits for hits, _ in cases), n, confidence)
    hits = math.fsum(values)
    mean = hits / n
    variance = math.fsum((v - mean) ** 2 for v in values) / n
    size = effective(n, mean * (1 - mean), variance, sum(answered for _, answered in cases), confidence)
    low, high = wilson(mean, size, confidence)
    return Rate(hits, n, low, high)


def shares(cases: Sequence[CaseTally]) -> list[float]:
    """Return the share of correct answers of each case. Raises `ValueError` for a case without answers."""
    for hits, answered in cases:
        if not 0 <= hits <= answered or answered == 0:
            msg = f"{hits} correct of {answered} answers is not a share"
            raise ValueError(msg)
    return [hits / answered for hits, answered in cases]


def effective(n: int, single: float, observed: float, answers: int, confidence: float) -> float:
    """Return the effective sample size of `n` cases with `answers` answers in total.

    `single` and `observed` are variances per case: expected with one answer each, and measured. Without variance the
    size is `n`. A factor from Student's t accounts for the error of `observed` (Korn & Graubard 1998).
    """
    if single <= 0 or n < 2:
        return float(n)
    from scipy.stats import t

    level = (1 + confidence) / 2
    size = min(n * single / observed, float(answers)) if observed > 0 else float(answers)
    return max(float(n), size * (NormalDist().inv_cdf(level) / float(t.ppf(level, n - 1))) ** 2)


def wilson(share: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a share.

    scipy's version accepts only integers, and takes a second to import.
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    middle = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, (middle - half) / (1 + z * z / n)), min(1.0, (middle + half) / (1 + z * z / n))


def quantile(values: Sequence[float], q: float) -> float | None:
    """Return the `q` quantile with linear interpolation (numpy's default), or `None` without values."""
    if not values:
        return None
    import numpy as np

    return float(np.quantile(np.asarray(values), q))


def as_json(r: Rate) -> dict[str, Any]:
    """Return the JSON form of a rate for exports."""
    return {"hits": r.hits, "n": r.n, "value": r.value if r.n else None, "low": r.low, "high": r.high}

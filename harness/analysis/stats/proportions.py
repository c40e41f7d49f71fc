"""Shares, each with its interval, and quantiles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

Asked = tuple[int, int]
"""How often a case was right, and how often it was asked."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`hits` of `n`, with the ends of its 95% interval. All of `value`, `low` and `high` are shares in 0..1.

    With `n = 0` nothing is known: `value` is NaN, the interval is 0..1. Where cases were asked more than once, `n`
    still counts cases, and `hits` is the sum of their shares, which need not be whole.
    """

    hits: float
    n: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The observed share."""
        return self.hits / self.n if self.n else float("nan")


def rate(hits: int, n: int, confidence: float = 0.95) -> Rate:
    """A share with its Wilson score interval (Wilson 1927), which stays honest near 0 and 1 and for small `n`.

    Raises `ValueError` unless `0 <= hits <= n`.
    """
    if not 0 <= hits <= n:
        msg = f"{hits} of {n} is not a rate"
        raise ValueError(msg)
    if n == 0:
        return Rate(0, 0, 0.0, 1.0)
    return Rate(hits, n, *wilson(hits / n, n, confidence))


def clustered_rate(cases: Sequence[Asked], confidence: float = 0.95) -> Rate:
    """The mean share over cases that were asked more than once: `(times right, times asked)` of each.

    Ten answers to one case are not ten cases (Miller 2024). Each case counts once, by its share; the interval is
    Wilson's at the effective number of cases, as in surveys of clusters (Korn & Graubard 1998; Franco et al. 2019): the
    number at which once-asked cases would vary as much as these do; never less than the cases, never more than the
    answers. With one answer per case it is `rate`.
    """
    values = shares(cases)
    n = len(values)
    if all(asked == 1 for _, asked in cases):
        return rate(sum(hits for hits, _ in cases), n, confidence)
    hits = math.fsum(values)
    mean = hits / n
    variance = math.fsum((v - mean) ** 2 for v in values) / n
    size = effective(n, mean * (1 - mean), variance, sum(asked for _, asked in cases), confidence)
    low, high = wilson(mean, size, confidence)
    return Rate(hits, n, low, high)


def shares(cases: Sequence[Asked]) -> list[float]:
    """Of each case the share of its answers that are right. Raises `ValueError` for a case without answers."""
    for hits, asked in cases:
        if not 0 <= hits <= asked or asked == 0:
            msg = f"{hits} of {asked} answers is not a share"
            raise ValueError(msg)
    return [hits / asked for hits, asked in cases]


def effective(n: int, once: float, observed: float, answers: int, confidence: float) -> float:
    """How many cases asked once tell as much as these `n` with `answers` between them.

    `once` and `observed` are variances per case: what it would be with one answer each, and what it is. Where nothing
    varies, nothing was learned from asking again: `n`. That `observed` is itself an estimate costs what it costs
    Student's t (Korn & Graubard 1998).
    """
    if once <= 0 or n < 2:
        return float(n)
    from scipy.stats import t

    level = (1 + confidence) / 2
    size = min(n * once / observed, float(answers)) if observed > 0 else float(answers)
    return max(float(n), size * (NormalDist().inv_cdf(level) / float(t.ppf(level, n - 1))) ** 2)


def wilson(share: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's ends. Not scipy's, which takes no `n` that is not whole and a second to load, for every run."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    middle = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, (middle - half) / (1 + z * z / n)), min(1.0, (middle + half) / (1 + z * z / n))


def quantile(values: Sequence[float], q: float) -> float | None:
    """The `q` quantile with linear interpolation (numpy's default), `None` of nothing."""
    if not values:
        return None
    import numpy as np

    return float(np.quantile(np.asarray(values), q))


def as_json(r: Rate) -> dict[str, Any]:
    """A rate as it stands in every export."""
    return {"hits": r.hits, "n": r.n, "value": r.value if r.n else None, "low": r.low, "high": r.high}

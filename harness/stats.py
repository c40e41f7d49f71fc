"""Statistics, pure: numbers in, numbers out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Rate:
    """`hits` of `n`, with the ends of its 95% interval. All of `value`, `low` and `high` are shares in 0..1.

    With `n = 0` nothing is known: `value` is NaN, the interval is 0..1.
    """

    hits: int
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
    from scipy.stats import binomtest

    interval = binomtest(hits, n).proportion_ci(confidence_level=confidence, method="wilson")
    return Rate(hits, n, float(interval.low), float(interval.high))


def quantile(values: list[float], q: float) -> float | None:
    """The `q` quantile with linear interpolation (numpy's default), `None` of nothing."""
    if not values:
        return None
    import numpy as np

    return float(np.quantile(np.asarray(values), q))


def as_json(r: Rate) -> dict[str, Any]:
    """A rate as it stands in every export."""
    return {"hits": r.hits, "n": r.n, "value": r.value if r.n else None, "low": r.low, "high": r.high}

"""Means over cases of what is more than right or wrong: seconds, tokens, scores between 0 and 1, and differences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Bounds = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of `n` values, in their unit, with the ends of its interval.

    Of no values the mean is NaN. Where nothing is known of how far values spread the ends are the bounds, or infinite.
    """

    value: float
    n: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class PairedMean:
    """The mean over `n` cases of second run minus first, with its interval; `p` of the test that it is 0.

    Of fewer than two cases `p` is 1, and of none `delta` is NaN.
    """

    delta: float
    low: float
    high: float
    n: int
    p: float


def mean(values: Sequence[float], bounds: Bounds | None = None, confidence: float = 0.95) -> Mean:
    """The mean of one value per case, with Student's t interval (1908).

    Give the `bounds` of values that have them, such as scores in 0..1. Twenty perfect scores have no spread, and plain
    t would call their mean certain; so the interval is computed as if two more cases had been seen at either bound
    (Agresti & Coull 1998, where it makes t nearly Wilson's interval), and kept within the bounds.
    """
    n = len(values)
    value = math.fsum(values) / n if n else math.nan
    low, high = _ends(values, bounds, confidence)
    return Mean(value, n, min(low, value) if n else low, max(high, value) if n else high)


def paired_mean(differences: Sequence[float], bounds: Bounds | None = None, confidence: float = 0.95) -> PairedMean:
    """The mean of one difference per case, with Student's t interval and test.

    For measures such as seconds, or per-case scores (`bounds=(-1, 1)`). For right and wrong use `paired`, and
    `clustered_paired` where cases were asked more than once: they know more.
    """
    found = mean(differences, bounds, confidence)
    return PairedMean(found.value, found.low, found.high, found.n, _p_of_zero(differences))


def _ends(values: Sequence[float], bounds: Bounds | None, confidence: float) -> Bounds:
    seen = [*values, *bounds, *bounds] if bounds and values else list(values)
    lowest, highest = bounds or (-math.inf, math.inf)
    n = len(seen)
    if n < 2:
        return lowest, highest
    from scipy.stats import t

    middle, error = _mean_and_error(seen)
    half = float(t.ppf((1 + confidence) / 2, n - 1)) * error
    return max(lowest, middle - half), min(highest, middle + half)


def _p_of_zero(differences: Sequence[float]) -> float:
    if len(differences) < 2:
        return 1.0
    from scipy.stats import t

    middle, error = _mean_and_error(differences)
    if error == 0:
        return 1.0 if middle == 0 else 0.0
    return 2 * float(t.sf(abs(middle) / error, len(differences) - 1))


def _mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    n = len(values)
    middle = math.fsum(values) / n
    return middle, math.sqrt(math.fsum((v - middle) ** 2 for v in values) / (n - 1) / n)

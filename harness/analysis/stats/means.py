"""Means over cases of numeric measures: seconds, tokens, scores in 0..1, and paired differences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Bounds = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Mean:
    """Mean of `n` values, in their unit, with the ends of its interval.

    Without values the mean is NaN. If the spread is unknown, the ends are the bounds of the values, or infinite.
    """

    value: float
    n: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class PairedMean:
    """Mean over `n` cases of second run minus first run, with its interval. `p` tests that the mean is 0.

    With fewer than two cases `p` is 1; without cases `delta` is NaN.
    """

    delta: float
    low: float
    high: float
    n: int
    p: float


def mean(values: Sequence[float], bounds: Bounds | None = None, confidence: float = 0.95) -> Mean:
    """Return the mean of one value per case, with Student's t interval (1908).

    Pass the `bounds` of bounded values, such as scores in 0..1. Twenty perfect scores have no spread, so plain t would
    treat their mean as certain. The interval is therefore computed with two extra values at each bound (as in Agresti &
    Coull 1998, for whom it gives nearly the Wilson interval), and clipped to the bounds.
    """
    n = len(values)
    value = math.fsum(values) / n if n else math.nan
    low, high = _ends(values, bounds, confidence)
    return Mean(value, n, min(low, value) if n else low, max(high, value) if n else high)


def interaction_mean(effects: Sequence[float], confidence: float = 0.95) -> PairedMean:
    """Return the mean over cases of one effect minus another, in -2..2, with Student's t interval and test.

    The interval has two extra cases, at -1 and 1, as Bonett & Price (2012, J. Educ. Behav. Stat. 37:479) add to paired
    differences: few cases with an effect have too little spread. Bounds at ±2 would make it up to twice as wide.
    """
    n = len(effects)
    value = math.fsum(effects) / n if n else math.nan
    low, high = _ends([*effects, -1.0, 1.0], None, confidence) if n else (-2.0, 2.0)
    return PairedMean(value, max(-2.0, low), min(2.0, high), n, _p_of_zero(effects))


def paired_mean(differences: Sequence[float], bounds: Bounds | None = None, confidence: float = 0.95) -> PairedMean:
    """Return the mean of one difference per case, with Student's t interval and test.

    For measures such as seconds or per-case scores (`bounds=(-1, 1)`). For correct/incorrect outcomes use `paired`, or
    `clustered_paired` with repeats: both use more of the information.
    """
    delta = mean(differences, bounds, confidence)
    return PairedMean(delta.value, delta.low, delta.high, delta.n, _p_of_zero(differences))


def _ends(values: Sequence[float], bounds: Bounds | None, confidence: float) -> Bounds:
    padded = [*values, *bounds, *bounds] if bounds and values else list(values)
    lowest, highest = bounds or (-math.inf, math.inf)
    n = len(padded)
    if n < 2:
        return lowest, highest
    from scipy.stats import t

    middle, error = _mean_and_error(padded)
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

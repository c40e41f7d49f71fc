"""Paired bootstrap for statistics that are not means over cases, such as macro-F1."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, TypeAlias

from harness.analysis.stats.interval import Interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Weights: TypeAlias = "NDArray[np.float64]"
"""Array of shape (resamples, cases): number of times that each resample drew each case."""

Statistic: TypeAlias = "Callable[[Weights], NDArray[np.float64]]"
"""Function from weights to one number per resample. It covers both runs, so pairs stay together."""

_CELLS = 2_000_000
"""Most weights in memory at a time: 16 MB."""


def paired_bootstrap(
    statistic: Statistic, n: int, *, seed: int = 0, resamples: int = 2000, confidence: float = 0.95
) -> Interval:
    """Return a statistic of two runs over the same `n` cases, with the BCa interval of Efron (1987).

    The same seed gives the same interval. If no resample differs from the data, or with fewer than two cases, the
    bootstrap cannot estimate the spread and the ends are infinite. Clip them to the range of the statistic.
    """
    import numpy as np

    if n < 2:
        value = float(statistic(np.ones((1, n)))[0]) if n else float("nan")
        return Interval(value, -np.inf, np.inf)
    value = float(statistic(np.ones((1, n)))[0])
    random = np.random.default_rng(seed)
    step = max(1, _CELLS // n)
    sizes = [min(step, resamples - start) for start in range(0, resamples, step)]
    even = np.full(n, 1 / n)
    drawn = np.concatenate([statistic(random.multinomial(n, even, size).astype(np.float64)) for size in sizes])
    if np.allclose(drawn, value, rtol=0, atol=1e-12):
        return Interval(value, -np.inf, np.inf)
    without = np.concatenate([statistic(_without(start, min(start + step, n), n)) for start in range(0, n, step)])
    ends = np.quantile(drawn, _corrected(drawn, without, value, confidence))
    return Interval(value, float(ends[0]), float(ends[1]))


def macro_f1_difference(expected: Sequence[int], base: Sequence[int], head: Sequence[int], n_labels: int) -> Statistic:
    """Return the statistic "macro-F1 of `head` minus macro-F1 of `base`". Labels are 0..`n_labels` - 1.

    Any other number is an unusable reply. A label that a resample does not contain counts 0 on both sides, as in
    scikit-learn with `zero_division=0`.
    """
    import numpy as np

    known = np.arange(n_labels)
    gold = np.asarray(expected)[:, None] == known
    sides = [np.asarray(answers)[:, None] == known for answers in (base, head)]
    counts = [((gold & side).astype(np.float64), gold.astype(np.float64) + side) for side in sides]

    def difference(weights: Weights) -> NDArray[np.float64]:
        first, second = (_macro_f1(weights @ hits, weights @ marks) for hits, marks in counts)
        return second - first

    return difference


def _macro_f1(hits: NDArray[np.float64], marks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over labels of F1 = 2 * hits / marks, where marks counts gold labels plus answers."""
    import numpy as np

    f1 = np.divide(2 * hits, marks, out=np.zeros_like(hits), where=marks > 0)
    return np.asarray(f1.mean(axis=1), np.float64)


def _without(start: int, stop: int, n: int) -> Weights:
    """Jackknife weights: each case left out in turn."""
    import numpy as np

    weights = np.ones((stop - start, n))
    weights[np.arange(stop - start), np.arange(start, stop)] = 0
    return weights


def _corrected(
    drawn: NDArray[np.float64], without: NDArray[np.float64], value: float, confidence: float
) -> tuple[float, float]:
    """Quantiles of the resamples at both ends, corrected for bias and acceleration (Efron 1987)."""
    import numpy as np

    normal = NormalDist()
    below = float(np.mean(drawn < value) + np.mean(drawn == value) / 2)
    bias = normal.inv_cdf(min(max(below, 0.5 / len(drawn)), 1 - 0.5 / len(drawn)))
    pull = without.mean() - without
    squares = float(np.sum(pull**2))
    acceleration = float(np.sum(pull**3)) / (6 * squares**1.5) if squares else 0.0
    z = normal.inv_cdf((1 + confidence) / 2)
    low, high = (normal.cdf(bias + (bias + s) / (1 - acceleration * (bias + s))) for s in (-z, z))
    return low, high

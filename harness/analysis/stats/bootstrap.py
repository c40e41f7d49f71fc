"""The paired bootstrap, for what is no mean over cases: macro-F1 above all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, TypeAlias

from harness.analysis.stats.interval import Interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Weights: TypeAlias = "NDArray[np.float64]"
"""Of shape (resamples, cases): how often each resample drew each case."""

Statistic: TypeAlias = "Callable[[Weights], NDArray[np.float64]]"
"""From weights to one number per resample. Both runs are in it, so that a drawn case brings both of its answers."""

_CELLS = 2_000_000
"""Weights held at a time, 16 MB of them."""


def paired_bootstrap(
    statistic: Statistic, n: int, *, seed: int = 0, resamples: int = 2000, confidence: float = 0.95
) -> Interval:
    """A difference between two runs over the same `n` cases, with the BCa interval of Efron (1987).

    The same seed gives the same interval. Where no resample differs from the data (no case where the runs differ, or
    fewer than two cases) the bootstrap knows nothing of the spread, and the ends are infinite: all that is known comes
    from the bounds of the statistic.
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
    """Macro-F1 of `head` minus that of `base`, to be resampled. Labels are numbers below `n_labels`.

    Any other number is an unusable reply. As in scikit-learn with `zero_division=0`, a label that a resample does not
    hold counts 0 on both sides.
    """
    import numpy as np

    known = np.arange(n_labels)
    gold = np.asarray(expected)[:, None] == known
    sides = [np.asarray(said)[:, None] == known for said in (base, head)]
    counted = [((gold & said).astype(np.float64), gold.astype(np.float64) + said) for said in sides]

    def difference(weights: Weights) -> NDArray[np.float64]:
        first, second = (_macro_f1(weights @ hits, weights @ marks) for hits, marks in counted)
        return second - first

    return difference


def _macro_f1(hits: NDArray[np.float64], marks: NDArray[np.float64]) -> NDArray[np.float64]:
    """F1 is twice the hits over all marks (gold and said), averaged over labels."""
    import numpy as np

    f1 = np.divide(2 * hits, marks, out=np.zeros_like(hits), where=marks > 0)
    return np.asarray(f1.mean(axis=1), np.float64)


def _without(start: int, stop: int, n: int) -> Weights:
    """Each case left out in turn."""
    import numpy as np

    weights = np.ones((stop - start, n))
    weights[np.arange(stop - start), np.arange(start, stop)] = 0
    return weights


def _corrected(
    drawn: NDArray[np.float64], without: NDArray[np.float64], value: float, confidence: float
) -> tuple[float, float]:
    """Which quantiles of the resamples are the ends, after the corrections for bias and for acceleration."""
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

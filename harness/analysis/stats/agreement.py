"""Agreement of two annotators or models."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

from harness.analysis.stats.interval import Interval
from harness.analysis.stats.proportions import rate

NO_VARIANCE = 1e-12
"""Variance below which a value counts as 0. The variance of a million cases is larger."""


def kappa(a: Sequence[str], b: Sequence[str], confidence: float = 0.95) -> Interval:
    """Return Cohen's kappa (1960) of two labellings of the same cases: 1 is perfect agreement, 0 is chance.

    The interval is the large-sample interval of Fleiss, Cohen & Everitt (1969), clipped to −1..1. If its width is zero,
    it is replaced: for full agreement, the lower end follows from the Wilson interval of the agreement. Otherwise it is
    −1..1, for example if one side uses a single label. Without cases, or with one label on both sides, kappa is NaN and
    the interval −1..1.

    Raises:
        ValueError: If `a` and `b` differ in length.
    """
    n = _paired_length(a, b)
    if len({*a, *b}) < 2:
        return Interval(math.nan, -1.0, 1.0)
    import numpy as np

    labels = {label: i for i, label in enumerate(sorted({*a, *b}))}
    counts = np.zeros((len(labels), len(labels)), dtype=np.int64)
    np.add.at(counts, ([labels[x] for x in a], [labels[y] for y in b]), 1)
    both, chance = n * int(np.trace(counts)), int(counts.sum(axis=1) @ counts.sum(axis=0))
    value = (both - chance) / (n * n - chance)  # integers, so that 0 is exact
    table, by_chance = counts / n, chance / (n * n)
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    if both == n * n:
        return Interval(1.0, (rate(n, n, confidence).low - by_chance) / (1 - by_chance), 1.0)
    weights = (rows[None, :] + columns[:, None]) * (1 - value)
    on = float(np.sum(np.diag(table) * (1 - np.diag(weights)) ** 2))
    off = float(np.sum((table - np.diag(np.diag(table))) * weights**2))
    variance = (on + off - (value - by_chance * (1 - value)) ** 2) / (n * (1 - by_chance) ** 2)
    if variance < NO_VARIANCE:
        return Interval(value, -1.0, 1.0)
    half = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt(variance)
    return Interval(value, max(-1.0, value - half), min(1.0, value + half))


def spearman(a: Sequence[float], b: Sequence[float], confidence: float = 0.95) -> Interval:
    """Return Spearman's rank correlation (1904) with the interval of Bonett & Wright (2000), by Fisher's z.

    With fewer than four pairs, the interval is −1..1. If one side is constant, the value is also NaN. At ±1 the width
    of the interval is zero, which proves nothing for few pairs.

    Raises:
        ValueError: If `a` and `b` differ in length.
    """
    n = _paired_length(a, b)
    if n < 2 or len(set(a)) < 2 or len(set(b)) < 2:
        return Interval(math.nan, -1.0, 1.0)
    from scipy.stats import spearmanr

    value = max(-1.0, min(1.0, float(spearmanr(a, b).statistic)))
    if n < 4:
        return Interval(value, -1.0, 1.0)
    if abs(value) > 1 - 1e-12:
        return Interval(value, value, value)
    half = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt((1 + value**2 / 2) / (n - 3))
    return Interval(value, math.tanh(math.atanh(value) - half), math.tanh(math.atanh(value) + half))


def _paired_length(a: Sequence[object], b: Sequence[object]) -> int:
    if len(a) != len(b):
        msg = f"{len(a)} and {len(b)} values cannot be paired: pass sequences of equal length"
        raise ValueError(msg)
    return len(a)

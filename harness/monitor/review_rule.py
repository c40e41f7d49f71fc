"""The rule that makes a weekly review REGRESSED, with few false alarms over all cells and weeks of a year.

A review is REGRESSED if it is far below its base, or if it and the review before it are below. These are rules of
control charts (Western Electric 1956). Their levels follow from one budget for the project: if nothing changes, the
expected number of false alarms in a year is `YEARLY_FALSE_ALARMS`, over all cells together. Each rule has half of it.

Two reviews share a base, so they are low together more often than independent reviews. `twice_level` counts that.
Traffic differs from week to week, too: `week_spread` estimates by how much. Simulated in
bench/accuracy/review_alarms.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist, median
from typing import NamedTuple

from harness.analysis.compare import ComparisonQuestion, Verdict
from harness.analysis.stats.unpaired import Unpaired

YEARLY_FALSE_ALARMS = 0.15
"""Expected false alarms of all cells in a year of weekly reviews."""

WEEKS_PER_YEAR = 52

WEEK_SPREAD = 0.1
"""Smallest standard deviation between weeks of the true accuracy, in log-odds: 94% becomes 93.4% or 94.5%."""

MIN_PAIRS = 20
"""Pairs of successive reviews from which `week_spread` estimates. With fewer pairs it returns `WEEK_SPREAD`."""

_MEDIAN_OF_SQUARE = NormalDist().inv_cdf(0.75) ** 2
"""Median of the square of a standard normal variable."""

_WIDEST_SPREAD = 3.0


def weekly_verdict(change: Unpaired, margin: float, *, lower_before: bool, cells: int) -> Verdict:
    """Return the verdict of a weekly review.

    Args:
        change: The review's difference from its base.
        margin: Allowed loss, as a share.
        lower_before: Whether the cell's review before this one was lower, too (`is_lower`).
        cells: Number of cells under review in the project.

    """
    if not is_below(change, margin):
        return ComparisonQuestion("change", margin).decide(change)
    proven = change.lower_p < far_level(cells) or (lower_before and is_lower(change, margin, cells))
    return Verdict.REGRESSED if proven else Verdict.INCONCLUSIVE


def is_below(change: Unpaired, margin: float) -> bool:
    """Return whether a review is below its base by the 95% interval, as one review of one cell."""
    return ComparisonQuestion("change", margin).decide(change) is Verdict.REGRESSED


def is_lower(change: Unpaired, margin: float, cells: int) -> bool:
    """Return whether a review is so low that a second one in a row is REGRESSED."""
    return is_below(change, margin) and change.lower_p < twice_level(cells, change.base_share)


def lower_per_year(cells: int, base_share: float) -> float:
    """Return how many reviews of a year are lower by chance, over all cells, if nothing changes."""
    return cells * WEEKS_PER_YEAR * twice_level(cells, base_share)


def far_level(cells: int) -> float:
    """Return the one-sided p value below which one review is far below its base."""
    return YEARLY_FALSE_ALARMS / 2 / WEEKS_PER_YEAR / cells


def twice_level(cells: int, base_share: float) -> float:
    """Return the one-sided p value below which two reviews in a row are lower.

    Both differences share the base, so their correlation is `base_share`. The chance that both normal variables are
    beyond z is 1 − Φ(z) − 2·T(z, √((1 − r) / (1 + r))), with Owen's function T (1956).
    """
    return _twice_level(cells, round(base_share, 3))


@lru_cache(maxsize=4096)
def _twice_level(cells: int, base_share: float) -> float:
    from scipy.optimize import brentq
    from scipy.special import owens_t

    angle = math.sqrt((1 - base_share) / (1 + base_share))

    def excess(z: float) -> float:
        return math.erfc(z / math.sqrt(2)) / 2 - 2 * float(owens_t(z, angle)) - far_level(cells)

    z = brentq(excess, 0.0, 10.0, xtol=1e-6)
    return math.erfc(z / math.sqrt(2)) / 2


class ReviewPair(NamedTuple):
    """Two successive reviews of a cell: the accuracy and the effective sample size of each."""

    before: float
    n_before: float
    after: float
    n_after: float


def week_spread(pairs: Sequence[ReviewPair]) -> float:
    """Estimate the standard deviation, in log-odds, of the true accuracy between weeks; at least `WEEK_SPREAD`.

    The median of the squared differences of successive reviews gives it, as moving ranges give the sigma of a control
    chart. A drop changes one difference of a cell, and the median ignores it.
    """
    if len(pairs) < MIN_PAIRS:
        return WEEK_SPREAD
    scaled = [_scaled(pair) for pair in pairs]
    low, high = 0.0, _WIDEST_SPREAD
    for _ in range(40):
        middle = (low + high) / 2
        if median(square / (variance + 2 * middle**2) for square, variance in scaled) > _MEDIAN_OF_SQUARE:
            low = middle
        else:
            high = middle
    return max(WEEK_SPREAD, low)


def _scaled(pair: ReviewPair) -> tuple[float, float]:
    """Return the squared difference in log-odds, and its variance if the true accuracy did not change."""
    n = pair.n_before + pair.n_after
    right = pair.before * pair.n_before + pair.after * pair.n_after
    share = (right + 1) / (n + 2)
    variance = share * (1 - share)
    square = ((pair.after - pair.before) / variance) ** 2
    return square, (1 / pair.n_before + 1 / pair.n_after) / variance

"""Paired comparison of two runs over the same cases: difference of accuracy, interval, and test.

A gain is a case that only the second run has correct; a loss is a case that only the first run has correct. Cases on
which both agree only count in `n`. Any per-case difference of −1, 0 or +1 can be compared, for example in compliance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING

from harness.analysis.stats.design import Design, has_clusters
from harness.analysis.stats.proportions import CaseTally, effective, shares

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Paired:
    """Accuracy of the second run minus that of the first, in −1..1, over `n` cases.

    `low` and `high` are Tango's interval. `p` is the two-sided p value of no difference. With repeats, `gains` and
    `losses` are sums of shares. Without cases `delta` is NaN, the interval −1..1 and `p` 1.
    `effective_n`: the number of independent cases with one answer each that would have the same interval; `None` if
    these are such cases.
    `anytime`: the interval and `p` come from `sequential_paired` and hold at every number of cases.
    """

    gains: float
    losses: float
    n: int
    delta: float
    low: float
    high: float
    p: float
    effective_n: float | None = None
    anytime: bool = False

    @property
    def discordance(self) -> float:
        """Share of cases on which the runs differ; NaN without cases."""
        return (self.gains + self.losses) / self.n if self.n else math.nan


def paired(gains: int, losses: int, n: int, confidence: float = 0.95) -> Paired:
    """Compare two runs with one answer per case: Tango's interval (1998) and McNemar's mid-p.

    Raises `ValueError` if `gains` or `losses` is negative, or their sum exceeds `n`.
    """
    if min(gains, losses) < 0 or gains + losses > n:
        msg = f"{gains} gains and {losses} losses do not fit into {n} cases"
        raise ValueError(msg)
    low, high = tango(gains, losses, n, confidence)
    return Paired(gains, losses, n, (gains - losses) / n if n else math.nan, low, high, mcnemar_midp(gains, losses))


def clustered_paired(
    base: Sequence[CaseTally],
    head: Sequence[CaseTally],
    confidence: float = 0.95,
    *,
    clusters: Sequence[str] = (),
    weights: Sequence[float] = (),
) -> Paired:
    """Compare two runs with repeats: `(correct answers, answers)` of each case, in the same order.

    Each case counts once, by the difference of its shares (Miller 2024: cases are the sample, repeats are not). The
    interval is Tango's at the effective sample size: the number of single-answer cases with the same variance, at most
    the answers. The test is `sign_flip_midp`. With one answer per case, no clusters and no weights, the result equals
    `paired`.

    Args:
        base: The first run.
        head: The second run.
        confidence: Of the interval.
        clusters: The cluster of each case. Cases of one cluster, such as the tickets of one customer, are not
            independent. An empty name is a cluster of its own. By default all are independent.
        weights: The weight of each case, such as its share of the traffic. `gains` and `losses` are then sums of
            weights, scaled to `n` cases.

    Raises:
        ValueError: If the runs differ in the number of cases, or a case has no answers.
    """
    if len(base) != len(head):
        msg = f"{len(base)} cases cannot be paired with {len(head)}: pass the same cases"
        raise ValueError(msg)
    differences = [h - b for b, h in zip(shares(base), shares(head), strict=True)]
    n = len(differences)
    gains = math.fsum(d for d in differences if d > 0)
    losses = math.fsum(-d for d in differences if d < 0)
    if any(weights) or has_clusters(clusters):
        return _of_clusters(differences, base, head, Design.of(n, clusters, weights), confidence)
    if all(answered == 1 for _, answered in (*base, *head)):
        return paired(round(gains), round(losses), n, confidence)
    delta, squares = (gains - losses) / n, math.fsum(d * d for d in differences)
    answers = sum(min(b[1], h[1]) for b, h in zip(base, head, strict=True))
    single = (gains + losses) / n - delta**2
    scale = effective(n, single, squares / n - delta**2, answers, confidence) / n
    low, high = tango(gains * scale, losses * scale, n * scale, confidence)
    return Paired(gains, losses, n, delta, low, high, sign_flip_midp(differences), n * scale)


def _of_clusters(
    differences: Sequence[float],
    base: Sequence[CaseTally],
    head: Sequence[CaseTally],
    design: Design,
    confidence: float,
) -> Paired:
    n = len(differences)
    gains, losses = (n * design.mean([max(side * d, 0.0) for d in differences]) for side in (1, -1))
    delta = (gains - losses) / n
    single = (gains + losses) / n - delta**2
    answers = sum(min(b[1], h[1]) for b, h in zip(base, head, strict=True))
    size = design.effective_n(differences, delta, single, answers, confidence)
    low, high = tango(gains * size / n, losses * size / n, size, confidence)
    return Paired(gains, losses, n, delta, low, high, sign_flip_midp(design.totals(differences)), size)


@lru_cache(maxsize=100_000)
def tango(gains: float, losses: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Return Tango's score interval for a difference of paired shares: Statistics in Medicine 17 (1998), 891–908.

    It contains all differences that a score test does not reject, with the nuisance parameter at its maximum
    likelihood. Counts can be fractional.
    """
    if n == 0:
        return -1.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    # If all cases agree, the variance at the observed difference is zero, and the root finder would stop there.
    if gains == losses == 0:
        return -z * z / (n + z * z), z * z / (n + z * z)
    if n in {gains, losses}:
        end = (n - z * z) / (n + z * z)
        return (end, 1.0) if gains else (-1.0, -end)
    from scipy.optimize import brentq

    def excess(delta: float, side: float) -> float:
        return gains - losses - n * delta - side * z * math.sqrt(n * null_variance(gains / n, losses / n, delta))

    observed = (gains - losses) / n
    low = brentq(excess, -1.0, observed, args=(1.0,), xtol=1e-12)
    high = brentq(excess, observed, 1.0, args=(-1.0,), xtol=1e-12)
    return float(low), float(high)


def null_variance(gain: float, loss: float, delta: float) -> float:
    """Return the variance per case of a paired difference if the true difference is `delta`.

    `gain` and `loss` are the observed shares. The true shares are estimated by maximum likelihood given `delta`
    (Tango 1998; a quadratic equation).
    """
    b = (2 - gain + loss) * delta - gain - loss
    c = -loss * delta * (1 - delta)
    likeliest_loss = (math.sqrt(max(b * b - 8 * c, 0.0)) - b) / 4
    return max(2 * likeliest_loss + delta * (1 - delta), 0.0)


def mcnemar_exact(gains: int, losses: int) -> float:
    """Return the two-sided p of McNemar's exact test. It is conservative: prefer `mcnemar_midp`."""
    from scipy.stats import binom

    return min(1.0, 2 * float(binom.cdf(min(gains, losses), gains + losses, 0.5)))


def mcnemar_midp(gains: int, losses: int) -> float:
    """Return the two-sided mid-p of McNemar's test (Fagerland, Lydersen & Laake, BMC Med. Res. Meth. 13 (2013), 91).

    It is the exact p minus half the probability of the observed counts on each side. Without gains and losses it is 1.
    """
    if gains == losses == 0:
        return 1.0
    from scipy.stats import binom

    observed = float(binom.pmf(min(gains, losses), gains + losses, 0.5))
    return 1 - observed / 2 if gains == losses else mcnemar_exact(gains, losses) - observed


def sign_flip_midp(differences: Sequence[float]) -> float:
    """Return the two-sided mid-p of the sign flip test: the mean of symmetric differences is 0.

    If neither run is better, each difference could as well have the other sign (Fisher 1935, The Design of Experiments,
    §21). For differences of -1 and 1 it is McNemar's mid-p. The distribution is exact, on a grid of 1/840, which holds
    all shares of up to eight repeats. With other values or very many, it is approximated by the normal distribution.
    """
    import numpy as np

    grid = np.abs(np.rint(np.asarray(differences, np.float64) * _GRID))
    squares = math.fsum(d * d for d in differences)
    if not squares:
        return 1.0
    total, observed = int(grid.sum()), abs(math.fsum(differences))
    step = int(np.gcd.reduce(grid.astype(np.int64)))
    exact = np.allclose(grid, np.abs(np.asarray(differences, np.float64)) * _GRID, atol=1e-6)
    if not exact or total > _MOST_SUMS * step:
        return math.erfc(observed / math.sqrt(2 * squares))
    sizes, counts = np.unique(grid[grid > 0].astype(np.int64) // step, return_counts=True)
    chances = _sum_distribution(tuple(zip(sizes.tolist(), counts.tolist(), strict=True)))
    middle = len(chances) // 2
    place = middle + round(observed * _GRID / step)
    return min(1.0, 2 * float(chances[place:].sum()) - float(chances[place])) if place > middle else 1.0


_GRID = 840
_MOST_SUMS = 20_000


@lru_cache(maxsize=1000)
def _sum_distribution(groups: tuple[tuple[int, int], ...]) -> NDArray[np.float64]:
    """The probability of each sum from the lowest to the highest, of `count` values of ±`size` for each group."""
    import numpy as np
    from scipy.stats import binom

    chances = np.ones(1)
    for size, count in groups:
        spread = np.zeros(2 * size * count + 1)
        spread[:: 2 * size] = binom.pmf(np.arange(count + 1), count, 0.5)
        chances = np.convolve(chances, spread)
    return chances

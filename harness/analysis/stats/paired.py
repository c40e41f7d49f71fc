"""Two runs over the same cases, right or wrong per case: the difference, its interval, and a test of "no difference".

A gain is a case that only the second run has right, a loss one that only the first has. Cases on which both agree count
in `n` and otherwise say nothing. Three per case (+1, 0, −1) is all that is asked, so that what a case gains in format
(it may be −1, 0 or +1, too) is compared in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

from harness.analysis.stats.proportions import Asked, effective, shares


@dataclass(frozen=True, slots=True)
class Paired:
    """The second run's share minus the first's, in −1..1, over `n` cases.

    `low`, `high`: Tango's interval. `p`: of the two-sided test that there is no difference. Where cases were asked more
    than once, `gains` and `losses` are sums of shares. Of no cases `delta` is NaN, the interval −1..1 and `p` 1.
    """

    gains: float
    losses: float
    n: int
    delta: float
    low: float
    high: float
    p: float

    @property
    def discordance(self) -> float:
        """The share of cases on which the runs differ, NaN of no cases."""
        return (self.gains + self.losses) / self.n if self.n else math.nan


def paired(gains: int, losses: int, n: int, confidence: float = 0.95) -> Paired:
    """Compare two runs that asked each of `n` cases once: Tango's interval (1998) and McNemar's mid-p.

    Raises `ValueError` unless `gains` and `losses` are counts that fit into `n`.
    """
    if min(gains, losses) < 0 or gains + losses > n:
        msg = f"{gains} gains and {losses} losses are not of {n} cases"
        raise ValueError(msg)
    low, high = tango(gains, losses, n, confidence)
    return Paired(gains, losses, n, (gains - losses) / n if n else math.nan, low, high, mcnemar_midp(gains, losses))


def clustered_paired(base: Sequence[Asked], head: Sequence[Asked], confidence: float = 0.95) -> Paired:
    """Compare two runs that asked cases more than once: `(times right, times asked)` of each case, in the same order.

    A case counts once, by the difference of its two shares (Miller 2024: cases are the sample, repeats are not). The
    interval is Tango's at the effective number of cases: the number at which once-asked cases would vary as much as
    these do; never less than the cases, never more than the answers. The test is Durkalski's (2003), McNemar's for
    clusters. With one answer per case all of it is what `paired` gives.
    """
    if len(base) != len(head):
        msg = f"{len(base)} cases cannot be paired with {len(head)}"
        raise ValueError(msg)
    differences = [h - b for b, h in zip(shares(base), shares(head), strict=True)]
    n = len(differences)
    gains = math.fsum(d for d in differences if d > 0)
    losses = math.fsum(-d for d in differences if d < 0)
    if all(asked == 1 for _, asked in (*base, *head)):
        return paired(round(gains), round(losses), n, confidence)
    delta, squares = (gains - losses) / n, math.fsum(d * d for d in differences)
    answers = sum(min(b[1], h[1]) for b, h in zip(base, head, strict=True))
    once = (gains + losses) / n - delta**2
    scale = effective(n, once, squares / n - delta**2, answers, confidence) / n
    low, high = tango(gains * scale, losses * scale, n * scale, confidence)
    p = math.erfc(abs(gains - losses) / math.sqrt(2 * squares)) if squares else 1.0
    return Paired(gains, losses, n, delta, low, high, p)


@lru_cache(maxsize=100_000)
def tango(gains: float, losses: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Both ends of Tango's score interval for a difference of paired shares: Statistics in Medicine 17 (1998), 891–908.

    It holds all differences that a score test, with the other parameter at its most likely value, does not reject.
    Counts need not be whole.
    """
    if n == 0:
        return -1.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    # Where all cases say the same there is no variance at the observed difference, and a root finder would stop there.
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
    """The variance per case of a paired difference if the true difference were `delta`.

    `gain` and `loss` are the observed shares; of all pairs of true shares that differ by `delta`, the most likely one
    counts (Tango 1998; a quadratic equation).
    """
    b = (2 - gain + loss) * delta - gain - loss
    c = -loss * delta * (1 - delta)
    likeliest_loss = (math.sqrt(max(b * b - 8 * c, 0.0)) - b) / 4
    return max(2 * likeliest_loss + delta * (1 - delta), 0.0)


def mcnemar_exact(gains: int, losses: int) -> float:
    """The two-sided p of McNemar's exact test. Safe, and too careful: use `mcnemar_midp`."""
    from scipy.stats import binom

    return min(1.0, 2 * float(binom.cdf(min(gains, losses), gains + losses, 0.5)))


def mcnemar_midp(gains: int, losses: int) -> float:
    """The two-sided mid-p of McNemar's test: Fagerland, Lydersen & Laake, BMC Med. Res. Methodology 13 (2013), 91.

    The exact p less half the probability of what was observed, on each side. Without any gain or loss it is 1.
    """
    if gains == losses == 0:
        return 1.0
    from scipy.stats import binom

    observed = float(binom.pmf(min(gains, losses), gains + losses, 0.5))
    return 1 - observed / 2 if gains == losses else mcnemar_exact(gains, losses) - observed

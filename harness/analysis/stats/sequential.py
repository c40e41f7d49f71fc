"""Paired comparison that stays valid if it is looked at after every case: for runs that stop once a verdict is proven.

Method: betting (Waudby-Smith & Ramdas, JRSS B 86 (2024), 1–27; mixture over bets as in Ville 1939 and Robbins 1970). A
gambler starts with wealth 1 and bets a fixed share of it on "the mean exceeds m" before each case. If the mean is m or
less, the expected wealth never grows. So the wealth ever reaches 1/a with a probability of at most a (Ville's
inequality), for any number of looks, any set size and any rate. The wealth here is the average over bets of all sizes,
because the best size is unknown. It depends on the differences only, not on their order.

The method is exact, without an approximation for large sets. It holds for independent cases in random order. Cases of
one cluster are one bet, on their sum. The largest cluster limits all bets, because no bet may lose more than it has.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING

from harness.analysis.stats.paired import Paired
from harness.analysis.stats.power import PRACTICAL, DecisionRule

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

BETS = 64
"""Number of bets. Any number is valid; from about 30 on, more bets find no more."""

FIRST = 20
"""Cases before the first look, and at least between two looks."""

_STEPS = 50
"""Halvings of the range when an end of the interval is searched: exact to 15 digits."""


def sequential_paired(
    differences: Sequence[float], confidence: float = 0.95, *, clusters: Sequence[str] = ()
) -> Paired:
    """Return the mean of per-case differences with an interval that is valid at every number of cases.

    The probability that the interval ever excludes the true mean, at any of all looks, is at most 1 - `confidence`;
    on each side, half of that. It is wider than Tango's interval, about 1.3 to 1.6 times.

    Args:
        differences: The second run minus the first, per case, in -1..1. The order does not matter.
        confidence: Of the interval, over all looks together.
        clusters: The cluster of each case. An empty name is a cluster of its own. By default all are independent. Looks
            must not split a cluster.

    Returns:
        A `Paired` with `anytime` set. `p` is the anytime-valid p value of no difference: 1 over the average wealth of
        both sides. Without cases `delta` is NaN, the interval -1..1 and `p` 1.

    Raises:
        ValueError: If a difference is not in -1..1, or the clusters are not as many as the cases.
    """
    if any(not -1 <= d <= 1 for d in differences):
        msg = "differences must be in -1..1: pass shares of correct answers, second run minus first"
        raise ValueError(msg)
    n = len(differences)
    gains = math.fsum(d for d in differences if d > 0)
    losses = math.fsum(-d for d in differences if d < 0)
    if clusters and len(clusters) != n:
        msg = f"{len(clusters)} cluster names for {n} cases: pass one per case"
        raise ValueError(msg)
    counts = _counted(differences, clusters)
    low, high, p = _summary(counts, (1 - confidence) / 2)
    return Paired(gains, losses, n, (gains - losses) / n if n else math.nan, low, high, p, anytime=True)


def cases_to_prove(p: Paired, rule: DecisionRule) -> int | None:
    """Return the total number of cases that lead to a verdict with a chance of about 80%, looked at as often as wished.

    Args:
        p: The difference so far. Its rates are taken as the true ones, with one more case that differs.
        rule: When a difference is decided.

    Returns:
        `None` if it takes more than `PRACTICAL` cases, or without cases.
    """
    if not p.n:
        return None
    discordance = min(1.0, (p.gains + p.losses + 1) / (p.n + 2))
    # Each hypothesis that a verdict refutes, with the side on which the true difference must lie.
    refuted = [(-rule.margin, 1), (-rule.margin, -1) if rule.kind == "move" else (0.0, -1)]
    possible = [(null, side) for null, side in refuted if side * (p.delta - null) > 0]

    def is_proven(n: float) -> bool:
        return any(
            _log_wealth(_unlucky(side * p.delta, discordance, n), side * null) >= -math.log(rule.level / 2)
            for null, side in possible
        )

    low, high = float(p.n), float(PRACTICAL)
    if not is_proven(high):
        return None
    while high - low > 0.5:
        middle = (low + high) / 2
        low, high = (low, middle) if is_proven(middle) else (middle, high)
    return math.ceil(high)


def _unlucky(delta: float, discordance: float, n: float) -> _Counts:
    """Differences of `n` cases whose mean is at the 20% quantile of its distribution."""
    shift = NormalDist().inv_cdf(0.8) * math.sqrt(max(discordance - delta**2, 0.0) / n)
    seen = max(-discordance, delta - shift)
    gain, loss = (discordance + seen) / 2, (discordance - seen) / 2
    return (1.0, 1.0, n * gain), (-1.0, 1.0, n * loss), (0.0, 1.0, n * (1 - discordance))


def looks(n: int) -> list[int]:
    """Return the numbers of cases at which a run over `n` cases looks at its verdict: 20, 40, then 25% more each time.

    Any other numbers would be as valid. More looks save calls, fewer looks leave more requests in flight at once.
    """
    ends = [min(FIRST, n)]
    while ends[-1] < n:
        ends.append(min(n, ends[-1] + max(FIRST, ends[-1] // 4)))
    return ends


_Counts = tuple[tuple[float, float, float], ...]
"""The sum of differences of a bet, its number of cases, and the number of such bets."""


def _counted(differences: Sequence[float], clusters: Sequence[str]) -> _Counts:
    if not any(clusters):
        return tuple((value, 1.0, float(number)) for value, number in sorted(Counter(map(float, differences)).items()))
    named: dict[object, list[float]] = {}
    for place, (value, cluster) in enumerate(zip(differences, clusters, strict=True)):
        named.setdefault(cluster or place, []).append(value)
    sums = Counter((round(math.fsum(values), 12), float(len(values))) for values in named.values())
    return tuple((value, size, float(number)) for (value, size), number in sorted(sums.items()))


@lru_cache(maxsize=10_000)
def _summary(counts: _Counts, alpha: float) -> tuple[float, float, float]:
    mirrored = tuple((-value, size, number) for value, size, number in counts)
    low, high = _lower_end(counts, alpha), -_lower_end(mirrored, alpha)
    e_value = (_exp(_log_wealth(counts, 0.0)) + _exp(_log_wealth(mirrored, 0.0))) / 2
    return low, high, min(1.0, 1 / e_value)


def _lower_end(counts: _Counts, alpha: float) -> float:
    """The smallest mean that is not refuted. The wealth falls as the mean rises, so halving finds the end."""
    refuted, possible = -1.0, 1.0
    if _log_wealth(counts, possible) >= -math.log(alpha):
        return possible
    for _ in range(_STEPS):
        middle = (refuted + possible) / 2
        if _log_wealth(counts, middle) >= -math.log(alpha):
            refuted = middle
        else:
            possible = middle
    return refuted


def _log_wealth(counts: _Counts, mean: float) -> float:
    """The log of the average over bets c of the product over cases of `1 + c * (x - mean) / (1 + mean)`.

    A case with the difference -1 loses the share c of its wealth. For a cluster, x and `mean` are sums over its cases,
    and c is divided by the size of the largest cluster.
    """
    import numpy as np

    sizes, shares = bets()
    total = np.log(shares)
    largest = max((size for _, size, _ in counts), default=1.0)
    for value, size, number in counts:
        total = total + number * np.log1p(sizes * ((value - size * mean) / (1 + mean) / largest))
    most = float(total.max())
    return most + math.log(float(np.exp(total - most).sum()))


@lru_cache(maxsize=1)
def bets() -> tuple[Floats, Floats]:
    """Return the bets, from 0 to 1, and their shares of the wealth: uniform, with more points at small bets."""
    import numpy as np

    ends = np.linspace(0.0, 1.0, BETS + 1) ** 2
    return (ends[:-1] + ends[1:]) / 2, np.diff(ends)


def _exp(log: float) -> float:
    return math.exp(min(log, 700.0))

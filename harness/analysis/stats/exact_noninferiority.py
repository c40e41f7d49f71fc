"""Exact test that a paired loss is less than a margin, for small sets."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING

from harness.analysis.stats.paired import Paired, null_variance

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EXACT_UP_TO = 300
"""Cases up to which the exact test is applied. Above, the size of the score test exceeds its level by little."""

CLEAR = 0.7
"""From 100 cases, a score p value below this share of the level needs no exact test, which takes half a second."""

_SMALL = 100
_GRID = 100
"""Values of the nuisance parameter. The probability is smooth in it."""


def is_noninferior(p: Paired, margin: float, level: float = 0.05) -> bool:
    """Whether the loss is proven to be less than `margin`.

    The lower end of Tango's interval must be above `-margin`. With at most `EXACT_UP_TO` cases and one answer each, the
    exact test must agree, because the size of the score test exceeds its level in small sets. An anytime-valid interval
    is exact by itself.

    Args:
        p: The difference, with an interval of confidence 1 - `level`.
        margin: The tolerated loss.
        level: Two-sided error; half of it is the size of this one-sided test.
    """
    if not p.low > -margin:
        return False
    gains, losses = round(p.gains), round(p.losses)
    if p.anytime or p.effective_n is not None or p.n > EXACT_UP_TO:
        return True
    if p.n >= 100 and _score_p(gains, losses, p.n, margin) < CLEAR * level / 2:
        return True
    return noninferiority_p(gains, losses, p.n, margin) <= level / 2


@lru_cache(maxsize=10_000)
def noninferiority_p(gains: int, losses: int, n: int, margin: float) -> float:
    """Return the one-sided exact p value of "the loss is `margin` or more".

    The largest probability, over all shares of gains that are possible with that loss, of a score statistic at least as
    large as the observed one (Hsueh, Liu & Chen, Biometrics 57 (2001), 478–483). The statistic is Tango's.

    Raises:
        ValueError: If the counts do not fit into `n`, or `margin` is not in 0..1.
    """
    if min(gains, losses) < 0 or gains + losses > n or not 0 < margin < 1:
        msg = f"{gains} gains and {losses} losses of {n} cases with margin {margin}: counts must fit, margin in 0..1"
        raise ValueError(msg)
    import numpy as np

    statistics, chances = _outcomes(n, margin)
    observed = statistics[_place(gains, losses, n)]
    return float(np.max(chances[:, statistics >= observed - 1e-9].sum(axis=1)))


def is_loss_beyond(p: Paired, limit: float, level: float = 0.05) -> bool:
    """Whether the loss is proven to be more than `limit`.

    By the exact test for at most 100 cases with one answer each: far from 0, the interval of a small set is too wide.
    Otherwise the upper end of the interval, of confidence 1 - `level`, must be below `-limit`.
    """
    if p.high < -limit:
        return True
    if p.effective_n is not None or p.anytime or p.n > _SMALL or p.delta >= -limit:
        return False
    statistics, chances = _outcomes(p.n, limit)
    observed = statistics[_place(round(p.gains), round(p.losses), p.n)]
    return float(chances[:, statistics <= observed + 1e-9].sum(axis=1).max()) <= level / 2


def _score_p(gains: int, losses: int, n: int, margin: float) -> float:
    variance = null_variance(gains / n, losses / n, -margin)
    return NormalDist().cdf(-(gains - losses + n * margin) / math.sqrt(n * variance)) if variance else 0.0


def _place(gains: int, losses: int, n: int) -> int:
    """Index of an outcome: all losses of 0 gains, then of 1 gain, and so on."""
    return gains * (n + 1) - gains * (gains - 1) // 2 + losses


@lru_cache(maxsize=32)
def _outcomes(n: int, margin: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The statistic of each outcome, and its probability for each value of the nuisance parameter."""
    import numpy as np
    from scipy.special import gammaln, xlogy

    gains, losses = np.array([(g, c) for g in range(n + 1) for c in range(n + 1 - g)]).T
    excess = gains - losses + n * margin
    spread = np.sqrt(n * null_variances(gains / n, losses / n, -margin))
    most = np.where(excess < 0, -np.inf, np.inf)
    statistics = np.divide(excess, spread, out=most, where=spread > 0)
    gain = np.linspace(0, (1 - margin) / 2, _GRID)[:, None]
    loss = gain + margin
    same = n - gains - losses
    ways = gammaln(n + 1) - gammaln(gains + 1) - gammaln(losses + 1) - gammaln(same + 1)
    logs = ways + xlogy(gains, gain) + xlogy(losses, loss) + xlogy(same, np.clip(1 - gain - loss, 0, 1))
    return statistics, np.exp(logs)


def null_variances(gain: NDArray[np.float64], loss: NDArray[np.float64], delta: float) -> NDArray[np.float64]:
    """Return `paired.null_variance` of arrays of shares."""
    import numpy as np

    b = (2 - gain + loss) * delta - gain - loss
    c = -loss * delta * (1 - delta)
    likeliest_loss = (np.sqrt(np.maximum(b * b - 8 * c, 0.0)) - b) / 4
    return np.asarray(np.maximum(2 * likeliest_loss + delta * (1 - delta), 0.0), np.float64)

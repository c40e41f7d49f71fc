"""Power analysis for paired designs: detectable margins and drops, and required numbers of cases.

`discordance` is the share of cases on which the two runs differ. `power` is the probability that a true effect is
shown. All functions use one sample size formula for the score test behind Tango's interval, with the null variance for
the test and the true variance for the data: Nam, Biometrics 53 (1997), 1422–1430, and Liu et al., Statistics in
Medicine 21 (2002), 231–245. For a null of no difference, it is that of Connor, Biometrics 43 (1987), 207–211.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

from harness.analysis.stats.paired import null_variance


def smallest_margin(n: int, discordance: float, *, power: float = 0.8, confidence: float = 0.95) -> float:
    """Return the smallest margin that `n` cases can show for a candidate as good as the reference.

    1 if `n` is too small for any margin.
    """
    _check(n, discordance)

    def missing(margin: float) -> float:
        return _cases(0.0, discordance, -margin, power, confidence) - n

    return _first_zero(missing, 1e-9)


def smallest_drop(n: int, discordance: float, *, power: float = 0.8, confidence: float = 0.95) -> float | None:
    """Return the smallest true drop that `n` cases can show, or `None` if they cannot even show a drop of 100 points.

    A drop cannot exceed the discordance, so the discordance is raised to the drop if needed.
    """
    _check(n, discordance)

    def missing(drop: float) -> float:
        return _cases(-drop, max(discordance, drop), 0.0, power, confidence) - n

    return _first_zero(missing, 1e-9) if missing(1.0) <= 0 else None


def required_n_margin(margin: float, discordance: float, *, power: float = 0.8, confidence: float = 0.95) -> int:
    """Return the number of cases that show an equal candidate to be within `margin` (> 0)."""
    _check(1, discordance)
    return math.ceil(_cases(0.0, discordance, -margin, power, confidence))


def required_n_drop(drop: float, discordance: float, *, power: float = 0.8, confidence: float = 0.95) -> int:
    """Return the number of cases that show a true drop of `drop` (> 0)."""
    _check(1, discordance)
    return math.ceil(_cases(-drop, max(discordance, drop), 0.0, power, confidence))


def settles(delta: float, discordance: float, n: int, margin: float, *, power: float = 0.8) -> int | None:
    """Return the total number of cases that would show on which side of `-margin` the observed `delta` lies.

    At least `n`. `None` if `delta` equals `-margin`, which no number of cases can settle. At `power=0.5`, it is the
    number at which the 95% interval of the observed shares no longer contains `-margin`.
    """
    _check(n, discordance)
    if math.isclose(delta, -margin, abs_tol=1e-9):
        return None
    return max(n, math.ceil(_cases(delta, max(discordance, abs(delta)), -margin, power, 0.95)))


def _cases(delta: float, discordance: float, null: float, power: float, confidence: float) -> float:
    """Number of cases, not rounded, that distinguish a true `delta` from `null`."""
    normal = NormalDist()
    gain, loss = (discordance + delta) / 2, (discordance - delta) / 2
    null_term = normal.inv_cdf((1 + confidence) / 2) * math.sqrt(null_variance(gain, loss, null))
    data_term = normal.inv_cdf(power) * math.sqrt(max(discordance - delta**2, 0.0))
    return ((null_term + data_term) / (delta - null)) ** 2


def _first_zero(missing: Callable[[float], float], start: float) -> float:
    if missing(1.0) > 0:
        return 1.0
    from scipy.optimize import brentq

    return float(brentq(missing, start, 1.0, xtol=1e-9))


def _check(n: int, discordance: float) -> None:
    if n < 1 or not 0 <= discordance <= 1:
        msg = f"{n} cases with discordance {discordance}: need at least 1 case, and a discordance in 0..1"
        raise ValueError(msg)

"""What a golden set can show, before anything is run: margins, drops, and numbers of cases, for paired designs.

`discordance` is the share of cases on which the two runs differ (one right, the other wrong). All of it follows from
one formula for the score test behind Tango's interval, with the variance under the null in the place of the test and
the true variance in the place of the data: Nam, Biometrics 53 (1997), 1422–1430, and Liu et al., Statistics in Medicine
21 (2002), 231–245; for "no difference" it is Connor's, Biometrics 43 (1987), 207–211. `power` is the chance to succeed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

from harness.analysis.stats.paired import null_variance


def smallest_margin(n: int, discordance: float, *, power: float = 0.8, confidence: float = 0.95) -> float:
    """The smallest margin within which a candidate that is truly as good as the reference is shown to be.

    1 where `n` is too small for any.
    """
    _check(n, discordance)

    def missing(margin: float) -> float:
        return _cases(0.0, discordance, -margin, power, confidence) - n

    return _first_zero(missing, 1e-9)


def smallest_drop(n: int, discordance: float, *, power: float = 0.8, confidence: float = 0.95) -> float | None:
    """The smallest true drop that is shown to be a drop, `None` where not even one of 100 points would be.

    A drop cannot be larger than the discordance; where it must be, nothing but losses is assumed.
    """
    _check(n, discordance)

    def missing(drop: float) -> float:
        return _cases(-drop, max(discordance, drop), 0.0, power, confidence) - n

    return _first_zero(missing, 1e-9) if missing(1.0) <= 0 else None


def required_n_margin(margin: float, discordance: float, *, power: float = 0.8, confidence: float = 0.95) -> int:
    """How many cases show a truly equal candidate to be within `margin`, which is above 0."""
    _check(1, discordance)
    return math.ceil(_cases(0.0, discordance, -margin, power, confidence))


def required_n_drop(drop: float, discordance: float, *, power: float = 0.8, confidence: float = 0.95) -> int:
    """How many cases show a true drop of `drop`, which is above 0, to be a drop."""
    _check(1, discordance)
    return math.ceil(_cases(-drop, max(discordance, drop), 0.0, power, confidence))


def settles(delta: float, discordance: float, n: int, margin: float, *, power: float = 0.8) -> int | None:
    """How many cases in all would show on which side of `-margin` the difference lies, if it is what was observed.

    At least `n`. `None` where `delta` is `-margin` itself, which no number of cases settles. At `power=0.5` it is the
    number at which the 95% interval, computed from the observed shares, no longer holds `-margin`.
    """
    _check(n, discordance)
    if math.isclose(delta, -margin, abs_tol=1e-9):
        return None
    return max(n, math.ceil(_cases(delta, max(discordance, abs(delta)), -margin, power, 0.95)))


def _cases(delta: float, discordance: float, null: float, power: float, confidence: float) -> float:
    """Cases at which a true `delta` is told from `null`, not rounded."""
    normal = NormalDist()
    gain, loss = (discordance + delta) / 2, (discordance - delta) / 2
    of_test = normal.inv_cdf((1 + confidence) / 2) * math.sqrt(null_variance(gain, loss, null))
    of_data = normal.inv_cdf(power) * math.sqrt(max(discordance - delta**2, 0.0))
    return ((of_test + of_data) / (delta - null)) ** 2


def _first_zero(missing: Callable[[float], float], start: float) -> float:
    if missing(1.0) > 0:
        return 1.0
    from scipy.optimize import brentq

    return float(brentq(missing, start, 1.0, xtol=1e-9))


def _check(n: int, discordance: float) -> None:
    if n < 1 or not 0 <= discordance <= 1:
        msg = f"{n} cases with a discordance of {discordance}: at least one case, and a share in 0..1"
        raise ValueError(msg)

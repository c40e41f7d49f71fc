"""Power analysis for paired designs: detectable margins and drops, and required numbers of cases.

`discordance` is the share of cases on which the two runs differ. `power` is the probability that a true effect is
shown. All functions use one sample size formula for the score test behind Tango's interval, with the null variance for
the test and the true variance for the data: Nam, Biometrics 53 (1997), 1422–1430, and Liu et al., Statistics in
Medicine 21 (2002), 231–245. For a null of no difference, it is that of Connor, Biometrics 43 (1987), 207–211.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

from harness.analysis.stats.paired import null_variance

PRACTICAL = 20_000
"""More cases than this are no advice."""

_STEP = 1.05
"""Factor between the numbers of cases that are tried before the exact number is searched."""


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


@dataclass(frozen=True, slots=True)
class DecisionRule:
    """When an observed difference is decided.

    Attributes:
        kind: `move` is decided on one side of `-margin`; `change` also on one side of 0.
        margin: The tolerated loss.
        level: Two-sided error: of the interval of `move`, and of the test for a loss of `change`.
    """

    kind: Literal["move", "change"]
    margin: float
    level: float = 0.05

    def undecided(self, delta: float, discordance: float, cases: float) -> float:
        """Return the probability that an observed difference lies between the limits, by the normal approximation."""
        normal = NormalDist()
        gain, loss = (discordance + delta) / 2, (discordance - delta) / 2
        spread = math.sqrt(max(discordance - delta**2, 1e-12) / cases)
        at_margin = math.sqrt(null_variance(gain, loss, -self.margin) / cases)
        at_zero = math.sqrt(discordance / cases)
        z, z_level = normal.inv_cdf(0.975), normal.inv_cdf(1 - self.level / 2)
        if self.kind == "move":
            low, high = -self.margin - z_level * at_margin, -self.margin + z_level * at_margin
        else:
            low, high = -z_level * at_zero, min(-self.margin + z * at_margin, z * at_zero)
        return max(0.0, normal.cdf((high - delta) / spread) - normal.cdf((low - delta) / spread))


def cases_to_decide(delta: float, discordance: float, n: int, rule: DecisionRule, *, power: float = 0.8) -> int | None:
    """Return the total number of cases, at least `n`, that lead to any verdict with probability `power`.

    Args:
        delta: The observed difference, taken as the true one.
        discordance: The observed share of cases on which the runs differ.
        n: The number of cases so far.
        rule: When a difference is decided.
        power: The probability.

    Returns:
        `None` if it takes more than `PRACTICAL` cases.
    """
    _check(n, discordance)
    share = max(discordance, abs(delta))
    low = high = float(n)
    while rule.undecided(delta, share, high) > 1 - power:
        low, high = high, high * _STEP
        if low > PRACTICAL:
            return None
    while high - low > 0.5:  # the first crossing lies between the two
        middle = (low + high) / 2
        low, high = (middle, high) if rule.undecided(delta, share, middle) > 1 - power else (low, middle)
    needed = math.ceil(high)
    return needed if needed <= PRACTICAL else None


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

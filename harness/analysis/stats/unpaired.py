"""Rates over different cases: of a sample drawn with unequal chances, and its difference to one measured elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from harness.analysis.stats.proportions import Rate, rate, wilson


class Stratum(NamedTuple):
    """One part of a population: `hits` of `n` that were drawn from its `size`. `hits` need not be whole."""

    hits: float
    n: int
    size: int


@dataclass(frozen=True, slots=True)
class Unpaired:
    """The second rate minus the first, in −1..1. `p`: of the two-sided test that there is no difference.

    Where either rate is of nothing, `delta` is NaN, the interval −1..1 and `p` 1.
    """

    delta: float
    low: float
    high: float
    p: float


def stratified_rate(strata: Sequence[Stratum], confidence: float = 0.95) -> Rate:
    """The rate of a population of which each stratum was sampled by itself: shares weighted by the strata's sizes.

    The interval is Wilson's at the effective number of cases (`effective_n`); where the strata were drawn in proportion
    it is `rate`. That the strata may differ makes the estimate better than the interval knows. A stratum of which
    nothing was drawn counts for nothing. Raises `ValueError` for hits that are not of `n`, or an `n` beyond `size`.
    """
    known = _known(strata)
    n = sum(one.n for one in known)
    if not known:
        return rate(0, 0, confidence)
    value = math.fsum(one.size * one.hits / one.n for one in known) / sum(one.size for one in known)
    low, high = wilson(min(max(value, 0.0), 1.0), effective_n(known), confidence)
    return Rate(value * n, n, low, high)


def effective_n(strata: Sequence[Stratum]) -> float:
    """How many cases drawn with equal chances tell as much as these: Kish, Survey Sampling (1965).

    At most the number that was drawn; that number where all were drawn in proportion.
    """
    known = _known(strata)
    squares = math.fsum(one.size**2 / one.n for one in known)
    return sum(one.size for one in known) ** 2 / squares if known else 0.0


def unpaired(base: Rate, head: Rate, *, head_size: float | None = None) -> Unpaired:
    """Compare rates over different cases: Newcombe's hybrid score interval (1998, method 10) and the pooled score test.

    The interval is put together from the two that the rates have, which must be of the same confidence. `head_size`:
    the effective number of cases of the head, where that is not `head.n`; the test needs it.
    """
    if not (base.n and head.n):
        return Unpaired(math.nan, -1.0, 1.0, 1.0)
    size = float(head.n) if head_size is None else head_size
    delta = head.value - base.value
    low = delta - math.hypot(head.value - head.low, base.high - base.value)
    high = delta + math.hypot(head.high - head.value, base.value - base.low)
    pooled = (base.hits + head.value * size) / (base.n + size)
    spread = math.sqrt(max(pooled * (1 - pooled), 0.0) * (1 / base.n + 1 / size))
    p = math.erfc(abs(delta) / spread / math.sqrt(2)) if spread else 1.0
    return Unpaired(delta, max(-1.0, low), min(1.0, high), p)


def counted(hits: int, n: int) -> Rate:
    """As `rate`, for where thousands of them are made."""
    return Rate(hits, n, *wilson(hits / n, n)) if n else Rate(0, 0, 0.0, 1.0)


def _known(strata: Sequence[Stratum]) -> list[Stratum]:
    for one in strata:
        if not (0 <= one.hits <= one.n <= one.size):
            msg = f"{one.hits} hits of {one.n}, of a stratum of {one.size}: not a sample"
            raise ValueError(msg)
    return [one for one in strata if one.n]

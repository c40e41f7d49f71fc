"""Rates over different cases: stratified samples, and unpaired differences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from harness.analysis.stats.proportions import Rate, rate, wilson


class Stratum(NamedTuple):
    """Sample of one part of a population: `hits` of `n` cases, drawn from `size`. `hits` can be fractional."""

    hits: float
    n: int
    size: int


@dataclass(frozen=True, slots=True)
class Unpaired:
    """Second rate minus first rate, in −1..1. `p` is the two-sided p value of no difference.

    If either rate has no cases, `delta` is NaN, the interval −1..1 and `p` 1.
    """

    delta: float
    low: float
    high: float
    p: float


def stratified_rate(strata: Sequence[Stratum], confidence: float = 0.95) -> Rate:
    """Return the rate of a population from a stratified sample, weighted by the sizes of the strata.

    The interval is Wilson's at the effective sample size (`effective_n`). For proportional samples the result equals
    `rate`. If strata differ, the interval is conservative. A stratum without drawn cases is ignored.

    Raises:
        ValueError: Unless `0 <= hits <= n <= size` for each stratum.
    """
    known = _known(strata)
    n = sum(stratum.n for stratum in known)
    if not known:
        return rate(0, 0, confidence)
    value = math.fsum(s.size * s.hits / s.n for s in known) / sum(s.size for s in known)
    low, high = wilson(min(max(value, 0.0), 1.0), effective_n(known), confidence)
    return Rate(value * n, n, low, high)


def effective_n(strata: Sequence[Stratum]) -> float:
    """Return the effective sample size of a stratified sample: Kish, Survey Sampling (1965).

    At most the number of drawn cases; equal to it for a proportional sample.
    """
    known = _known(strata)
    squares = math.fsum(s.size**2 / s.n for s in known)
    return sum(s.size for s in known) ** 2 / squares if known else 0.0


def unpaired(base: Rate, head: Rate, *, head_size: float | None = None) -> Unpaired:
    """Compare rates over different cases: Newcombe's hybrid score interval (1998, method 10) and the pooled score test.

    The interval combines the intervals of both rates, which must have the same confidence. `head_size` is the
    effective sample size of the head (default: `head.n`), which the test uses.
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
    """Return `rate(hits, n)` without checks, for loops over thousands of rates."""
    return Rate(hits, n, *wilson(hits / n, n)) if n else Rate(0, 0, 0.0, 1.0)


def _known(strata: Sequence[Stratum]) -> list[Stratum]:
    for stratum in strata:
        if not (0 <= stratum.hits <= stratum.n <= stratum.size):
            msg = (
                f"{stratum.hits} hits of {stratum.n} from a stratum of {stratum.size}: must not decrease in this order"
            )
            raise ValueError(msg)
    return [stratum for stratum in strata if stratum.n]

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
    """Second rate minus first rate, in −1..1.

    If either rate has no cases, `delta` is NaN, the interval −1..1, `p` and `lower_p` 1.

    Attributes:
        delta: Second rate minus first rate.
        low: Lower end of the interval.
        high: Upper end of the interval.
        p: Two-sided p value of no difference.
        lower_p: One-sided p value of "not lower", exact also for small levels.
        base_share: Share of the variance of `delta` that comes from the first rate, in 0..1.

    """

    delta: float
    low: float
    high: float
    p: float
    lower_p: float = 1.0
    base_share: float = 0.0


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


def unpaired(
    base: Rate, head: Rate, *, base_size: float | None = None, head_size: float | None = None, spread: float = 0.0
) -> Unpaired:
    """Compare rates over different cases.

    The interval is Newcombe's hybrid score interval (1998, method 10), which combines the intervals of both rates. They
    must have the same confidence. `p` is of the pooled score test, `lower_p` of Fisher's exact test with the mid-p.

    Args:
        base: The first rate.
        head: The second rate.
        base_size: Effective sample size of the base (default: `base.n`), for both tests.
        head_size: Effective sample size of the head (default: `head.n`), for both tests.
        spread: Standard deviation, in log-odds, of the head's true rate around the base's if nothing changed. Only
            `lower_p` counts it.

    """
    if not (base.n and head.n):
        return Unpaired(math.nan, -1.0, 1.0, 1.0)
    n_base = float(base.n) if base_size is None else base_size
    n_head = float(head.n) if head_size is None else head_size
    delta = head.value - base.value
    low = delta - math.hypot(head.value - head.low, base.high - base.value)
    high = delta + math.hypot(head.high - head.value, base.value - base.low)
    pooled = (base.value * n_base + head.value * n_head) / (n_base + n_head)
    variance = max(pooled * (1 - pooled), 0.0)
    deviation = math.sqrt(variance * (1 / n_base + 1 / n_head))
    p = math.erfc(abs(delta) / deviation / math.sqrt(2)) if deviation else 1.0
    varied = varied_n(n_head, variance, spread)
    return Unpaired(
        delta,
        max(-1.0, low),
        min(1.0, high),
        p,
        lower_p=_lower_p(base.value, n_base, head.value, varied),
        base_share=varied / (n_base + varied),
    )


def varied_n(n: float, variance: float, spread: float) -> float:
    """Return the effective sample size of `n` cases whose true rate varies.

    The design effect 1 + (n − 1)·ICC of cluster samples (Kish 1965), with the intraclass correlation
    `spread`²·`variance`. `variance`: of one case; `spread`: standard deviation of the true rate in log-odds.
    """
    return n / (1 + max(n - 1, 0.0) * spread**2 * variance)


def _lower_p(base: float, n_base: float, head: float, n_head: float) -> float:
    """Return the one-sided mid-p of Fisher's exact test. Between whole numbers of errors it is interpolated.

    The score test is no substitute: at a level of 0.0001, near a rate of 1, it is wrong by a factor of ten.
    """
    n, m = max(1, round(n_head)), max(1, round(n_base))
    errors_base, errors = round((1 - base) * m), (1 - head) * n
    whole = math.floor(errors + 1e-9)
    part = max(0.0, errors - whole)
    p = _errors_p(whole, n, errors_base, m)
    return p if not part else (1 - part) * p + part * _errors_p(min(n, whole + 1), n, errors_base, m)


def _errors_p(errors: int, n: int, errors_base: int, n_base: int) -> float:
    """Return the mid-p of at least `errors` errors in `n` cases, given the errors of both samples together."""
    total, size = errors + errors_base, n + n_base
    log = _log_choose(total, errors) + _log_choose(size - total, n - errors) - _log_choose(size, n)
    here = math.exp(log)
    upper = errors * size >= total * n  # sum the shorter tail
    tail, term, k = 0.0, here, errors
    while term > 0:
        if upper:
            term *= (total - k) * (n - k) / ((k + 1) * (size - total - n + k + 1))
            k += 1
        else:
            term *= k * (size - total - n + k) / ((total - k + 1) * (n - k + 1))
            k -= 1
        tail += term
        if term < 1e-17 * tail:
            break
    return min(1.0, tail + here / 2 if upper else 1 - tail - here / 2)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


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

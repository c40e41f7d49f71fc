"""How long requests take at one concurrency, and whether more at once got more done."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

ELASTICITY = 0.15
"""Twice as many in flight must do at least 15% more work; below that they only wait for one another."""
_COUNTED = 0.9
"""A cohort is whole when nine tenths are back. The slowest tenth would hold everything up, and one hung socket is no
sign of a busy server. What is left out is left out of both sides of a comparison."""
_ENOUGH_FOR_A_SLOPE = 8


@dataclass(slots=True)
class LatencySample:
    """Requests that start at one concurrency. `full_only`: those that find all other slots taken."""

    level: int
    want: int
    full_only: bool
    joined: int = 0
    refused: int = 0
    latencies: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether enough are back."""
        return self.want > 0 and len(self.latencies) >= math.ceil(_COUNTED * self.want)


@dataclass(frozen=True, slots=True)
class LatencyFit:
    """What a cohort came to: seconds a request, completion tokens a request, and how the one goes with the other."""

    level: int
    latency_s: float
    error_s: float
    tokens: float
    slope: float

    def at(self, tokens: float) -> float:
        """The latency of a reply of so many tokens."""
        return max(self.latency_s + self.slope * (tokens - self.tokens), 0.1 * self.latency_s, 1e-9)


def measured(cohort: LatencySample) -> LatencyFit:
    """Mean latency, corrected for the lengths of the replies where latency goes with length.

    Long replies must not pass for a slow server. Dividing by the number of tokens would be wrong where most of the time
    is not theirs (the prompt, the network); a regression on them takes out just as much as they explain.
    """
    n = len(cohort.latencies)
    mean, tokens = sum(cohort.latencies) / n, sum(cohort.tokens) / n
    spread = sum((latency - mean) ** 2 for latency in cohort.latencies)
    lengths = sum((count - tokens) ** 2 for count in cohort.tokens)
    slope = 0.0
    if n >= _ENOUGH_FOR_A_SLOPE and lengths > 0:
        pairs = zip(cohort.latencies, cohort.tokens, strict=True)
        slope = max(0.0, sum((latency - mean) * (count - tokens) for latency, count in pairs) / lengths)
        spread = max(0.0, spread - slope * slope * lengths)
    return LatencyFit(cohort.level, mean, math.sqrt(spread / max(1, n - 1) / n), tokens, slope)


def gain(low: LatencyFit, high: LatencyFit) -> tuple[float, float]:
    """By how much (as a logarithm) the higher concurrency does more than it must, and the standard error of that.

    Little's law: requests a second = in flight / latency. The bar is a share of the growth in flight, so that a batch
    that slows down a little with each request is filled as well as slots that do not feel each other.
    """
    tokens = (low.tokens + high.tokens) / 2
    before, after = low.at(tokens), high.at(tokens)
    ratio = high.level / low.level
    more = math.log(ratio * before / after)
    return more - math.log(1 + ELASTICITY * (ratio - 1)), math.hypot(low.error_s / before, high.error_s / after)

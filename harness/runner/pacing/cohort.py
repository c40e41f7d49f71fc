"""Latency samples at one concurrency, and whether a higher concurrency raised throughput."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

ELASTICITY = 0.15
"""Doubling the concurrency must raise throughput by at least 15%; below that, requests only wait for each other."""
_COUNTED = 0.9
"""A sample is complete when 90% of its requests are answered. Waiting for the slowest 10% would stall the search, and a
hung socket is no sign of a busy server. Both samples of a comparison leave out the same share."""
_ENOUGH_FOR_A_SLOPE = 8


@dataclass(slots=True)
class LatencySample:
    """Requests started at one concurrency. `full_only`: only requests that fill the last free slot."""

    level: int
    target_size: int
    full_only: bool
    joined: int = 0
    refused: int = 0
    latencies: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether enough requests are answered."""
        return self.target_size > 0 and len(self.latencies) >= math.ceil(_COUNTED * self.target_size)


@dataclass(frozen=True, slots=True)
class LatencyFit:
    """Mean latency and tokens of a sample, and the slope of latency over tokens.

    `latency_s`: seconds per request; `error_s`: its standard error; `tokens`: completion tokens per request;
    `slope`: seconds per token.
    """

    level: int
    latency_s: float
    error_s: float
    tokens: float
    slope: float

    def at(self, tokens: float) -> float:
        """Return the latency of a reply of `tokens` tokens."""
        return max(self.latency_s + self.slope * (tokens - self.tokens), 0.1 * self.latency_s, 1e-9)


def fit(sample: LatencySample) -> LatencyFit:
    """Fit the latency of a sample, with a regression on reply length if latency depends on length.

    Long replies must not look like a slow server. Dividing by tokens would be wrong if prompt or network dominate; the
    regression removes only what tokens explain.
    """
    n = len(sample.latencies)
    mean, tokens = sum(sample.latencies) / n, sum(sample.tokens) / n
    spread = sum((latency - mean) ** 2 for latency in sample.latencies)
    lengths = sum((count - tokens) ** 2 for count in sample.tokens)
    slope = 0.0
    if n >= _ENOUGH_FOR_A_SLOPE and lengths > 0:
        pairs = zip(sample.latencies, sample.tokens, strict=True)
        slope = max(0.0, sum((latency - mean) * (count - tokens) for latency, count in pairs) / lengths)
        spread = max(0.0, spread - slope * slope * lengths)
    return LatencyFit(sample.level, mean, math.sqrt(spread / max(1, n - 1) / n), tokens, slope)


def gain(low: LatencyFit, high: LatencyFit) -> tuple[float, float]:
    """Return the log of throughput gain over required gain, and its standard error; positive favours `high`.

    Throughput is in flight / latency (Little's law). The required gain is a share of the growth in concurrency, so
    that a batching server, which slows down a little with each request, is filled like one with independent slots.
    """
    tokens = (low.tokens + high.tokens) / 2
    before, after = low.at(tokens), high.at(tokens)
    ratio = high.level / low.level
    more = math.log(ratio * before / after)
    return more - math.log(1 + ELASTICITY * (ratio - 1)), math.hypot(low.error_s / before, high.error_s / after)

"""Text of rates and intervals: `87.1% (82–91)`."""

from __future__ import annotations

import math

from harness.analysis.stats import Rate
from harness.core.formatting import NOTHING, percent


def interval(r: Rate) -> str:
    """`82–91`: the ends of the 95% interval in whole percent."""
    return f"{math.floor(100 * r.low + 0.5)}–{math.floor(100 * r.high + 0.5)}"


def rate_text(r: Rate) -> str:
    """`87.1% (82–91)`, or a dash if nothing was answered."""
    return f"{percent(r.hits, r.n)} ({interval(r)})" if r.n else NOTHING


def whole_percent(hits: float, n: int) -> int:
    """A share in whole percent; 100 only if all of them, 0 only if none."""
    if not 0 < hits < n:
        return 100 if hits else 0
    return min(99, max(1, round(100 * hits / n)))

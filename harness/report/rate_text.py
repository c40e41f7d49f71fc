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

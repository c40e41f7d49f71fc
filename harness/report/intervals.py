"""Positions in a drawn interval, in percent of its width.

The drawing is an SVG without a view box: lines stretch with the page, and text keeps its size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.analysis.stats import Interval, Paired, PairedMean

_STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class IntervalScale:
    """A scale from `-half` to `half`, with no difference in the middle."""

    half: float
    margin: float

    def at(self, share: float) -> float:
        """The position of a difference, clipped to the scale."""
        return round(min(100.0, max(0.0, 50 + 50 * share / self.half)), 2)

    @property
    def margin_at(self) -> float:
        """The position of the margin."""
        return self.at(-self.margin)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Three to five ticks, symmetric around 0: position and label in points."""
        step = next((step for step in _STEPS if self.half / step < 3), self.half / 2)
        n = math.floor(0.92 * self.half / step)
        return [(self.at(i * step), f"{100 * i * step:+g}".replace("-", "−") if i else "0") for i in range(-n, n + 1)]


def scale(differences: Sequence[Paired | PairedMean | Interval], margin: float) -> IntervalScale:
    """A common scale for differences, which also shows the margin."""
    ends = [abs(end) for difference in differences for end in (difference.low, difference.high) if math.isfinite(end)]
    return IntervalScale(1.12 * max([2 * margin, 0.01, *ends]), margin)

"""Where the parts of a drawn interval stand, in percent of its width: a difference, no difference, the margin.

The drawing is an SVG without a view box: lines stretch with the page, words keep their size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.analysis.stats import Interval, Paired, PairedMean

_STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class IntervalScale:
    """A difference of `half` is at the right end, of `-half` at the left, and none in the middle."""

    half: float
    margin: float

    def at(self, share: float) -> float:
        """The place of a difference; one off the scale is at its end."""
        return round(min(100.0, max(0.0, 50 + 50 * share / self.half)), 2)

    @property
    def margin_at(self) -> float:
        """The place of what may be lost."""
        return self.at(-self.margin)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Places of round differences, with their points, symmetric around 0: at most five, three at least."""
        step = next((step for step in _STEPS if self.half / step < 3), self.half / 2)
        n = math.floor(0.92 * self.half / step)
        return [(self.at(i * step), f"{100 * i * step:+g}".replace("-", "−") if i else "0") for i in range(-n, n + 1)]


def scale(differences: Sequence[Paired | PairedMean | Interval], margin: float) -> IntervalScale:
    """One on which all of them fit, the margin well inside, so that they can be compared by the eye."""
    ends = [abs(end) for found in differences for end in (found.low, found.high) if math.isfinite(end)]
    return IntervalScale(1.12 * max([2 * margin, 0.01, *ends]), margin)

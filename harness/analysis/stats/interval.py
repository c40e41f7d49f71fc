"""A value with an interval, for whatever is neither a share nor a mean."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and the ends of its interval. NaN is "not defined here"; the ends are then all that is possible."""

    value: float
    low: float
    high: float

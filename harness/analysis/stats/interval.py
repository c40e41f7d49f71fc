"""Estimate with an interval, for statistics other than shares and means."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interval:
    """Estimate and the ends of its interval. If the value is undefined (NaN), the ends span the possible range."""

    value: float
    low: float
    high: float

"""So many a minute: as the user says in harness.toml, and as the server says in its headers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite

_PERIOD_S = 61.0
"""A bucket holds a second's worth and refills at a 61st a second, so that no minute sees more than its limit."""
_ROUNDING = 1e-6
"""What a bucket may be short of: a wait for less would not move a clock."""
_UNSAID_RESET_S = 1.0
_DAY_S = 86_400.0
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": _DAY_S}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


class TokenBucket:
    """A token bucket. One request may be larger than the bucket: it starts when that is full, and is paid off after."""

    __slots__ = ("_at", "_held", "_rate", "size")

    def __init__(self, per_minute: float, now: float) -> None:
        self._rate = per_minute / _PERIOD_S
        self.size = self._held = max(1.0, self._rate)
        self._at = now

    def delay_s(self, cost: float, now: float) -> float:
        """How long until `cost` may be taken, 0 for at once."""
        self._held = min(self.size, self._held + (now - self._at) * self._rate)
        self._at = now
        missing = min(cost, self.size) - self._held
        return missing / self._rate if missing > _ROUNDING else 0.0

    def take(self, cost: float) -> None:
        """Take, or with a negative `cost` give back what was not used."""
        self._held -= cost


class ServerAllowance:
    """What a server says is left of its own limit: `x-ratelimit-remaining-*` until `x-ratelimit-reset-*`."""

    __slots__ = ("_left", "_remaining", "_reset", "_until")

    def __init__(self, kind: str) -> None:
        """`kind`: requests or tokens."""
        self._remaining = f"x-ratelimit-remaining-{kind}"
        self._reset = f"x-ratelimit-reset-{kind}"
        self._left = 0.0
        self._until = 0.0

    def heed(self, headers: Mapping[str, str], now: float, under_way: float) -> None:
        """Read a reply's headers. What is under way may not have been counted by the server yet, and is taken off."""
        told = headers.get(self._remaining)
        if told is None:
            return
        try:
            self._left = float(told) - under_way
        except ValueError:
            return
        reset_s = seconds(headers.get(self._reset, ""))
        self._until = now + (_UNSAID_RESET_S if reset_s is None else reset_s)

    def delay_s(self, cost: float, now: float) -> float:
        """How long until `cost` is allowed: at once while something is left, otherwise when the server resets."""
        return self._until - now if now < self._until and self._left < cost else 0.0

    def take(self, cost: float) -> None:
        """Count a request that starts."""
        self._left -= cost


def seconds(text: str) -> float | None:
    """A duration as servers write it: `120ms`, `1s`, `6m0s`, `1h2m3.5s`, or bare seconds; `None` for anything else."""
    text = text.strip().lower()
    parts = _PART.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return sum(float(number) * _UNITS[unit] for number, unit in parts)
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) and 0 <= value <= _DAY_S else None  # a larger number is a date

"""Rate limits: those of harness.toml, and those that a server sends in its headers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite

_PERIOD_S = 61.0
"""A bucket holds one second's worth and refills at 1/61 of the limit per second: no minute exceeds the limit."""
_ROUNDING = 1e-6
"""A shortage that is ignored: the wait would be too short for the clock."""
_DEFAULT_RESET_S = 1.0
_DAY_S = 86_400.0
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": _DAY_S}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


class TokenBucket:
    """A token bucket. A request larger than the bucket starts when it is full, and is paid off afterwards."""

    __slots__ = ("_at", "_held", "_rate", "size")

    def __init__(self, per_minute: float, now: float) -> None:
        self._rate = per_minute / _PERIOD_S
        self.size = self._held = max(1.0, self._rate)
        self._at = now

    def delay_s(self, cost: float, now: float) -> float:
        """Return the seconds until `cost` may be taken; 0 if now."""
        self._held = min(self.size, self._held + (now - self._at) * self._rate)
        self._at = now
        missing = min(cost, self.size) - self._held
        return missing / self._rate if missing > _ROUNDING else 0.0

    def take(self, cost: float) -> None:
        """Take `cost`; a negative `cost` returns what was not used."""
        self._held -= cost


class ServerAllowance:
    """The rest of a server's own limit: `x-ratelimit-remaining-*`, until `x-ratelimit-reset-*`."""

    __slots__ = ("_left", "_remaining", "_reset", "_until")

    def __init__(self, kind: str) -> None:
        """Args: `kind` is `requests` or `tokens`."""
        self._remaining = f"x-ratelimit-remaining-{kind}"
        self._reset = f"x-ratelimit-reset-{kind}"
        self._left = 0.0
        self._until = 0.0

    def observe(self, headers: Mapping[str, str], now: float, in_flight: float) -> None:
        """Read a reply's headers. `in_flight` is subtracted: the server may not have counted those requests yet."""
        remaining = headers.get(self._remaining)
        if remaining is None:
            return
        try:
            self._left = float(remaining) - in_flight
        except ValueError:
            return
        reset_s = parse_duration(headers.get(self._reset, ""))
        self._until = now + (_DEFAULT_RESET_S if reset_s is None else reset_s)

    def delay_s(self, cost: float, now: float) -> float:
        """Return the seconds until `cost` is allowed: 0 while enough is left, otherwise until the server resets."""
        return self._until - now if now < self._until and self._left < cost else 0.0

    def take(self, cost: float) -> None:
        """Subtract the cost of a request that starts."""
        self._left -= cost


def parse_duration(text: str) -> float | None:
    """Return seconds of a duration such as `120ms`, `1s`, `6m0s`, `1h2m3.5s` or bare seconds; `None` if malformed."""
    text = text.strip().lower()
    parts = _PART.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return sum(float(number) * _UNITS[unit] for number, unit in parts)
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) and 0 <= value <= _DAY_S else None  # a larger number is a date

"""Equality of JSON values for scoring."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import date

from harness.core.types import JSON

CENT = 0.005
"""Numbers that differ by less than half a cent are equal."""

_SPACES = re.compile(r"\s+")
_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ].*)?")


def equal(expected: JSON, given: JSON) -> bool:
    """Return whether two values are equal: numbers to the cent, dates by day, text by `folded`."""
    if isinstance(expected, bool) or isinstance(given, bool):
        return expected is given
    if isinstance(expected, int | float) and isinstance(given, int | float):
        return abs(expected - given) < CENT
    if isinstance(expected, str) and isinstance(given, str):
        day = _day(expected)
        return _day(given) == day if day else folded(given) == folded(expected)
    if isinstance(expected, Mapping) and isinstance(given, Mapping):
        names = expected.keys() | given.keys()
        return all(equal(expected.get(name), given.get(name)) for name in names)
    if isinstance(expected, list) and isinstance(given, list):
        return len(expected) == len(given) and all(map(equal, expected, given))
    return expected is None and given is None


def folded(text: str) -> str:
    """Normalize case, white space and character width."""
    return _SPACES.sub(" ", unicodedata.normalize("NFKC", text)).strip().casefold()


def _day(text: str) -> date | None:
    match = _DATE.fullmatch(text.strip())
    try:
        return date(*map(int, match.groups())) if match else None
    except ValueError:
        return None

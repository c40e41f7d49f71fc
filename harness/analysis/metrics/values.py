"""When two values of JSON mean the same."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import date

from harness.core.types import JSON

CENT = 0.005
"""Amounts that differ by less are equal: half of the smallest coin."""

_SPACES = re.compile(r"\s+")
_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ].*)?")


def equal(expected: JSON, given: JSON) -> bool:
    """Equal as values: amounts to the cent, dates by their day, text without regard to case and white space."""
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
    """Text without regard to case, white space and the width of its characters."""
    return _SPACES.sub(" ", unicodedata.normalize("NFKC", text)).strip().casefold()


def _day(text: str) -> date | None:
    found = _DATE.fullmatch(text.strip())
    try:
        return date(*map(int, found.groups())) if found else None
    except ValueError:
        return None

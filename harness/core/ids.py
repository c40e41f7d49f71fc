"""Times as text, and run ids that sort by time."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta


def now(offset: timedelta = timedelta()) -> str:
    """Return the current UTC time plus `offset`, as ISO 8601 with milliseconds. It sorts as text."""
    return (datetime.now(UTC) + offset).isoformat(timespec="milliseconds")


def new_run_id(started_at: str) -> str:
    """Return a run id such as `20261124-231500-3f2a91c4`: the start time, and eight random hex digits.

    Older versions used four digits, and two of 50 runs a second then had the same id once in 50 seconds.
    """
    stamp = started_at[:19].translate(str.maketrans("T", "-", "-:"))
    return f"{stamp}-{secrets.token_hex(4)}"

"""Times as text, and names for runs that sort by them."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta


def now(offset: timedelta = timedelta()) -> str:
    """The time in UTC, as ISO 8601 with milliseconds: it sorts as text."""
    return (datetime.now(UTC) + offset).isoformat(timespec="milliseconds")


def new_run_id(started_at: str) -> str:
    """`20261124-231500-3f2a`: the second in which a run started, and four digits against a collision."""
    stamp = started_at[:19].translate(str.maketrans("T", "-", "-:"))
    return f"{stamp}-{secrets.token_hex(2)}"

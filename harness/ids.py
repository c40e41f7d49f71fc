"""Times as text, and names for runs that sort by them."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime


def now() -> str:
    """The time in UTC, as ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def new_run_id(started_at: str) -> str:
    """`20261124-231500-3f2a`: the second in which a run started, and four digits against a collision."""
    stamp = started_at[:19].translate(str.maketrans("T", "-", "-:"))
    return f"{stamp}-{secrets.token_hex(2)}"

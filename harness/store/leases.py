"""Leases on runs, so that two processes cannot resume the same run and send every request twice.

A process takes a lease for some seconds, renews it during the run, and releases it. The lease of a killed process ends
when it expires. A process on the same machine need not wait: it sees that the holder no longer exists. Times come from
the database's clock, so the clocks of several machines need not agree.
"""

from __future__ import annotations

import os
import secrets
import socket
from typing import Any

import sqlalchemy as sa

from harness.store.runs import Store
from harness.store.schema import RUNS

LASTS_S = 30.0
"""Seconds until a lease expires. Renew it three times as often."""


def new_owner() -> str:
    """A name for this process: machine, process id, and a random part, because process ids are reused."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


def acquire(store: Store, run_id: str, owner: str, seconds: float = LASTS_S) -> bool:
    """Take the lease of a run. `False`: another process holds it. Raises `StoreError`."""
    with store.connection(writing=True) as connection:
        until = _clock(connection) + seconds
        free = sa.or_(RUNS.c.lease.is_(None), RUNS.c.lease == owner, RUNS.c.lease_until < _clock(connection))
        if _set(connection, run_id, owner, until, free):
            return True
        holder = connection.scalar(sa.select(RUNS.c.lease).where(RUNS.c.run_id == run_id))
        # Only if the holder is still the same: a third process may have taken the lease since.
        return _has_ended(holder) and _set(connection, run_id, owner, until, RUNS.c.lease == holder)


def renew(store: Store, run_id: str, owner: str, seconds: float = LASTS_S) -> bool:
    """Extend a lease. `False`: it expired, and another process has taken it."""
    with store.connection(writing=True) as connection:
        return _set(connection, run_id, owner, _clock(connection) + seconds, RUNS.c.lease == owner)


def release(store: Store, run_id: str, owner: str) -> None:
    """Give up a lease, if this owner still holds it."""
    with store.connection(writing=True) as connection:
        _set(connection, run_id, None, None, RUNS.c.lease == owner)


def holder(store: Store, run_id: str) -> str:
    """Process and machine that hold the lease of a run, for messages; empty if the run is free."""
    query = sa.select(RUNS.c.lease).where(RUNS.c.run_id == run_id)
    with store.connection() as connection:
        owner = connection.scalar(query.where(RUNS.c.lease_until >= _clock(connection)))
    machine, number = _parts(owner)
    return f"process {number} on {machine}" if owner and not _has_ended(owner) else ""


def _set(connection: sa.Connection, run_id: str, owner: str | None, until: Any, condition: Any) -> bool:
    """Write a lease if `condition` is true, and return whether it was."""
    change = RUNS.update().where(RUNS.c.run_id == run_id, condition).values(lease=owner, lease_until=until)
    return connection.execute(change).rowcount == 1


def _clock(connection: sa.Connection) -> Any:
    """The database's clock, in seconds since 1970."""
    seconds = {
        "postgresql": "EXTRACT(EPOCH FROM clock_timestamp())",
        "sqlite": "((julianday('now') - 2440587.5) * 86400.0)",
    }
    return sa.literal_column(seconds[connection.dialect.name], sa.Float)


def _parts(owner: str | None) -> tuple[str, str]:
    machine, _, rest = (owner or "").partition(":")
    return machine, rest.partition(":")[0]


def _has_ended(owner: str | None) -> bool:
    """Whether `owner` was a process of this machine that no longer exists. A reused process id counts as existing."""
    machine, number = _parts(owner)
    if machine != socket.gethostname() or not number.isdecimal():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except OSError:  # the process belongs to another user
        return False
    return False

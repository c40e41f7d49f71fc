"""Who is at a run: two processes that go on with the same one would ask everything twice.

A lease is taken for some seconds, renewed while the work goes on, and given back. What a killed process held is free
when its time is over, or at once for a process of the same machine, which sees that the other one is gone. Time is the
database's own: the clocks of several machines need not agree.
"""

from __future__ import annotations

import os
import secrets
import socket
from typing import Any

import sqlalchemy as sa

from harness.store.runs import Store

LASTS_S = 30.0
"""How long a lease holds that is not renewed; renew it three times as often."""

_runs = sa.table("runs", *map(sa.column, ("run_id", "lease", "lease_until")))
"""What is written here of the table of database.py."""


def new_owner() -> str:
    """A name for who asks: the machine, the process, and what tells it from an earlier process of that number."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


def acquire(store: Store, run_id: str, owner: str, seconds: float = LASTS_S) -> bool:
    """Take a run, unless somebody else is at it. Raises `StoreError`."""
    with store.connection(writing=True) as connection:
        until = _clock(connection) + seconds
        free = sa.or_(_runs.c.lease.is_(None), _runs.c.lease == owner, _runs.c.lease_until < _clock(connection))
        if _set(connection, run_id, owner, until, free):
            return True
        other = connection.scalar(sa.select(_runs.c.lease).where(_runs.c.run_id == run_id))
        # by the name that was read: another process may have taken it since
        return _is_gone(other) and _set(connection, run_id, owner, until, _runs.c.lease == other)


def renew(store: Store, run_id: str, owner: str, seconds: float = LASTS_S) -> bool:
    """Keep a run for longer. `False`: it is lost, because it was not renewed in time and somebody else took it."""
    with store.connection(writing=True) as connection:
        return _set(connection, run_id, owner, _clock(connection) + seconds, _runs.c.lease == owner)


def release(store: Store, run_id: str, owner: str) -> None:
    """Give a run back, if it is still held."""
    with store.connection(writing=True) as connection:
        _set(connection, run_id, None, None, _runs.c.lease == owner)


def holder(store: Store, run_id: str) -> str:
    """Who is at a run, as a user may read it: process and machine; empty where nobody is."""
    query = sa.select(_runs.c.lease).where(_runs.c.run_id == run_id)
    with store.connection() as connection:
        found = connection.scalar(query.where(_runs.c.lease_until >= _clock(connection)))
    machine, number = _parts(found)
    return f"process {number} on {machine}" if found and not _is_gone(found) else ""


def _set(connection: sa.Connection, run_id: str, owner: str | None, until: Any, only: Any) -> bool:
    """Write a lease where `only` holds; whether it did."""
    change = _runs.update().where(_runs.c.run_id == run_id, only).values(lease=owner, lease_until=until)
    return connection.execute(change).rowcount == 1


def _clock(connection: sa.Connection) -> Any:
    """Seconds since 1970, by the database."""
    seconds = {
        "postgresql": "EXTRACT(EPOCH FROM clock_timestamp())",
        "sqlite": "((julianday('now') - 2440587.5) * 86400.0)",
    }
    return sa.literal_column(seconds[connection.dialect.name], sa.Float)


def _parts(owner: str | None) -> tuple[str, str]:
    """Machine and number of the process."""
    machine, _, rest = (owner or "").partition(":")
    return machine, rest.partition(":")[0]


def _is_gone(owner: str | None) -> bool:
    """Whether the process is of this machine and no longer there. One whose number was given anew counts as there."""
    machine, number = _parts(owner)
    if machine != socket.gethostname() or not number.isdecimal():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except OSError:  # it is somebody else's
        return False
    return False

"""Made-up logged calls, as a router writes them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from harness.store import traffic
from harness.store.runs import Store, open_store
from harness.store.traffic import RoutedCall

from ..support.project import LABELS, Project

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
"""A Wednesday; the newest whole week is 2026-W47, 16 to 22 November."""


@contextmanager
def opened(project: Project) -> Iterator[Store]:
    """Open the project's store."""
    store = open_store(project.load().store_url)
    try:
        yield store
    finally:
        store.close()


def at(days_ago: float) -> str:
    """Return the time `days_ago` days before `NOW`, in the format of logged calls."""
    return (NOW - timedelta(days=days_ago)).isoformat(timespec="milliseconds")


def call(label: str | None = "billing", *, days_ago: float = 1, **more: Any) -> RoutedCall:
    """Return an answered call of the project's eval; without `label`, its reply breaks the contract."""
    reply = label or "Hm."
    usual = {
        "task": "triage",
        "variant": "local",
        "backend": "fake",
        "compliant": label is not None,
        "violations": () if label is not None else ("no_answer",),
        "value": label,
        "reply": reply,
        "reply_chars": len(reply),
        "inputs": {"text": "I was charged twice"},
    }
    return RoutedCall(called_at=at(days_ago), **{**usual, **more})


def weeks(n: int, per_week: int, *, broken: Sequence[float] = (), seed: int = 1) -> list[RoutedCall]:
    """Return calls of `n` whole weeks before `NOW`, oldest first; `broken`: contract-breaking shares of the last."""
    generator = random.Random(seed)
    shares = [0.02] * (n - len(broken)) + list(broken)
    calls = []
    for week, share in enumerate(shares):
        for _ in range(per_week):
            days_ago = 2.5 + 7 * (n - 1 - week) + 7 * generator.random()
            calls.append(call(None if generator.random() < share else generator.choice(LABELS), days_ago=days_ago))
    return calls


def log(project: Project, logged: Sequence[RoutedCall]) -> None:
    """Write calls into the project's store."""
    with opened(project) as store:
        traffic.append(store, logged)

"""A judge's verdicts in the store, on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.store import verdicts
from harness.store.runs import Store, open_store
from harness.store.verdicts import CallVerdict, VerdictStratum, VerdictTotals

JUDGE = "triage/v1 gpt@gpt-4o"


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store on each database."""
    sqlite = f"sqlite:///{tmp_path / 'runs.db'}"
    opened = open_store(sqlite if request.param == "sqlite" else request.getfixturevalue("postgres").fresh())
    yield opened
    opened.close()


def verdict(call_id: int, *, accepted: bool = True, compliant: bool = True, task: str = "triage") -> CallVerdict:
    return CallVerdict(call_id, task, "fake", "billing", compliant, accepted)


def add(store: Store, *given: CallVerdict, key: str = "k1", sheet: str = "w47") -> None:
    verdicts.add(store, sheet, JUDGE, key, given)


def test_totals_count_accepted_and_strict_verdicts_by_stratum(store: Store) -> None:
    add(store, verdict(1), verdict(2, compliant=False), verdict(3, accepted=False), verdict(4, task="other"))
    totals = verdicts.totals(store, "w47")
    assert totals[VerdictStratum("triage", "fake", "billing")] == VerdictTotals(JUDGE, judged=3, accepted=2, strict=1)
    assert len(totals) == 2
    assert verdicts.totals(store, "w48") == {}


def test_a_second_verdict_on_a_call_replaces_the_first(store: Store) -> None:
    add(store, verdict(1), verdict(2))
    add(store, verdict(1, accepted=False))
    assert verdicts.of_calls(store, "w47", [1, 2, 3]) == {1: False, 2: True}


def test_verdicts_of_another_judge_are_dropped_task_by_task(store: Store) -> None:
    add(store, verdict(1), verdict(2, task="other"))
    assert verdicts.drop_other_judges(store, "w47", "triage", "k2") == 1
    assert verdicts.judged_calls(store, "w47", "triage", "k1") == set()
    assert verdicts.judged_calls(store, "w47", "other", "k1") == {2}


def test_many_calls_are_read_in_chunks(store: Store) -> None:
    ids = range(1, 3 * verdicts.CHUNK)
    add(store, *map(verdict, ids))
    assert set(verdicts.of_calls(store, "w47", list(ids))) == set(ids)

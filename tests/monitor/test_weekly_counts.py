"""Weekly counts are cached, and counted again if calls or labels have changed."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from harness.monitor import weekly_counts, weeks
from harness.store import traffic

from ..support.project import LABELS, Project
from .logged import at, call, log, opened
from .logged import weeks as logged

W47 = date(2026, 11, 16)
FIRST = W47 - timedelta(weeks=3)
TRIAGE = {"triage": LABELS}


def count(project: Project, labels: dict[str, tuple[str, ...]] = TRIAGE) -> weeks.Weeks:
    with opened(project) as store:
        return weekly_counts.counted(store, FIRST, W47, labels)


def test_cached_counts_equal_fresh_counts(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    log(project, logged(4, 30))
    with opened(project) as store:
        plain = weeks.count(traffic.read(store), TRIAGE)
    assert count(project) == plain
    monkeypatch.setattr(traffic, "read", lambda *_, **__: pytest.fail("read again"))
    assert count(project) == plain


def test_new_calls_update_the_cached_week(project: Project) -> None:
    log(project, logged(4, 30))
    count(project)
    log(project, [call(days_ago=4)])
    assert count(project)["triage"][W47].calls == 31


def test_a_week_whose_calls_were_deleted_keeps_its_counts(project: Project) -> None:
    log(project, logged(4, 30))
    before = count(project)
    with opened(project) as store:
        assert traffic.prune(store, weeks.stamp(W47)) == 90
    assert count(project) == before


def delete_before(project: Project, days_ago: float) -> None:
    """Delete the calls older than `days_ago` days."""
    with opened(project) as store:
        assert traffic.prune(store, at(days_ago))


def test_a_week_with_some_deleted_calls_keeps_its_counts(project: Project) -> None:
    """The week was 2.5 to 9.5 days ago."""
    log(project, logged(4, 30))
    before = count(project)
    delete_before(project, 6)
    with opened(project) as store:
        assert 0 < sum(1 for _ in traffic.read(store)) < 30
    assert count(project) == before


def test_calls_of_a_new_task_leave_other_tasks_counts_alone(project: Project) -> None:
    log(project, logged(4, 30))
    before = count(project)["triage"]
    delete_before(project, 6)
    log(project, [call(days_ago=4, task="other")])
    counts = count(project)
    assert counts["triage"] == before
    assert count(project) == counts
    assert counts["other"][W47].calls == 1


def test_new_labels_are_counted_from_the_remaining_calls(project: Project) -> None:
    log(project, logged(4, 30))
    before = count(project)["triage"][W47]
    delete_before(project, 6)
    for _ in range(2):  # the second time from the cache
        counts = count(project, {"triage": ("billing", "general")})["triage"][W47]
        assert replace(counts, labels=before.labels) == before
        assert 0 < counts.labels.total() < before.labels.total()
        assert "technical" not in counts.labels


def test_new_labels_without_remaining_calls_have_no_counts(project: Project) -> None:
    log(project, logged(4, 30))
    before = count(project)["triage"][W47]
    delete_before(project, 2.4)
    counts = count(project, {"triage": ("billing", "general")})["triage"][W47]
    assert counts == replace(before, labels=Counter())
    assert count(project)["triage"][W47] == before


def test_a_changed_list_of_labels_is_counted_again(project: Project) -> None:
    log(project, logged(4, 30))
    count(project)
    counts = count(project, {"triage": ("billing", "general")})
    assert "technical" not in counts["triage"][W47].labels


def test_the_cache_has_the_keys_of_released_versions(project: Project) -> None:
    log(project, [call("billing", days_ago=4)])
    count(project)
    with opened(project) as store, store.connection() as connection:
        (text,) = connection.scalars(sa.text("SELECT tally FROM call_weeks WHERE week = '2026-11-16'"))
    assert json.loads(text)["said"] == {"billing": 1}


def test_a_store_without_calls_has_no_weeks(project: Project) -> None:
    assert count(project) == {}

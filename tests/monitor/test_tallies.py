"""Weeks are counted once, and again where that is needed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta

import pytest

from harness.monitor import tallies, weeks
from harness.store import traffic

from ..support.project import LABELS, Project
from .logged import at, call, log, opened
from .logged import weeks as logged

W47 = date(2026, 11, 16)
FIRST = W47 - timedelta(weeks=3)
OF = {"triage": LABELS}


def count(project: Project, labels: dict[str, tuple[str, ...]] = OF) -> weeks.Weeks:
    with opened(project) as store:
        return tallies.counted(store, FIRST, W47, labels)


def test_what_is_kept_is_what_would_be_counted(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    log(project, logged(4, 30))
    with opened(project) as store:
        plain = weeks.count(traffic.read(store), OF)
    first = count(project)
    assert first == plain
    monkeypatch.setattr(traffic, "read", lambda *_, **__: pytest.fail("read again"))
    assert count(project) == plain


def test_calls_that_came_later_are_counted(project: Project) -> None:
    log(project, logged(4, 30))
    count(project)
    log(project, [call(days_ago=4)])
    assert count(project)["triage"][W47].calls == 31


def test_a_week_whose_calls_are_forgotten_is_still_known(project: Project) -> None:
    log(project, logged(4, 30))
    before = count(project)
    with opened(project) as store:
        assert traffic.prune(store, weeks.stamp(W47)) == 90
    assert count(project) == before


def left(project: Project, days_ago: float) -> None:
    """The calls that are older are forgotten."""
    with opened(project) as store:
        assert traffic.prune(store, at(days_ago))


def test_a_week_half_of_whose_calls_are_forgotten_is_still_known(project: Project) -> None:
    """The week is 2.5 to 9.5 days ago."""
    log(project, logged(4, 30))
    before = count(project)
    left(project, 6)
    with opened(project) as store:
        assert 0 < sum(1 for _ in traffic.read(store)) < 30
    assert count(project) == before


def test_another_tasks_first_calls_do_not_count_a_half_forgotten_week_anew(project: Project) -> None:
    log(project, logged(4, 30))
    before = count(project)["triage"]
    left(project, 6)
    log(project, [call(days_ago=4, task="other")])
    found = count(project)
    assert found["triage"] == before
    assert count(project) == found
    assert found["other"][W47].calls == 1


def test_of_other_labels_only_what_was_said_is_of_the_calls_that_are_left(project: Project) -> None:
    log(project, logged(4, 30))
    before = count(project)["triage"][W47]
    left(project, 6)
    for _ in range(2):  # the second time as it was kept
        found = count(project, {"triage": ("billing", "general")})["triage"][W47]
        assert replace(found, said=before.said) == before
        assert 0 < found.said.total() < before.said.total()
        assert "technical" not in found.said


def test_of_other_labels_a_week_of_which_no_call_is_left_tells_all_but_what_was_said(project: Project) -> None:
    log(project, logged(4, 30))
    before = count(project)["triage"][W47]
    left(project, 2.4)
    found = count(project, {"triage": ("billing", "general")})["triage"][W47]
    assert found == replace(before, said=Counter())
    assert count(project)["triage"][W47] == before


def test_other_labels_are_counted_anew(project: Project) -> None:
    log(project, logged(4, 30))
    count(project)
    found = count(project, {"triage": ("billing", "general")})
    assert "technical" not in found["triage"][W47].said


def test_a_store_without_calls_has_no_weeks(project: Project) -> None:
    assert count(project) == {}

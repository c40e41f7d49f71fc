"""Weeks are counted once, and again where that is needed."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from harness import calls
from harness.monitor import tallies, weeks

from ..support.project import LABELS, Project
from .logged import call, log, opened
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
        plain = weeks.count(calls.read(store), OF)
    first = count(project)
    assert first == plain
    monkeypatch.setattr(calls, "read", lambda *_, **__: pytest.fail("read again"))
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
        assert calls.prune(store, weeks.stamp(W47)) == 90
    assert count(project) == before


def test_other_labels_are_counted_anew(project: Project) -> None:
    log(project, logged(4, 30))
    count(project)
    found = count(project, {"triage": ("billing", "general")})
    assert "technical" not in found["triage"][W47].said


def test_a_store_without_calls_has_no_weeks(project: Project) -> None:
    assert count(project) == {}

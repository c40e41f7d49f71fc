"""What production adds to `harness weekly`."""

from __future__ import annotations

from datetime import date

import pytest

from harness.monitor import sheets, weekly
from harness.monitor.sheets import SampleRequest, SheetLabel
from harness.report.model_findings import Finding, FindingStatus
from harness.store.runs import open_store

from ..support.cli import Terminal
from ..support.project import Project
from .logged import call, log, opened, weeks
from .test_verdicts import SINCE, UNTIL, keep_baseline

DAY = date(2026, 11, 25)


def found(project: Project, day: date = DAY) -> list[Finding]:
    with opened(project) as store:
        return weekly.found_in(project.load(), store, day)


def test_where_nothing_is_routed_there_is_nothing_to_say(project: Project) -> None:
    assert found(project) == []


def test_a_steady_week_passes(project: Project) -> None:
    log(project, weeks(14, 60))
    watched, reviewed = found(project)
    assert (watched.status, reviewed.status) == (FindingStatus.PASSED, FindingStatus.NOTED)
    assert watched.text.startswith("triage in production: steady in 2026-W47, 60 calls: compliance, refusals")
    assert "no reply was reviewed yet" in reviewed.text


def test_an_alarm_fails_the_week(project: Project) -> None:
    log(project, weeks(14, 120, broken=[0.5]))
    first = found(project)[0]
    assert first.status is FindingStatus.FAILED
    assert first.text.startswith("triage in production: WORSE in 2026-W47, compliance 41.7% (33–51), before it 97.8%")


def test_a_week_in_which_calls_have_ceased_is_undecided_and_a_task_that_ended_long_ago_is_noted(
    project: Project,
) -> None:
    log(project, [call(days_ago=4 + 7 * week) for week in range(1, 9)])
    log(project, [call(days_ago=4 + 7 * week, task="old") for week in range(5, 9)])
    log(project, [call(days_ago=3.0, task="other")])
    told = {one.text.split()[0]: one for one in found(project)}
    assert told["triage"].status is FindingStatus.UNDECIDED
    assert "no calls in 2026-W47: is the router's log still written?" in told["triage"].text
    assert told["old"].status is FindingStatus.NOTED


def test_the_first_weeks_are_noted(project: Project) -> None:
    log(project, weeks(2, 30))
    first = found(project)[0]
    assert (first.status, "too early: 1 whole week before 2026-W47" in first.text) == (FindingStatus.NOTED, True)


def test_the_newest_review_is_in_it_until_it_is_stale(project: Project) -> None:
    keep_baseline(project, 300)
    log(project, [call("billing", days_ago=1 + i / 100) for i in range(60)])
    with opened(project) as store:
        sheet, _ = sheets.draw(store, {"triage": ("billing", "general")}, SampleRequest(SINCE, UNTIL))
        sheets.add_labels(store, sheet.sheet, [SheetLabel(i.item, "anna", "general") for i in sheet.items])
    last = found(project)[-1]
    assert last.status is FindingStatus.FAILED
    assert f"triage local@fake in production: review {sheet.sheet}: REGRESSED, strict accuracy 0.0%" in last.text
    late = found(project, date(2026, 12, 23))[-1]
    assert (late.status, "that week ended on 2026-11-25:" in late.text) == (FindingStatus.NOTED, True)


def test_a_review_that_is_lower_for_the_first_time_leaves_the_week_undecided(project: Project) -> None:
    keep_baseline(project, 282)
    log(project, [call("billing", days_ago=1 + i / 100) for i in range(100)])
    with opened(project) as store:
        sheet, _ = sheets.draw(store, {"triage": ("billing", "general")}, SampleRequest(SINCE, UNTIL))
        labels = [SheetLabel(i.item, "anna", "general" if k < 13 else "billing") for k, i in enumerate(sheet.items)]
        sheets.add_labels(store, sheet.sheet, labels)
    last = found(project)[-1]
    assert last.status is FindingStatus.UNDECIDED
    assert "INCONCLUSIVE, strict accuracy 87.0%" in last.text


def test_the_weekly_run_tells_it_all(harness: Terminal, served: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.report.write", lambda *_: None)  # the page takes longer than all the rest
    log(served, weeks(14, 120, broken=[0.5]))
    ended = harness("weekly", "--date", "2026-11-25", "--no-cache")
    assert ended.code == 1, ended.err
    assert "failed    triage in production: WORSE in 2026-W47, compliance" in ended.out
    assert "**failed** triage in production" in (served.root / "reports/weekly/2026-11-25.md").read_text()
    assert open_store(served.load().store_url).manifests()

"""Findings about production in `harness weekly`."""

from __future__ import annotations

from datetime import date

import pytest

from harness.monitor import sheets, weekly_findings
from harness.monitor.sheets import SampleRequest, SheetLabel
from harness.report.model_findings import Finding, FindingStatus
from harness.store.runs import open_store

from ..support.cli import Terminal
from ..support.project import Project
from .logged import call, log, opened, weeks
from .test_review import SINCE, UNTIL, keep_baseline

DAY = date(2026, 11, 25)


def found(project: Project, day: date = DAY) -> list[Finding]:
    with opened(project) as store:
        return weekly_findings.weekly_findings(project.with_store(store), day)


def test_without_logged_calls_there_are_no_findings(project: Project) -> None:
    assert found(project) == []


def test_a_steady_week_passes(project: Project) -> None:
    log(project, weeks(14, 60))
    signals, review = found(project)
    assert (signals.standing, review.standing) == (FindingStatus.PASSED, FindingStatus.NOTED)
    assert all(part in signals.text for part in ("triage", "2026-W47", "60 calls", "compliance", "refusals"))
    assert "`harness sample`" in review.text


def test_an_alarm_fails_the_week(project: Project) -> None:
    log(project, weeks(14, 120, broken=[0.5]))
    first = found(project)[0]
    assert first.standing is FindingStatus.FAILED
    assert all(part in first.text for part in ("triage", "WORSE in 2026-W47", "compliance 41.7% (33–51)", "97.8%"))


def test_missing_calls_are_undecided_and_an_old_task_is_noted(project: Project) -> None:
    log(project, [call(days_ago=4 + 7 * week) for week in range(1, 9)])
    log(project, [call(days_ago=4 + 7 * week, task="old") for week in range(5, 9)])
    log(project, [call(days_ago=3.0, task="other")])
    by_task = {finding.text.split()[0]: finding for finding in found(project)}
    assert by_task["triage"].standing is FindingStatus.UNDECIDED
    assert "no calls in 2026-W47: " in by_task["triage"].text
    assert by_task["old"].standing is FindingStatus.NOTED


def test_the_first_weeks_are_noted_as_too_early(project: Project) -> None:
    log(project, weeks(2, 30))
    first = found(project)[0]
    assert (first.standing, "too early: 1 whole week" in first.text) == (FindingStatus.NOTED, True)


def test_the_newest_review_counts_until_it_is_stale(project: Project) -> None:
    keep_baseline(project, 300)
    log(project, [call("billing", days_ago=1 + i / 100) for i in range(60)])
    with opened(project) as store:
        sheet, _ = sheets.draw(store, {"triage": ("billing", "general")}, SampleRequest(SINCE, UNTIL))
        sheets.add_labels(store, sheet.sheet, [SheetLabel(i.item, "anna", "general") for i in sheet.items])
    last = found(project)[-1]
    assert last.standing is FindingStatus.FAILED
    assert f"triage local@fake in production: review {sheet.sheet}: REGRESSED, strict accuracy 0.0%" in last.text
    late = found(project, date(2026, 12, 23))[-1]
    assert (late.standing, "ended on 2026-11-25" in late.text) == (FindingStatus.NOTED, True)


def test_the_first_low_review_is_undecided(project: Project) -> None:
    keep_baseline(project, 282)
    log(project, [call("billing", days_ago=1 + i / 100) for i in range(100)])
    with opened(project) as store:
        sheet, _ = sheets.draw(store, {"triage": ("billing", "general")}, SampleRequest(SINCE, UNTIL))
        labels = [SheetLabel(i.item, "anna", "general" if k < 13 else "billing") for k, i in enumerate(sheet.items)]
        sheets.add_labels(store, sheet.sheet, labels)
    last = found(project)[-1]
    assert last.standing is FindingStatus.UNDECIDED
    assert "INCONCLUSIVE, strict accuracy 87.0%" in last.text


def test_harness_weekly_includes_production(
    harness: Terminal, served: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "harness.report.write", lambda *_: None
    )  # rendering the report takes longer than the rest of the test
    log(served, weeks(14, 120, broken=[0.5]))
    ended = harness("weekly", "--date", "2026-11-25", "--no-cache")
    assert ended.code == 1, ended.err
    assert "failed    triage in production: WORSE in 2026-W47, compliance" in ended.out
    assert "**failed** triage in production" in (served.root / "reports/weekly/2026-11-25.md").read_text()
    assert open_store(served.load().store_url).manifests()

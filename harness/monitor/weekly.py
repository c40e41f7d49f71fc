"""What production adds to the weekly run: its signals, and the newest review. Nothing where nothing is logged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta

from harness.analysis.compare import Verdict
from harness.core.formatting import plural
from harness.monitor import sheets, signals, verdicts, weeks, words
from harness.monitor.kinds import labels_of
from harness.monitor.signals import Signal, SignalStatus, WeeklySignals
from harness.report import model_findings
from harness.report.model_findings import Finding
from harness.runner.project import Project
from harness.store import traffic

STALE_DAYS = 14
"""A review whose week ended longer ago says nothing of this week."""

_OF_SIGNALS = {
    SignalStatus.WORSE: model_findings.FindingStatus.FAILED,
    SignalStatus.CHANGED: model_findings.FindingStatus.UNDECIDED,
}
_OF_VERDICTS = {
    Verdict.REGRESSED: model_findings.FindingStatus.FAILED,
    Verdict.OK: model_findings.FindingStatus.PASSED,
    Verdict.IMPROVED: model_findings.FindingStatus.PASSED,
}


def found_in(project: Project, day: date) -> list[Finding]:
    """The findings of the newest whole week before `day`; raises `StoreError`."""
    tasks = traffic.tasks(project.store)
    if not tasks:
        return []
    week = weeks.monday(day) - timedelta(weeks=1)
    watch = signals.watch(project.store, week, labels_of(project.config, tasks))
    return [*_of_watch(watch), *_of_review(project, day)]


def _of_watch(watch: WeeklySignals) -> Iterator[Finding]:
    named = weeks.name(watch.week)
    by_task: dict[str, list[Signal]] = defaultdict(list)
    for signal in watch.signals:
        by_task[signal.task].append(signal)
    for task, n in watch.calls.items():
        if not n:
            silent = task in watch.silent
            text = f"{task} in production: no calls in {named}" + (f": {words.SILENT}" if silent else "")
            yield Finding(
                model_findings.FindingStatus.UNDECIDED if silent else model_findings.FindingStatus.NOTED, text
            )
            continue
        if not (told := by_task.get(task, [])) or any(s.standing is SignalStatus.TOO_EARLY for s in told):
            why = words.too_early(watch, task)
            yield Finding(
                model_findings.FindingStatus.NOTED,
                f"{task} in production: {plural(n, 'call')} in {named}; too early: {why}",
            )
            continue
        alarms = [s for s in told if s.standing in _OF_SIGNALS]
        for s in alarms:
            text = f"{task} in production: {s.standing.value} in {named}, {words.signal(s)}, p {words.adjusted(s)}"
            yield Finding(_OF_SIGNALS[s.standing], text)
        if not alarms:
            steady = ", ".join(s.name for s in told)
            text = f"{task} in production: steady in {named}, {plural(n, 'call')}: {steady}"
            yield Finding(model_findings.FindingStatus.PASSED, text)


def _of_review(project: Project, day: date) -> Iterator[Finding]:
    names = [
        name
        for name in sheets.reviewed(project.store)
        if sheets.load(project.store, name).since[:10] <= day.isoformat()
    ]
    if not names:
        text = "production: no reply was reviewed yet: `harness sample` draws some"
        yield Finding(model_findings.FindingStatus.NOTED, text)
        return
    newest = verdicts.review(project, names[0])
    over = date.fromisoformat(newest.sheet.until[:10])  # the day after the last
    stale = (day - over).days > STALE_DAYS
    for cell in newest.cells:
        standing = (
            _OF_VERDICTS.get(cell.verdict, model_findings.FindingStatus.NOTED)
            if cell.verdict
            else model_findings.FindingStatus.NOTED
        )
        if cell.verdict is Verdict.INCONCLUSIVE and cell.lower:
            standing = model_findings.FindingStatus.UNDECIDED  # the next review decides
        said = f"{cell.verdict.value}, {words.cell(cell)}" if cell.verdict else words.cell(cell)
        text = f"{cell.task} {cell.cell} in production: review {names[0]}: {said}"
        if stale:
            ended = f"that week ended on {weeks.last_day(newest.sheet.until)}"
            yield Finding(model_findings.FindingStatus.NOTED, f"{text}; {ended}: `harness sample` draws a new one")
        else:
            yield Finding(standing, text)

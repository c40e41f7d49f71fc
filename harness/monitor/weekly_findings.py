"""Findings about production for `harness weekly`: signals and the newest review. Empty if no calls are logged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta

from harness.analysis.compare import Verdict
from harness.core.formatting import plural
from harness.monitor import review, sheets, signals, weeks, wording
from harness.monitor.review import CellReview
from harness.monitor.signals import Signal, SignalStatus, WeeklySignals
from harness.monitor.task_labels import labels_of
from harness.report.model_findings import Finding, FindingStatus
from harness.runner.project import Project
from harness.store import traffic

STALE_DAYS = 14
"""A review of an older week is reported, but does not count for this week."""

_STATUS_OF_SIGNAL = {SignalStatus.WORSE: FindingStatus.FAILED, SignalStatus.CHANGED: FindingStatus.UNDECIDED}
_STATUS_OF_VERDICT = {
    Verdict.REGRESSED: FindingStatus.FAILED,
    Verdict.OK: FindingStatus.PASSED,
    Verdict.IMPROVED: FindingStatus.PASSED,
}


def weekly_findings(project: Project, day: date) -> list[Finding]:
    """Return the findings of the newest whole week before `day`; raises `StoreError`."""
    tasks = traffic.tasks(project.store)
    if not tasks:
        return []
    week = weeks.monday(day) - timedelta(weeks=1)
    return [
        *_signal_findings(signals.read_signals(project.store, week, labels_of(project.config, tasks))),
        *_review_findings(project, day),
    ]


def _signal_findings(weekly: WeeklySignals) -> Iterator[Finding]:
    week = weeks.name(weekly.week)
    by_task: dict[str, list[Signal]] = defaultdict(list)
    for signal in weekly.signals:
        by_task[signal.task].append(signal)
    for task, n in weekly.calls.items():
        head = f"{task} in production"
        of_task = by_task.get(task, [])
        alarms = [signal for signal in of_task if signal.status in _STATUS_OF_SIGNAL]
        if not n and task in weekly.silent:
            yield Finding(FindingStatus.UNDECIDED, f"{head}: no calls in {week}: {wording.SILENT}")
        elif not n:
            yield Finding(FindingStatus.NOTED, f"{head}: no calls in {week}")
        elif not of_task or any(signal.status is SignalStatus.TOO_EARLY for signal in of_task):
            why = wording.too_early_text(weekly, task)
            yield Finding(FindingStatus.NOTED, f"{head}: {plural(n, 'call')} in {week}; too early: {why}")
        elif alarms:
            for signal in alarms:
                change = f"{wording.signal_text(signal)}, p {wording.adjusted_p_text(signal)}"
                text = f"{head}: {signal.status.value} in {week}, {change}"
                yield Finding(_STATUS_OF_SIGNAL[signal.status], text)
        else:
            steady = ", ".join(signal.name for signal in of_task)
            yield Finding(FindingStatus.PASSED, f"{head}: steady in {week}, {plural(n, 'call')}: {steady}")


def _review_findings(project: Project, day: date) -> Iterator[Finding]:
    store = project.store
    names = [name for name in sheets.labelled_sheets(store) if sheets.load(store, name).since[:10] <= day.isoformat()]
    if not names:
        text = "production: no replies reviewed yet: draw a sample with `harness sample`"
        yield Finding(FindingStatus.NOTED, text)
        return
    newest = review.review(project, names[0])
    end = date.fromisoformat(newest.sheet.until[:10])  # the day after the last day
    stale = (day - end).days > STALE_DAYS
    for cell in newest.cells:
        result = f"{cell.verdict.value}, {wording.cell_text(cell)}" if cell.verdict else wording.cell_text(cell)
        text = f"{cell.task} {cell.cell} in production: review {names[0]}: {result}"
        if stale:
            ended = f"this week ended on {weeks.last_day(newest.sheet.until)}"
            yield Finding(FindingStatus.NOTED, f"{text}; {ended}: draw a new sample with `harness sample`")
        else:
            yield Finding(_cell_status(cell), text)


def _cell_status(cell: CellReview) -> FindingStatus:
    if cell.verdict is None:
        return FindingStatus.NOTED
    if cell.verdict is Verdict.INCONCLUSIVE and cell.lower:
        return FindingStatus.UNDECIDED  # the next review decides
    return _STATUS_OF_VERDICT.get(cell.verdict, FindingStatus.NOTED)

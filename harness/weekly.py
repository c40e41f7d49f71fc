"""The weekly run: production's cells over whole splits, compared with last week and the baseline, judged by the gates.

With routed traffic it includes production signals and the newest review.

A week is named by a day. Its runs have the tags `weekly` and `weekly-2026-11-24`, so a week can be found and resumed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from harness import api
from harness.analysis.compare import Comparison, Verdict, compare, outcomes_of
from harness.analysis.gates import GateStatus
from harness.analysis.metrics.summary import summarize
from harness.analysis.trend import Trend
from harness.core.formatting import listed
from harness.core.types import OWN_ORIGINS, Manifest, Run
from harness.monitor import weekly_findings as production
from harness.project.run_options import RunOptions
from harness.report import comparison_text, verdict_text
from harness.report.analyses import Analyses
from harness.report.findings import ordered
from harness.report.gate_text import gate_text
from harness.report.model_findings import Finding, FindingStatus
from harness.runner import execution, gate_checks, questions
from harness.runner.engine import Outcome
from harness.runner.events import RunEvents
from harness.runner.plan import Cell
from harness.runner.project import Project
from harness.store.run_query import RunQuery
from harness.store.runs import Store

TAG = "weekly"

_OF_GATES = {
    GateStatus.PASSED: FindingStatus.PASSED,
    GateStatus.FAILED: FindingStatus.FAILED,
    GateStatus.UNDECIDED: FindingStatus.UNDECIDED,
}


@dataclass(frozen=True, slots=True)
class WeeklyPlan:
    """The cells of the week that is named by `day`."""

    project: Project
    day: date
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class WeeklyResult:
    """Runs and findings of one week. `comparisons`: with the previous week, by eval and cell."""

    runs: tuple[Run, ...]
    findings: tuple[Finding, ...]
    comparisons: Mapping[tuple[str, str], Comparison]


def tags(day: date) -> tuple[str, str]:
    """The tags of a week's runs."""
    return TAG, f"{TAG}-{day.isoformat()}"


def week_of(manifest: Manifest) -> str:
    """The day that names the week of a run: from its tag, else the day of the run."""
    days = (tag.removeprefix(f"{TAG}-") for tag in manifest.tags if tag.startswith(f"{TAG}-"))
    return max(days, default=manifest.started_at[:10])


def plan(project: Project, day: date, options: RunOptions) -> WeeklyPlan:
    """Plan the cells that production would use: every eval, on every usual backend and on both of the pair."""
    own = replace(options, own_variant_only=True, whole=True)
    planned = execution.cells(project, (), own)
    pair = project.config.pair
    if pair and not (options.backend or project.config.run.backend):
        for name in dict.fromkeys((pair.reference, pair.candidate)):
            there = {(cell.definition.name, cell.backend.name) for cell in planned}
            more = execution.cells(project, (), replace(own, backend=(name,)))
            planned += [cell for cell in more if (cell.definition.name, cell.backend.name) not in there]
    return WeeklyPlan(project, day, tuple(cell for cell in planned if cell.is_own))


def run(week: WeeklyPlan, options: RunOptions, events: RunEvents) -> Outcome:
    """Run the cells of a week. With `resume`, cells with a complete, current run in that week are not run again."""
    done = {cell.key: made for cell in week.cells if options.resume and (made := _complete_run(week, cell))}
    todo = [cell for cell in week.cells if cell.key not in done]
    outcome = Outcome()
    if todo or not done:
        outcome = execution.execute(week.project, todo, replace(options, tag=tags(week.day)), events)
    by_name = {(each.manifest.eval, each.manifest.cell): each for each in (*done.values(), *outcome.runs)}
    in_order = (by_name.get((cell.definition.name, cell.name)) for cell in week.cells)
    return replace(outcome, runs=tuple(each for each in in_order if each is not None))


def judge(week: WeeklyPlan, outcome: Outcome) -> WeeklyResult:
    """Judge a week; returns its findings, failures first."""
    by_name = {(each.manifest.eval, each.manifest.cell): each for each in outcome.runs}
    reasons = dict(outcome.skipped)
    findings = [Finding(FindingStatus.UNDECIDED, str(failure)) for failure in outcome.failures]
    comparisons: dict[tuple[str, str], Comparison] = {}
    for cell in week.cells:
        name = cell.definition.name, cell.name
        before = _before(week, cell)
        if name not in by_name:
            findings.append(_missing(cell, before, reasons.get(cell.backend.name, "its backend failed")))
            continue
        own = by_name[name]
        if before is None:
            findings.append(Finding(FindingStatus.NOTED, f"{_title(cell)}: no week before this one to compare with"))
        else:
            comparisons[name] = _compared(week.project, cell, before, own)
            findings.append(_against(cell, before, own, comparisons[name]))
        findings += _of_run(week, cell, own, outcome.runs)
    findings += production.weekly_findings(week.project, week.day)
    return WeeklyResult(outcome.runs, ordered(findings), comparisons)


def trends(store: Store, week: WeeklyResult) -> list[Trend]:
    """The weekly trend of every cell of a week, with its comparison with the previous week."""
    names = dict.fromkeys(each.manifest.eval for each in week.runs)
    every = (trend for name in names for trend in api.trends(store, name, tag=TAG))
    return [replace(trend, latest=week.comparisons.get((trend.eval, trend.cell))) for trend in every]


def analyses(week: WeeklyPlan, made: WeeklyResult) -> Analyses:
    """The analyses on the page of a week: the comparison with the previous week, then the project's analyses."""
    names = [cell.definition.name for cell in week.cells]
    return replace(questions.analyses(week.project, names), comparisons=tuple(made.comparisons.values()))


def _of_cell(store: Store, cell: Cell) -> list[Manifest]:
    """The weekly runs of a cell over the whole of its split, newest first."""
    return store.manifests(
        RunQuery(
            eval=cell.definition.name,
            cell=cell.name,
            splits=(cell.split or "",),
            tags=(TAG,),
            finished=True,
            whole=True,
            origins=OWN_ORIGINS,
        )
    )


def _before(week: WeeklyPlan, cell: Cell) -> Manifest | None:
    """The run of the newest previous week."""
    earlier = [m for m in _of_cell(week.project.store, cell) if week_of(m) < week.day.isoformat()]
    return max(earlier, key=lambda m: (week_of(m), m.started_at), default=None)


def _complete_run(week: WeeklyPlan, cell: Cell) -> Run | None:
    """The complete, current run of a cell in this week: no failed call, unchanged files."""
    planned = cell.fingerprint().items()
    for m in _of_cell(week.project.store, cell):
        if week_of(m) == week.day.isoformat() and planned <= dict(m.fingerprint).items():
            made = week.project.store.with_results(m)
            return None if summarize(made.results).n_errors else made
    return None


def _missing(cell: Cell, before: Manifest | None, reason: str) -> Finding:
    """A cell without a run: undecided only if the previous week had a run."""
    if before is None:
        return Finding(FindingStatus.NOTED, f"{_title(cell)}: not run: {reason}")
    return Finding(
        FindingStatus.UNDECIDED, f"{_title(cell)}: not run, as it was in the week of {week_of(before)}: {reason}"
    )


def _compared(project: Project, cell: Cell, before: Manifest, own: Run) -> Comparison:
    base = outcomes_of(project.store.with_results(before), f"the week of {week_of(before)}")
    return compare(base, outcomes_of(own), questions.question(project, cell.definition.name, "change"))


def _against(cell: Cell, before: Manifest, own: Run, c: Comparison) -> Finding:
    """Compare with the previous week. An inconclusive comparison without failed calls is only noted."""
    standing = FindingStatus.FAILED if c.verdict is Verdict.REGRESSED else FindingStatus.PASSED
    if c.verdict is Verdict.INCOMPARABLE:
        standing = FindingStatus.UNDECIDED
    if c.verdict is Verdict.INCONCLUSIVE:
        standing = FindingStatus.UNDECIDED if c.base.n_errors + c.head.n_errors else FindingStatus.NOTED
    changed = ""
    if c.changed or standing is FindingStatus.FAILED:
        changed = f"changed: {comparison_text.changes_text(c.changed) or 'nothing in the fingerprint'}"
    stored = "every answer is from the store" if all(r.cached for r in own.results) else ""
    parts = [verdict_text.verdict_text(c), changed, stored, comparison_text.lost_cases_text(c)]
    return Finding(standing, f"{_title(cell)}: against the week of {week_of(before)}: {'; '.join(filter(None, parts))}")


def _of_run(week: WeeklyPlan, cell: Cell, own: Run, others: Sequence[Run]) -> Iterator[Finding]:
    """Failed calls and gates. An inconclusive implied baseline gate is only noted: the eval does not require it."""
    summary = summarize(own.results)
    if summary.n_errors:
        failed = (
            f"{summary.n_errors:,} of {summary.n:,} calls failed ({listed(summary.errors)}): run again with --resume"
        )
        yield Finding(FindingStatus.UNDECIDED, f"{_title(cell)}: {failed}")
    evidence = gate_checks.evidence(week.project, cell, own, others)
    for name in gate_checks.wanted(week.project.config, cell):
        result = gate_checks.judge(name, cell, evidence)
        standing = _OF_GATES[result.status]
        if name == gate_checks.BASELINE and standing is FindingStatus.UNDECIDED and not summary.n_errors:
            standing = FindingStatus.NOTED
        yield Finding(standing, gate_text(result))


def _title(cell: Cell) -> str:
    return f"{cell.definition.name} {cell.name}"

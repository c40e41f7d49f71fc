"""The weekly run: production's cells over whole splits, compared with the weeks before and the baseline, and judged.

With routed traffic it includes production signals and the newest review. A cell that looks worse is run a second time,
because among many cells some look worse by chance. analysis/compare/weekly_check.py decides what is proven.

A week is named by a day. Its runs have the tags `weekly` and `weekly-2026-11-24`, so a week can be found and resumed.
Its second runs and noise samples have the tags `again-2026-11-24` and `noise-2026-11-24`, and are part of no trend.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from harness import api
from harness.analysis import baseline
from harness.analysis.compare import Comparison, outcomes_of, weekly_check
from harness.analysis.compare.alarms import HISTORY, family_level, is_changed
from harness.analysis.compare.changes import changes
from harness.analysis.compare.weekly_check import CellCheck, CellWeek, CheckResult
from harness.analysis.gates import GateStatus
from harness.analysis.metrics.summary import summarize
from harness.analysis.trend import Trend
from harness.core.formatting import listed, plural
from harness.core.types import OWN_ORIGINS, Manifest, Run
from harness.monitor import weekly_findings as production
from harness.project.run_options import RunOptions
from harness.report import weekly_text
from harness.report.analyses import Analyses
from harness.report.findings import ordered
from harness.report.gate_text import gate_text
from harness.report.model_findings import Finding, FindingStatus
from harness.runner import execution, gate_checks, questions
from harness.runner.engine import Outcome
from harness.runner.events import RunEvents
from harness.runner.gate_checks import BaselineRule
from harness.runner.plan import Cell, CellKey
from harness.runner.project import Project
from harness.store.run_query import RunQuery
from harness.store.runs import Store

TAG = "weekly"
AGAIN, NOISE = "again", "noise"
"""Prefixes of the tags of second runs and of noise samples."""

_OF_GATES = {
    GateStatus.PASSED: FindingStatus.PASSED,
    GateStatus.FAILED: FindingStatus.FAILED,
    GateStatus.UNDECIDED: FindingStatus.UNDECIDED,
}


_OF_CHECKS = {
    CheckResult.WORSE: FindingStatus.FAILED,
    CheckResult.SUSPECTED: FindingStatus.NOTED,
    CheckResult.INCOMPARABLE: FindingStatus.UNDECIDED,
    CheckResult.FAILED_CALLS: FindingStatus.UNDECIDED,
    CheckResult.OPEN: FindingStatus.NOTED,
    CheckResult.GOOD: FindingStatus.PASSED,
}


@dataclass(frozen=True, slots=True)
class WeeklyPlan:
    """The cells of the week that is named by `day`."""

    project: Project
    day: date
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class WeeklyRuns:
    """The runs of a week. `again`: second runs, and `noise`: noise samples, by cell."""

    outcome: Outcome
    again: Mapping[CellKey, Run] = field(default_factory=dict)
    noise: Mapping[CellKey, Run] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WeeklyResult:
    """Runs and findings of one week. `comparisons`: with the weeks before, by eval and cell."""

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


def run(week: WeeklyPlan, options: RunOptions, events: RunEvents) -> WeeklyRuns:
    """Run the cells of a week, then the noise samples, and a second time the cells that look worse.

    With `resume`, cells with a complete, current run in that week are not run again.
    """
    outcome = _run(week, week.cells, options, tags(week.day), events)
    config = week.project.config.weekly
    found = {(run.manifest.eval, run.manifest.cell): run for run in outcome.runs}
    measured = [cell for cell in week.cells if _name(cell) in found]
    noisy = [cell for cell in measured if not found[_name(cell)].manifest.fingerprint.get("model_digest")]
    noise = again = Outcome()
    fresh = replace(options, cache=False)
    if config.noise_cases and noisy and not outcome.failures:
        samples = [_sample(cell, config.noise_cases) for cell in noisy]
        noise = _run(week, samples, fresh, (f"{NOISE}-{week.day}",), events)
    if config.second_run and not outcome.failures:
        worse = [cell for cell in measured if weekly_check.looks_worse(_cell_week(week, cell, found[_name(cell)]))]
        again = _run(week, worse, fresh, (f"{AGAIN}-{week.day}",), events) if worse else again
    keys = {_name(cell): cell.key for cell in week.cells}
    by_key = [{keys[each.manifest.eval, each.manifest.cell]: each for each in made.runs} for made in (again, noise)]
    failures = (*outcome.failures, *noise.failures, *again.failures)
    return WeeklyRuns(replace(outcome, failures=failures), *by_key)


def judge(week: WeeklyPlan, made: WeeklyRuns) -> WeeklyResult:
    """Judge a week; returns its findings, failures first."""
    outcome = made.outcome
    found = {(each.manifest.eval, each.manifest.cell): each for each in outcome.runs}
    reasons = dict(outcome.skipped)
    findings = [Finding(FindingStatus.UNDECIDED, str(failure)) for failure in outcome.failures]
    weeks = {
        _name(cell): _cell_week(week, cell, found[_name(cell)], made.again.get(cell.key), made.noise.get(cell.key))
        for cell in week.cells
        if _name(cell) in found
    }
    checks = {name: check for name, check in weekly_check.check(weeks).items() if check is not None}
    for cell in week.cells:
        name = _name(cell)
        if name not in found:
            before = next(iter(_earlier(week, cell)), None)
            findings.append(_missing(cell, before, reasons.get(cell.backend.name, "its backend failed")))
            continue
        findings.append(_against(cell, weeks[name], checks.get(name)))
        findings += _of_run(week, cell, found[name], made, len(weeks))
    findings += production.weekly_findings(week.project, week.day)
    findings.append(Finding(FindingStatus.NOTED, weekly_text.promise(weeks.values(), len(weeks))))
    return WeeklyResult(outcome.runs, ordered(findings), {name: check.comparison for name, check in checks.items()})


def trends(store: Store, week: WeeklyResult) -> list[Trend]:
    """The weekly trend of every cell of a week, with its comparison with the weeks before."""
    names = dict.fromkeys(each.manifest.eval for each in week.runs)
    every = (trend for name in names for trend in api.trends(store, name, tag=TAG))
    return [replace(trend, latest=week.comparisons.get((trend.eval, trend.cell))) for trend in every]


def analyses(week: WeeklyPlan, made: WeeklyResult) -> Analyses:
    """The analyses on the page of a week: the comparison with the weeks before, then the project's analyses."""
    names = [cell.definition.name for cell in week.cells]
    return replace(questions.analyses(week.project, names), comparisons=tuple(made.comparisons.values()))


def _run(
    week: WeeklyPlan, cells: Sequence[Cell], options: RunOptions, run_tags: tuple[str, ...], events: RunEvents
) -> Outcome:
    """Run cells under the tags. With `resume`, a complete, current run with these tags is not repeated."""
    done = {cell.key: made for cell in cells if options.resume and (made := _complete_run(week, cell, run_tags))}
    todo = [cell for cell in cells if cell.key not in done]
    outcome = Outcome()
    if todo or not done:
        outcome = execution.execute(week.project, todo, replace(options, tag=run_tags), events)
    found = {(each.manifest.eval, each.manifest.cell): each for each in (*done.values(), *outcome.runs)}
    in_order = (found.get(_name(cell)) for cell in cells)
    return replace(outcome, runs=tuple(each for each in in_order if each is not None))


def _sample(cell: Cell, n: int) -> Cell:
    """The first `n` cases of a cell; a sample even if it has no more, so that no trend contains it."""
    cases = cell.cases[:n]
    return replace(cell, cases=cases, requests=replace(cell.requests, cases=cases), limit=n)


def _query(cell: Cell, tag: str) -> RunQuery:
    return RunQuery(
        eval=cell.definition.name,
        cell=cell.name,
        splits=(cell.split or "",),
        tags=(tag,),
        finished=True,
        whole=cell.limit is None,
        case_limit=cell.limit,
        origins=OWN_ORIGINS,
    )


def _earlier(week: WeeklyPlan, cell: Cell) -> list[Manifest]:
    """The runs of earlier weeks, newest first; one per week."""
    by_week: dict[str, Manifest] = {}
    for m in week.project.store.manifests(_query(cell, TAG)):  # newest first
        if week_of(m) < week.day.isoformat():
            by_week.setdefault(week_of(m), m)
    return [m for _, m in sorted(by_week.items(), reverse=True)]


def _complete_run(week: WeeklyPlan, cell: Cell, run_tags: tuple[str, ...]) -> Run | None:
    """The complete, current run of a cell with these tags: no failed call, unchanged files."""
    planned = cell.fingerprint().items()
    for m in week.project.store.manifests(_query(cell, run_tags[-1])):
        if planned <= dict(m.fingerprint).items():
            made = week.project.store.with_results(m)
            return None if summarize(made.results).n_errors else made
    return None


def _cell_week(week: WeeklyPlan, cell: Cell, own: Run, again: Run | None = None, noise: Run | None = None) -> CellWeek:
    """Everything that the rule needs of one cell."""
    earlier = _earlier(week, cell)
    same = [m for m in earlier[:HISTORY] if not is_changed(changes(earlier[0].fingerprint, m.fingerprint))]
    name = f"the week of {week_of(earlier[0])}" if earlier else ""
    return CellWeek(
        run=outcomes_of(own),
        before=tuple(outcomes_of(week.project.store.with_results(m), name) for m in same),
        question=questions.question(week.project, cell.definition.name, "change"),
        again=None if again is None else outcomes_of(again),
        noise=None if noise is None else outcomes_of(noise),
        baseline=baseline.load(week.project.root, cell.definition.name, cell.name),
    )


def _missing(cell: Cell, before: Manifest | None, reason: str) -> Finding:
    """A cell without a run: undecided only if the previous week had a run."""
    if before is None:
        return Finding(FindingStatus.NOTED, f"{_title(cell)}: not run: {reason}")
    return Finding(
        FindingStatus.UNDECIDED, f"{_title(cell)}: not run, as it was in the week of {week_of(before)}: {reason}"
    )


def _against(cell: Cell, found: CellWeek, check: CellCheck | None) -> Finding:
    """The comparison with the weeks before."""
    if check is None:
        return Finding(FindingStatus.NOTED, f"{_title(cell)}: no week before this one to compare with")
    status = _OF_CHECKS[check.result]
    return Finding(status, f"{_title(cell)}: {weekly_text.check_text(found, check)}")


def _of_run(week: WeeklyPlan, cell: Cell, own: Run, made: WeeklyRuns, comparisons: int) -> Iterator[Finding]:
    """Failed calls and gates. An inconclusive implied baseline gate is only noted: the eval does not require it."""
    summary = summarize(own.results)
    if summary.n_errors:
        failed = f"{summary.n_errors:,} of {plural(summary.n, 'call')} failed ({listed(summary.errors)})"
        yield Finding(FindingStatus.UNDECIDED, f"{_title(cell)}: {failed}: run again with --resume")
    again = made.again.get(cell.key)
    evidence = gate_checks.evidence(
        week.project,
        cell,
        own,
        made.outcome.runs,
        rule=BaselineRule(family_level(comparisons), () if again is None else (again,)),
    )
    for name in gate_checks.wanted(week.project.config, cell):
        result = gate_checks.judge(name, cell, evidence)
        standing = _OF_GATES[result.status]
        if name == gate_checks.BASELINE and standing is FindingStatus.UNDECIDED and not summary.n_errors:
            standing = FindingStatus.NOTED
        yield Finding(standing, gate_text(result))


def _name(cell: Cell) -> tuple[str, str]:
    return cell.definition.name, cell.name


def _title(cell: Cell) -> str:
    return f"{cell.definition.name} {cell.name}"

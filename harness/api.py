"""Run evals, compare and report saved runs, and read replies from Python.

`run` and `arun` send requests and save results; `compare` and `build_report` use saved runs; `read` needs no project.
Errors that a user can fix are `HarnessError`; a failed call is not an error but part of its `Result`.

>>> from harness import LabelContract, read
>>> reading = read("The category is: technical", LabelContract(("billing", "technical")))
>>> reading.strict, reading.lenient, reading.violations
(None, 'technical', ('preamble',))
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from harness.analysis import trend
from harness.analysis.compare import Comparison, ComparisonQuestion, RunOutcomes, outcomes_of
from harness.analysis.compare import compare as compare_outcomes
from harness.core.errors import BackendUnavailable, ConfigError, StoreError
from harness.core.types import OWN_ORIGINS, Decoding, Run
from harness.interop import is_imported
from harness.project.run_options import RunOptions
from harness.runner import execution, gate_checks, questions, rendered_prompts
from harness.runner.engine import Outcome
from harness.runner.events import RunEvents
from harness.runner.plan import Cell
from harness.runner.project import Project
from harness.store import tallies
from harness.store.run_query import RunQuery
from harness.store.run_refs import find_run
from harness.store.runs import Store

if TYPE_CHECKING:
    from harness.report import CellReport, Report


class RunArguments(TypedDict, total=False):
    """Keyword arguments of `run` and `arun`: the options of `RunOptions`, a single string also for a sequence."""

    backend: str | Sequence[str]
    variant: str | Sequence[str]
    version: str | None
    decoding: Decoding | Sequence[Decoding]
    split: str | None
    limit: int | None
    case: str | Sequence[str]
    filter: str | Sequence[str]
    demo: bool
    cache: bool | None
    resume: bool
    jobs: int | None
    tag: str | Sequence[str]
    budget: float | None
    record: Path | str | None
    batch: bool
    strict: bool


def run(
    *names: str,
    ladder: str | None = None,
    root: Path | str | None = None,
    listener: RunEvents | None = None,
    **options: Unpack[RunArguments],
) -> list[CellReport]:
    """Run evals and return one report per cell, as `harness run` does.

    Works inside a running event loop, such as a notebook's; in a coroutine, `arun` is the better choice.

    Args:
        names: Evals by name or path; by default all evals of the project.
        ladder: A ladder of harness.toml, instead of `backend`.
        root: A folder of the project; by default the working directory.
        listener: Receives the events of the run, in another thread.
        options: See `RunOptions`; precedence: argument, environment, `[run]` of harness.toml, default.

    Raises:
        HarnessError: The error that stopped a backend, `Interrupted` on Ctrl-C. Results so far are saved.

    >>> [report] = run("triage", backend="fake", variant="local", root=folder)
    >>> report.name, report.summary.accuracy.strict.value
    ('local@fake', 0.5)
    """
    with Project.open(root) as project:
        cells, chosen = _planned(project, names, ladder, options)
        outcome = execution.execute(project, cells, chosen, listener or RunEvents())
    return _reports(outcome)


async def arun(
    *names: str,
    ladder: str | None = None,
    root: Path | str | None = None,
    listener: RunEvents | None = None,
    **options: Unpack[RunArguments],
) -> list[CellReport]:
    """Run evals in the caller's event loop; arguments, result and errors are those of `run`.

    Several runs may share a loop. Cancellation saves the results so far; `resume=True` continues from them.

    >>> import asyncio
    >>> [report] = asyncio.run(arun("triage", backend="fake", variant="local", root=folder))
    >>> report.summary.n
    4
    """
    project = await _opened(root)
    try:
        cells, chosen = await asyncio.to_thread(_planned, project, names, ladder, options)
        outcome = await execution.aexecute(project, cells, chosen, listener or RunEvents())
    finally:
        project.close()
    return await asyncio.to_thread(_reports, outcome)


def build_report(*names: str, root: Path | str | None = None) -> Report:
    """Build a report of saved runs, as `harness report` does. Calls no model.

    Args:
        names: Evals, whose newest finished runs are shown, or ids of runs; by default all evals.
        root: A folder of the project; by default the working directory.

    Raises:
        StoreError: There is no finished run, or no run of that name.

    >>> report = build_report("triage", root=folder)
    >>> [cell.name for cell in report.evals[0].cells]
    ['gpt@fake', 'local@fake']
    >>> write(report, folder / "triage.html")
    """
    with Project.open(root, read_only=True) as project:
        return report_of(project, names)


def compare(
    base: str,
    head: str,
    *,
    eval_name: str | None = None,
    question: Literal["move", "change"] | None = None,
    margin: float | None = None,
    shared: bool = False,
    root: Path | str | None = None,
) -> Comparison:
    """Compare two saved runs case by case, as `harness compare` does. Calls no model.

    Args:
        base: A run: its id, `EVAL/CELL`, `CELL~1` for the run before. `latest` is the newest run, `previous` the run
            before it of the same cell.
        head: The run to judge, named in the same way.
        eval_name: Look for cells in this eval only.
        question: "move": may the task move from base to head? "change": is head still as good? By default "move" for
            the reference and the candidate of `[pair]`, else "change".
        margin: Strict accuracy that may be lost, 0 to 1; by default the eval's, else 0.03.
        shared: Compare only the cases that both runs have.
        root: A folder of the project; by default the working directory.

    Raises:
        StoreError: There is no such run.
        ConfigError: Both names mean the same run.

    >>> comparison = compare("gpt@fake", "local@fake", root=folder)
    >>> comparison.verdict.value, comparison.strict.paired.delta
    ('INCONCLUSIVE', 0.0)
    """
    with Project.open(root, read_only=True) as project:
        first, second = map(outcomes_of, find_pair(project.store, base, head, eval_name))
        asked = question_of(project, first, second, question, margin)
    return compare_outcomes(first, second, asked, shared=shared)


def trends(
    store: Store, eval_name: str | None = None, *, cell: str = "", tag: str = "", newest: int = trend.NEWEST
) -> tuple[trend.Trend, ...]:
    """Trends over all runs, or over the runs with a tag. `eval_name` and `cell` select an eval and a cell."""
    points = RunQuery(
        eval=eval_name,
        cell=cell or None,
        tags=(tag,) if tag else (),
        finished=True,
        whole=True,
        origins=OWN_ORIGINS,
    )
    return trend.trends(store.manifests(points), lambda manifests: tallies.tallies(store, manifests), newest)


def report_of(project: Project, names: Sequence[str]) -> Report:
    """The report of `build_report`, from an open project."""
    from harness.report import build

    wanted: Sequence[str | None] = names or [None]
    runs = [run for name in wanted for run in newest_runs(project.store, name, project.config.backends)]
    if not runs:
        msg = f"no finished runs in {project.store.url}: `harness run` makes some"
        raise StoreError(msg)
    shown = dict.fromkeys(run.manifest.eval for run in runs)
    return build(
        runs,
        [each for name in shown for each in trends(project.store, name)],
        questions.analyses(project, shown),
        gate_checks.of_saved(project, runs),
        rendered_prompts.of_runs(project, runs),
    )


def newest_runs(store: Store, name: str | None, backends: Collection[str] = ()) -> list[Run]:
    """The newest run of each cell of an eval, on `backends` if there are any; or the run with the id `name`."""
    runs = [
        run
        for run in store.latest(name)
        if not backends or run.manifest.backend in backends or is_imported(run.manifest)
    ]
    return runs if runs or name is None else [find_run(store, name)]


def find_pair(store: Store, base: str, head: str, eval_name: str | None) -> tuple[Run, Run]:
    """The two runs of a comparison; raises `StoreError`, or `ConfigError` if they are the same run."""
    first, second = (find_run(store, name, eval_name) for name in (base, head))
    if first.manifest.run_id == second.manifest.run_id:
        msg = f"{base} and {head} are the same run, {first.manifest.run_id}: name two different runs"
        raise ConfigError(msg)
    return first, second


def question_of(
    project: Project,
    base: RunOutcomes,
    head: RunOutcomes,
    kind: Literal["move", "change"] | None,
    margin: float | None,
) -> ComparisonQuestion:
    """The question of a comparison, with the defaults of the project."""
    pair = project.config.pair
    is_pair = pair is not None and (base.backend, head.backend) == (pair.reference, pair.candidate)
    chosen: Literal["move", "change"] = kind or ("move" if is_pair else "change")
    asked = questions.question(project, head.eval, chosen)
    return asked if margin is None else replace(asked, margin=margin)


async def _opened(root: Path | str | None) -> Project:
    """Open a project without blocking the loop; a cancelled caller leaves no open store."""
    opening = asyncio.create_task(asyncio.to_thread(Project.open, root))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        (await opening).close()
        raise


def _planned(
    project: Project, names: Sequence[str], ladder: str | None, arguments: RunArguments
) -> tuple[list[Cell], RunOptions]:
    options = _options(arguments).over(RunOptions.from_environment())
    if ladder:
        options = execution.climb(project.config, ladder, options)
    options = replace(options, every_backend=bool(names and options.backend))
    return execution.cells(project, names, options), options


def _options(arguments: RunArguments) -> RunOptions:
    values: dict[str, Any] = dict(arguments)
    for name in ("backend", "variant", "decoding", "case", "filter", "tag"):
        value = values.get(name, ())
        values[name] = (value,) if isinstance(value, str) else tuple(value)
    if values.get("record") is not None:
        values["record"] = Path(values["record"])
    return RunOptions(**values)


def _reports(outcome: Outcome) -> list[CellReport]:
    from harness.report import build

    for failure in outcome.failures:
        raise failure
    if not outcome.runs:
        raise BackendUnavailable("; ".join(reason for _, reason in outcome.skipped))
    return [cell for each in build(outcome.runs).evals for cell in each.cells]

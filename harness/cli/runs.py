"""`run`, and what makes something of saved runs: `report`, `rescore`."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.store import Store
    from harness.types import Decoding, Result, Run

Evals = Annotated[list[str] | None, typer.Argument(help="Names or paths of evals; all of them if none is named.")]
Output = Annotated[
    list[Path] | None,
    typer.Option(
        "--output", "-o", envvar="HARNESS_OUTPUT", help="Write a report: .html .json .jsonl .csv .md; repeatable."
    ),
]


class DecodingName(StrEnum):
    """What `--decoding` takes. Typer makes no choice of a `Literal` in a list."""

    value: Decoding
    FREE = "free"
    CONSTRAINED = "constrained"


def add_to(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command()(run)
    app.command()(report)
    app.command()(rescore)


def run(
    evals: Evals = None,
    backend: Annotated[
        list[str] | None,
        typer.Option(
            "--backend", "-b", envvar="HARNESS_BACKEND", help="A backend of harness.toml, or replay:RUN; repeatable."
        ),
    ] = None,
    ladder: Annotated[
        str | None, typer.Option(help="The backends of a ladder of harness.toml, each with its own variant only.")
    ] = None,
    variant: Annotated[
        list[str] | None,
        typer.Option("--variant", envvar="HARNESS_VARIANT", help="A prompt variant (gpt, local, …); repeatable."),
    ] = None,
    version: Annotated[str | None, typer.Option(envvar="HARNESS_VERSION", help="A prompt version, such as v1.")] = None,
    decoding: Annotated[
        list[DecodingName] | None,
        typer.Option(
            "--decoding",
            envvar="HARNESS_DECODING",
            help="free, or constrained: the server lets through only what the contract allows; repeatable.",
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, envvar="HARNESS_LIMIT", help="Only the first N cases.")] = None,
    demo: Annotated[  # noqa: FBT002  Typer's way to say a flag
        bool, typer.Option("--demo", envvar="HARNESS_DEMO", help="Only as many cases as an eval's demo_limit says.")
    ] = False,
    split: Annotated[
        str | None, typer.Option(envvar="HARNESS_SPLIT", help="Another split than the eval's; `all` for every case.")
    ] = None,
    resume: Annotated[  # noqa: FBT002  Typer's way to say a flag
        bool,
        typer.Option(
            "--resume", envvar="HARNESS_RESUME", help="Go on with a run that was interrupted or had failed calls."
        ),
    ] = False,
    cache: Annotated[
        bool | None,
        typer.Option(
            "--cache/--no-cache", envvar="HARNESS_CACHE", help="Take earlier answers of the same model from the store."
        ),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, envvar="HARNESS_JOBS", help="Requests at once per backend.")
    ] = None,
    repeat_cell: Annotated[
        int,
        typer.Option(
            min=1, envvar="HARNESS_REPEAT_CELL", help="Run each cell so often, with --no-cache: how much is mere noise?"
        ),
    ] = 1,
    tag: Annotated[
        list[str] | None,
        typer.Option(
            "--tag", envvar="HARNESS_TAG", help="A name to find the runs by (latest#NAME, history --tag); repeatable."
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(envvar="HARNESS_AGAINST", help="Judge each run against `baseline`, `previous`, or a saved run."),
    ] = None,
    output: Output = None,
) -> None:
    """Run prompt variants on backends over golden datasets, and judge the gates.

    Without options: every eval, every variant, on every backend of harness.toml that is there. Gates are judged for the
    variant that a backend is tuned for, over the whole split.

    Examples:
        harness run                                     # the whole matrix

        harness run ticket_triage -b mistral-q4 -o reports/triage.html

        harness run evals/ticket_triage.toml --variant gpt --limit 20 -o x.jsonl

    Exit codes: 0 good, 1 a gate failed or a regression, 2 usage or configuration, 4 calls failed or a gate is
    undecided, 70 a bug of the harness, 130 interrupted.
    """
    from harness import api, judging
    from harness import report as report_module
    from harness.cli import _after as after
    from harness.cli._common import complain, console
    from harness.cli._progress import listener
    from harness.report.terminal import matrix

    options = api.Options(
        backend=tuple(backend or ()),
        variant=tuple(variant or ()),
        version=version,
        decoding=tuple(name.value for name in decoding or ()),
        split=split,
        limit=limit,
        demo=demo,
        cache=cache if repeat_cell == 1 else False,
        resume=resume,
        jobs=jobs,
        tag=tuple(tag or ()),
        every_backend=bool(evals and (backend or ladder)),
    )
    with api.project() as (project, store):
        options = api.climb(project, ladder, options) if ladder else options
        outputs = output or [project.root / path for path in project.run.output]
        for path in outputs:
            report_module.check_path(path)
        cells = [replace(cell) for cell in api.cells(project, store, evals or (), options) for _ in range(repeat_cell)]
        if against == judging.BASELINE:
            judging.need_baselines(project, [cell for cell in cells if cell.is_own])
        with listener() as heard:
            outcome = api.execute(project, store, cells, options, heard)
        for error in outcome.failures:
            complain(str(error))
        for line in after.why_calls_failed(outcome.runs):
            complain(line, "note")
        if outcome.runs:
            names = {one.manifest.eval for one in outcome.runs}
            built = report_module.build(outcome.runs, asked=report_module.asked_by(project, names))
            for path in outputs:
                report_module.write(built, path)
            console().print(matrix(built))
            for path in outputs:
                typer.echo(f"report: {path}")
        for line in after.noise(outcome.runs) if repeat_cell > 1 else ():
            typer.echo(line)
        judged = after.judge(project, store, outcome.runs, cells)
        if against:
            judged = after.judge_against(project, store, against, outcome.runs, cells, judged)
    after.end(outcome, judged)


def report(
    evals: Annotated[
        list[str] | None, typer.Argument(help="Names of evals, or ids of runs; all evals if none.")
    ] = None,
    output: Output = None,
) -> None:
    """Write a report of saved runs: the newest of every cell, or those that are named. Asks no model.

    Examples:
        harness report                                  # reports/report.html

        harness report ticket_triage -o triage.html -o triage.md
    """
    from harness import api, history
    from harness import report as report_module
    from harness.cli._common import console
    from harness.errors import StoreError
    from harness.report.terminal import matrix

    with api.project() as (project, store):
        outputs = output or [project.root / "reports" / "report.html"]
        for path in outputs:
            report_module.check_path(path)
        wanted: list[str | None] = list(evals) if evals else [None]
        runs = [one for name in wanted for one in _find_runs(store, name, project.backends)]
        if not runs:
            msg = f"no finished runs in {store.url}: `harness run` makes some"
            raise StoreError(msg)
        names = dict.fromkeys(run.manifest.eval for run in runs)
        trends = [trend for name in names for trend in history.trends(store, name)]
        built = report_module.build(runs, trends, report_module.asked_by(project, names))
        console().print(matrix(built))
        for path in outputs:
            report_module.write(built, path)
            typer.echo(f"report: {path}")


def _find_runs(store: Store, name: str | None, backends: Iterable[str] = ()) -> list[Run]:
    """The newest runs of an eval (on these backends, if any are given), or the run of that id."""
    from harness.lookup import find_run
    from harness.port import is_imported

    known = set(backends)
    latest = store.latest(name)
    runs = [run for run in latest if not known or run.manifest.backend in known or is_imported(run.manifest)]
    return runs if runs or name is None else [find_run(store, name)]


def rescore(
    runs: Annotated[list[str], typer.Argument(help="Ids of runs, or names of evals: the newest run of each cell.")],
    output: Output = None,
) -> None:
    """Read saved replies again with today's contracts. Makes new runs that name the old ones; asks no model.

    Example:

        harness rescore ticket_triage
    """
    from harness import api
    from harness import report as report_module
    from harness.cli._common import console
    from harness.report.terminal import matrix
    from harness.rescore import differences

    for path in output or ():
        report_module.check_path(path)
    with api.project() as (project, store):
        again = []
        for old in [one for name in runs for one in _find_runs(store, name)]:
            new = _read_again(project.root, old)
            changed = differences(old.results, new.results)
            store.add(new)
            again.append(new)
            typer.echo(
                f"{old.manifest.run_id} -> {new.manifest.run_id}: {len(changed)} of {len(new.results)} readings changed"
            )
            for before, after in changed[:10]:
                typer.echo(f"  {after.case.id}: {_said(before)} -> {_said(after)}")
        built = report_module.build(again)
        console().print(matrix(built))
        for path in output or ():
            report_module.write(built, path)
            typer.echo(f"report: {path}")


def _read_again(root: Path, old: Run) -> Run:
    """By the eval of that name as it is now; an import that has none, by the rules it was read by."""
    from harness import evals, port
    from harness.rescore import rescore as by_eval

    if port.is_imported(old.manifest) and not (root / evals.FOLDER / f"{old.manifest.eval}.toml").is_file():
        return port.read_again(old)
    (definition,) = evals.find(root, [old.manifest.eval])
    return by_eval(old, definition)


def _said(result: Result) -> str:
    """A reading in a few words."""
    reading = result.reading
    if reading is None:
        return "no answer"
    codes = f" ({', '.join(reading.violations)})" if reading.violations else ""
    return f"{reading.lenient}{codes}"

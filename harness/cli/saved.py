"""What makes something of saved runs: `report`, `rescore`. No model is asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli._common import Output

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.core.types import Result, Run
    from harness.store.runs import Store


def add_to(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command()(report)
    app.command()(rescore)


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
    from harness import api
    from harness import report as report_module
    from harness.cli._common import console
    from harness.core.errors import StoreError
    from harness.report.terminal import matrix

    with api.project(reading=True) as (project, store):
        outputs = output or [project.root / "reports" / "report.html"]
        for path in outputs:
            report_module.check_path(path)
        wanted: list[str | None] = list(evals) if evals else [None]
        runs = [one for name in wanted for one in _find_runs(store, name, project.backends)]
        if not runs:
            msg = f"no finished runs in {store.url}: `harness run` makes some"
            raise StoreError(msg)
        names = dict.fromkeys(run.manifest.eval for run in runs)
        trends = [trend for name in names for trend in api.trends(store, name)]
        built = report_module.build(runs, trends, report_module.asked_by(project, names))
        console().print(matrix(built))
        for path in outputs:
            report_module.write(built, path)
            typer.echo(f"report: {path}")


def _find_runs(store: Store, name: str | None, backends: Iterable[str] = ()) -> list[Run]:
    """The newest runs of an eval (on these backends, if any are given), or the run of that id."""
    from harness.interop import is_imported
    from harness.store.run_refs import find_run

    known = set(backends)
    latest = store.latest(name)
    runs = [run for run in latest if not known or run.manifest.backend in known or is_imported(run.manifest)]
    return runs if runs or name is None else [find_run(store, name)]


def rescore(
    runs: Annotated[list[str], typer.Argument(help="Ids of runs, or names of evals: the newest run of each cell.")],
    output: Output = None,
) -> None:
    """Read saved replies again with today's contracts. Makes new runs that name the old ones; asks no model.

    Examples:

        harness rescore ticket_triage
    """
    from harness import api
    from harness import report as report_module
    from harness.cli._common import console
    from harness.report.terminal import matrix
    from harness.runner.rescore import differences

    for path in output or ():
        report_module.check_path(path)
    with api.project(reading=True) as (project, store):
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
    from harness import interop
    from harness.project import evals
    from harness.runner.rescore import rescore as by_eval

    if interop.is_imported(old.manifest) and not (root / evals.FOLDER / f"{old.manifest.eval}.toml").is_file():
        return interop.read_again(old)
    (definition,) = evals.find(root, [old.manifest.eval])
    return by_eval(old, definition)


def _said(result: Result) -> str:
    """A reading in a few words."""
    reading = result.reading
    if reading is None:
        return "no answer"
    codes = f" ({', '.join(reading.violations)})" if reading.violations else ""
    return f"{reading.lenient}{codes}"

"""What makes something of saved runs: `report`, `rescore`. No model is asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli._common import Output

if TYPE_CHECKING:
    from harness.core.types import Result, Run


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
    from harness.report.terminal import matrix
    from harness.runner.project import Project

    with Project.open(read_only=True) as project:
        outputs = output or [project.root / "reports" / "report.html"]
        for path in outputs:
            report_module.check_path(path)
        built = api.report_of(project, evals or ())
        console().print(matrix(built))
        for path in outputs:
            report_module.write(built, path)
            typer.echo(f"report: {path}")


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
    from harness.runner.project import Project
    from harness.runner.rescore import differences

    for path in output or ():
        report_module.check_path(path)
    with Project.open(read_only=True) as project:
        again = []
        for old in [one for name in runs for one in api.newest_runs(project.store, name)]:
            new = _read_again(project.root, old)
            changed = differences(old.results, new.results)
            project.store.add(new)
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

"""`harness rescore`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli._options import Output

if TYPE_CHECKING:
    from harness.core.types import Result, Run

HEADING = "Replies and other tools"
ORDER = 1


def rescore(
    runs: Annotated[list[str], typer.Argument(help="Run ids, or evals: the newest run of each of their cells.")],
    output: Output = None,
) -> None:
    """Score saved replies again with the current contracts. Sends no requests.

    Saves new runs that refer to the old ones.

    Examples:

        harness rescore ticket_triage
    """
    from harness import report as report_module
    from harness.cli._common import console
    from harness.cli._saved_runs import find_runs
    from harness.report.terminal import matrix
    from harness.runner.project import Project
    from harness.runner.rescore import differences

    for path in output or ():
        report_module.check_path(path)
    with Project.open(read_only=True) as project:
        rescored = []
        for old in [run for name in runs for run in find_runs(project.store, name)]:
            new = project.store.add(_rescored(project.root, old))
            changed = differences(old.results, new.results)
            rescored.append(new)
            typer.echo(
                f"{old.manifest.run_id} -> {new.manifest.run_id}: {len(changed)} of {len(new.results)} readings changed"
            )
            for before, after in changed[:10]:
                typer.echo(f"  {after.case.id}: {_reading_text(before)} -> {_reading_text(after)}")
        built = report_module.build(rescored)
        console().print(matrix(built))
        for path in output or ():
            report_module.write(built, path)
            typer.echo(f"report: {path}")


def _rescored(root: Path, old: Run) -> Run:
    """Score with the current version of the run's eval, or with the import's rules if a run has no eval."""
    from harness import interop
    from harness.project import evals
    from harness.runner.rescore import rescore as rescore_with

    if interop.is_imported(old.manifest) and not (root / evals.FOLDER / f"{old.manifest.eval}.toml").is_file():
        return interop.rescore_imported(old)
    (definition,) = evals.find(root, [old.manifest.eval])
    return rescore_with(old, definition)


def _reading_text(result: Result) -> str:
    reading = result.reading
    if reading is None:
        return "no answer"
    codes = f" ({', '.join(reading.violations)})" if reading.violations else ""
    return f"{reading.lenient}{codes}"

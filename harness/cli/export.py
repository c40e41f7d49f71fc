"""`harness export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from harness.core.types import Run

HEADING = "Replies and other tools"
ORDER = 4


def export(
    runs: Annotated[list[str], typer.Argument(help="Run ids, EVAL/CELL, names of imported runs, or evals.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file to write: .jsonl .csv .json .md .html .parquet")
    ],
    format_name: Annotated[
        str | None, typer.Option("--format", help="lm-eval, or one of these endings. Default: by the file's ending.")
    ] = None,
) -> None:
    """Write saved runs to a file, one row per case.

    Examples:

        harness export ticket_triage -o triage.csv
        harness export triage/local@mistral-q4 --format lm-eval -o samples.jsonl
    """
    from harness.core.formatting import plural
    from harness.interop import export as write
    from harness.interop import export_format
    from harness.runner.project import Project
    from harness.store.run_refs import find_run

    export_as = export_format(output, format_name)
    with Project.open(read_only=True) as project:
        selected: list[Run] = [
            run for name in runs for run in project.store.latest(name) or [find_run(project.store, name)]
        ]
        write(selected, output, export_as)
    n_results = sum(len(run.results) for run in selected)
    typer.echo(f"{output}: {plural(n_results, 'result')} of {plural(len(selected), 'run')}")
    failed = sum(result.response.error is not None for run in selected for result in run.results)
    if failed and export_as == "lm-eval":
        from harness.cli._common import print_note

        print_note(f"{plural(failed, 'failed call')} left out: the lm-eval format cannot hold failed calls")

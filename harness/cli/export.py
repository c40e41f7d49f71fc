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
    runs: Annotated[list[str], typer.Argument(help="Runs: ids, EVAL/CELL, names of imports, or of evals.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write: .jsonl .csv .json .md .html .parquet")],
    format_name: Annotated[
        str | None, typer.Option("--format", help="lm-eval, or one of the endings. Default: the file's ending.")
    ] = None,
) -> None:
    """Write saved runs to a file, one row per case.

    Examples:

        harness export ticket_triage -o triage.csv
        harness export triage/local@mistral-q4 --format lm-eval -o samples.jsonl
    """
    from harness import api
    from harness.interop import export as write
    from harness.interop import export_format
    from harness.store.run_refs import find_run

    chosen = export_format(output, format_name)
    with api.project(reading=True) as (_, store):
        found: list[Run] = [one for name in runs for one in store.latest(name) or [find_run(store, name)]]
        write(found, output, chosen)
    typer.echo(f"{output}: {sum(len(one.results) for one in found)} results of {len(found)} runs")
    failed = sum(result.response.error is not None for one in found for result in one.results)
    if failed and chosen == "lm-eval":
        from harness.cli._common import print_note

        print_note(f"{failed} failed calls are left out: the format has no place for them")

"""`import` and `export`: runs that others made, and ours for others."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from harness.core.types import Run

EVERY_S = 10.0


class ContractKind(StrEnum):
    """What `--contract` takes."""

    LABEL = "label"
    BOXED = "boxed"
    EQUAL = "equal"


def add_to(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command("import")(import_)
    app.command()(export)


def import_(
    file: Annotated[Path, typer.Argument(help="A .jsonl (.gz), samples_*.jsonl, .eval, .json of another tool.")],
    name: Annotated[str, typer.Option("--as", help="What to call the model; names the run in later commands.")],
    eval_name: Annotated[
        str | None, typer.Option("--eval", help="The eval it belongs to. Default: the task's or the file's name.")
    ] = None,
    format_name: Annotated[
        str | None, typer.Option("--format", help="jsonl, lm-eval, inspect, promptfoo. Default: by what is in it.")
    ] = None,
    id_column: Annotated[str | None, typer.Option("--id", help="Column of the case's id. Default: id.")] = None,
    reply: Annotated[str | None, typer.Option(help="Column of the model's reply.")] = None,
    expected: Annotated[str | None, typer.Option(help="Column of the right answer.")] = None,
    allowed: Annotated[str | None, typer.Option(help="Column of the labels that a row allows.")] = None,
    correct: Annotated[
        str | None, typer.Option(help="Column (or measure, or scorer) that says right or wrong: nothing is read then.")
    ] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="COLUMN=VALUE: only such rows; repeatable, all must hold.")
    ] = None,
    provider: Annotated[str | None, typer.Option(help="The same as --where provider=NAME.")] = None,
    inputs: Annotated[str | None, typer.Option(help="Columns of what was asked, with commas between them.")] = None,
    tags: Annotated[str | None, typer.Option(help="Column of a case's tags.")] = None,
    labels: Annotated[str | None, typer.Option(help="The labels there are, with commas between them.")] = None,
    contract: Annotated[
        ContractKind | None, typer.Option(help="How replies are read. Default: by what is expected.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="The kind of work, as an eval's. Default: by the contract.")] = None,
) -> None:
    """Make a run of answers that another tool collected. Asks no model.

    `compare`, `report`, `rescore`, `history` and `export` take it like any other, under the name given with --as.
    Columns are named with dots where they lie in objects: --correct correct.gpt-4.

    Examples:

        harness import replies.jsonl --as march --reply reply --expected gold
        harness import models.jsonl --as athene --correct correct.Athene-70B
        harness import samples_gsm8k_2026-11-01T10-00-00.jsonl --as mistral-q4
        harness import logs/triage.eval --as gpt-4o --correct match
    """
    from harness.analysis.metrics.summary import summarize
    from harness.core.formatting import plural, visible
    from harness.interop import ColumnSelection, RunNaming, SourceFile, read_run
    from harness.report.rate_text import rate_text
    from harness.runner.project import Project

    wanted = ColumnSelection(
        id=id_column,
        reply=reply,
        expected=expected,
        allowed=allowed,
        correct=correct,
        inputs=_listed(inputs),
        tags=tags,
        where=tuple(_pair(text) for text in [*(where or ()), *([f"provider={provider}"] if provider else ())]),
    )
    naming = RunNaming(name, eval_name, format_name, contract.value if contract else None, _listed(labels), task)
    with Project.open() as project:
        found = read_run(SourceFile(file, _ReadProgress(file)), naming, wanted)
        project.store.add(found.run)
    summary = summarize(found.run.results)
    rates = summary.accuracy
    typer.echo(visible(found.read_as))
    for title, rate in (("strict", rates.strict), ("lenient", rates.lenient), ("compliance", rates.compliance)):
        typer.echo(f"{title:11} {rate_text(rate)}")
    if summary.n_errors:
        typer.echo(f"{'errors':11} {plural(summary.n_errors, 'row')} without a reply: no wrong answers")
    typer.echo(f"imported {plural(found.run.manifest.n_cases, 'case')} as {name}: run {found.run.manifest.run_id}")


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
    from harness.interop import export as write
    from harness.interop import export_format
    from harness.runner.project import Project
    from harness.store.run_refs import find_run

    chosen = export_format(output, format_name)
    with Project.open(read_only=True) as project:
        found: list[Run] = [
            one for name in runs for one in project.store.latest(name) or [find_run(project.store, name)]
        ]
        write(found, output, chosen)
    typer.echo(f"{output}: {sum(len(one.results) for one in found)} results of {len(found)} runs")
    failed = sum(result.response.error is not None for one in found for result in one.results)
    if failed and chosen == "lm-eval":
        from harness.cli._common import note

        note(f"{failed} failed calls are left out: the format has no place for them")


class _ReadProgress:
    """How far a long read is, on standard error: a line every ten seconds."""

    def __init__(self, path: Path) -> None:
        """Nothing is said in the first ten seconds."""
        self._name = path.name
        self._said_at = monotonic()

    def __call__(self, done: int, total: int) -> None:
        """A share of the file was read."""
        if monotonic() - self._said_at >= EVERY_S:
            self._said_at = monotonic()
            print(f"{self._name}: {100 * done // max(total, 1)}% read", file=sys.stderr, flush=True)  # noqa: T201  this is what the user reads


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip()) if text else ()


def _pair(text: str) -> tuple[str, str]:
    from harness.core.errors import ConfigError

    name, found, value = text.partition("=")
    if not found or not name.strip():
        msg = f"--where {text}: expected COLUMN=VALUE"
        raise ConfigError(msg)
    return name.strip(), value

"""`harness import`."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from time import monotonic
from typing import Annotated, Literal

import typer

HEADING = "Replies and other tools"
ORDER = 3

EVERY_S = 10.0


class NullMeaning(StrEnum):
    """Values of `--null`."""

    value: Literal["error", "wrong"]
    ERROR = "error"
    WRONG = "wrong"


class ContractKind(StrEnum):
    """Values of `--contract`."""

    LABEL = "label"
    BOXED = "boxed"
    EQUAL = "equal"


def import_(
    file: Annotated[
        Path, typer.Argument(help="A file of another tool: .jsonl, .jsonl.gz, samples_*.jsonl, .eval, .json.")
    ],
    name: Annotated[str, typer.Option("--as", help="A name for the model. Later commands find the run by it.")],
    eval_name: Annotated[
        str | None, typer.Option("--eval", help="The eval of the run. Default: the name of the task or file.")
    ] = None,
    format_name: Annotated[
        str | None, typer.Option("--format", help="jsonl, lm-eval, inspect, promptfoo. Default: by the file's content.")
    ] = None,
    id_column: Annotated[str | None, typer.Option("--id", help="Column with the case id. Default: id.")] = None,
    reply: Annotated[str | None, typer.Option(help="Column with the model's reply.")] = None,
    expected: Annotated[str | None, typer.Option(help="Column with the expected answer.")] = None,
    allowed: Annotated[str | None, typer.Option(help="Column with the labels that the row allows.")] = None,
    correct: Annotated[
        str | None, typer.Option(help="Column, metric or scorer with right or wrong. Replies are not parsed then.")
    ] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="COLUMN=VALUE: import only matching rows; repeatable (all must match).")
    ] = None,
    provider: Annotated[str | None, typer.Option(help="Same as --where provider=NAME.")] = None,
    inputs: Annotated[str | None, typer.Option(help="Columns with the inputs, separated by commas.")] = None,
    tags: Annotated[str | None, typer.Option(help="Column with the case's tags.")] = None,
    labels: Annotated[str | None, typer.Option(help="The allowed labels, separated by commas.")] = None,
    contract: Annotated[
        ContractKind | None, typer.Option(help="How to parse replies. Default: by the expected answers.")
    ] = None,
    null: Annotated[
        NullMeaning, typer.Option(help="A null reply is a failed call (error), or a wrong answer (wrong). JSONL only.")
    ] = NullMeaning.ERROR,
    task: Annotated[str | None, typer.Option(help="The task kind, as in an eval. Default: by the contract.")] = None,
) -> None:
    """Save replies that another tool collected as a run. Sends no requests.

    `compare`, `report`, `rescore`, `history` and `export` accept the run by the name from --as. Use dots for columns
    inside objects: --correct correct.gpt-4.

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

    columns = ColumnSelection(
        id=id_column,
        reply=reply,
        expected=expected,
        allowed=allowed,
        correct=correct,
        inputs=_listed(inputs),
        tags=tags,
        null=null.value,
        where=tuple(
            _name_and_value(text) for text in [*(where or ()), *([f"provider={provider}"] if provider else ())]
        ),
    )
    naming = RunNaming(name, eval_name, format_name, contract.value if contract else None, _listed(labels), task)
    with Project.open() as project:
        imported = read_run(SourceFile(file, _ReadProgress(file)), naming, columns)
        run = project.store.add(imported.run)
    summary = summarize(run.results)
    rates = summary.accuracy
    typer.echo(visible(imported.read_as))
    for title, rate in (("strict", rates.strict), ("lenient", rates.lenient), ("compliance", rates.compliance)):
        typer.echo(f"{title:11} {rate_text(rate)}")
    if summary.n_errors:
        without = f"{plural(summary.n_errors, 'row')} without a reply, not counted as wrong"
        typer.echo(f"{'errors':11} {without}; --null wrong counts null as wrong")
    typer.echo(f"imported {plural(run.manifest.n_cases, 'case')} as {name}: run {run.manifest.run_id}")


class _ReadProgress:
    """Progress of a long import: a line on standard error every ten seconds."""

    def __init__(self, path: Path) -> None:
        self._name = path.name
        self._printed_at = monotonic()

    def __call__(self, done: int, total: int) -> None:
        if monotonic() - self._printed_at >= EVERY_S:
            self._printed_at = monotonic()
            print(f"{self._name}: {100 * done // max(total, 1)}% read", file=sys.stderr, flush=True)  # noqa: T201  this is what the user reads


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip()) if text else ()


def _name_and_value(text: str) -> tuple[str, str]:
    from harness.core.errors import ConfigError

    name, separator, value = text.partition("=")
    if not separator or not name.strip():
        msg = f"--where {text}: expected COLUMN=VALUE"
        raise ConfigError(msg)
    return name.strip(), value

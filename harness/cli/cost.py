"""`cost`: the bill of a month, from measured tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from harness.analysis.costs.projection import CostProjection


def add_to(app: typer.Typer) -> None:
    """Register the command of this file."""
    app.command()(cost)


def cost(
    evals: Annotated[
        list[str] | None, typer.Argument(help="Names or paths of evals; all with traffic if none.")
    ] = None,
) -> None:
    """Project what each eval costs a month at its [traffic] daily_calls: today, in batches, as advised, all moved.

    Tokens are those of the newest saved runs, retries included; prices are those of harness.toml, else of the package
    genai-prices. Asks no model.

    Examples:

        harness cost
        harness cost ticket_triage invoice_fields

    Exit codes: 0 told, 2 usage or configuration.
    """
    from harness.advice import advise
    from harness.core.formatting import visible
    from harness.runner.project import Project

    with Project.open(read_only=True) as project:
        advice = advise.advise(project, evals or ())
    if advice.bill.lines:
        _tell(advice.bill)
    for note in _left_out(advice.left_out):
        typer.echo(visible(note))


def _tell(bill: CostProjection) -> None:
    from harness.cli._common import console
    from harness.core.formatting import visible
    from harness.report import cost_text
    from harness.report.terminal_table import TerminalTable

    table = TerminalTable(*cost_text.HEADINGS, names=["eval"])
    for line in bill.lines:
        table.add(*cost_text.row(line))
    console().print(table)
    sums = cost_text.sums(bill)
    width = max(9, *(len(amount) for amount, _ in sums))
    for amount, name in sums:
        typer.echo(f"{amount:>{width}} a month  {name}")
    for note in cost_text.notes(bill):
        typer.echo(visible(note))


def _left_out(names: tuple[str, ...]) -> list[str]:
    return [f"not on the bill, because the eval has no [traffic] daily_calls: {', '.join(names)}"] if names else []

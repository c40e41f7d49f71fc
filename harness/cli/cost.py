"""`cost`: the bill of a month, from measured tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from harness.bill import Bill


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
    from harness import advise, api
    from harness.report.text import visible

    with api.project(reading=True) as (project, store):
        advice = advise.advise(project, store, evals or ())
    if advice.bill.lines:
        _tell(advice.bill)
    for note in _left_out(advice.left_out):
        typer.echo(visible(note))


def _tell(bill: Bill) -> None:
    from harness.cli._common import console
    from harness.report import bills
    from harness.report.columns import Columns
    from harness.report.text import visible

    table = Columns(*bills.HEADINGS, names=["eval"])
    for line in bill.lines:
        table.add(*bills.row(line))
    console().print(table)
    sums = bills.sums(bill)
    width = max(9, *(len(amount) for amount, _ in sums))
    for amount, name in sums:
        typer.echo(f"{amount:>{width}} a month  {name}")
    for note in bills.notes(bill):
        typer.echo(visible(note))


def _left_out(names: tuple[str, ...]) -> list[str]:
    return [f"not on the bill, because the eval has no [traffic] daily_calls: {', '.join(names)}"] if names else []

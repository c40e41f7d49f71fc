"""`harness cost`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from harness.analysis.costs.projection import CostProjection

HEADING = "Act on it"
ORDER = 1


def cost(
    evals: Annotated[
        list[str] | None, typer.Argument(help="Names or paths of evals. Default: all with [traffic].")
    ] = None,
) -> None:
    """Project the monthly cost of each eval from its measured tokens. Sends no requests.

    Shows the cost today, by Batch API, as `harness advise` recommends, and with everything on the candidate.

    Calls come from [traffic] daily_calls. Tokens come from the newest saved runs, including retries. Prices come from
    harness.toml, else from the package genai-prices.

    Examples:

        harness cost
        harness cost ticket_triage invoice_fields

    Exit codes: 0 success, 2 usage or configuration error.
    """
    from harness.advice import advise
    from harness.core.formatting import visible
    from harness.runner.project import Project

    with Project.open(read_only=True) as project:
        advice = advise.advise(project, evals or ())
    if advice.bill.lines:
        _print_bill(advice.bill)
    for note in _left_out(advice.left_out):
        typer.echo(visible(note))


def _print_bill(bill: CostProjection) -> None:
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
    return [f"not included, because the eval has no [traffic] daily_calls: {', '.join(names)}"] if names else []

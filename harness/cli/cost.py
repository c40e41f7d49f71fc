"""`cost`: the bill of a month, from measured tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from harness.bill import Bill, Line
    from harness.report.columns import Columns


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
    from harness.cli._common import console
    from harness.report.text import dollars, plural, visible

    with api.project(reading=True) as (project, store):
        advice = advise.advise(project, store, evals or ())
    bill = advice.bill
    console().print(_table(bill))
    for name, usd in (
        ("today", bill.today_usd),
        ("in batches, whose answers may take a day", bill.batch_usd),
        (f"as advised: {plural(len(bill.moved), 'eval')} on the candidate", bill.hybrid_usd),
        (f"all of it on the candidate, good enough or not{_servers(bill)}", bill.then_usd),
    ):
        typer.echo(f"{dollars(usd):>9} a month  {name}")
    for line in (*_notes(bill), *_left_out(advice.left_out)):
        typer.echo(visible(line))


def _table(bill: Bill) -> Columns:
    from harness.report.columns import Columns
    from harness.report.text import NOTHING, dollars, number

    headings = ("eval", "calls/day", "tokens in+out", "today", "batch", "candidate", "break-even/day")
    table = Columns(*headings, names=["eval"])
    for line in bill.lines:
        used, about = line.usage_now, "~" if line.estimated else ""
        tokens = f"{about}{used.prompt_tokens:,.0f}+{used.completion_tokens:,.0f}" if used else NOTHING
        table.add(
            line.eval,
            number(line.daily_calls),
            tokens,
            f"{about if line.today_usd is not None else ''}{dollars(line.today_usd)}",
            f"{about if line.batch_usd is not None else ''}{dollars(line.batch_usd)}",
            _then(line),
            number(line.break_even),
        )
    return table


def _servers(bill: Bill) -> str:
    n = bill.servers(bill.lines)
    return f": {n} servers" if n > 1 else ""


def _then(line: Line) -> str:
    from harness.report.text import NOTHING, dollars

    if not line.then:
        return NOTHING
    return "server" if line.local else dollars(line.then_usd)


def _notes(bill: Bill) -> list[str]:
    """What the figures stand on."""
    from harness.report.text import dollars

    prices = sorted({line.price_now.source for line in bill.lines if line.price_now})
    guessed = [
        f"{line.eval} by {line.usage_now.cell}" for line in bill.lines if line.estimated and line.usage_now is not None
    ]
    measured = sorted(
        {used.run_id for line in bill.lines for used in (line.usage_now, line.usage_then) if used is not None}
    )
    local = bill.local
    server = f"{dollars(local.server_usd_per_month)} and {dollars(local.overhead_usd_per_month)} around it"
    notes = [
        f"prices: {'; '.join(prices) or 'none'}",
        f"server: {server} a month, shared by all that moves; break-even: on a server for that eval alone",
        f"runs: {', '.join(measured) or 'none'}",
    ]
    if guessed:
        notes.append(
            f"~ today's model was not measured, its tokens are taken from the nearest run: {', '.join(guessed)}"
        )
    if bill.unknown:
        notes.append(f"in no sum, because nobody says or nothing tells what it costs: {', '.join(bill.unknown)}")
    return notes


def _left_out(names: tuple[str, ...]) -> list[str]:
    return [f"not on the bill, because the eval has no [traffic] daily_calls: {', '.join(names)}"] if names else []

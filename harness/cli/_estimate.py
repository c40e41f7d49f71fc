"""What a run would take, on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.estimate import Estimate


def tell(estimates: Sequence[Estimate]) -> None:
    """A row per cell, the sums, and what the figures stand on."""
    from rich.table import Table
    from rich.text import Text

    from harness.cli._common import console
    from harness.report.text import dollars, number, visible

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("cell", overflow="fold", min_width=8)
    for heading in ("calls", "tokens in", "out, about", "out, at most", "about", "at most"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in estimates:
        table.add_row(
            Text(visible(f"{one.eval} {one.cell}")),
            number(one.calls),
            number(one.prompt_tokens),
            number(one.completion_tokens),
            number(one.most_completion_tokens),
            "local" if one.local else dollars(one.usd),
            "local" if one.local else dollars(one.most_usd),
        )
    console().print(table)
    known = [one.most_usd for one in estimates if one.most_usd is not None]
    about = [one.usd for one in estimates]
    total = f"about {dollars(sum(usd or 0 for usd in about))}, " if None not in about else ""
    typer.echo(f"{sum(one.calls for one in estimates):,} calls: {total}at most {dollars(sum(known))}")
    for one in estimates:
        if one.most_usd is None:
            typer.echo(f"{visible(one.cell)}: nobody says what the model costs: it is in no sum")
    for by in dict.fromkeys(one.counted_by for one in estimates):
        typer.echo(f"tokens in by {visible(by)}")
    typer.echo("without retries, and as if no answer were in the store")

"""The screen of `harness run --estimate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.runner.estimate import Estimate


def print_estimates(estimates: Sequence[Estimate]) -> None:
    """Print a row per cell, the sums, and the sources of the figures."""
    from harness.cli._common import console
    from harness.core.formatting import dollars, number, visible
    from harness.report.terminal_table import TerminalTable

    headings = ("calls", "tokens in", "out, about", "out, at most", "cost, about", "cost, at most")
    table = TerminalTable("cell", *headings, names=["cell"])
    for e in estimates:
        table.add(
            f"{e.eval} {e.cell}",
            number(e.calls),
            number(e.prompt_tokens),
            number(e.completion_tokens),
            number(e.most_completion_tokens),
            "local" if e.local else dollars(e.usd),
            "local" if e.local else dollars(e.most_usd),
        )
    console().print(table)
    for line in (sums_text(estimates), *_notes(estimates)):
        typer.echo(visible(line))


def sums_text(estimates: Sequence[Estimate]) -> str:
    """Both sums, each over the cells with a known cost. Local servers have a monthly cost and are excluded."""
    from harness.core.formatting import plural

    calls = plural(sum(e.calls for e in estimates), "call")
    paid = [e for e in estimates if not e.local]
    if not paid:
        return f"{calls}: no API cost, all on local servers"
    sums = [f"{name} {_sum(amounts)}" for name, amounts in _columns(paid) if any(usd is not None for usd in amounts)]
    return f"{calls}: {', '.join(sums) or 'cost unknown'}"


def _columns(paid: Sequence[Estimate]) -> tuple[tuple[str, list[float | None]], ...]:
    return ("about", [e.usd for e in paid]), ("at most", [e.most_usd for e in paid])


def _sum(amounts: Sequence[float | None]) -> str:
    from harness.core.formatting import dollars, plural

    known = [usd for usd in amounts if usd is not None]
    over = f" for {len(known):,} of {plural(len(amounts), 'cell')}" if len(known) < len(amounts) else ""
    return f"{dollars(sum(known))}{over}"


def _notes(estimates: Sequence[Estimate]) -> Iterable[str]:
    """Notes: cells that are not in the sums, and the sources of the token counts."""
    from harness.core.formatting import plural

    for e in estimates:
        if e.most_completion_tokens is None:
            yield f'{e.eval} {e.cell}: no "at most", because the backend omits max_tokens, so replies have no limit'
        elif e.most_usd is None:
            yield f"{e.eval} {e.cell}: not in the sums, because the model has no known price (set [prices])"
    without_runs = sum(e.usd is None and e.most_usd is not None for e in estimates)
    if without_runs:
        yield f'no "about" for {plural(without_runs, "cell")}: no saved run shows the length of their replies'
    for method in dict.fromkeys(e.counted_by for e in estimates):
        yield f"tokens in: {method}"
    if any(e.most_prompt_tokens > e.prompt_tokens and e.most_usd for e in estimates):
        yield '"at most" counts one token per byte if the model\'s tokenizer is unknown, as --budget does'
    yield "retries and saved replies are not considered"

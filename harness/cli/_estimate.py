"""What a run would take, on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.runner.estimate import Estimate


def tell(estimates: Sequence[Estimate]) -> None:
    """A row per cell, the sums, and what the figures stand on."""
    from harness.cli._common import console
    from harness.core.formatting import dollars, number, visible
    from harness.report.terminal_table import TerminalTable

    headings = ("calls", "tokens in", "out, about", "out, at most", "cost, about", "cost, at most")
    table = TerminalTable("cell", *headings, names=["cell"])
    for one in estimates:
        table.add(
            f"{one.eval} {one.cell}",
            number(one.calls),
            number(one.prompt_tokens),
            number(one.completion_tokens),
            number(one.most_completion_tokens),
            "local" if one.local else dollars(one.usd),
            "local" if one.local else dollars(one.most_usd),
        )
    console().print(table)
    for line in (_sums(estimates), *_notes(estimates)):
        typer.echo(visible(line))


def _sums(estimates: Sequence[Estimate]) -> str:
    """Both sums, each over the cells of which it is known; a server of one's own, paid by the month, is in none."""
    calls = f"{sum(one.calls for one in estimates):,} calls"
    paid = [one for one in estimates if not one.local]
    if not paid:
        return f"{calls}: nothing but a server of one's own"
    told = [f"{name} {_sum(usd)}" for name, usd in _columns(paid) if any(one is not None for one in usd)]
    return f"{calls}: {', '.join(told) or 'what they cost is not known'}"


def _columns(paid: Sequence[Estimate]) -> tuple[tuple[str, list[float | None]], ...]:
    return ("about", [one.usd for one in paid]), ("at most", [one.most_usd for one in paid])


def _sum(amounts: Sequence[float | None]) -> str:
    from harness.core.formatting import dollars, plural

    known = [usd for usd in amounts if usd is not None]
    over = f" for {len(known):,} of {plural(len(amounts), 'cell')}" if len(known) < len(amounts) else ""
    return f"{dollars(sum(known))}{over}"


def _notes(estimates: Sequence[Estimate]) -> Iterable[str]:
    """What is in no sum, and whence the tokens are."""
    from harness.core.formatting import plural

    for one in estimates:
        if one.most_completion_tokens is None:
            yield f'{one.eval} {one.cell}: the backend omits max_tokens, so a reply may be of any length: no "at most"'
        elif one.most_usd is None:
            yield f"{one.eval} {one.cell}: nobody says what the model costs: it is in no sum ([prices] in harness.toml)"
    unrun = sum(one.usd is None and one.most_usd is not None for one in estimates)
    if unrun:
        yield f'no saved run tells how long the replies of {plural(unrun, "cell")} are, so these have no "about"'
    for by in dict.fromkeys(one.counted_by for one in estimates):
        yield f"tokens in {by}" if by.startswith("about") else f"tokens in by {by}"
    if any(one.most_prompt_tokens > one.prompt_tokens and one.most_usd for one in estimates):
        yield "at most: where no tokenizer is known to be the model's, a token for every byte, as --budget counts"
    yield "without retries, and as if no answer were in the store"

"""Words for the projected monthly cost: a row per eval, the sums, and the basis of the figures.

~$48.00             some tokens were measured on another model
at least $48.00     the cost of some evals is unknown
–                   unknown
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.analysis.costs.projection import CostProjection, CostTotal, EvalCost
from harness.core.formatting import NOTHING, dollars, number, plural

HEADINGS = ("eval", "calls/day", "tokens in+out", "today", "batch", "candidate", "break-even/day")


def row(line: EvalCost) -> tuple[str, ...]:
    """The cells of one eval's row, one per heading."""
    used, about = line.current_usage, "~" if line.estimated else ""
    tokens = f"{about}{used.prompt_tokens:,.0f}+{used.completion_tokens:,.0f}" if used else NOTHING
    return (
        line.eval,
        number(line.daily_calls),
        tokens,
        _estimated(line.current_usd, estimated=line.estimated),
        _estimated(line.batch_usd, estimated=line.estimated),
        _then(line),
        even(line),
    )


def even(line: EvalCost) -> str:
    """The calls a day from which a server pays; `none` if it never does."""
    return "none" if line.never_breaks_even else number(line.break_even)


def amount(of: CostTotal) -> str:
    """`$48.00`, `~$48.00`, `at least $48.00`, or a dash."""
    text = _estimated(of.usd, estimated=of.estimated)
    return f"at least {text}" if of.usd is not None and of.missing else text


def sums(bill: CostProjection) -> tuple[tuple[str, str], ...]:
    """Amount and name of each sum."""
    n = bill.servers(bill.known)
    servers = f": {n} servers" if n > 1 else ""
    return tuple(
        (amount(of), f"{name}{_over(of)}")
        for name, of in (
            ("today", bill.current),
            ("in batches (answers may take a day)", bill.batch),
            (f"as advised: {plural(len(bill.moved), 'eval')} on the candidate", bill.advised),
            (f"everything on the candidate, whatever its quality{servers}", bill.all_moved),
        )
    )


def notes(bill: CostProjection) -> list[str]:
    """The basis of the figures, and what is missing in the sums."""
    prices = sorted({line.current_price.source for line in bill.lines if line.current_price})
    return [
        f"prices: {'; '.join(prices) or 'none'}",
        *_server(bill),
        f"runs: {', '.join(_runs(bill)) or 'none'}",
        *_guessed(bill),
        *missing(bill),
    ]


def missing(bill: CostProjection) -> list[str]:
    """The evals that are missing in the sums, and why."""
    unpriced = [f"{line.eval} ({line.current})" for line in bill.lines if line.current_price is None]
    unrun = [line.eval for line in bill.lines if line.current_price is not None and line.current_usage is None]
    unmoved = [line for line in bill.known if line.moved_usd is None]
    reasons = (
        ("in no sum: no price for the current model. Set [prices] in harness.toml", unpriced),
        ("in no sum: no saved run has token counts. Run `harness run`", unrun),
        (
            "not in the candidate's sum: no run shows how much of a server it takes",
            [line.eval for line in unmoved if line.local],
        ),
        (
            "not in the candidate's sum: no price for it. Set [prices] in harness.toml",
            [f"{line.eval} ({line.candidate})" for line in unmoved if not line.local and line.candidate_price is None],
        ),
        (
            "not in the candidate's sum: no run on it has token counts",
            [line.eval for line in unmoved if not line.local and line.candidate_price is not None],
        ),
    )
    return [f"{why}: {', '.join(names)}" for why, names in reasons if names]


def _server(bill: CostProjection) -> list[str]:
    if not any(line.local for line in bill.lines):
        return []
    local = bill.local
    each = f"{dollars(local.server_usd_per_month)} plus {dollars(local.overhead_usd_per_month)} overhead"
    lines = [f"server: {each} a month, shared by all evals that move; break-even: for that eval alone on a server"]
    over = [
        f"{line.eval} {line.capacity:,}" for line in bill.lines if line.never_breaks_even and line.capacity is not None
    ]
    if over:
        lines.append(f"no break-even: even a full server costs more than its calls do now: {', '.join(over)}")
    return lines


def _guessed(bill: CostProjection) -> list[str]:
    """Evals whose tokens are from another model, or from few calls."""
    lines = []
    instead = [f"{line.eval} by {used.cell}" for line in bill.lines if line.estimated and (used := line.current_usage)]
    if instead:
        lines.append(f"~ the current model was not measured; tokens are from the nearest run: {', '.join(instead)}")
    sides = ((line.eval, usage) for line in bill.lines for usage in (line.current_usage, line.candidate_usage) if usage)
    few = dict.fromkeys(f"{name} {plural(of.n, 'call')} of {of.cell}" for name, of in sides if of.is_rough)
    if few:
        lines.append(f"token averages from few calls; treat as rough: {', '.join(few)}")
    return lines


def _runs(bill: CostProjection) -> list[str]:
    used: Iterable[str] = (
        usage.run_id for line in bill.lines for usage in (line.current_usage, line.candidate_usage) if usage is not None
    )
    return sorted(set(used))


def _over(of: CostTotal) -> str:
    """`, of 3 of 4 evals`; empty if a sum covers all or none."""
    return f", of {of.known:,} of {plural(of.of, 'eval')}" if of.missing and of.known else ""


def _then(line: EvalCost) -> str:
    if not line.candidate:
        return NOTHING
    return "server" if line.local else dollars(line.candidate_usd)


def _estimated(usd: float | None, *, estimated: bool) -> str:
    return f"{'~' if estimated and usd is not None else ''}{dollars(usd)}"

"""The bill of a month as people read it: a row per eval, the sums, and what the figures stand on. Pure.

~$48.00             tokens of another model stand in for some of it
at least $48.00     of some evals nobody knows what they would add
–                   nothing of it is known
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.analysis.costs.projection import CostProjection, CostTotal, EvalCost
from harness.core.formatting import NOTHING, dollars, number, plural

HEADINGS = ("eval", "calls/day", "tokens in+out", "today", "batch", "candidate", "break-even/day")


def row(line: EvalCost) -> tuple[str, ...]:
    """What stands under `HEADINGS`."""
    used, about = line.usage_now, "~" if line.estimated else ""
    tokens = f"{about}{used.prompt_tokens:,.0f}+{used.completion_tokens:,.0f}" if used else NOTHING
    return (
        line.eval,
        number(line.daily_calls),
        tokens,
        _estimated(line.today_usd, estimated=line.estimated),
        _estimated(line.batch_usd, estimated=line.estimated),
        _then(line),
        even(line),
    )


def even(line: EvalCost) -> str:
    """The calls a day from which a server pays: `none` where it does not at any volume that it carries."""
    return "none" if line.never_even else number(line.break_even)


def amount(of: CostTotal) -> str:
    """`$48.00`, `~$48.00`, `at least $48.00`, or a dash."""
    told = _estimated(of.usd, estimated=of.estimated)
    return f"at least {told}" if of.usd is not None and of.missing else told


def sums(bill: CostProjection) -> tuple[tuple[str, str], ...]:
    """Amount and name of each sum."""
    n = bill.servers(bill.known)
    servers = f": {n} servers" if n > 1 else ""
    return tuple(
        (amount(of), f"{name}{_over(of)}")
        for name, of in (
            ("today", bill.today),
            ("in batches, whose answers may take a day", bill.batch),
            (f"as advised: {plural(len(bill.moved), 'eval')} on the candidate", bill.advised),
            (f"all of it on the candidate, good enough or not{servers}", bill.all_moved),
        )
    )


def notes(bill: CostProjection) -> list[str]:
    """What the figures stand on, and what is missing in the sums."""
    prices = sorted({line.price_now.source for line in bill.lines if line.price_now})
    return [
        f"prices: {'; '.join(prices) or 'none'}",
        *_server(bill),
        f"runs: {', '.join(_runs(bill)) or 'none'}",
        *_guessed(bill),
        *missing(bill),
    ]


def missing(bill: CostProjection) -> list[str]:
    """Which evals are in no sum, and which in that of the candidate only in part; and why."""
    unpriced = [f"{line.eval} ({line.now})" for line in bill.lines if line.price_now is None]
    unrun = [line.eval for line in bill.lines if line.price_now is not None and line.usage_now is None]
    unmoved = [line for line in bill.known if line.moved_usd is None]
    told = (
        ("in no sum, because nobody says what a call costs today ([prices] in harness.toml can)", unpriced),
        ("in no sum, because no saved run tells how many tokens a call takes (harness run makes one)", unrun),
        (
            "not in the sum of the candidate, because no run tells how much of a server it takes",
            [line.eval for line in unmoved if line.local],
        ),
        (
            "not in the sum of the candidate, because nobody says what a call costs there ([prices] can)",
            [f"{line.eval} ({line.then})" for line in unmoved if not line.local and line.price_then is None],
        ),
        (
            "not in the sum of the candidate, because no run tells how many tokens a call takes there",
            [line.eval for line in unmoved if not line.local and line.price_then is not None],
        ),
    )
    return [f"{why}: {', '.join(names)}" for why, names in told if names]


def _server(bill: CostProjection) -> list[str]:
    if not any(line.local for line in bill.lines):
        return []
    local = bill.local
    each = f"{dollars(local.server_usd_per_month)} and {dollars(local.overhead_usd_per_month)} around it"
    told = [f"server: {each} a month, shared by all that moves; break-even: on a server for that eval alone"]
    over = [f"{line.eval} {line.capacity:,}" for line in bill.lines if line.never_even and line.capacity is not None]
    if over:
        told.append(f"no break-even: as many calls a day as one server carries cost less than it: {', '.join(over)}")
    return told


def _guessed(bill: CostProjection) -> list[str]:
    """Whose tokens are those of another model, and whose are of a handful of calls."""
    told = []
    instead = [f"{line.eval} by {used.cell}" for line in bill.lines if line.estimated and (used := line.usage_now)]
    if instead:
        told.append(
            f"~ today's model was not measured, its tokens are taken from the nearest run: {', '.join(instead)}"
        )
    sides = ((line.eval, usage) for line in bill.lines for usage in (line.usage_now, line.usage_then) if usage)
    few = dict.fromkeys(f"{name} {plural(of.n, 'call')} of {of.cell}" for name, of in sides if of.few)
    if few:
        told.append(f"tokens of a sample, or of few calls, which may not be like the others: {', '.join(few)}")
    return told


def _runs(bill: CostProjection) -> list[str]:
    used: Iterable[str] = (
        usage.run_id for line in bill.lines for usage in (line.usage_now, line.usage_then) if usage is not None
    )
    return sorted(set(used))


def _over(of: CostTotal) -> str:
    """Of how many evals a sum is; nothing where it is of all of them, or of none."""
    return f", of {of.over:,} of {plural(of.of, 'eval')}" if of.missing and of.over else ""


def _then(line: EvalCost) -> str:
    if not line.then:
        return NOTHING
    return "server" if line.local else dollars(line.then_usd)


def _estimated(usd: float | None, *, estimated: bool) -> str:
    return f"{'~' if estimated and usd is not None else ''}{dollars(usd)}"

"""Why a task should move, or stay: one sentence each, with the figures it stands on. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from harness.bill import Bill, Line, Reason
from harness.compare import Comparison, Question, Verdict
from harness.config import AdviceConfig, LocalConfig
from harness.report import compared
from harness.report.text import dollars, percent, plural, seconds
from harness.servers import PARTS
from harness.types import Run

FIXES = {
    "truncated": "a larger [sampling] max_tokens, or a prompt that asks for less",
    "trailing_text": "a stop string after the answer ([sampling] stop), or constrained decoding",
    "preamble": "a prompt that ends where the answer begins, or constrained decoding",
    "prompt_echo": "a prompt that ends where the answer begins, or constrained decoding",
    "think_block": "a prompt, or a server, that turns reasoning off",
    "special_token": "that token as a stop string ([sampling] stop)",
    "unknown_label": "constrained decoding",
    "label_synonym": "the labels spelt out in the prompt, or constrained decoding",
    "too_long": "a prompt that asks for less than the limit",
    "missing_keys": "constrained decoding by the schema",
    "extra_keys": "constrained decoding by the schema",
    "wrong_type": "constrained decoding by the schema",
    "schema": "constrained decoding by the schema",
    "invalid_json": "constrained decoding by the schema",
    "not_json": "constrained decoding by the schema",
}
"""The cheapest thing to try for the violation that costs most right answers."""
BY_READING = "read leniently in production (`harness.reading`, or `on_broken_contract` in routing.toml)"
"""What helps against any dress of a right answer: case, quotes, punctuation, markdown."""


def quality(line: Line, c: Comparison | None) -> Reason:
    """What the comparison of the two models says."""
    if not line.then:
        return Reason("service", "against", "the candidate does not serve what this task asks for")
    if c is None:
        if line.now == line.then:
            return Reason("quality", "against", f"it is on {line.then} already")
        lacks = [line.now] if line.estimated or line.usage_now is None else []
        lacks += [line.then] if line.usage_then is None else []
        how = f"`harness run {line.eval} {' '.join(f'-b {name}' for name in lacks)}` makes one" if lacks else "run both"
        return Reason(
            "quality", "open", f"quality is not known, without a run of {' and '.join(lacks) or 'both'}: {how}"
        )
    told = f"{compared.title(c)}: {c.verdict.value}, {c.reason} ({plural(c.n, 'case')}, {_runs(c)})"
    if line.usage_then is not None and not (line.usage_then.whole and line.usage_now and line.usage_now.whole):
        return Reason("sample", "open", f"only a sample was run, which is no verdict: {told}")
    if c.verdict is Verdict.MOVE:
        return Reason("quality", "for", told)
    return Reason("quality", "against" if c.verdict is Verdict.KEEP else "open", told)


def form(c: Comparison | None, constrained: Comparison | None, run: Run | None) -> list[Reason]:
    """What is lost to phrasing alone, and the cheapest thing to do about it."""
    if c is None or not c.n or c.form.high >= 0:
        return []
    lost = f"of the difference {compared.delta_text(c.form)} points are phrasing, which costs no other model to mend"
    leniently = Question("move", c.question.margin).answer(c.lenient.paired)
    also = f"; read leniently the verdict would be {leniently.value}" if leniently is not c.verdict else ""
    if constrained is not None and constrained.verdict is Verdict.MOVE:
        fix = f"constrained decoding, which is shown to be within the margin (run {constrained.head.run_id})"
    else:
        fix = _fix(run)
    return [Reason("format", "note", f"{lost}{also}; cheapest fix: {fix}")]


def _fix(run: Run | None) -> str:
    """By the violation that most of the replies have that are right but for their form."""
    lost = [r for r in run.results if r.score and r.score.lenient and not r.score.strict] if run else []
    counted = Counter(code for r in lost if r.reading for code in r.reading.violations)
    if not counted:
        return BY_READING
    (code, n), *_ = counted.most_common(1)
    what = f"{code} in {n:,} of {plural(len(lost), 'right reply', 'right replies')} that break the contract"
    return f"{FIXES[code]} ({what}), or {BY_READING}" if code in FIXES else f"{BY_READING} ({what})"


def blocks(line: Line, limits: AdviceConfig, run: Run | None, max_p95_s: float | None) -> list[Reason]:
    """What keeps a task where it is, whatever its quality."""
    told = []
    if line.task in limits.keep or line.eval in limits.keep:
        what = "a chain of tool calls" if line.task == "tool_calling" else "it"
        told.append(
            Reason("keep", "against", f"{what} stays: [advice] keep in harness.toml names {_named(line, limits)}")
        )
    if line.daily_calls < limits.min_daily_calls:
        few = f"{plural(line.daily_calls, 'call')} a day are under min_daily_calls = {limits.min_daily_calls:,}"
        told.append(Reason("volume", "against", few))
    told += _long_prompts(line, limits, run)
    used = line.usage_then
    if max_p95_s is not None and used is not None:
        p95 = used.latency_p95_s
        if p95 is None:
            told.append(Reason("latency", "open", f"no latency was measured, and the limit is {max_p95_s:g} s"))
        elif p95 > max_p95_s:
            slow = f"95% of the replies of {line.then} take {seconds(p95)} or less, the limit is {max_p95_s:g} s"
            told.append(Reason("latency", "against", f"too slow: {slow} (run {used.run_id})"))
    return told


def price(line: Line) -> list[Reason]:
    """Where nobody says what the models cost, or how much they are asked, nobody can say whether moving pays."""
    unpriced = [line.now] if line.price_now is None else []
    if line.then and not line.local and line.price_then is None:
        unpriced.append(line.then)
    told = f"nobody says what {' and '.join(unpriced)} costs: [prices] in harness.toml can"
    if unpriced:
        return [Reason("price", "open", told)]
    return [] if line.usage_now else [Reason("tokens", "open", "no saved run tells how many tokens a call takes")]


def index(line: Line) -> list[Reason]:
    """Vectors of two models have nothing in common."""
    if line.task != "embedding" or line.now == line.then:
        return []
    told = "moving means embedding the whole index again, and there is no fallback: vectors of two models do not mix"
    return [Reason("index", "note", told)]


def _named(line: Line, limits: AdviceConfig) -> str:
    return repr(line.task if line.task in limits.keep else line.eval)


def _long_prompts(line: Line, limits: AdviceConfig, run: Run | None) -> list[Reason]:
    """A context over the limit of one model may be the whole of another's, so one is enough to stay."""
    used = line.usage_then or line.usage_now
    if used is None or used.longest_prompt <= limits.max_context_tokens:
        return []
    over = [r for r in run.results if (r.response.prompt_tokens or 0) > limits.max_context_tokens] if run else []
    share = f" ({percent(len(over), len(run.results))} of them)" if run and over else ""
    text = f"prompts{share} are over max_context_tokens = {limits.max_context_tokens:,}: the longest has"
    return [Reason("context", "against", f"{text} {used.longest_prompt:,} (run {used.run_id})")]


def capacity(line: Line, local: LocalConfig) -> list[Reason]:
    """Whether the servers carry the busiest hour of this eval alone."""
    used = line.usage_then
    if not line.local or used is None:
        return []
    if line.load is None or used.calls_per_s is None:
        return [Reason("capacity", "open", f"no throughput was measured (run {used.run_id})")]
    told = (
        f"{line.peak_calls_per_s:.3g} calls a second at peak "
        f"({line.peak:g} times the mean of {line.daily_calls:,} a day), "
        f"{used.calls_per_s:.3g} measured on {line.then} (run {used.run_id}): {100 * line.load:.2g}% of a server"
    )
    if line.parts > local.servers * PARTS:
        return [Reason("capacity", "against", f"{plural(local.servers, 'server')} cannot carry it: {told}")]
    return [Reason("capacity", "for", told)]


def full(line: Line, local: LocalConfig) -> Reason:
    """What is left out when the servers are full."""
    left = f"{plural(local.servers, 'server')} cannot carry it beside what saves more"
    return Reason("capacity", "against", f"{left}: it takes {100 * (line.load or 0):.2g}% of one")


def no_gain(line: Line, more_usd: float) -> Reason:
    """What is left out although there is room for it: it needs servers that cost more than it does today."""
    told = f"{dollars(line.today_usd)} a month today, and the servers would cost {dollars(more_usd)} more with it"
    return Reason("savings", "against", f"it does not pay: {told}")


def no_savings(bill: Bill) -> Reason:
    """What could move together, and what it would cost."""
    api = sum(line.today_usd or 0.0 for line in bill.moving)
    told = f"all that could move costs {dollars(api)} a month today and would cost {dollars(_then_usd(bill))}"
    needed = bill.servers(bill.moving)
    if needed > bill.local.servers:
        told = (
            f"all that could move costs {dollars(api)} a month today and needs {plural(needed, 'server')}, and no part "
            f"of it that {plural(bill.local.servers, 'server')} can carry would cost less"
        )
    elif needed > 1:
        told += ", and no part of it would cost less"
    unknown = f"; of {', '.join(bill.unknown)} nobody says what it costs today" if bill.unknown else ""
    return Reason("savings", "against", f"it does not pay: {told}{unknown}")


def _then_usd(bill: Bill) -> float:
    return bill.server_usd(bill.moving) + bill.moved_api_usd


def savings(bill: Bill, line: Line) -> Reason | None:
    """What moving this one saves a month."""
    saved = bill.saved_usd(line) if line.eval in bill.moved else None
    if saved is None or line.today_usd is None:
        return None
    instead = bill.share_usd(line) + (line.then_usd or 0.0)
    told = f"{dollars(line.today_usd)} a month today, {dollars(instead)} then"
    if saved <= 0:
        return Reason("savings", "against", f"it does not pay: {told}")
    shared = " (the server shared in proportion)" if line.local else ""
    return Reason("savings", "for", f"{told}: saves {dollars(saved)}{shared}")


def _runs(c: Comparison) -> str:
    return f"runs {c.base.run_id} and {c.head.run_id}"


def plain(told: Sequence[Reason]) -> str:
    """All of them on one line."""
    return "; ".join(reason.text for reason in told)

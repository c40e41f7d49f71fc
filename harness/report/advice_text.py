"""Words for advice: why a task should move or stay. Figures come as arguments; nothing is computed or decided here."""

from __future__ import annotations

from collections.abc import Sequence

from harness.analysis.compare import Comparison
from harness.analysis.costs.projection import EvalCost, Usage
from harness.analysis.gates import GateResult
from harness.core.formatting import dollars, number, percent, plural, seconds
from harness.report import comparison_text, verdict_text
from harness.report.gate_text import outcome_text

FIXES = {
    "truncated": "a larger [sampling] max_tokens, or a prompt that asks for shorter replies",
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
"""The cheapest thing to try against each violation."""

LENIENTLY = "lenient reading in production (`router.ask`, or `harness.reading`)"
"""Helps against any form of a right answer: case, quotes, punctuation, markdown."""


def unserved() -> str:
    """The candidate's provider lacks the service."""
    return "the candidate does not serve this kind of task"


def already_there(backend: str) -> str:
    """Production runs on the candidate."""
    return f"it runs on {backend} already"


def no_whole_run(backends: Sequence[str], commands: Sequence[str]) -> str:
    """There is nothing to compare, and how to change that."""
    return f"quality is unknown: no whole run of {_and(backends)}. Run {_and(commands)}"


def only_sample(backends: Sequence[str], commands: Sequence[str], comparison: str) -> str:
    """A sample decides nothing."""
    return f"only a sample was run on {_and(backends)}, which is no verdict. Run {_and(commands)} ({comparison})"


def quality(c: Comparison) -> str:
    """The verdict of a comparison, and the runs it is of."""
    n = "" if c.needed is not None else f"{plural(c.n, 'case')}, "  # the reason names them
    runs = f"runs {c.base.run_id} and {c.head.run_id}"
    return f"{comparison_text.title(c)}: {verdict_text.verdict_text(c)} ({n}{runs})"


def stale(runs: Sequence[str], remedy: str) -> str:
    """Runs that are not of the current definition. `runs`: what differs, one text each."""
    return f"{'; '.join(runs)}{f'. Run {remedy}' if remedy else ''}"


def unreadable(cell: str, error: str) -> str:
    """It is unknown whether a run is of the current definition."""
    return f"unknown whether the run of {cell} is current: {error}"


def rescore(run_ids: Sequence[str]) -> str:
    """The command that reads old replies by the current contract."""
    return f"`harness rescore {' '.join(run_ids)}`, which reads the same replies with the current contract"


def failed_calls(failed: int, calls: int, gates: Sequence[str], run_id: str) -> str:
    """Failed calls leave the gates undecided."""
    counted = f"{failed:,} of {plural(calls, 'call')} failed"
    return f"{counted}, so gates are undecided: {', '.join(gates)} (run {run_id}). Run again with --resume"


def gate(result: GateResult, run_id: str, *, failed: bool) -> str:
    """A gate of the eval that the candidate's run does not pass."""
    what = "a gate of the eval fails" if failed else "a gate of the eval is not proven"
    return f"{what}: {outcome_text(result)} (run {run_id})"


def form(c: Comparison, fix: str, lenient_verdict: str) -> str:
    """What is lost to phrasing. `lenient_verdict`: the verdict by `router.ask`, if it is another."""
    lost = (
        f"{comparison_text.delta_text(c.format_gap)} points of the difference are phrasing, which needs no other model"
    )
    other = ""
    if lenient_verdict:
        other = (
            f". The verdict {c.verdict.value} is for `router.chat`, whose replies your code reads as they are; "
            f"for `router.ask`, which reads leniently, it is {lenient_verdict}"
        )
    return f"{lost}{other}. Cheapest fix: {fix}"


def constrained_fix(run_id: str) -> str:
    """Constrained decoding is within the margin."""
    return f"constrained decoding, which is within the margin (run {run_id})"


def ask_fix(alternative: str) -> str:
    """`router.ask` is enough. `alternative`: what else helps."""
    return f"call it with `router.ask`, or read replies to your own messages with `harness.reading`{alternative}"


def violation_fix(code: str, replies: int, right: int) -> str:
    """The cheapest fix for the commonest violation of right replies."""
    if not code:
        return LENIENTLY
    count = violation_count(code, replies, right)
    return f"{FIXES[code]} ({count}), or {LENIENTLY}" if code in FIXES else f"{LENIENTLY} ({count})"


def violation_count(code: str, replies: int, right: int) -> str:
    """`preamble in 12 of 30 right replies that break the contract`."""
    return f"{code} in {replies:,} of {plural(right, 'right reply', 'right replies')} that break the contract"


def keep(name: str, *, is_chain: bool) -> str:
    """harness.toml keeps the task where it is. `is_chain`: it calls tools."""
    what = "a chain of tool calls" if is_chain else "it"
    return f"{what} stays: [advice] keep in harness.toml names {name!r}"


def volume(calls: int, least: int) -> str:
    """Too few calls a day."""
    return f"{plural(calls, 'call')} a day < min_daily_calls {least:,}"


def no_latency(limit_s: float) -> str:
    """A latency gate without a measurement."""
    return f"no latency was measured; max_p95_latency_s is {limit_s:g}"


def slow(p95_s: float, limit_s: float, backend: str, run_id: str) -> str:
    """Too slow for the eval's gate."""
    return f"too slow: p95 latency of {backend} {seconds(p95_s)} > max_p95_latency_s {limit_s:g} (run {run_id})"


def unpriced(backends: Sequence[str]) -> str:
    """Prices are missing."""
    return f"no price for {_and(backends)}. Set [prices] in harness.toml"


def no_tokens() -> str:
    """No run has token counts."""
    return "no saved run has token counts"


def index() -> str:
    """Moving an embedding task rebuilds its index."""
    return "moving requires embedding the whole index again, without a fallback: vectors of two models do not mix"


def long_prompts(used: Usage, limit: int, over: int, calls: int) -> str:
    """Prompts exceed the context that is allowed. `over` of `calls` do."""
    share = f" ({percent(over, calls)} of prompts are over it)" if over else ""
    return f"longest prompt {used.longest_prompt:,} tokens > max_context_tokens {limit:,}{share} (run {used.run_id})"


def no_throughput(run_id: str) -> str:
    """The load of a server is unknown."""
    return f"no throughput was measured (run {run_id})"


def load(line: EvalCost, measured_per_s: float, run_id: str) -> str:
    """The share of a server that the busiest hour takes."""
    peak = f"{_rate(line.peak_calls_per_s)} calls a second at peak"
    mean = f"{line.peak:g} times the mean of {line.daily_calls:,} a day"
    measured = f"{_rate(measured_per_s)} measured on {line.candidate} (run {run_id})"
    return f"{peak} ({mean}), {measured}: {_share(line.load or 0.0)} of a server"


def overload(servers: int, load_text: str) -> str:
    """One eval alone exceeds the servers."""
    return f"{plural(servers, 'server')} cannot carry it: {load_text}"


def full(servers: int, share: float) -> str:
    """The servers are full of tasks that save more."""
    return f"{plural(servers, 'server')} cannot carry it beside tasks that save more: it needs {_share(share)} of one"


def no_gain(usd: float | None, more_usd: float) -> str:
    """Servers would cost more than the task does now."""
    return f"moving does not pay: {dollars(usd)} a month now, the servers would cost {dollars(more_usd)} more with it"


def no_savings(now_usd: float, moved_usd: float, needed: int, servers: int) -> str:
    """No set of tasks pays for its servers. `needed` servers for all that could move; `servers` are allowed."""
    now = f"moving does not pay: all tasks that could move cost {dollars(now_usd)} a month now"
    if needed > servers:
        fitting = f"no part that {plural(servers, 'server')} can carry is cheaper"
        return f"{now} and need {plural(needed, 'server')}; {fitting}"
    part = ", and no part of them would cost less" if needed > 1 else ""
    return f"{now} and would cost {dollars(moved_usd)} moved{part}"


def if_all_named() -> str:
    """A server that does not pay for the named evals may pay for all."""
    return "whether it pays together with the other evals, `harness advise` without names shows"


def together(evals: Sequence[str]) -> str:
    """Moving pays once these evals, which are open, move too."""
    return f"it would pay together with {', '.join(evals)}, still undecided"


def unknown_cost(evals: Sequence[str]) -> str:
    """What these evals cost now is unknown, so their savings are."""
    return f"the savings of {', '.join(evals)} are unknown: no price or no token counts"


def savings(now_usd: float, moved_usd: float, saved_usd: float, *, is_shared: bool) -> str:
    """What moving saves a month. `is_shared`: the server's cost is split over tasks."""
    costs = f"{dollars(now_usd)} a month now, {dollars(moved_usd)} moved"
    if saved_usd <= 0:
        return f"moving does not pay: {costs}"
    return f"{costs}: saves {dollars(saved_usd)}{' (its share of the server)' if is_shared else ''}"


def unrouted(why: str) -> str:
    """The task has no route."""
    return f"not routed: {why}"


def _and(names: Sequence[str]) -> str:
    return " and ".join(names)


def _rate(per_s: float) -> str:
    """`1,130`, `8.33`, `0.0694`."""
    return number(per_s) if per_s >= 100 else f"{per_s:.3g}" if per_s >= 0.001 else "less than 0.001"


def _share(load: float) -> str:
    """`120%`, `4.2%`, `0.36%`."""
    shown = 100 * load
    if shown < 0.01:
        return "less than 0.01%"
    return f"{number(shown)}%" if shown >= 10 else f"{shown:.{1 if shown >= 1 else 2}f}%"

"""Decide what speaks for and against moving a task. report/advice_text.py has the words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from harness.analysis import gates
from harness.analysis.compare import Change, Comparison, Verdict
from harness.analysis.costs.advice_types import AdviceCode, Reason, Stands
from harness.analysis.costs.capacity import PARTS
from harness.analysis.costs.projection import CostProjection, EvalCost
from harness.analysis.gates import Evidence
from harness.core.plugins import task_capabilities
from harness.core.types import Run
from harness.project.config import AdviceConfig, LocalConfig
from harness.project.evals import GateConfig
from harness.report import advice_text
from harness.runner import staleness

SIGNS: dict[Stands, str] = {"for": "+", "against": "-", "open": "?", "note": "·"}
"""Marks before a reason, on the screen and in files."""

CANDIDATE_CODES = frozenset({AdviceCode.GATE, AdviceCode.CONTEXT, AdviceCode.LATENCY, AdviceCode.CAPACITY})
"""Reasons that rest on the candidate's run alone."""


@dataclass(frozen=True, slots=True)
class RunFreshness:
    """One model of a comparison with its run, and what differs from the current definition.

    `variant`: the prompt that production uses. `unread`: the error that prevents checking. `decoding`: empty if the
    eval has only one.
    """

    backend: str
    variant: str
    run: Run | None
    changed: tuple[Change, ...] = ()
    unread: str = ""
    decoding: str = ""

    @property
    def lacks(self) -> bool:
        """True if no complete, current run exists."""
        return self.run is None or self.run.manifest.limit is not None or self.is_old

    @property
    def is_old(self) -> bool:
        """Whether the run is not known to be of the current definition."""
        return bool(self.changed or self.unread)


def commands(name: str, models: Sequence[RunFreshness]) -> list[str]:
    """Return the commands that run these models, one per prompt."""
    by_prompt: dict[tuple[str, str], list[str]] = {}
    for model in models:
        by_prompt.setdefault((model.variant, model.decoding), []).append(model.backend)
    return [
        f"`harness run {name} {' '.join(f'-b {backend}' for backend in backends)} --variant {variant}"
        f"{f' --decoding {decoding}' if decoding else ''}`"
        for (variant, decoding), backends in by_prompt.items()
    ]


def _commands(name: str, models: Sequence[RunFreshness]) -> list[str]:
    return commands(name, [model for model in models if model.lacks])


def quality(cost: EvalCost, c: Comparison | None, models: Sequence[RunFreshness]) -> Reason:
    """Judge the comparison of the two models. `models`: the current one and the candidate."""
    if not cost.candidate:
        return Reason(AdviceCode.SERVICE, "against", advice_text.unserved())
    if c is None:
        if cost.current == cost.candidate:
            return Reason(AdviceCode.QUALITY, "against", advice_text.already_there(cost.candidate))
        missing = [model.backend for model in models if model.lacks]
        return Reason(AdviceCode.QUALITY, "open", advice_text.no_whole_run(missing, _commands(cost.eval, models)))
    text = advice_text.quality(c)
    samples = [model.backend for model in models if model.run is not None and model.run.manifest.limit is not None]
    if samples:
        return Reason(AdviceCode.SAMPLE, "open", advice_text.only_sample(samples, _commands(cost.eval, models), text))
    stands: Stands = "for" if c.verdict is Verdict.MOVE else "against" if c.verdict is Verdict.STAY else "open"
    return Reason(AdviceCode.QUALITY, stands, text)


def stale(cost: EvalCost, models: Sequence[RunFreshness]) -> list[Reason]:
    """Report outdated runs and the commands that replace them."""
    texts = []
    for model in models:
        if model.run is None or not model.is_old:
            continue
        cell = model.run.manifest.cell
        text = advice_text.unreadable(cell, model.unread) if model.unread else staleness.sentence(cell, model.changed)
        texts.append(f"{text} (run {model.run.manifest.run_id})")
    if not texts:
        return []
    old = [model for model in models if model.changed and model.run is not None]
    remedy = " and ".join(_commands(cost.eval, old))
    if old and all({change.what for change in model.changed} == {"contract"} for model in old):
        remedy = advice_text.rescore([model.run.manifest.run_id for model in old if model.run is not None])
    return [Reason(AdviceCode.STALE, "open", advice_text.stale(texts, remedy))]


def as_notes(reasons: Sequence[Reason], models: Sequence[RunFreshness]) -> list[Reason]:
    """Turn reasons that rest on outdated runs into notes, which decide nothing.

    `models`: the current one, then the candidate.
    """
    old = {model.backend for model in models if model.run is not None and model.is_old}
    codes = {AdviceCode.QUALITY} if old else set()
    if models and models[-1].backend in old:
        codes |= CANDIDATE_CODES
    return [replace(r, stands="note") if r.code in codes and r.stands != "open" else r for r in reasons]


def gate(limits: GateConfig, run: Run | None, evidence: Callable[[], Evidence], *, local: bool) -> list[Reason]:
    """List the eval's gates that the candidate's run does not pass.

    Skips gates that compare runs, latency (`blocks` has it) and, for a local server, the price of a call: a local
    server has a fixed cost.
    """
    elsewhere = gates.comparing_with("reference") | gates.comparing_with("baseline") | {"max_p95_latency_s"}
    elsewhere |= {"max_cost_per_1k"} if local else set()
    names = [name for name in gates.names(limits) if name not in elsewhere]
    if run is None or not names:
        return []
    measured, run_id, is_complete = evidence(), run.manifest.run_id, run.manifest.limit is None
    summary = measured.summary
    if summary.n_errors or not summary.judged:
        text = advice_text.failed_calls(summary.n_errors, summary.n, names, run_id)
        return [Reason(AdviceCode.GATE, "open", text)]
    reasons = []
    for name in names:
        result = gates.judge(name, limits, measured)
        if result.status is gates.GateStatus.PASSED:
            continue
        failed = result.status is gates.GateStatus.FAILED and is_complete
        text = advice_text.gate(result, run_id, failed=failed)
        reasons.append(Reason(AdviceCode.GATE, "against" if failed else "open", text))
    return reasons


def form(c: Comparison | None, constrained: Comparison | None, run: Run | None) -> list[Reason]:
    """Note what phrasing costs, the cheapest fix, and the verdict for lenient reading.

    `router.ask` reads leniently, whatever `on_broken_contract` says; the caller reads what `router.chat` returns.
    """
    if c is None or not c.n or c.format_gap.high >= 0:
        return []
    leniently = c.question.decide(c.lenient.paired)
    other = leniently.value if leniently is not c.verdict else ""
    by_constraint = ""
    if constrained is not None and constrained.verdict is Verdict.MOVE:
        by_constraint = advice_text.constrained_fix(constrained.head.run_id)
    code, replies, right = _violation(run)
    fix = by_constraint or advice_text.violation_fix(code, replies, right)
    if leniently is Verdict.MOVE and other:
        alternative = f", or {by_constraint}" if by_constraint else ""
        if not by_constraint and code in advice_text.FIXES:
            alternative = f"; else {advice_text.FIXES[code]} ({advice_text.violation_count(code, replies, right)})"
        fix = advice_text.ask_fix(alternative)
    return [Reason(AdviceCode.FORMAT, "note", advice_text.form(c, fix, other))]


def _violation(run: Run | None) -> tuple[str, int, int]:
    """The commonest violation among replies that only break the contract, its count, and the number of such replies."""
    lost = [r for r in run.results if r.score and r.score.lenient and not r.score.strict] if run else []
    counted = Counter(code for r in lost if r.reading for code in r.reading.violations)
    if not counted:
        return "", 0, len(lost)
    (code, n), *_ = counted.most_common(1)
    return code, n, len(lost)


def blocks(cost: EvalCost, limits: AdviceConfig, run: Run | None, max_p95_s: float | None) -> list[Reason]:
    """List what keeps a task on its current backend, whatever the quality."""
    reasons = []
    if cost.task in limits.keep or cost.eval in limits.keep:
        name, is_chain = cost.task if cost.task in limits.keep else cost.eval, task_capabilities(cost.task).calls_tools
        reasons.append(Reason(AdviceCode.KEEP, "against", advice_text.keep(name, is_chain=is_chain)))
    if cost.daily_calls < limits.min_daily_calls:
        text = advice_text.volume(cost.daily_calls, limits.min_daily_calls)
        reasons.append(Reason(AdviceCode.VOLUME, "against", text))
    reasons += _long_prompts(cost, limits, run)
    used = cost.candidate_usage
    if max_p95_s is not None and used is not None:
        p95 = used.latency_p95_s
        if p95 is None:
            reasons.append(Reason(AdviceCode.LATENCY, "open", advice_text.no_latency(max_p95_s)))
        elif p95 > max_p95_s:
            text = advice_text.slow(p95, max_p95_s, cost.candidate, used.run_id)
            reasons.append(Reason(AdviceCode.LATENCY, "against", text))
    return reasons


def price(cost: EvalCost) -> list[Reason]:
    """Ask for missing prices and token counts: without them, savings are unknown."""
    unpriced = [cost.current] if cost.current_price is None else []
    if cost.candidate and not cost.local and cost.candidate_price is None:
        unpriced.append(cost.candidate)
    if unpriced:
        return [Reason(AdviceCode.PRICE, "open", advice_text.unpriced(unpriced))]
    return [] if cost.current_usage else [Reason(AdviceCode.TOKENS, "open", advice_text.no_tokens())]


def index(cost: EvalCost) -> list[Reason]:
    """Vectors of two models do not mix."""
    if not task_capabilities(cost.task).embeds or cost.current == cost.candidate:
        return []
    return [Reason(AdviceCode.INDEX, "note", advice_text.index())]


def _long_prompts(cost: EvalCost, limits: AdviceConfig, run: Run | None) -> list[Reason]:
    # Even a single prompt over the limit could fail in production, so it keeps the task where it is.
    used, limit = cost.candidate_usage or cost.current_usage, limits.max_context_tokens
    if used is None or used.longest_prompt <= limit:
        return []
    over = sum((r.response.prompt_tokens or 0) > limit for r in run.results) if run else 0
    text = advice_text.long_prompts(used, limit, over, len(run.results) if run else 0)
    return [Reason(AdviceCode.CONTEXT, "against", text)]


def capacity(cost: EvalCost, local: LocalConfig) -> list[Reason]:
    """Whether the servers carry the busiest hour of this eval alone."""
    used = cost.candidate_usage
    if not cost.local or used is None:
        return []
    if cost.load is None or used.calls_per_s is None:
        return [Reason(AdviceCode.CAPACITY, "open", advice_text.no_throughput(used.run_id))]
    text = advice_text.load(cost, used.calls_per_s, used.run_id)
    if cost.load_parts > local.servers * PARTS:
        return [Reason(AdviceCode.CAPACITY, "against", advice_text.overload(local.servers, text))]
    return [Reason(AdviceCode.CAPACITY, "for", text)]


def full(cost: EvalCost, local: LocalConfig) -> Reason:
    """The servers are full of tasks that save more."""
    return Reason(AdviceCode.CAPACITY, "against", advice_text.full(local.servers, cost.load or 0.0))


def no_gain(cost: EvalCost, more_usd: float) -> Reason:
    """The servers have room for the task, but would cost more than the task does now."""
    return Reason(AdviceCode.SAVINGS, "against", advice_text.no_gain(cost.current_usd, more_usd))


def no_savings(bill: CostProjection) -> Reason:
    """No set of tasks that could move pays for its servers."""
    now = sum(each.current_usd or 0.0 for each in bill.moving)
    moved = bill.server_usd(bill.moving) + bill.moved_api_usd
    text = advice_text.no_savings(now, moved, bill.servers(bill.moving), bill.local.servers)
    return Reason(AdviceCode.SAVINGS, "against", text)


def of_some(reason: Reason) -> Reason:
    """Turn a reason into an open question: a server that does not pay for the named evals may pay for all."""
    return replace(reason, stands="open", text=f"{reason.text}; {advice_text.if_all_named()}")


def not_yet(reason: Reason, others: Sequence[str], *, known: bool) -> Reason:
    """Turn a reason into an open question, because other evals are undecided.

    `known`: the bill would be lower with them. Otherwise their cost is unknown.
    """
    text = advice_text.together(others) if known else advice_text.unknown_cost(others)
    return replace(reason, stands="open", text=f"{reason.text}; {text}")


def savings(bill: CostProjection, cost: EvalCost) -> Reason | None:
    """Monthly savings of moving this task; `None` if it does not move or its cost is unknown."""
    saved = bill.saved_usd(cost) if cost.eval in bill.moved else None
    if saved is None or cost.current_usd is None:
        return None
    moved = bill.share_usd(cost) + (cost.candidate_usd or 0.0)
    text = advice_text.savings(cost.current_usd, moved, saved, is_shared=cost.local)
    return Reason(AdviceCode.SAVINGS, "against" if saved <= 0 else "for", text)

"""Decide what speaks for and against moving a task. report/advice_text.py has the words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from harness.analysis import gates
from harness.analysis.compare import Change, Comparison, ComparisonQuestion, Verdict
from harness.analysis.costs.capacity import PARTS
from harness.analysis.costs.projection import AdviceCode, CostProjection, EvalCost, Reason, Stands
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
    """The commands that make runs of these models, one for each prompt."""
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


def quality(line: EvalCost, c: Comparison | None, models: Sequence[RunFreshness]) -> Reason:
    """Judge the comparison of the two models. `models`: the current one and the candidate."""
    if not line.candidate:
        return Reason(AdviceCode.SERVICE, "against", advice_text.unserved())
    if c is None:
        if line.current == line.candidate:
            return Reason(AdviceCode.QUALITY, "against", advice_text.already_there(line.candidate))
        missing = [model.backend for model in models if model.lacks]
        return Reason(AdviceCode.QUALITY, "open", advice_text.no_whole_run(missing, _commands(line.eval, models)))
    text = advice_text.quality(c)
    samples = [model.backend for model in models if model.run is not None and model.run.manifest.limit is not None]
    if samples:
        return Reason(AdviceCode.SAMPLE, "open", advice_text.only_sample(samples, _commands(line.eval, models), text))
    if c.n and not c.strict.base.hits:
        return Reason(AdviceCode.QUALITY, "open", advice_text.nothing_right(line, c))
    stands: Stands = "for" if c.verdict is Verdict.MOVE else "against" if c.verdict is Verdict.STAY else "open"
    return Reason(AdviceCode.QUALITY, stands, text)


def stale(line: EvalCost, models: Sequence[RunFreshness]) -> list[Reason]:
    """Runs that are not of the current definition, and how to make current ones."""
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
    remedy = " and ".join(_commands(line.eval, old))
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
    """The eval's gates that the candidate's run does not pass.

    Left out: gates that compare (the baseline does not bear on a move), latency (its own reason), and the price of a
    call to a local server, which costs the same however much it is used.
    """
    elsewhere = gates.comparing_with("reference") | gates.comparing_with("baseline") | {"max_p95_latency_s"}
    elsewhere |= {"max_cost_per_1k"} if local else set()
    names = [name for name in gates.names(limits) if name not in elsewhere]
    if run is None or not names:
        return []
    known, run_id, whole = evidence(), run.manifest.run_id, run.manifest.limit is None
    summary = known.summary
    if summary.n_errors or not summary.judged:
        text = advice_text.failed_calls(summary.n_errors, summary.n, names, run_id)
        return [Reason(AdviceCode.GATE, "open", text)]
    reasons = []
    for name in names:
        result = gates.judge(name, limits, known)
        if result.status is gates.GateStatus.PASSED:
            continue
        failed = result.status is gates.GateStatus.FAILED and whole
        text = advice_text.gate(result, run_id, failed=failed)
        reasons.append(Reason(AdviceCode.GATE, "against" if failed else "open", text))
    return reasons


def form(c: Comparison | None, constrained: Comparison | None, run: Run | None) -> list[Reason]:
    """What is lost to phrasing, the cheapest fix, and the verdict if replies are read leniently.

    `router.ask` reads leniently, whatever `on_broken_contract` says; the caller reads what `router.chat` returns.
    """
    if c is None or not c.n or c.form.high >= 0:
        return []
    leniently = ComparisonQuestion("move", c.question.margin).answer(c.lenient.paired)
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
    """The commonest violation of replies that are right but for their form, its count, and the number of these."""
    lost = [r for r in run.results if r.score and r.score.lenient and not r.score.strict] if run else []
    counted = Counter(code for r in lost if r.reading for code in r.reading.violations)
    if not counted:
        return "", 0, len(lost)
    (code, n), *_ = counted.most_common(1)
    return code, n, len(lost)


def blocks(line: EvalCost, limits: AdviceConfig, run: Run | None, max_p95_s: float | None) -> list[Reason]:
    """What keeps a task where it is, whatever its quality."""
    reasons = []
    if line.task in limits.keep or line.eval in limits.keep:
        name, is_chain = line.task if line.task in limits.keep else line.eval, task_capabilities(line.task).calls_tools
        reasons.append(Reason(AdviceCode.KEEP, "against", advice_text.keep(name, is_chain=is_chain)))
    if line.daily_calls < limits.min_daily_calls:
        text = advice_text.volume(line.daily_calls, limits.min_daily_calls)
        reasons.append(Reason(AdviceCode.VOLUME, "against", text))
    reasons += _long_prompts(line, limits, run)
    used = line.candidate_usage
    if max_p95_s is not None and used is not None:
        p95 = used.latency_p95_s
        if p95 is None:
            reasons.append(Reason(AdviceCode.LATENCY, "open", advice_text.no_latency(max_p95_s)))
        elif p95 > max_p95_s:
            text = advice_text.slow(p95, max_p95_s, line.candidate, used.run_id)
            reasons.append(Reason(AdviceCode.LATENCY, "against", text))
    return reasons


def price(line: EvalCost) -> list[Reason]:
    """Without prices or token counts, nobody can say whether moving pays."""
    unpriced = [line.current] if line.current_price is None else []
    if line.candidate and not line.local and line.candidate_price is None:
        unpriced.append(line.candidate)
    if unpriced:
        return [Reason(AdviceCode.PRICE, "open", advice_text.unpriced(unpriced))]
    return [] if line.current_usage else [Reason(AdviceCode.TOKENS, "open", advice_text.no_tokens())]


def index(line: EvalCost) -> list[Reason]:
    """Vectors of two models do not mix."""
    if not task_capabilities(line.task).embeds or line.current == line.candidate:
        return []
    return [Reason(AdviceCode.INDEX, "note", advice_text.index())]


def _long_prompts(line: EvalCost, limits: AdviceConfig, run: Run | None) -> list[Reason]:
    # A prompt over the limit for one model may fill the whole context of another, so one is enough to stay.
    used, limit = line.candidate_usage or line.current_usage, limits.max_context_tokens
    if used is None or used.longest_prompt <= limit:
        return []
    over = sum((r.response.prompt_tokens or 0) > limit for r in run.results) if run else 0
    text = advice_text.long_prompts(used, limit, over, len(run.results) if run else 0)
    return [Reason(AdviceCode.CONTEXT, "against", text)]


def capacity(line: EvalCost, local: LocalConfig) -> list[Reason]:
    """Whether the servers carry the busiest hour of this eval alone."""
    used = line.candidate_usage
    if not line.local or used is None:
        return []
    if line.load is None or used.calls_per_s is None:
        return [Reason(AdviceCode.CAPACITY, "open", advice_text.no_throughput(used.run_id))]
    text = advice_text.load(line, used.calls_per_s, used.run_id)
    if line.parts > local.servers * PARTS:
        return [Reason(AdviceCode.CAPACITY, "against", advice_text.overload(local.servers, text))]
    return [Reason(AdviceCode.CAPACITY, "for", text)]


def full(line: EvalCost, local: LocalConfig) -> Reason:
    """The servers are full of tasks that save more."""
    return Reason(AdviceCode.CAPACITY, "against", advice_text.full(local.servers, line.load or 0.0))


def no_gain(line: EvalCost, more_usd: float) -> Reason:
    """There is room for the task, but its servers would cost more than it does now."""
    return Reason(AdviceCode.SAVINGS, "against", advice_text.no_gain(line.today_usd, more_usd))


def no_savings(bill: CostProjection) -> Reason:
    """No set of tasks that could move pays for its servers."""
    now = sum(line.today_usd or 0.0 for line in bill.moving)
    moved = bill.server_usd(bill.moving) + bill.moved_api_usd
    text = advice_text.no_savings(now, moved, bill.servers(bill.moving), bill.local.servers)
    return Reason(AdviceCode.SAVINGS, "against", text)


def of_some(reason: Reason) -> Reason:
    """The same, open, because not all evals were named: a server that does not pay for these may pay for all."""
    return replace(reason, stands="open", text=f"{reason.text}; {advice_text.if_all_named()}")


def not_yet(reason: Reason, others: Sequence[str], *, known: bool) -> Reason:
    """The same, open, because other evals are undecided.

    `known`: the bill would be lower with them. Otherwise their cost is unknown.
    """
    text = advice_text.together(others) if known else advice_text.unknown_cost(others)
    return replace(reason, stands="open", text=f"{reason.text}; {text}")


def savings(bill: CostProjection, line: EvalCost) -> Reason | None:
    """What moving this task saves a month."""
    saved = bill.saved_usd(line) if line.eval in bill.moved else None
    if saved is None or line.today_usd is None:
        return None
    moved = bill.share_usd(line) + (line.candidate_usd or 0.0)
    text = advice_text.savings(line.today_usd, moved, saved, is_shared=line.local)
    return Reason(AdviceCode.SAVINGS, "against" if saved <= 0 else "for", text)

"""Why a task should move, or stay: one sentence each, with the figures it stands on. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from harness.analysis import gates
from harness.analysis.compare import Change, Comparison, ComparisonQuestion, Verdict
from harness.analysis.costs.capacity import PARTS
from harness.analysis.costs.projection import CostProjection, EvalCost, Reason, Stands
from harness.analysis.gates import Evidence
from harness.core.formatting import dollars, number, percent, plural, seconds
from harness.core.plugins import task_capabilities
from harness.core.types import Run
from harness.project.config import AdviceConfig, LocalConfig
from harness.project.evals import GateConfig
from harness.report import comparison_text
from harness.report.gate_text import outcome_text
from harness.runner import staleness

SIGNS: dict[Stands, str] = {"for": "+", "against": "-", "open": "?", "note": "·"}
"""Before a reason, on the screen and in the files."""
ELSEWHERE = frozenset({"margin", "max_regression", "max_flips", "max_p95_latency_s"})
"""Gates that other reasons judge, or that compare with a baseline, which is no matter of moving."""
OF_THE_CANDIDATE = frozenset({"gate", "context", "latency", "capacity"})
"""Reasons that stand on the candidate's run alone."""

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
BY_READING = "read leniently in production (`router.ask` does, or `harness.reading`)"
"""What helps against any dress of a right answer: case, quotes, punctuation, markdown."""


@dataclass(frozen=True, slots=True)
class RunFreshness:
    """One model of a comparison: with which prompt production asks it, its run, and what of that is not as today.

    `unread`: why that cannot be told. `decoding`: where the eval has more than one.
    """

    backend: str
    variant: str
    run: Run | None
    changed: tuple[Change, ...] = ()
    unread: str = ""
    decoding: str = ""

    @property
    def lacks(self) -> bool:
        """A whole run, as today."""
        return self.run is None or self.run.manifest.limit is not None or self.is_old

    @property
    def is_old(self) -> bool:
        """Its run is not known to be as today."""
        return bool(self.changed or self.unread)


def command(name: str, seen: Sequence[RunFreshness]) -> str:
    """What makes the runs that are missing, and no others: a whole command for each prompt."""
    by_prompt: dict[tuple[str, str], list[str]] = {}
    for one in seen:
        by_prompt.setdefault((one.variant, one.decoding), []).append(one.backend)
    return " and ".join(
        f"`harness run {name} {' '.join(f'-b {backend}' for backend in backends)} --variant {variant}"
        f"{f' --decoding {decoding}' if decoding else ''}`"
        for (variant, decoding), backends in by_prompt.items()
    )


def _makes(name: str, seen: Sequence[RunFreshness]) -> str:
    lacking = [one for one in seen if one.lacks]
    return f"{command(name, lacking)} {'makes one' if len(lacking) == 1 else 'make them'}"


def quality(line: EvalCost, c: Comparison | None, seen: Sequence[RunFreshness]) -> Reason:
    """What the comparison of the two models says. `seen`: today's model and the candidate."""
    if not line.then:
        return Reason("service", "against", "the candidate does not serve what this task asks for")
    if c is None:
        if line.now == line.then:
            return Reason("quality", "against", f"it is on {line.then} already")
        missing = " and ".join(one.backend for one in seen if one.lacks)
        return Reason(
            "quality", "open", f"quality is not known, without a whole run of {missing}: {_makes(line.eval, seen)}"
        )
    n = "" if c.needed is not None else f"{plural(c.n, 'case')}, "  # its reason has said how many
    told = f"{comparison_text.title(c)}: {comparison_text.verdict_text(c)} ({n}{_runs(c)})"
    samples = [one for one in seen if one.run is not None and one.run.manifest.limit is not None]
    if samples:
        of = " and ".join(one.backend for one in samples)
        return Reason(
            "sample", "open", f"only a sample was run on {of}, which is no verdict; {_makes(line.eval, seen)}: {told}"
        )
    if c.n and not c.strict.base.hits:
        head = c.strict.head
        what = f"nothing that {line.now} says is right, and {percent(head.hits, head.n)} of what {line.then} says"
        if not head.hits:
            what = "nothing is right on either side: there is nothing to keep"
        return Reason("quality", "open", f"{what}; look at the eval first (the comparison: {told})")
    if c.verdict is Verdict.MOVE:
        return Reason("quality", "for", told)
    return Reason("quality", "against" if c.verdict is Verdict.STAY else "open", told)


def stale(line: EvalCost, seen: Sequence[RunFreshness]) -> list[Reason]:
    """Runs that are of another model or prompt than today's, and how to make those that are."""
    told = []
    for one in seen:
        if one.run is None or not one.is_old:
            continue
        what = staleness.sentence(one.run.manifest.cell, one.changed)
        if one.unread:
            what = f"whether the run of {one.run.manifest.cell} is as today cannot be told: {one.unread}"
        told.append(f"{what} (run {one.run.manifest.run_id})")
    again = [one for one in seen if one.changed and one.run is not None]
    how = f": {_makes(line.eval, again)}" if again else ""
    if again and all({change.what for change in one.changed} == {"contract"} for one in again):
        ids = " ".join(one.run.manifest.run_id for one in again if one.run is not None)
        how = f": `harness rescore {ids}` reads the same replies by today's"
    return [Reason("stale", "open", f"{'; '.join(told)}{how}")] if told else []


def as_notes(told: Sequence[Reason], seen: Sequence[RunFreshness]) -> list[Reason]:
    """The reasons, with what stands on a run that is not as today as a note: it decides nothing either way.

    `seen`: today's model, then the candidate.
    """
    old = {one.backend for one in seen if one.run is not None and one.is_old}
    codes = {"quality"} if old else set()
    if seen and seen[-1].backend in old:
        codes |= OF_THE_CANDIDATE
    return [replace(one, stands="note") if one.code in codes and one.stands != "open" else one for one in told]


def gate(limits: GateConfig, run: Run | None, evidence: Callable[[], Evidence], *, local: bool) -> list[Reason]:
    """The eval's own gates that the candidate's run does not pass.

    What a call costs is not asked of a server of one's own, which costs the same whatever it is asked.
    """
    names = [name for name in gates.names(limits) if name not in ELSEWHERE]
    names = [name for name in names if not (local and name == "max_cost_per_1k")]
    if run is None or not names:
        return []
    found, run_id, whole = evidence(), run.manifest.run_id, run.manifest.limit is None
    if found.summary.n_errors or not found.summary.judged:
        failed = f"{found.summary.n_errors:,} of {plural(found.summary.n, 'call')} failed"
        unsure = f"{failed}, so it cannot be told whether the eval's gates are passed"
        unsure += f" ({', '.join(names)}; run {run_id})"
        return [Reason("gate", "open", f"{unsure}; `--resume` asks the failed ones again")]
    told: list[Reason] = []
    for name in names:
        result = gates.judge(name, limits, found)
        said = f"{outcome_text(result)} (run {run_id})"
        if result.status is gates.GateStatus.FAILED and whole:
            told.append(Reason("gate", "against", f"it fails a gate of the eval: {said}"))
        elif result.status is not gates.GateStatus.PASSED:
            told.append(Reason("gate", "open", f"a gate of the eval is not shown to be passed: {said}"))
    return told


def form(c: Comparison | None, constrained: Comparison | None, run: Run | None) -> list[Reason]:
    """What is lost to phrasing alone, the cheapest thing to do about it, and for which way of calling the verdict is.

    `router.ask` takes a right answer out of whatever stands around it, whatever `on_broken_contract` says; what
    `router.chat` hands on is read by the caller.
    """
    if c is None or not c.n or c.form.high >= 0:
        return []
    form = comparison_text.delta_text(c.form)
    lost = f"of the difference {form} points are phrasing, which costs no other model to mend"
    leniently = ComparisonQuestion("move", c.question.margin).answer(c.lenient.paired)
    by_constraint = ""
    if constrained is not None and constrained.verdict is Verdict.MOVE:
        by_constraint = f"constrained decoding, which is shown to be within the margin (run {constrained.head.run_id})"
    fix = by_constraint or _fix(run)
    also = ""
    if leniently is not c.verdict:
        also = (
            f"; the verdict {c.verdict.value} is for your own messages (`router.chat`), whose replies your code reads "
            f"as they are: by `router.ask`, which reads leniently, it would be {leniently.value}"
        )
    if leniently is Verdict.MOVE and also:
        fix = "call it by `router.ask`, or read your own messages' replies by `harness.reading`"
        fix += _else(by_constraint, run)
    return [Reason("format", "note", f"{lost}{also}; cheapest fix: {fix}")]


def _else(by_constraint: str, run: Run | None) -> str:
    """What else helps, where reading leniently is enough."""
    if by_constraint:
        return f", or {by_constraint}"
    code, what = _violation(run)
    return f"; else {FIXES[code]} ({what})" if code in FIXES else ""


def _violation(run: Run | None) -> tuple[str, str]:
    """The violation that most of the replies have that are right but for their form, and in how many of them."""
    lost = [r for r in run.results if r.score and r.score.lenient and not r.score.strict] if run else []
    counted = Counter(code for r in lost if r.reading for code in r.reading.violations)
    if not counted:
        return "", ""
    (code, n), *_ = counted.most_common(1)
    return code, f"{code} in {n:,} of {plural(len(lost), 'right reply', 'right replies')} that break the contract"


def _fix(run: Run | None) -> str:
    """What helps against what costs most right answers."""
    code, what = _violation(run)
    if not code:
        return BY_READING
    return f"{FIXES[code]} ({what}), or {BY_READING}" if code in FIXES else f"{BY_READING} ({what})"


def blocks(line: EvalCost, limits: AdviceConfig, run: Run | None, max_p95_s: float | None) -> list[Reason]:
    """What keeps a task where it is, whatever its quality."""
    told = []
    if line.task in limits.keep or line.eval in limits.keep:
        what = "a chain of tool calls" if task_capabilities(line.task).calls_tools else "it"
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


def price(line: EvalCost) -> list[Reason]:
    """Where nobody says what the models cost, or how much they are asked, nobody can say whether moving pays."""
    unpriced = [line.now] if line.price_now is None else []
    if line.then and not line.local and line.price_then is None:
        unpriced.append(line.then)
    told = f"nobody says what {' and '.join(unpriced)} costs: [prices] in harness.toml can"
    if unpriced:
        return [Reason("price", "open", told)]
    return [] if line.usage_now else [Reason("tokens", "open", "no saved run tells how many tokens a call takes")]


def index(line: EvalCost) -> list[Reason]:
    """Vectors of two models have nothing in common."""
    if not task_capabilities(line.task).embeds or line.now == line.then:
        return []
    told = "moving means embedding the whole index again, and there is no fallback: vectors of two models do not mix"
    return [Reason("index", "note", told)]


def _named(line: EvalCost, limits: AdviceConfig) -> str:
    return repr(line.task if line.task in limits.keep else line.eval)


def _long_prompts(line: EvalCost, limits: AdviceConfig, run: Run | None) -> list[Reason]:
    """A context over the limit of one model may be the whole of another's, so one is enough to stay."""
    used = line.usage_then or line.usage_now
    if used is None or used.longest_prompt <= limits.max_context_tokens:
        return []
    over = [r for r in run.results if (r.response.prompt_tokens or 0) > limits.max_context_tokens] if run else []
    share = f" ({percent(len(over), len(run.results))} of them)" if run and over else ""
    text = f"prompts{share} are over max_context_tokens = {limits.max_context_tokens:,}: the longest has"
    return [Reason("context", "against", f"{text} {used.longest_prompt:,} (run {used.run_id})")]


def capacity(line: EvalCost, local: LocalConfig) -> list[Reason]:
    """Whether the servers carry the busiest hour of this eval alone."""
    used = line.usage_then
    if not line.local or used is None:
        return []
    if line.load is None or used.calls_per_s is None:
        return [Reason("capacity", "open", f"no throughput was measured (run {used.run_id})")]
    told = (
        f"{_rate(line.peak_calls_per_s)} calls a second at peak "
        f"({line.peak:g} times the mean of {line.daily_calls:,} a day), "
        f"{_rate(used.calls_per_s)} measured on {line.then} (run {used.run_id}): {_share(line.load)} of a server"
    )
    if line.parts > local.servers * PARTS:
        return [Reason("capacity", "against", f"{plural(local.servers, 'server')} cannot carry it: {told}")]
    return [Reason("capacity", "for", told)]


def full(line: EvalCost, local: LocalConfig) -> Reason:
    """What is left out when the servers are full."""
    left = f"{plural(local.servers, 'server')} cannot carry it beside what saves more"
    return Reason("capacity", "against", f"{left}: it takes {_share(line.load or 0.0)} of one")


def _rate(per_s: float) -> str:
    """`1,130`, `8.33`, `0.0694`."""
    return number(per_s) if per_s >= 100 else f"{per_s:.3g}" if per_s >= 0.001 else "less than 0.001"


def _share(load: float) -> str:
    """`120%`, `4.2%`, `0.36%`."""
    shown = 100 * load
    if shown < 0.01:
        return "less than 0.01%"
    return f"{number(shown)}%" if shown >= 10 else f"{shown:.{1 if shown >= 1 else 2}f}%"


def no_gain(line: EvalCost, more_usd: float) -> Reason:
    """What is left out although there is room for it: it needs servers that cost more than it does today."""
    told = f"{dollars(line.today_usd)} a month today, and the servers would cost {dollars(more_usd)} more with it"
    return Reason("savings", "against", f"it does not pay: {told}")


def no_savings(bill: CostProjection) -> Reason:
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
    return Reason("savings", "against", f"it does not pay: {told}")


def of_some(reason: Reason) -> Reason:
    """The same where only some evals were asked about: a server that does not pay for these may pay for all."""
    text = reason.text.replace("it does not pay:", "it does not pay by itself:", 1)
    told = f"{text}; whether it does beside the evals that were not named, `harness advise` without names tells"
    return replace(reason, stands="open", text=told)


def not_yet(reason: Reason, others: Sequence[str], *, known: bool) -> Reason:
    """What is against a line only as long as others are not decided. `known`: with them the bill would be lower.

    Otherwise what they cost today is not known, so that it may be.
    """
    them, are = ", ".join(others), "is" if len(others) == 1 else "are"
    text = reason.text.replace("it does not pay:", "it does not pay by itself:", 1)
    if known:
        return replace(
            reason, stands="open", text=f"{text}; together with {them}, which {are} not decided yet, it would pay"
        )
    told = f"what {them} would save is not known, because nobody says or nothing tells what {them} costs today"
    return replace(reason, stands="open", text=f"{text}; {told}")


def _then_usd(bill: CostProjection) -> float:
    return bill.server_usd(bill.moving) + bill.moved_api_usd


def savings(bill: CostProjection, line: EvalCost) -> Reason | None:
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

"""The decision on a task, its reasons, its monthly cost on both backends, and the bill of all evals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.analysis.costs.advice_types import Decision, EvalAdvice
from harness.analysis.costs.projection import CostProjection, EvalCost
from harness.core.formatting import NOTHING, dollars, number, plural
from harness.report.charts import CostBar, bill
from harness.report.cost_text import amount
from harness.report.model import EvalReport

ORDER = 11
TITLE = "Should it move?"
PICTURES = "the monthly bill"

_TONES = {Decision.MOVE: "good", Decision.STAY: "bad", Decision.INCONCLUSIVE: "open"}
STANDS = {"for": "for moving", "against": "against moving", "open": "open", "note": "note"}


def context(report: EvalReport) -> dict[str, Any] | None:
    """The advice on the eval, and the bill of all evals as a chart and a table; `None` without advice."""
    advice = report.analysis.advice
    own = advice.of(report.name) if advice else None
    if advice is None or own is None:
        return None
    whole = advice.bill
    return {
        "own": own,
        "tone": _TONES[own.decision],
        "verdict": _other_verdict(own),
        "reasons": [(STANDS[reason.stands], reason.text) for reason in own.reasons],
        "facts": _facts(own.cost, whole),
        "chart": bill(report.name, stacks(whole)) if whole.current_usd else "",
        "rows": [(each, _tone(each), _row(each.cost, whole)) for each in advice.advised],
        "bill": whole,
        **_sums(whole),
        "left_out": advice.left_out,
        "has_estimated": any(line.estimated for line in whole.lines),
        "prices": sorted({line.current_price.source for line in whole.lines if line.current_price}),
    }


def lead(evals: Sequence[EvalReport]) -> dict[str, Any] | None:
    """The advice on all evals and its effect on the bill."""
    advice = next((report.analysis.advice for report in evals if report.analysis.advice), None)
    if advice is None or len(evals) < 2:
        return None
    whole = advice.bill
    return {
        "advised": [(each, _tone(each), _decisive(each)) for each in advice.advised],
        "two_questions": any(_other_verdict(each) for each in advice.advised),
        "bill": whole,
        **_sums(whole),
        "has_estimated": any(line.estimated for line in whole.lines),
        "chart": bill("", stacks(whole)) if whole.current_usd else "",
    }


def _sums(whole: CostProjection) -> dict[str, str]:
    """The sums, marked if they are incomplete or estimated."""
    each = {
        "today": whole.current,
        "in_batches": whole.batch,
        "as_advised": whole.advised,
        "all_moved": whole.all_moved,
    }
    return {name: amount(of).replace("~", "≈ ") for name, of in each.items()}


def stacks(whole: CostProjection) -> list[CostBar]:
    """A bar per alternative."""
    today = [(line.eval, line.current_usd or 0.0) for line in whole.lines]
    split = [
        (line.eval, (line.candidate_usd if line in whole.moving else line.current_usd) or 0.0) for line in whole.lines
    ]
    then = [(line.eval, line.candidate_usd or 0.0) for line in whole.lines]
    return [
        CostBar("today", today),
        CostBar("in batches", [(line.eval, line.batch_usd or 0.0) for line in whole.lines]),
        CostBar("as advised", split, whole.server_usd(whole.moving)),
        CostBar("all moved", then, whole.server_usd(whole.lines)),
    ]


def _tone(advice: EvalAdvice) -> str:
    return _TONES[advice.decision]


def _other_verdict(advice: EvalAdvice) -> str:
    """The verdict on quality, if it is another word than the advice."""
    c = advice.comparison
    return c.verdict.value if c is not None and c.verdict.value != advice.decision.value else ""


def _decisive(advice: EvalAdvice) -> str:
    """The first reason for the decision; empty if there is none."""
    kind = {Decision.MOVE: "for", Decision.STAY: "against", Decision.INCONCLUSIVE: "open"}[advice.decision]
    return next((reason.text for reason in advice.reasons if reason.stands == kind), "")


def _row(line: EvalCost, whole: CostProjection) -> list[str]:
    """Volume, tokens, and the monthly cost: today, in batches, saved."""
    used = line.current_usage
    about = "≈" if line.estimated else ""
    saved = whole.saved_usd(line) if line.eval in whole.moved else None
    return [
        number(line.daily_calls),
        f"{about}{number(used.prompt_tokens)} + {number(used.completion_tokens)}" if used else NOTHING,
        f"{about if line.current_usd is not None else ''}{dollars(line.current_usd)}",
        f"{about if line.batch_usd is not None else ''}{dollars(line.batch_usd)}",
        number(line.break_even),
        dollars(saved),
    ]


def _facts(line: EvalCost, whole: CostProjection) -> list[tuple[str, str]]:
    """The basis of each figure of the eval."""
    facts = []
    for when, backend, used in (
        ("current", line.current, line.current_usage),
        ("candidate", line.candidate, line.candidate_usage),
    ):
        if used is None:
            continue
        instead = (
            " (the current model was not measured; this is the nearest run)"
            if when == "current" and line.estimated
            else ""
        )
        retried = f", {used.attempts:.3f} attempts" if used.attempts > 1 else ""
        tokens = f"{used.prompt_tokens:,.1f} prompt and {used.completion_tokens:,.1f} reply tokens per call{retried}"
        facts.append(
            (
                f"{when}: {backend}",
                f"{tokens}, mean of {plural(used.n, 'call')} of {used.cell}, run {used.run_id}{instead}",
            )
        )
    if line.current_usd is not None and line.current_price is not None:
        price = f"{line.current_price.prompt_usd:g} in and {line.current_price.completion_usd:g} out per million tokens"
        facts.append(("price", f"USD {price} ({line.current_price.source})"))
        calls = f"{plural(line.daily_calls, 'call')} a day × 30 days × {dollars(line.per_call_usd)}"
        calls = f"{calls} = {dollars(line.current_usd)}"
        facts.append(("monthly cost", calls))
    if line.break_even is not None:
        carried = f"; one server carries {line.capacity:,}" if line.capacity is not None else ""
        text = f"a server for this eval alone pays from {plural(line.break_even, 'call')} a day{carried}"
        facts.append(("break-even", text))
    if line.eval in whole.moved and line.local:
        share = f"{dollars(whole.share_usd(line))} of {dollars(whole.server_usd(whole.moving))}"
        facts.append(("share of the server", f"{share}, in proportion to the current cost"))
    return facts

"""Should this task move: the decision, its reasons, what it costs a month now and then, and the whole bill."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.analysis.costs.projection import CostProjection, Decision, EvalAdvice, EvalCost
from harness.core.formatting import NOTHING, dollars, number
from harness.report.charts import CostBar, bill
from harness.report.cost_text import amount
from harness.report.model import EvalReport

ORDER = 11
TITLE = "Should it move?"
PICTURES = "the monthly bill"

_TONES = {Decision.MOVE: "good", Decision.STAY: "bad", Decision.INCONCLUSIVE: "open"}
STANDS = {"for": "for moving", "against": "against it", "open": "not known", "note": "to note"}


def context(report: EvalReport) -> dict[str, Any] | None:
    """The eval's own part, and the bill of all evals as a picture and a table; nothing where none was asked for."""
    advice = report.analysis.advice
    one = advice.of(report.name) if advice else None
    if advice is None or one is None:
        return None
    whole = advice.bill
    return {
        "one": one,
        "tone": _TONES[one.decision],
        "verdict": _other_verdict(one),
        "reasons": [(STANDS[reason.stands], reason.text) for reason in one.reasons],
        "facts": _facts(one.cost, whole),
        "chart": bill(report.name, stacks(whole)) if whole.current_usd else "",
        "rows": [(each, _tone(each), _row(each.cost, whole)) for each in advice.advised],
        "bill": whole,
        **_sums(whole),
        "left_out": advice.left_out,
        "has_estimated": any(line.estimated for line in whole.lines),
        "prices": sorted({line.current_price.source for line in whole.lines if line.current_price}),
    }


def lead(evals: Sequence[EvalReport]) -> dict[str, Any] | None:
    """What is advised of all evals and what that does to the bill: for who pays it."""
    advice = next((report.analysis.advice for report in evals if report.analysis.advice), None)
    if advice is None or len(evals) < 2:
        return None
    whole = advice.bill
    return {
        "advised": [(one, _tone(one), _decisive(one)) for one in advice.advised],
        "two_questions": any(_other_verdict(one) for one in advice.advised),
        "bill": whole,
        **_sums(whole),
        "has_estimated": any(line.estimated for line in whole.lines),
        "chart": bill("", stacks(whole)) if whole.current_usd else "",
    }


def _sums(whole: CostProjection) -> dict[str, str]:
    """What is missing in a sum, and what is an estimate, shows in each."""
    each = {
        "today": whole.current,
        "in_batches": whole.batch,
        "as_advised": whole.advised,
        "all_moved": whole.all_moved,
    }
    return {name: amount(of).replace("~", "≈ ") for name, of in each.items()}


def stacks(whole: CostProjection) -> list[CostBar]:
    """A bar for each way to run it."""
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


def _tone(one: EvalAdvice) -> str:
    return _TONES[one.decision]


def _other_verdict(one: EvalAdvice) -> str:
    """What the comparison says, where that is another word than what is advised."""
    c = one.comparison
    return c.verdict.value if c is not None and c.verdict.value != one.decision.value else ""


def _decisive(one: EvalAdvice) -> str:
    """The first reason for what was decided, where there is one of that kind."""
    kind = {Decision.MOVE: "for", Decision.STAY: "against", Decision.INCONCLUSIVE: "open"}[one.decision]
    return next((reason.text for reason in one.reasons if reason.stands == kind), "")


def _row(line: EvalCost, whole: CostProjection) -> list[str]:
    """Volume, tokens, and the month: today, in batches, saved."""
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
    """Where each figure of the eval is from."""
    facts = []
    for when, backend, used in (
        ("today", line.current, line.current_usage),
        ("then", line.candidate, line.candidate_usage),
    ):
        if used is None:
            continue
        instead = " (its own were not measured, so these are the nearest)" if when == "today" and line.estimated else ""
        retried = f", {used.attempts:.3f} attempts" if used.attempts > 1 else ""
        tokens = f"{used.prompt_tokens:,.1f} tokens in and {used.completion_tokens:,.1f} out a call{retried}"
        facts.append(
            (f"{when}: {backend}", f"{tokens}, over {used.n:,} calls of {used.cell}, run {used.run_id}{instead}")
        )
    if line.current_usd is not None and line.current_price is not None:
        price = f"{line.current_price.prompt_usd:g} in and {line.current_price.completion_usd:g} out per million tokens"
        facts.append(("price today", f"USD {price} ({line.current_price.source})"))
        calls = f"{line.daily_calls:,} a day × 30 days × {dollars(line.per_call_usd)} = {dollars(line.current_usd)}"
        facts.append(("month today", calls))
    if line.break_even is not None:
        carried = f"; one server carries {line.capacity:,}" if line.capacity is not None else ""
        told = f"from {line.break_even:,} calls a day on, a server for it alone would cost no more{carried}"
        facts.append(("break-even", told))
    if line.eval in whole.moved and line.local:
        share = f"{dollars(whole.share_usd(line))} of {dollars(whole.server_usd(whole.moving))}"
        facts.append(("its part of the server", f"{share}, in proportion to what it costs today"))
    return facts

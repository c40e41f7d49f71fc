"""Words for comparisons: titles, differences, gaps, flips."""

from __future__ import annotations

import math
from typing import Literal

from harness.analysis.compare import Comparison, Difference, Verdict
from harness.analysis.compare.flips import counts
from harness.analysis.compare.noise import beyond
from harness.analysis.compare.verdicts import SIGNIFICANT, UNDECIDED
from harness.analysis.stats import Paired
from harness.core.formatting import NOTHING, plural

FLIPS = {
    "right_to_wrong": "right → wrong",
    "wrong_to_right": "wrong → right",
    "wrong_to_other_wrong": "wrong → other wrong",
    "compliant_to_not": "compliant → not",
    "not_to_compliant": "not → compliant",
}
"""Each kind of flip as a reader sees it."""


def standing(verdict: Verdict) -> Literal["good", "bad", "open"]:
    """What a verdict means for who asked."""
    if verdict in UNDECIDED:
        return "open"
    return "bad" if verdict in {Verdict.STAY, Verdict.REGRESSED} else "good"


def title(c: Comparison) -> str:
    """`local@q8 -> local@q4`, with the runs where both are of the same cell."""
    base, head = c.base, c.head
    if base.name == head.name:
        return f"{head.name}: {base.run_id} -> {head.run_id}"
    return f"{base.name} -> {head.name}"


def question(c: Comparison) -> str:
    """What is asked, with the margin."""
    asked = "may the task move?" if c.question.kind == "move" else "is it still as good?"
    return f"{asked} (margin {100 * c.question.margin:g} points of strict accuracy)"


def measured(c: Comparison) -> list[tuple[str, Difference]]:
    """The three rates."""
    return [("strict", c.strict), ("lenient", c.lenient), ("compliance", c.compliance)]


def points(share: float) -> str:
    """`+1.8`, in percentage points."""
    return NOTHING if math.isnan(share) else f"{round(100 * share, 1) or 0.0:+.1f}".replace("-", "−")


def delta_text(p: Paired) -> str:
    """`−4.0 (−6.9 to −2.2)`."""
    return f"{points(p.delta)} ({points(p.low)} to {points(p.high)})" if p.n else NOTHING


def p_text(p: float) -> str:
    """`0.039`, `< 0.001`."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def p_equals(p: float) -> str:
    """`p = 0.039`, `p < 0.001`."""
    return f"p {'' if p < 0.001 else '= '}{p_text(p)}"


def gap_text(c: Comparison) -> str:
    """Where the difference comes from, as one sentence."""
    return f"capability {delta_text(c.capability)}, format {delta_text(c.form)}"


def flips_text(c: Comparison) -> str:
    """`right → wrong 12, wrong → right 3`, or that there are none."""
    told = [f"{FLIPS[kind]} {count:,}" for kind, count in counts(c.flips).items() if count]
    return ", ".join(told) if told else f"none in {plural(c.n, 'case')}"


def changed_text(c: Comparison) -> str:
    """What differs between the runs. Of several things none is named as the cause."""
    if not c.changed:
        return "nothing that a fingerprint tells"
    told = "; ".join(map(str, c.changed))
    return f"{told} – any of these may be the cause" if len(c.changed) > 1 else told


def noise_text(c: Comparison, floor: Comparison) -> str:
    """How many answers change where nothing has changed, and how many changed beyond that."""
    if not floor.n:
        return "not known: the two runs of the same thing have no case in common"
    told = f"{floor.answers_changed:,} of {floor.n:,} answers change between two runs of the same thing"
    return f"{told}; here {c.answers_changed:,} of {c.n:,} do, {beyond(c, floor):.0f} more than that"


def bounds_text(c: Comparison) -> str:
    """How many calls failed, and between what the difference would lie whatever they would have said."""
    worst, best = c.bounds
    failed = plural(c.base.n_errors + c.head.n_errors, "call")
    return (
        f"{failed} failed; whatever they would have said, the difference is between {points(worst.delta)} and "
        f"{points(best.delta)} points ({points(worst.low)} to {points(best.high)})"
    )


def proven_slices(c: Comparison) -> list[tuple[str, Difference, float]]:
    """`tag hard`, the difference there and its p, where it is proven."""
    return [(f"{s.kind} {s.name}", s.strict, s.p) for s in c.slices if s.p < SIGNIFICANT]


def slices_text(c: Comparison) -> str:
    """How many of the tags and labels are shown to differ."""
    n, tested = len(proven_slices(c)), plural(len(c.slices), "tag or label", "tags and labels")
    return f"{n or 'none'} of {tested} {'are' if n > 1 else 'is'} shown to differ"


def ratios(c: Comparison) -> dict[str, float | None]:
    """Head over base: median latency, tokens per call."""
    return {
        # An answer from the store has the latency that it had then, on another day's machine.
        "latency": None if c.head.from_store else _ratio(c.base.latency_s, c.head.latency_s),
        "prompt_tokens": _ratio(c.base.prompt_tokens, c.head.prompt_tokens),
        "completion_tokens": _ratio(c.base.completion_tokens, c.head.completion_tokens),
    }


def _ratio(base: float | None, head: float | None) -> float | None:
    return head / base if base and head is not None else None

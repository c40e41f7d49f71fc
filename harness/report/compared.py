"""A comparison in words and as JSON. Every format shows the same figures; none is made here.

    {"format": "harness-comparison/1",
     "verdict": "MOVE"|"KEEP"|"OK"|"IMPROVED"|"REGRESSED"|"INCONCLUSIVE"|"INCOMPARABLE",
     "reason": sentence, "question": "move"|"change", "margin": share, "n": cases, "needed": cases | null,
     "base", "head": {"name", "run_id", "eval", "cell", "started_at", "fingerprint", "notes"},
     "strict", "lenient", "compliance": {"base", "head", "delta", "low", "high", "p"},
     "macro_f1": null | {"base", "head", "delta", "low", "high"},
     "capability_gap", "format_gap": {"delta", "low", "high", "p"},
     "flips": {kind: count}, "flipped": {kind: [case id, ...]}, "answers_changed": count,
     "errors": {"base", "head", "worst", "best": {"delta", "low", "high"}},
     "only_base", "only_head", "edited": [case id, ...],
     "slices": [{"kind": "tag"|"label", "name", "n", "base", "head", "delta", "low", "high", "p"}, ...],
     "changed": [{"what", "parts": {part: [base, head]}}, ...],
     "ratios": {"latency", "prompt_tokens", "completion_tokens": head over base | null}}

Shares are 0..1, differences are head minus base with their 95% interval (Tango; of macro-F1, a bootstrap), p is of
McNemar's mid-p test, of slices adjusted by Holm. `format_gap` above 0: the head loses less to phrasing. What is not a
number in a comparison of no cases is null. History: 1 first version.
"""

from __future__ import annotations

import math
from typing import Any, Literal

from harness.compare import Comparison, Difference, Side, Verdict
from harness.compare.flips import KINDS, counts
from harness.compare.noise import beyond
from harness.compare.verdicts import SIGNIFICANT, UNDECIDED
from harness.report.text import NOTHING, plural, rate_text
from harness.stats import Paired

FORMAT = "harness-comparison/1"

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
    return "bad" if verdict in {Verdict.KEEP, Verdict.REGRESSED} else "good"


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


def markdown(c: Comparison) -> str:
    """For a step summary or a pull request; inert whatever a case or a model is called."""
    from harness.report.formats.md import OURS, inert

    rows = [
        f"| {name} | {rate_text(d.base)} | {rate_text(d.head)} | {delta_text(d.paired)} | {p_text(d.paired.p)} |"
        for name, d in measured(c)
    ]
    facts = [("Gap", gap_text(c)), ("Flips", flips_text(c)), ("Changed", changed_text(c))]
    return "\n".join(
        [
            f"### {inert(c.head.eval)}: {inert(title(c), OURS)}\n",
            f"**{c.verdict.value}** – {inert(c.reason, OURS)}\n",
            "| | base | head | difference in points | p |\n|:--|--:|--:|--:|--:|",
            *rows,
            "",
            *(f"- {name}: {inert(text, OURS)}" for name, text in facts),
            "",
        ]
    )


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


def as_json(c: Comparison) -> dict[str, Any]:
    """The documented format, as values that JSON takes."""
    return {
        "format": FORMAT,
        "verdict": c.verdict.value,
        "reason": c.reason,
        "question": c.question.kind,
        "margin": c.question.margin,
        "n": c.n,
        "needed": c.needed,
        "base": _side(c.base),
        "head": _side(c.head),
        **{name: _difference(difference) for name, difference in measured(c)},
        "macro_f1": _macro_f1(c),
        "capability_gap": _paired(c.capability),
        "format_gap": _paired(c.form),
        "flips": counts(c.flips),
        "flipped": {kind: [flip.case_id for flip in c.flips if flip.kind == kind] for kind in KINDS},
        "answers_changed": c.answers_changed,
        "errors": {
            "base": c.base.n_errors,
            "head": c.head.n_errors,
            **dict(zip(("worst", "best"), map(_paired, c.bounds), strict=True)),
        },
        "only_base": list(c.unequal.only_base),
        "only_head": list(c.unequal.only_head),
        "edited": list(c.unequal.edited),
        "slices": [
            {"kind": s.kind, "name": s.name, "n": s.strict.paired.n, **_difference(s.strict), "p": s.p}
            for s in c.slices
        ],
        "changed": [
            {"what": change.what, "parts": {name: [old, new] for name, old, new in change.parts}}
            for change in c.changed
        ],
        "ratios": ratios(c),
    }


def _side(side: Side) -> dict[str, Any]:
    names = ("name", "run_id", "eval", "cell", "started_at")
    told = {name: getattr(side, name) for name in names}
    return {**told, "fingerprint": dict(side.fingerprint), "notes": list(side.notes)}


def _difference(d: Difference) -> dict[str, Any]:
    return {"base": _number(d.base.value), "head": _number(d.head.value), **_paired(d.paired)}


def _paired(p: Paired) -> dict[str, Any]:
    return {"delta": _number(p.delta), "low": p.low, "high": p.high, "p": p.p}


def _macro_f1(c: Comparison) -> dict[str, Any] | None:
    if c.macro_f1 is None:
        return None
    base, head, interval = c.macro_f1
    low, high = _number(interval.low), _number(interval.high)
    return {"base": base, "head": head, "delta": interval.value, "low": low, "high": high}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None

"""Render a comparison as Markdown and as JSON. Computes no figure.

    {"format": "harness-comparison/1",
     "verdict": "MOVE"|"STAY"|"OK"|"IMPROVED"|"REGRESSED"|"INCONCLUSIVE"|"INCOMPARABLE",
     "reason": sentence, "question": "move"|"change", "margin": share, "n": cases, "needed": cases | null,
     "legs": ["strict"|"lenient", ...], "decided_by": {"code", "leg"}, "confidence": share, "candidates": count,
     "base", "head": {"name", "run_id", "eval", "cell", "started_at", "fingerprint", "notes"},
     "strict", "lenient", "compliance": {"base", "head", "delta", "low", "high", "p"},
     "macro_f1": null | {"base", "head", "delta", "low", "high"},
     "capability_gap", "format_gap", "right_if_answered": {"delta", "low", "high", "p"}, "answering": as "strict",
     "flips": {kind: count}, "flipped": {kind: [case id, ...]}, "answers_changed": count,
     "errors": {"base", "head", "worst", "best": {"delta", "low", "high"}},
     "only_base", "only_head", "edited": [case id, ...],
     "slices": [{"kind": "tag"|"label", "name", "n", "base", "head", "delta", "low", "high", "p"}, ...],
     "slice_losses": [{"kind", "name", "leg", "limit", "n", "delta", "low", "high", "beyond_limit"}, ...],
     "labelled_by": {backend: cases}, "weights": null | {"label"|"tag": {name: share}},
     "cost": null | {"base", "head", "delta", "low", "high", "p"},
     "changed": [{"what", "parts": {part: [base, head]}}, ...],
     "ratios": {"latency", "prompt_tokens", "completion_tokens": head over base | null}}

Shares are 0..1, differences are head minus base with their 95% interval (Tango; of macro-F1, a bootstrap), p is of
McNemar's mid-p test, of slices adjusted by Holm. `format_gap` above 0: the head loses less to phrasing. Figures are
null if no case was compared. Intervals of a move have `confidence`: several candidates share the error. History: 1
first version; later in it, the verdict `STAY`, which was `KEEP`; then `legs`, `decided_by`, `confidence`,
`candidates`, `answering`, `right_if_answered`, `slice_losses`, `labelled_by`, `weights` and `cost`.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from harness.analysis.compare import Comparison, Difference, RunOutcomes, SliceLoss
from harness.analysis.compare.flips import KINDS, counts
from harness.analysis.stats import Paired
from harness.core.markdown import SAFE, inert
from harness.report.comparison_text import (
    changed_text,
    delta_text,
    flips_text,
    gap_text,
    measured,
    notes,
    p_text,
    ratios,
    title,
)
from harness.report.rate_text import rate_text
from harness.report.verdict_text import reason_text

FORMAT = "harness-comparison/1"


def markdown(c: Comparison) -> str:
    """Render for a step summary or a pull request. Names cannot inject markup."""
    rows = [
        f"| {name} | {rate_text(d.base)} | {rate_text(d.head)} | {delta_text(d.paired)} | {p_text(d.paired.p)} |"
        for name, d in measured(c)
    ]
    extra = [(name.capitalize(), text) for name, text in notes(c)]
    facts = [("Gap", gap_text(c)), *extra, ("Flips", flips_text(c)), ("Changed", changed_text(c))]
    return "\n".join(
        [
            f"### {inert(c.head.eval)}: {inert(title(c), SAFE)}\n",
            f"**{c.verdict.value}** – {inert(reason_text(c), SAFE)}\n",
            "| | base | head | difference in points | p |\n|:--|--:|--:|--:|--:|",
            *rows,
            "",
            *(f"- {name}: {inert(text, SAFE)}" for name, text in facts),
            "",
        ]
    )


def as_json(c: Comparison) -> dict[str, Any]:
    """Convert to the format documented above."""
    return {
        "format": FORMAT,
        "verdict": c.verdict.value,
        "reason": reason_text(c),
        "question": c.question.kind,
        "margin": c.question.margin,
        "legs": list(c.question.legs),
        "decided_by": {"code": c.reason.code.value, "leg": c.reason.leg},
        "confidence": c.question.confidence,
        "candidates": c.question.candidates,
        "n": c.n,
        "needed": c.needed,
        "base": _run(c.base),
        "head": _run(c.head),
        **{name: _difference(difference) for name, difference in measured(c)},
        "macro_f1": _macro_f1(c),
        "capability_gap": _paired(c.capability_gap),
        "format_gap": _paired(c.format_gap),
        "answering": _difference(c.answering),
        "right_if_answered": _paired(c.right_if_answered),
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
        "slice_losses": [_slice_loss(loss) for loss in c.slice_losses],
        "labelled_by": dict(c.labelled_by),
        "weights": None if c.question.mix is None else {c.question.mix.kind: dict(c.question.mix.shares)},
        "cost": None if c.cost is None else asdict(c.cost),
        "changed": [
            {"what": change.what, "parts": {name: [old, new] for name, old, new in change.parts}}
            for change in c.changed
        ],
        "ratios": ratios(c),
    }


def _run(run: RunOutcomes) -> dict[str, Any]:
    names = ("name", "run_id", "eval", "cell", "started_at")
    fields = {name: getattr(run, name) for name in names}
    return {**fields, "fingerprint": dict(run.fingerprint), "notes": list(run.notes)}


def _slice_loss(loss: SliceLoss) -> dict[str, Any]:
    names = ("kind", "name", "leg", "limit", "beyond_limit")
    paired = loss.paired
    ends = {"n": paired.n, "delta": paired.delta, "low": paired.low, "high": paired.high}
    return {name: getattr(loss, name) for name in names} | ends


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

"""Portability and ladders in words and as JSON, beside comparisons (compared.py). No figure is made here.

    portability: null | {"advice": "one prompt"|"two prompts"|"cannot tell", "sentence", "variants": [the reference's,
                         the candidate's], "margin", "n", "needed": cases | null,
                         "transfer", "cost": null | {"base", "head": cell, "n", "verdict", "reason", "base_rate",
                                                     "head_rate", "delta", "low", "high", "p"},
                         "interaction": null | {"delta", "low", "high", "p"}}
    ladder: {"ladder", "margin", "missing": [backend, ...], "noise": null | {"n", "answers_changed"},
             "steps": [{"backend", "label", "run_id", "strict", "compliance", "latency_p50_s", "prompt_s",
                        "tokens_per_s", "model_bytes", "faster", "net_changes", "sentence",
                        "comparison": null | a comparison}, ...]}

`transfer` is on the candidate, `cost` on the reference; both are the candidate's prompt minus the reference's, in
strict accuracy. `interaction` is the first minus the second, −2..2. `faster`: the first step's median latency over
this one's. `net_changes`: answers changed beyond noise.
"""

from __future__ import annotations

import math
from typing import Any

from harness.analysis.compare import Comparison
from harness.analysis.compare.ladder import Ladder, LadderStep
from harness.analysis.compare.portability import Portability
from harness.analysis.stats import PairedMean, as_json
from harness.report import comparison_formats, comparison_text


def size_text(size: int) -> str:
    """`105 MB`, `4.4 GB`, in powers of ten, as shops and downloads count."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:,.0f} MB"


def interaction_text(p: Portability) -> str:
    """What the interaction says, in words; nothing where it was not measured."""
    found = p.interaction
    if found is None or p.cost is None:
        return ""
    shown = "" if found.low > 0 or found.high < 0 else "; that may be chance"
    low, high = comparison_text.points(found.low), comparison_text.points(found.high)
    figures = f"{comparison_text.points(found.delta)} points ({low} to {high})"
    candidate, reference = p.transfer.head.backend, p.cost.head.backend
    return f"The change of prompt makes {figures} more of a difference on {candidate} than on {reference}{shown}."


def portability_json(p: Portability) -> dict[str, Any]:
    """As documented above."""
    return {
        "advice": p.advice.value,
        "sentence": p.sentence,
        "variants": list(p.variants),
        "margin": p.margin,
        "n": p.n,
        "needed": p.needed,
        "transfer": _gap(p.transfer),
        "cost": p.cost and _gap(p.cost),
        "interaction": p.interaction and _interaction(p.interaction),
    }


def ladder_json(ladder: Ladder) -> dict[str, Any]:
    """As documented above."""
    noise = ladder.noise
    return {
        "ladder": ladder.name,
        "margin": ladder.margin,
        "missing": list(ladder.missing),
        "noise": noise and {"n": noise.n, "answers_changed": noise.answers_changed},
        "steps": [_step(step) for step in ladder.steps],
    }


def _gap(c: Comparison) -> dict[str, Any]:
    told = comparison_formats.as_json(c)
    strict = told["strict"]
    rates = {"base_rate": strict.pop("base"), "head_rate": strict.pop("head")}
    return {
        "base": c.base.cell,
        "head": c.head.cell,
        "n": c.n,
        "verdict": told["verdict"],
        "reason": c.reason,
        **rates,
        **strict,
    }


def _interaction(found: PairedMean) -> dict[str, Any]:
    delta = found.delta if math.isfinite(found.delta) else None
    return {"delta": delta, "low": found.low, "high": found.high, "p": found.p}


def _step(step: LadderStep) -> dict[str, Any]:
    return {
        "backend": step.backend,
        "label": step.label,
        "run_id": step.side.run_id,
        "strict": as_json(step.accuracy),
        "compliance": as_json(step.compliance),
        "latency_p50_s": step.side.latency_s,
        "prompt_s": step.prompt_s,
        "tokens_per_s": step.tokens_per_s,
        "model_bytes": step.model_bytes,
        "faster": step.faster,
        "net_changes": step.net_changes,
        "sentence": step.sentence,
        "comparison": step.comparison and comparison_formats.as_json(step.comparison),
    }

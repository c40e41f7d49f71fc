"""Portability and ladders in words and as JSON. Computes no figure.

    portability: null | {"advice": "one prompt"|"two prompts"|"cannot tell", "sentence", "variants": [the reference's,
                         the candidate's], "margin", "n", "needed": cases | null,
                         "transfer", "cost": null | {"base", "head": cell, "n", "verdict", "reason", "base_rate",
                                                     "head_rate", "delta", "low", "high", "p"},
                         "interaction": null | {"delta", "low", "high", "p"}}
    ladder: {"ladder", "margin", "missing": [backend, ...], "noise": null | {"n", "answers_changed"},
             "steps": [{"backend", "label", "run_id", "strict", "compliance", "latency_p50_s", "prompt_s",
                        "tokens_per_s", "model_bytes", "faster", "faster_interval", "net_changes", "sentence",
                        "probabilities": null | {"n", "kl_nats": {"mean", "low", "high"},
                                                 "label": null | {"delta", "low", "high", "p"}},
                        "comparison": null | a comparison}, ...]}

`transfer` is on the candidate, `cost` on the reference; both are the candidate's prompt minus the reference's, in
strict accuracy. `interaction` is the first minus the second, −2..2. `faster`: the first step's latency over
this one's, the geometric mean over the cases. `net_changes`: answers changed beyond noise.
"""

from __future__ import annotations

import math
from typing import Any

from harness.analysis.compare import Comparison, ReasonCode, Verdict
from harness.analysis.compare.ladder import Ladder, LadderStep
from harness.analysis.compare.portability import Portability, PortabilityAdvice, PortabilityReason
from harness.analysis.compare.probabilities import TokenProbabilities
from harness.analysis.compare.verdict_rules import open_reason
from harness.analysis.stats import Interval, Paired, PairedMean, as_json
from harness.core.formatting import plural
from harness.report import comparison_formats, comparison_text, verdict_text

_SAME_SPEED = 0.05
"""Median latencies that differ by less vary as much from run to run."""


def size_text(size: int) -> str:
    """`105 MB`, `4.4 GB`, in powers of ten."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:,.0f} MB"


def portability_text(p: Portability) -> str:
    """Whether one prompt serves both backends, with the figures, in full sentences."""
    return " ".join(filter(None, [_advice(p), _reference(p)]))


def _advice(p: Portability) -> str:
    """The advice and what the prompts do on the candidate."""
    (theirs, ours), (_, candidate), gap = p.variants, p.backends, p.transfer.strict.paired
    margin = comparison_text.margin_text(p.margin)
    if p.reason is PortabilityReason.INCOMPARABLE:
        return f"Cannot tell whether one prompt serves both: {verdict_text.reason_text(p.transfer)}."
    if p.reason is PortabilityReason.FAILED_CALLS:
        failed = plural(p.failed, "call")
        return f"Cannot tell whether one prompt serves both: {failed} failed. {verdict_text.remedy_text(p.transfer)}."
    if p.reason is PortabilityReason.NOT_PROVEN:
        settled = verdict_text.settled_text(open_reason(p.needed, gap.n), p.needed, gap.n)
        return (
            f"Cannot tell whether one prompt serves both: on {candidate}, the {ours} prompt minus the {theirs} prompt "
            f"is {_signed(gap)}, margin {margin} ({_accuracies(p)}). {settled}."
        )
    if p.reason is PortabilityReason.NEAR_ZERO:
        return (
            f"Cannot tell whether one prompt serves both: hardly any answer is right ({_accuracies(p)}). "
            "Try a stronger model, or check the labels."
        )
    if p.reason is PortabilityReason.REFERENCE_PROMPT_SERVES:
        how = "better than" if gap.high < 0 else f"within {margin} of"
        return (
            f"One prompt serves both: on {candidate}, the {theirs} prompt is {how} the {ours} prompt "
            f"({ours} minus {theirs} {_signed(gap)}; {_accuracies(p)})."
        )
    keep = "One prompt serves both" if p.advice is PortabilityAdvice.ONE else "Keep two prompts"
    return f"{keep}: the {ours} prompt {_gain(gap, theirs)} on {candidate} ({_accuracies(p)})."


def _accuracies(p: Portability) -> str:
    (theirs, ours), rates = p.variants, p.transfer.strict
    figures = f"{theirs} prompt {100 * rates.base.value:.1f}%, {ours} prompt {100 * rates.head.value:.1f}%"
    return f"accuracy on {p.backends[1]}: {figures}"


def _gain(gap: Paired, theirs: str) -> str:
    if gap.low > 0:
        return f"gains {_unsigned(gap.delta, gap.low, gap.high)}"
    return f"is within the margin of the {theirs} prompt ({_signed(gap)})"


def _reference(p: Portability) -> str:
    """What the candidate's prompt does on the reference, or that it is not known."""
    if p.reason in {PortabilityReason.INCOMPARABLE, PortabilityReason.FAILED_CALLS}:
        return ""
    (theirs, ours), reference = p.variants, p.backends[0]
    if p.cost is None or not p.is_cost_measured:
        why = f" ({verdict_text.reason_text(p.cost)})" if p.cost else ""
        return f"The effect of the {ours} prompt on {reference} is unknown: no comparison of both prompts there{why}."
    if p.reason not in {PortabilityReason.CANDIDATE_PROMPT_SERVES, PortabilityReason.CANDIDATE_PROMPT_GAINS}:
        return ""
    cost, margin = p.cost.strict.paired, comparison_text.margin_text(p.margin)
    if cost.low > -p.margin:
        return f"On {reference} it stays within {margin} of the {theirs} prompt ({_signed(cost)})."
    if cost.high < 0:
        return f"On {reference} it loses {_unsigned(-cost.delta, -cost.high, -cost.low)}."
    return f"On {reference} it is not shown to be within {margin} of the {theirs} prompt ({_signed(cost)})."


def _signed(p: Paired) -> str:
    """`+0.4 points, 95% interval -1.0 to +1.9`."""
    low, high = comparison_text.plain_points(p.low), comparison_text.plain_points(p.high)
    return f"{comparison_text.plain_points(p.delta)} points, 95% interval {low} to {high}"


def _unsigned(value: float, low: float, high: float) -> str:
    """`31.0 points (24.1 to 38.0)`."""
    return f"{100 * value:.1f} points ({100 * low:.1f} to {100 * high:.1f})"


def interaction_text(p: Portability) -> str:
    """The interaction in one sentence; empty if it was not measured."""
    interaction = p.interaction
    if interaction is None or p.cost is None:
        return ""
    chance = "" if interaction.low > 0 or interaction.high < 0 else " This may be chance."
    low, high = comparison_text.points(interaction.low), comparison_text.points(interaction.high)
    figures = f"{comparison_text.points(interaction.delta)} points (95% interval {low} to {high})"
    candidate, reference = p.transfer.head.backend, p.cost.head.backend
    return f"Effect of the prompt on {candidate} minus its effect on {reference}: {figures}.{chance}"


def step_text(step: LadderStep) -> str:
    """`Q8: MOVE, within 3 points (-1.8, 95% interval -3.9 to +0.2), 2.9x faster (2.7 to 3.1)`."""
    c = step.comparison
    if c is None:
        return f"{step.label}: the other steps are compared with this one"
    verdict = f"{step.label}: {c.verdict.value}"
    if c.verdict is Verdict.INCOMPARABLE:
        return f"{verdict}, {verdict_text.reason_text(c)}"
    speed = f", {speed_text(step.faster)}" if step.faster else ""
    if c.reason.code in verdict_text.OVERRULED:
        return f"{verdict}, {verdict_text.reason_text(c)}{speed}"
    gap = c.deciding.paired
    text = f"{verdict}, {_loss(c)} ({comparison_text.plain_points(gap.delta)}, "
    text += f"{comparison_text.interval_text(gap, c.question.confidence)[1:]}{speed}"
    if c.verdict is not Verdict.INCONCLUSIVE:
        return text
    if c.reason.code is ReasonCode.FAILED_CALLS:
        return f"{text}. {plural(c.base.n_errors + c.head.n_errors, 'failed call')} could change the verdict"
    return f"{text}. {verdict_text.needed_text(c)}"


def _loss(c: Comparison) -> str:
    margin = comparison_text.margin_text(c.question.margin)
    if c.verdict is Verdict.INCONCLUSIVE:
        return f"the loss could be more or less than {margin}"
    return f"within {margin}" if c.verdict is Verdict.MOVE else f"more than {margin} lost"


def speed_text(faster: Interval) -> str:
    """`2.9x faster (2.7 to 3.1)`, `1.3x slower (1.2 to 1.5)`, `as fast`; nothing is claimed that may be chance."""
    if abs(faster.value - 1) < _SAME_SPEED:
        return "as fast"
    if faster.low <= 1 <= faster.high:
        return "no difference in speed shown"
    if faster.value > 1:
        return f"{faster.value:.1f}x faster ({faster.low:.1f} to {faster.high:.1f})"
    return f"{1 / faster.value:.1f}x slower ({1 / faster.high:.1f} to {1 / faster.low:.1f})"


def portability_json(p: Portability) -> dict[str, Any]:
    """Convert to the format documented above."""
    return {
        "advice": p.advice.value,
        "sentence": portability_text(p),
        "variants": list(p.variants),
        "margin": p.margin,
        "n": p.n,
        "needed": p.needed,
        "transfer": _gap(p.transfer),
        "cost": p.cost and _gap(p.cost),
        "interaction": p.interaction and _interaction(p.interaction),
    }


def ladder_json(ladder: Ladder) -> dict[str, Any]:
    """Convert to the format documented above."""
    noise = ladder.noise
    return {
        "ladder": ladder.name,
        "margin": ladder.margin,
        "missing": list(ladder.missing),
        "noise": noise and {"n": noise.n, "answers_changed": noise.answers_changed},
        "steps": [_step(step) for step in ladder.steps],
    }


def probabilities_text(p: TokenProbabilities) -> str:
    """`KL 0.021 (0.015 to 0.027), label −1.2 points (−1.9 to −0.5)`."""
    kl = p.divergence
    text = f"KL {kl.value:.3g} ({max(0.0, kl.low):.3g} to {kl.high:.3g})"
    if p.gold is None:
        return text
    low, high = comparison_text.points(p.gold.low), comparison_text.points(p.gold.high)
    return f"{text}, label {comparison_text.points(p.gold.delta)} points ({low} to {high})"


def _probabilities(p: TokenProbabilities) -> dict[str, Any]:
    kl = {"mean": p.divergence.value, "low": p.divergence.low, "high": p.divergence.high}
    gold = p.gold and {"delta": p.gold.delta, "low": p.gold.low, "high": p.gold.high, "p": p.gold.p}
    return {"n": p.n, "kl_nats": kl, "label": gold}


def _gap(c: Comparison) -> dict[str, Any]:
    content = comparison_formats.as_json(c)
    strict = content["strict"]
    rates = {"base_rate": strict.pop("base"), "head_rate": strict.pop("head")}
    return {
        "base": c.base.cell,
        "head": c.head.cell,
        "n": c.n,
        "verdict": content["verdict"],
        "reason": verdict_text.reason_text(c),
        **rates,
        **strict,
    }


def _interaction(mean: PairedMean) -> dict[str, Any]:
    delta = mean.delta if math.isfinite(mean.delta) else None
    return {"delta": delta, "low": mean.low, "high": mean.high, "p": mean.p}


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
        "faster": step.faster and step.faster.value,
        "faster_interval": step.faster and [step.faster.low, step.faster.high],
        "net_changes": step.net_changes,
        "probabilities": step.probabilities and _probabilities(step.probabilities),
        "sentence": step_text(step),
        "comparison": step.comparison and comparison_formats.as_json(step.comparison),
    }

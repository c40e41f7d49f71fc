"""Quantization ladders: each step compared with the first, and accuracy against speed."""

from __future__ import annotations

from typing import Any

from harness.analysis.compare.flips import counts
from harness.analysis.compare.ladder import Ladder, LadderStep
from harness.core.formatting import NOTHING, seconds
from harness.report import comparison_text
from harness.report.charts import SpeedPoint, tradeoff
from harness.report.intervals import IntervalScale, scale
from harness.report.model import EvalReport
from harness.report.portability_text import probabilities_text, size_text, speed_text, step_text

ORDER = 16
TITLE = "Quantization ladder"
PICTURES = "accuracy against speed"


def context(report: EvalReport) -> dict[str, Any] | None:
    """A block per ladder: a row per step, and a chart."""
    ladders = report.analysis.ladders
    return {"ladders": [_ladder(report.name, ladder) for ladder in ladders]} if ladders else None


def _ladder(name: str, ladder: Ladder) -> dict[str, Any]:
    gaps = [step.comparison.strict.paired for step in ladder.steps if step.comparison]
    drawn = scale(gaps, ladder.margin)
    places = [place for step in ladder.steps if (place := _place(step))]
    return {
        "name": ladder.name,
        "scale": drawn,
        "rows": [_row(step, drawn) for step in ladder.steps],
        "missing": ladder.missing,
        "noise": ladder.noise,
        "chart": tradeoff(f"{name} {ladder.name}", places) if len(places) > 1 else "",
    }


def _row(step: LadderStep, drawn: IntervalScale) -> dict[str, Any]:
    c = step.comparison
    return {
        "step": step,
        "sentence": step_text(step),
        "scale": drawn,
        "verdict": (c.verdict.value, comparison_text.tone(c.verdict)) if c else None,
        "paired": c.strict.paired if c else None,
        "flips": _flips(step),
        "probabilities": probabilities_text(step.probabilities) if step.probabilities else "",
        "speed": speed_text(step.faster) if step.faster else "",
        "p50": seconds(step.side.latency_s),
        "prompt": seconds(step.prompt_s),
        "tokens": f"{step.tokens_per_s:,.1f}" if step.tokens_per_s is not None else NOTHING,
        "size": size_text(step.model_bytes) if step.model_bytes is not None else NOTHING,
    }


def _flips(step: LadderStep) -> dict[str, Any] | None:
    """Cases lost and won, and answers changed, with the number beyond noise if that was measured."""
    c = step.comparison
    if c is None:
        return None
    counted = counts(c.flips)
    return {
        "lost": counted["right_to_wrong"],
        "won": counted["wrong_to_right"],
        "changed": c.answers_changed,
        "net": None if step.net_changes is None else f"{step.net_changes:.0f}",
    }


def _place(step: LadderStep) -> SpeedPoint | None:
    """A step's point in the chart; `None` if nothing was answered or timed."""
    rate, latency = step.accuracy, step.side.latency_s
    if not rate.n or latency is None or step.quartiles is None:
        return None
    return SpeedPoint(step.label, latency, step.quartiles, rate.value, rate.low, rate.high)

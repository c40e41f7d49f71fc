"""The question of a comparison, from the eval file and the routes."""

from __future__ import annotations

from collections.abc import Container
from typing import Literal

from harness.analysis.compare.verdicts import (
    DEFAULT_MARGIN,
    MAX_SLICE_LOSS,
    SIGNIFICANT,
    ComparisonQuestion,
    LegName,
    TrafficMix,
)
from harness.project.evals import Eval, WeightsConfig

_LEAST_BASE: tuple[tuple[LegName, str], ...] = (("strict", "min_accuracy"), ("lenient", "min_lenient_accuracy"))


def question_of(
    kind: Literal["move", "change"],
    definition: Eval | None,
    *,
    routed: Container[str] = (),
    level: float = SIGNIFICANT,
    candidates: int = 1,
) -> ComparisonQuestion:
    """Build the question of an eval.

    Args:
        kind: `move` or `change`.
        definition: The eval; `None` if it is gone or the run was imported, which gives the defaults.
        routed: The tasks in `routing.toml`. The router reads their replies leniently, unless the eval says otherwise.
        level: Two-sided error.
        candidates: Prompts and models that share `level`.
    """
    if definition is None:
        return ComparisonQuestion(kind, DEFAULT_MARGIN, level=level, candidates=candidates)
    gates = definition.gates
    return ComparisonQuestion(
        kind,
        (gates.margin if kind == "move" else gates.max_regression) or DEFAULT_MARGIN,
        production=definition.production or ("lenient" if definition.name in routed else "strict"),
        level=level,
        candidates=candidates,
        max_label_loss=gates.max_label_loss or MAX_SLICE_LOSS,
        max_tag_loss=gates.max_tag_loss or MAX_SLICE_LOSS,
        mix=_mix(definition.weights),
        costs=definition.costs,
        least_base=tuple((leg, gates.limits[gate]) for leg, gate in _LEAST_BASE if gate in gates.limits),
    )


def _mix(weights: WeightsConfig | None) -> TrafficMix | None:
    if weights is None:
        return None
    kind: Literal["label", "tag"] = "label" if weights.label else "tag"
    return TrafficMix(kind, tuple((weights.label or weights.tag).items()))

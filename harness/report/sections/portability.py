"""Portability: both prompts on both backends, and whether one prompt serves both."""

from __future__ import annotations

from typing import Any

from harness.analysis.compare import Comparison
from harness.analysis.compare.portability import Portability
from harness.report import comparison_text
from harness.report.intervals import scale
from harness.report.model import EvalReport
from harness.report.portability_text import interaction_text

ORDER = 14
TITLE = "Portability"


def context(report: EvalReport) -> dict[str, Any] | None:
    """A row per backend with the rates of both prompts and their difference, and the interaction."""
    p = report.analysis.portability
    if p is None:
        return None
    gaps = [p.transfer, *([p.cost] if p.cost else [])]
    drawn = scale([*(c.strict.paired for c in gaps), *([p.interaction] if p.interaction else [])], p.margin)
    return {
        "p": p,
        "scale": drawn,
        "rows": [_row(c, is_candidate=c is p.transfer) for c in gaps],
        "interaction": p.interaction,
        "interaction_text": interaction_text(p),
        "missing": _missing(p),
        "hint": "both prompts on the candidate" + (" and the reference" if p.cost else ""),
    }


def _row(c: Comparison, *, is_candidate: bool) -> dict[str, Any]:
    return {
        "backend": c.head.backend,
        "role": "candidate" if is_candidate else "reference",
        "base": c.strict.base,
        "head": c.strict.head,
        "paired": c.strict.paired,
        "p": comparison_text.p_text(c.strict.paired.p),
        "parts": comparison_text.gap_text(c),
    }


def _missing(p: Portability) -> str:
    """What was not measured."""
    return "" if p.cost else "The reference did not run both prompts, so only the transfer gap is known."

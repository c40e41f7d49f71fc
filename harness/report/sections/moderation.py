"""Missed and wrongly flagged comments: overall, by category, and a list of flagged look-alikes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.analysis.metrics.moderation import AveragePrecision, ModerationMetrics, average_precision, moderate
from harness.core.formatting import inputs_text, one_line
from harness.core.plugins import task_capabilities
from harness.report.model import EvalReport

ORDER = 40
TITLE = "Moderation"

_LISTED = 40
_COMMENT = 200

Cells = Sequence[tuple[str, ModerationMetrics, ModerationMetrics, AveragePrecision | None]]
"""Per cell: name, strict metrics, lenient metrics, average precision."""


def context(report: EvalReport) -> dict[str, Any] | None:
    """Strict and lenient rows per cell, rows by category, and flagged look-alikes."""
    if "moderation" not in task_capabilities(report.task).sections:
        return None
    cells = [
        (cell.name, strict, lenient, average_precision(cell.results))
        for cell in report.cells
        if (strict := moderate(cell.results)) and (lenient := moderate(cell.results, lenient=True))
    ]
    if not cells:
        return None
    flagged = _look_alikes(cells)
    return {
        "cells": cells,
        "categories": _categories(cells),
        "scores": any(ranked for *_, ranked in cells),
        "look_alikes": flagged[:_LISTED],
        "more": max(0, len(flagged) - _LISTED),
    }


def _categories(cells: Cells) -> list[tuple[str, list[dict[str, Any]]]]:
    """Each category with a row per cell that has it."""
    names = dict.fromkeys(name for _, strict, _, _ in cells for name in strict.categories)
    return [
        (
            name,
            [
                {
                    "cell": cell,
                    "strict": strict.categories[name],
                    "lenient_f1": lenient.categories[name].f1,
                    "ranked": ranked.categories.get(name) if ranked else None,
                }
                for cell, strict, lenient, ranked in cells
                if name in strict.categories
            ],
        )
        for name in names
    ]


def _look_alikes(cells: Cells) -> list[tuple[str, list[tuple[str, str]]]]:
    """(comment, [(cell, categories)]), read leniently, sorted by the number of cells that flag the comment."""
    flagged: dict[str, tuple[str, list[tuple[str, str]]]] = {}
    for cell, _, lenient, _ in cells:
        for wrong in lenient.flagged_wrongly:
            comment = one_line(inputs_text(wrong.case.inputs), _COMMENT)
            flagged.setdefault(wrong.case.id, (comment, []))[1].append((cell, ", ".join(wrong.categories)))
    return sorted(flagged.values(), key=lambda row: -len(row[1]))

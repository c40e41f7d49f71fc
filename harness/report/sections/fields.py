"""Precision, recall and F1 of each field of the extracted records."""

from __future__ import annotations

from typing import Any

from harness.report.model import EvalReport

ORDER = 40
TITLE = "Fields"


def context(report: EvalReport) -> dict[str, Any] | None:
    """Rows grouped by field, one per cell. Strict and lenient F1 separate wrong answers from wrong phrasing."""
    cells = [
        (cell.name, strict, lenient)
        for cell in report.cells
        if (strict := cell.extraction) and (lenient := cell.extraction_lenient)
    ]
    if not cells:
        return None
    rows: dict[str, list[tuple[str, Any, float]]] = {}
    for name, strict, lenient in cells:
        for score, loose in zip(strict.fields, lenient.fields, strict=True):
            rows.setdefault(score.name, []).append((name, score, loose.f1))
    return {"rows": rows, "invented": [(name, strict.invented, lenient.invented) for name, strict, lenient in cells]}

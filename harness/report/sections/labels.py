"""Precision, recall and F1 of each label."""

from __future__ import annotations

from typing import Any

from harness.analysis.metrics.classification import ClassificationMetrics
from harness.report.model import EvalReport

ORDER = 40
TITLE = "Labels"


def context(report: EvalReport) -> dict[str, Any] | None:
    """Rows grouped by label, one per cell. Strict and lenient F1 separate wrong answers from wrong phrasing."""
    cells = [
        (cell.name, strict, lenient)
        for cell in report.cells
        if (strict := cell.classification) and (lenient := cell.classification_lenient) and strict.per_label
    ]
    if not cells:
        return None
    names = dict.fromkeys(label for _, strict, _ in cells for label in strict.labels)
    empty = [name for name in names if not any(_support(strict, name) for _, strict, _ in cells)]
    return {
        "empty": empty,
        "rows": [
            (
                label,
                [(name, _scores(strict, lenient, label)) for name, strict, lenient in cells if label in strict.labels],
            )
            for label in names
            if label not in empty
        ],
        "macro": [(name, strict.macro_f1, lenient.macro_f1) for name, strict, lenient in cells],
    }


def _support(c: ClassificationMetrics, label: str) -> int:
    return c.per_label[c.labels.index(label)].support if label in c.labels else 0


def _scores(strict: ClassificationMetrics, lenient: ClassificationMetrics, label: str) -> dict[str, Any]:
    i = strict.labels.index(label)
    return {"strict": strict.per_label[i], "lenient_f1": lenient.per_label[i].f1}

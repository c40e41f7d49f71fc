"""Confusion matrices of labels, with a column for unusable replies."""

from __future__ import annotations

from typing import Any

from harness.analysis.metrics.classification import UNUSABLE, ClassificationMetrics
from harness.report.model import EvalReport

ORDER = 30
TITLE = "Confusion matrices"

_LARGEST = 16
"""Most labels of a matrix. With more, only the most frequent confusions are listed."""
_LISTED = 20


def context(report: EvalReport) -> dict[str, Any] | None:
    """A matrix per cell and reading; one if both readings are equal."""
    cells = [
        (cell.name, _readings(strict, lenient))
        for cell in report.cells
        if (strict := cell.classification) and (lenient := cell.classification_lenient) and strict.confusion
    ]
    return {"cells": cells, "unusable": UNUSABLE} if cells else None


def _readings(strict: ClassificationMetrics, lenient: ClassificationMetrics) -> list[tuple[str, str, dict[str, Any]]]:
    if strict.confusion == lenient.confusion:
        return [("both", "read strictly and leniently", _matrix(strict))]
    return [("strict", "read strictly", _matrix(strict)), ("lenient", "read leniently", _matrix(lenient))]


def _matrix(c: ClassificationMetrics) -> dict[str, Any]:
    largest = max((sum(row) for row in c.confusion), default=0) or 1
    rows = [
        {
            "label": label,
            "total": sum(row),
            "counts": [
                {"count": count, "shade": round(100 * count / largest), "kind": _kind(i, j, len(c.labels))}
                for j, count in enumerate(row)
            ],
        }
        for i, (label, row) in enumerate(zip(c.labels, c.confusion, strict=True))
    ]
    return {"labels": c.labels, "rows": rows if len(c.labels) <= _LARGEST else [], "frequent": _frequent(c)}


def _kind(i: int, j: int, n: int) -> str:
    return "right" if i == j else "unusable" if j == n else "wrong"


def _frequent(c: ClassificationMetrics) -> list[tuple[str, str, int]]:
    names = (*c.labels, UNUSABLE)
    confused = [
        (c.labels[i], names[j], count)
        for i, row in enumerate(c.confusion)
        for j, count in enumerate(row)
        if i != j and count
    ]
    return sorted(confused, key=lambda item: -item[2])[:_LISTED]

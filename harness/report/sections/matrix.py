"""The first table: the rates and outcomes of each variant on each backend."""

from __future__ import annotations

from typing import Any

from harness.report.model import CellReport, EvalReport, Outcome

ORDER = 10
TITLE = "Variant × backend"


def context(report: EvalReport) -> dict[str, Any] | None:
    """Rows grouped by variant: backend, rates, shares of each outcome."""
    variants = dict.fromkeys(cell.manifest.variant for cell in report.cells)
    return {
        "groups": [(v, [_row(c, report) for c in report.cells if c.manifest.variant == v]) for v in variants],
        "legend": [(kind, words(kind, report.answer_word)) for kind in ("right", "phrasing", "wrong", "unclear")],
        "answer": report.answer_word,
    }


def words(kind: Outcome, answer: str) -> str:
    """The name of an outcome on the page."""
    return {
        "right": "right",
        "phrasing": "right, phrased wrongly",
        "wrong": f"wrong {answer}",
        "unclear": f"no clear {answer}",
        "error": "call failed",
    }[kind]


def _row(cell: CellReport, report: EvalReport) -> dict[str, Any]:
    summary = cell.summary
    shares = [
        (kind, words(kind, report.answer_word), count, summary.judged)
        for kind, count in cell.outcomes.items()
        if count and kind != "error"
    ]
    # The name also has the decoding, and whatever distinguishes two runs of one cell.
    backend = cell.name.removeprefix(f"{cell.manifest.variant}@")
    return {"cell": cell, "backend": backend, "shares": shares}

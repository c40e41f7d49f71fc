"""The first screen: what each variant does on each backend, and where its replies go."""

from __future__ import annotations

from typing import Any

from harness.report.model import CellReport, EvalReport, Outcome

ORDER = 10
TITLE = "Variant × backend"


def context(report: EvalReport) -> dict[str, Any] | None:
    """Rows grouped by variant; in a row the backend, the rates, the shares of each outcome."""
    variants = dict.fromkeys(cell.manifest.variant for cell in report.cells)
    return {
        "groups": [(v, [_row(c, report) for c in report.cells if c.manifest.variant == v]) for v in variants],
        "legend": [(kind, words(kind, report.answer_word)) for kind in ("right", "phrasing", "wrong", "unclear")],
        "answer": report.answer_word,
    }


def words(kind: Outcome, answer: str) -> str:
    """An outcome as the page names it."""
    return {
        "right": "right as it is",
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
    # The name says what the backend alone does not: how it decoded, and what tells two runs of one cell apart.
    backend = cell.name.removeprefix(f"{cell.manifest.variant}@")
    return {"cell": cell, "backend": backend, "shares": shares}

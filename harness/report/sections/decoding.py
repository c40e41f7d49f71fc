"""Free and constrained decoding side by side: what constrained decoding fixes, and what it does not."""

from __future__ import annotations

from typing import Any

from harness.report.model import CellReport, EvalReport

ORDER = 20
TITLE = "Free and constrained decoding"


def context(report: EvalReport) -> dict[str, Any] | None:
    """Pairs of the same variant on the same backend; of several runs the last."""
    by_decoding: dict[tuple[str, str], dict[str, CellReport]] = {}
    for cell in report.cells:
        m = cell.manifest
        by_decoding.setdefault((m.variant, m.backend), {})[m.decoding] = cell
    pairs = [
        (f"{variant}@{backend}", cells["free"], cells["constrained"])
        for (variant, backend), cells in by_decoding.items()
        if len(cells) == 2
    ]
    return {"pairs": pairs, "answer": report.answer_word} if pairs else None

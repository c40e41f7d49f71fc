"""What each run cost, and by which prices."""

from __future__ import annotations

from typing import Any

from harness.analysis.costs.spend import charged, cost_of
from harness.project.pricing import Price
from harness.report.model import CellReport, EvalReport

ORDER = 62
TITLE = "Cost"


def context(report: EvalReport) -> dict[str, Any] | None:
    """A row per cell whose backend is known to the project; nothing where none of them has a price."""
    found = rows(report)
    if not any(row["price"] for row in found):
        return None
    return {"rows": found, "has_uncounted": any(row["cost"].attempts_without_tokens for row in found)}


def rows(report: EvalReport) -> list[dict[str, Any]]:
    """Each cell whose backend is known to the project, by what price it was charged, and what it came to."""
    prices = report.analysis.prices
    known = [cell for cell in report.cells if cell.manifest.backend in prices]
    return [_row(cell, prices[cell.manifest.backend]) for cell in known]


def _row(cell: CellReport, price: Price | None) -> dict[str, Any]:
    price = charged(price, cell.manifest)
    return {"cell": cell, "price": price, "cost": cost_of(cell.results, price)}

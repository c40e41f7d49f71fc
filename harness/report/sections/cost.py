"""The cost of each run, and its prices."""

from __future__ import annotations

from typing import Any

from harness.analysis.costs.spend import charged, cost_of
from harness.project.pricing import Price
from harness.report.model import CellReport, EvalReport

ORDER = 62
TITLE = "Cost"


def context(report: EvalReport) -> dict[str, Any] | None:
    """A row per cell whose backend the project knows; `None` if no backend has a price."""
    cost_rows = rows(report)
    if not any(row["price"] for row in cost_rows):
        return None
    return {"rows": cost_rows, "has_uncounted": any(row["cost"].attempts_without_tokens for row in cost_rows)}


def rows(report: EvalReport) -> list[dict[str, Any]]:
    """The cells whose backend the project knows, with price and cost."""
    prices = report.analysis.prices
    known = [cell for cell in report.cells if cell.manifest.backend in prices]
    return [_row(cell, prices[cell.manifest.backend]) for cell in known]


def _row(cell: CellReport, price: Price | None) -> dict[str, Any]:
    price = charged(price, cell.manifest)
    return {"cell": cell, "price": price, "cost": cost_of(cell.results, price)}

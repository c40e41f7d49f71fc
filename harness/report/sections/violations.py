"""How replies departed from the contract, each code with real replies."""

from __future__ import annotations

from collections import Counter
from typing import Any

from harness.contracts.violations import VIOLATIONS
from harness.core.formatting import cut, one_line, reply_text, value_text
from harness.core.types import Result
from harness.report.model import CellReport, EvalReport

ORDER = 20
TITLE = "How replies break the contract"

_EXAMPLES = 3
_EXAMPLE_LENGTH = 600
_VALUE_LENGTH = 80


def context(report: EvalReport) -> dict[str, Any] | None:
    """A row per code, most frequent first: its count in each cell, and replies that show it."""
    total = Counter[str]()
    for cell in report.cells:
        total.update(dict(cell.summary.violations))
    if not total:
        return None
    codes = sorted(total, key=lambda code: (-total[code], code))
    return {
        "rows": [
            {
                "code": code,
                "meaning": VIOLATIONS.get(code, ""),
                "counts": [(dict(c.summary.violations).get(code, 0), c.summary.answered) for c in report.cells],
                "examples": [(c.name, [_shown(r) for r in examples(c, code, _EXAMPLES)]) for c in report.cells],
            }
            for code in codes
        ]
    }


def examples(cell: CellReport, code: str, n: int) -> list[Result]:
    """The first `n` different replies with this code, those first that have it as their only one."""
    having = [r for r in cell.results if r.reading is not None and code in r.reading.violations]
    having.sort(key=lambda r: len(r.reading.violations) if r.reading else 0)
    different: dict[str, Result] = {}
    for result in having:
        different.setdefault(result.response.text, result)
    return list(different.values())[:n]


def _shown(result: Result) -> dict[str, Any]:
    reply, length = cut(reply_text(result.response), _EXAMPLE_LENGTH)
    reading = result.reading
    return {
        "case": result.case.id,
        "expected": one_line(value_text(result.case.expected), _VALUE_LENGTH),
        "reply": reply,
        "length": length,
        "lenient": one_line(value_text(reading.lenient), _VALUE_LENGTH) if reading else "",
        "codes": reading.violations if reading else (),
    }

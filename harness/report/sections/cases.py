"""The table of every case. Its rows are data for the page's script; without scripts there is no table."""

from __future__ import annotations

from typing import Any

from harness.contracts.violations import VIOLATIONS
from harness.core.formatting import cut, inputs_text, plural, reply_text, seconds, value_text, visible
from harness.core.types import Result
from harness.report.model import OUTCOMES, CellReport, EvalReport, JoinedCase, outcome
from harness.report.sections.matrix import words

ORDER = 70
TITLE = "Every case"

_PAGE_BUDGET = 16_000_000
"""Characters of replies that a browser searches without a pause."""
_LONGEST, _SHORTEST = 6_000, 400


def context(report: EvalReport) -> dict[str, Any] | None:
    """The rows; keys are short because there can be 20,000 of each."""
    texts = len(report.cases) * (1 + len(report.cells))
    if not texts:
        return None
    limit = min(_LONGEST, max(_SHORTEST, _PAGE_BUDGET // texts))
    codes = sorted({code for cell in report.cells for code, _ in cell.summary.violations})
    data = {
        "cells": [visible(cell.name) for cell in report.cells],
        "codes": {visible(code): VIOLATIONS.get(code, "") for code in codes},
        "words": {kind: words(kind, report.answer_word) for kind in OUTCOMES},
        "rows": [_row(joined, limit) for joined in report.cases],
    }
    return {"data": data, "cells": report.cells, "limit": limit, "longer": _longer(report, limit)}


def _row(joined: JoinedCase, limit: int) -> dict[str, Any]:
    case = joined.case
    asked, _ = cut(inputs_text(case.inputs), limit)
    repeat = f" #{joined.repeat + 1}" if joined.repeat else ""
    return {
        "i": visible(case.id + repeat),
        "q": visible(asked),
        "x": visible(cut(value_text(case.expected), limit)[0]),
        "t": [visible(tag) for tag in case.tags],
        "f": int(joined.flipped),
        "r": [result and _reply(result, limit) for result in joined.results],
    }


def _reply(result: Result, limit: int) -> dict[str, Any]:
    """s: reply, n: its length if cut, k: outcome, c: compliant, v/l: value read, z: codes, e: error, m: the call."""
    response, reading = result.response, result.reading
    kind = outcome(result)
    if reading is None or response.error is not None:
        error = response.error
        text = f"{error.kind}: {error.message}" if error else "not scored"
        return {"k": "error", "e": visible(cut(text, limit)[0]), "m": f"attempts {result.attempts}"}
    reply, length = cut(reply_text(response), limit)
    shown: dict[str, Any] = {"s": visible(reply), "k": kind, "c": int(reading.compliant), "m": _call(result)}
    optional = {
        "n": length,
        "v": visible(cut(value_text(reading.strict), limit)[0]),
        "l": visible(cut(value_text(reading.lenient), limit)[0]),
        "z": [visible(code) for code in reading.violations],
    }
    return shown | {name: value for name, value in optional.items() if value}


def _call(result: Result) -> str:
    response = result.response
    parts = [seconds(response.latency_s)] if response.latency_s is not None else []
    if response.completion_tokens is not None:
        parts.append(plural(response.completion_tokens, "token"))
    if response.truncated:
        parts.append("cut off at max_tokens")
    if result.cached:
        parts.append("from the store")
    return ", ".join(parts)


def _longer(report: EvalReport, limit: int) -> int:
    def count(cell: CellReport) -> int:
        return sum(len(reply_text(r.response)) > limit for r in cell.results)

    return sum(count(cell) for cell in report.cells)

"""The table of every case. The page's script renders it from JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.analysis.metrics.embedding import passages_found
from harness.contracts.violations import VIOLATIONS
from harness.core.formatting import cut, inputs_text, one_line, plural, reply_text, seconds, value_text, visible
from harness.core.plugins import task_capabilities
from harness.core.types import Case, Result
from harness.report.model import OUTCOMES, CellReport, EvalReport, JoinedCase, outcome
from harness.report.prompt_messages import for_page
from harness.report.sections.matrix import words

ORDER = 70
TITLE = "Every case"

_PAGE_BUDGET = 16_000_000
"""Characters of replies that a browser can search without a delay."""
_LONGEST, _SHORTEST = 6_000, 400
_SHOWN_CELLS = 3
_PASSAGES, _TITLE = 5, 100


def context(report: EvalReport) -> dict[str, Any] | None:
    """The rows; keys are short because there can be 20,000 of each."""
    texts = len(report.cases) * (1 + len(report.cells))
    if not texts:
        return None
    limit = min(_LONGEST, max(_SHORTEST, _PAGE_BUDGET // texts))
    codes = sorted({code for cell in report.cells for code, _ in cell.summary.violations})
    found = _passages_by_case(report)
    rows = [_row(joined, limit, found) for joined in report.cases]
    prompts, parts = for_page(report.prompts, [joined.case for joined in report.cases], [row["q"] for row in rows])
    if any(each for case in parts for each in case):
        rows = [row | ({"p": case} if any(case) else {}) for row, case in zip(rows, parts, strict=True)]
    data = {
        "prompts": prompts,
        "cells": [visible(cell.name) for cell in report.cells],
        "codes": {visible(code): VIOLATIONS.get(code, "") for code in codes},
        "words": {kind: words(kind, report.answer_word) for kind in OUTCOMES},
        "rows": rows,
    }
    pair = _pair(report)
    return {
        "data": data,
        "cells": report.cells,
        "limit": limit,
        "longer": _longer(report, limit),
        "pair": pair,
        "shown": _shown(report, pair),
        "hint": plural(len(report.cases), "case"),
    }


def _pair(report: EvalReport) -> tuple[int, int]:
    """Base and head of the first comparison; otherwise the first two cells."""
    ids = [cell.manifest.run_id for cell in report.cells]
    for c in report.analysis.comparisons:
        if c.base.run_id in ids and c.head.run_id in ids:
            return ids.index(c.base.run_id), ids.index(c.head.run_id)
    return 0, min(1, len(ids) - 1)


def _shown(report: EvalReport, pair: tuple[int, int]) -> tuple[int, ...]:
    """The cells that are shown at first: the pair, or the first few."""
    if report.analysis.comparisons:
        return tuple(dict.fromkeys(pair))
    return tuple(range(min(_SHOWN_CELLS, len(report.cells))))


def _passages_by_case(report: EvalReport) -> list[dict[str, str]]:
    """For an eval of vectors: the passages that each cell found for a query, as text by the id of the case."""
    if "retrieval" not in task_capabilities(report.task).sections:
        return []
    found = []
    for cell in report.cells:
        passages = passages_found(cell.results, _PASSAGES)
        grades = {result.case.id: result.case.expected for result in cell.judged}
        found.append({query: _passages_text(cases, grades.get(query)) for query, cases in passages.items()})
    return found


def _passages_text(cases: Sequence[Case], grades: Any) -> str:
    lines = []
    for rank, case in enumerate(cases, 1):
        title = one_line(str(case.inputs.get("title") or case.inputs.get("text") or ""), _TITLE)
        mark = " [relevant]" if isinstance(grades, Mapping) and grades.get(case.id, 0) > 0 else ""
        lines.append(f"{rank}. {case.id}{mark} {title}")
    return "\n".join(lines)


def _row(joined: JoinedCase, limit: int, found: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    case = joined.case
    inputs, _ = cut(inputs_text(case.inputs), limit)
    repeat = f" #{joined.repeat + 1}" if joined.repeat else ""
    return {
        "i": visible(case.id + repeat),
        "q": visible(inputs),
        "x": visible(cut(value_text(case.expected), limit)[0]),
        "t": [visible(tag) for tag in case.tags],
        "d": " · ".join(filter(None, [case.split and f"split {case.split}", _labelled(case)])),
        "r": [
            result and _reply(result, limit, found[place].get(case.id, "") if found else "")
            for place, result in enumerate(joined.results)
        ],
    }


def _labelled(case: Case) -> str:
    return f"labelled by {visible(case.label_source)}" if case.label_source else ""


def _reply(result: Result, limit: int, passages: str = "") -> dict[str, Any]:
    """s: reply or passages found, n: length if cut, k: outcome, c: compliant, v/l: value read, z: codes, e: error."""
    response, reading = result.response, result.reading
    kind = outcome(result)
    if reading is None or response.error is not None:
        error = response.error
        text = f"{error.kind}: {error.message}" if error else "not scored"
        return {"k": "error", "e": visible(cut(text, limit)[0]), "m": f"attempts {result.attempts}"}
    reply, length = cut(passages or reply_text(response), limit)
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
    if response.finish_reason and not response.truncated:
        parts.append(f"ended by {visible(response.finish_reason)}")
    if result.cached:
        parts.append("from the store")
    return ", ".join(parts)


def _longer(report: EvalReport, limit: int) -> int:
    def count(cell: CellReport) -> int:
        return sum(len(reply_text(r.response)) > limit for r in cell.results)

    return sum(count(cell) for cell in report.cells)

"""The whole report for other programs, in one numbered format.

    {"format": "harness-report/1",
     "evals": [{"eval", "task", "headline": [sentence, ...], "notices": [{"kind": "error"|"caution", "text"}, ...],
                "comparisons": [as in report/compared.py, ...], "portability", "ladders": [as in report/estimates.py],
                "cells": [{"cell", "manifest", "n", "answered", "cached", "errors": {kind: count},
                           "strict", "compliance", "lenient",       each {"hits", "n", "value", "low", "high"}
                           "outcomes": {"right", "phrasing", "wrong", "unclear", "error"},
                           "violations": {code: count}, "by_tag": {tag: {"strict", "compliance", "lenient"}},
                           "by_label_source": {who labelled: as by_tag},
                           "latency_p50_s", "latency_p95_s", "prompt_tokens", "completion_tokens",
                           "classification": null | {"strict", "lenient"}}, ...]}, ...],
     "cases": [row, ...]}                                           one per case and cell, keys as in JSONL

Shares are 0..1, times are seconds, `value` is null where nothing was answered. The last column of a confusion matrix
counts replies without a usable label. History: 1 first version; later in it, `by_label_source`, `comparisons`,
`portability` and `ladders`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from harness.metrics.summary import Accuracy
from harness.report import compared
from harness.report.data import CellReport, EvalReport, Report
from harness.report.estimates import ladder_json, portability_json
from harness.report.headline import sentences
from harness.report.notices import notices
from harness.report.rows import rows
from harness.stats import as_json

FORMAT = "harness-report/1"

# JSON allows these raw in a string, but many a reader takes them for the end of a line.
_LINE_ENDS = str.maketrans({c: f"\\u{ord(c):04x}" for c in "\x85\u2028\u2029"})


def render(report: Report) -> str:
    """The report as one JSON object."""
    content = {
        "format": FORMAT,
        "evals": [_eval(e) for e in report.evals],
        "cases": list(rows(report.runs)),
    }
    return dumps(content, indent=1) + "\n"


def dumps(value: Any, indent: int | None = None) -> str:
    """JSON that any reader takes: no NaN, no raw line separator; other scripts stay readable."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent, default=dict)
    except ValueError:  # a model's JSON reply may hold NaN, which Python reads and JSON does not know
        text = json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, indent=indent, default=dict)
    return text.translate(_LINE_ENDS)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def _eval(e: EvalReport) -> dict[str, Any]:
    portability = e.answers.portability
    return {
        "eval": e.name,
        "task": e.task,
        "headline": [sentence.text for sentence in sentences(e)],
        "notices": [asdict(notice) for notice in notices(e)],
        "comparisons": [compared.as_json(c) for c in e.answers.comparisons],
        "portability": portability and portability_json(portability),
        "ladders": [ladder_json(ladder) for ladder in e.answers.ladders],
        "cells": [_cell(cell) for cell in e.cells],
    }


def _cell(cell: CellReport) -> dict[str, Any]:
    summary = cell.summary
    read = (cell.classification, cell.classification_lenient)
    manifest = {f.name: getattr(cell.manifest, f.name) for f in fields(cell.manifest)}
    return {
        "cell": cell.name,
        "manifest": manifest | {"fingerprint": dict(cell.manifest.fingerprint)},
        "n": summary.n,
        "answered": summary.answered,
        "cached": summary.cached,
        "errors": dict(summary.errors),
        **_rates(summary.accuracy),
        "outcomes": dict(cell.outcomes),
        "violations": dict(summary.violations),
        "by_tag": {tag: _rates(accuracy) for tag, accuracy in summary.by_tag},
        "by_label_source": {source: _rates(accuracy) for source, accuracy in summary.by_label_source},
        "latency_p50_s": summary.latency_p50_s,
        "latency_p95_s": summary.latency_p95_s,
        "prompt_tokens": summary.prompt_tokens,
        "completion_tokens": summary.completion_tokens,
        "classification": {"strict": asdict(read[0]), "lenient": asdict(read[1])} if read[0] and read[1] else None,
    }


def _rates(accuracy: Accuracy) -> dict[str, Any]:
    return {
        "strict": as_json(accuracy.strict),
        "compliance": as_json(accuracy.compliance),
        "lenient": as_json(accuracy.lenient),
    }

"""Render the report as JSON for other programs, in a versioned format.

    {"format": "harness-report/1",
     "verdicts": [{"eval", "label", "tone": "good"|"bad"|"open", "title", "figure", "why", "command"}, ...],
     "gates": [{"eval", "cell", "gate", "tag", "status": "passed"|"failed"|"undecided", "required", "text"}, ...],
     "evals": [{"eval", "task", "headline": [sentence, ...], "notices": [{"kind": "error"|"caution", "text"}, ...],
                "comparisons": [as in report/comparison_formats.py, ...], "portability",
                "ladders": [as in report/portability_text.py],
                "cells": [{"cell", "manifest", "n", "answered", "cached", "errors": {kind: count},
                           "strict", "compliance", "lenient",       each {"hits", "n", "value", "low", "high"}
                           "outcomes": {"right", "phrasing", "wrong", "unclear", "error"},
                           "violations": {code: count}, "by_tag": {tag: {"strict", "compliance", "lenient"}},
                           "by_label_source": {source: as by_tag},
                           "latency_p50_s", "latency_p95_s", "prompt_tokens", "completion_tokens",
                           "cost": null | {"usd", "usd_per_1k", "at_most_usd", "asked", "from_store", "attempts",
                                           "untold", "price"},
                           "classification": null | {"strict", "lenient"}}, ...]}, ...],
     "advice": null | {"evals": [{"eval", "decision", "reasons": [{"code", "stands", "text"}, ...], "now", "then",
                                  "daily_calls", "today_usd", "batch_usd", "then_usd", "local", "estimated",
                                  "break_even", "capacity", "share_usd", "saved_usd"}, ...],
                       "bill": {"today", "batch", "advised", "all_moved", each {"usd", "missing", "of", "estimated"},
                                "servers", "server_usd", "moved": [eval, ...]},
                       "left_out": [eval, ...]},                    a month, by `harness advise`
     "cases": [row, ...]}                                           one per case and cell, keys as in JSONL

Shares are 0..1, times are seconds, money is USD, `value` is null if nothing was answered. `cost` is null if the
project does not know the backend; its `price` (`prompt_usd`, `completion_usd`, `cached_usd`, `source`) is null for a
local server. The last column of a confusion matrix counts replies without a usable label. History: 1 first
version; later in it, `by_label_source`, `comparisons`, `portability` and `ladders`; then `cost` and `advice`;
then the verdict and decision `STAY`, which was `KEEP`; then `verdicts` and `gates`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from harness.analysis.costs.advice_types import Advice, EvalAdvice
from harness.analysis.costs.projection import CostProjection
from harness.analysis.costs.spend import RunCost
from harness.analysis.gates import GateResult
from harness.analysis.metrics.summary import Accuracy
from harness.analysis.stats import as_json
from harness.project.pricing import Price
from harness.report import comparison_formats
from harness.report.cards import VerdictCard, cards
from harness.report.case_rows import rows
from harness.report.gate_text import outcome_text
from harness.report.headline import sentences
from harness.report.model import CellReport, EvalReport, Report
from harness.report.notices import notices
from harness.report.portability_text import ladder_json, portability_json
from harness.report.sections import cost

FORMAT = "harness-report/1"

# JSON allows these characters in a string, but many programs treat them as line ends.
_LINE_ENDS = str.maketrans({c: f"\\u{ord(c):04x}" for c in "\x85\u2028\u2029"})


def render(report: Report) -> str:
    """The report as one JSON object."""
    content = {
        "format": FORMAT,
        "verdicts": [_card(card) for card in cards(report)],
        "gates": [_gate(gate) for gate in report.gates],
        "evals": [_eval(e) for e in report.evals],
        "advice": _advice(next((e.analysis.advice for e in report.evals if e.analysis.advice), None)),
        "cases": list(rows(report.runs)),
    }
    return dumps(content, indent=1) + "\n"


def _card(card: VerdictCard) -> dict[str, Any]:
    return {name: getattr(card, name) for name in ("eval", "label", "tone", "title", "figure", "why", "command")}


def _gate(gate: GateResult) -> dict[str, Any]:
    eval_name, _, cell = gate.cell.partition(" ")
    return {
        "eval": eval_name,
        "cell": cell,
        "gate": gate.gate,
        "tag": gate.tag or None,
        "status": gate.status.value,
        "required": gate.required,
        "text": outcome_text(gate),
    }


def dumps(value: Any, indent: int | None = None) -> str:
    """Serialize portably: no NaN, no raw line separators, and no escapes for other scripts."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent, default=dict)
    except ValueError:  # a model's JSON reply may hold NaN, which Python accepts and JSON does not
        text = json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, indent=indent, default=dict)
    return text.translate(_LINE_ENDS)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def _eval(e: EvalReport) -> dict[str, Any]:
    portability = e.analysis.portability
    costs = {row["cell"].name: _cost(row["cost"], row["price"]) for row in cost.rows(e)}
    return {
        "eval": e.name,
        "task": e.task,
        "headline": [sentence.text for sentence in sentences(e)],
        "notices": [asdict(notice) for notice in notices(e)],
        "comparisons": [comparison_formats.as_json(c) for c in e.analysis.comparisons],
        "portability": portability and portability_json(portability),
        "ladders": [ladder_json(ladder) for ladder in e.analysis.ladders],
        "cells": [_cell(cell) | {"cost": costs.get(cell.name)} for cell in e.cells],
    }


def _cost(run_cost: RunCost, price: Price | None) -> dict[str, Any]:
    return {
        "usd": run_cost.usd,
        "usd_per_1k": run_cost.usd_per_1k,
        "at_most_usd": run_cost.at_most_usd,
        "asked": run_cost.calls,
        "from_store": run_cost.from_store,
        "attempts": run_cost.attempts,
        "untold": run_cost.attempts_without_tokens,
        "price": price and asdict(price),
    }


def _advice(advice: Advice | None) -> dict[str, Any] | None:
    if advice is None:
        return None
    bill = advice.bill
    return {
        "evals": [_advised(each, bill) for each in advice.advised],
        "bill": {
            "today": asdict(bill.current),
            "batch": asdict(bill.batch),
            "advised": asdict(bill.advised),
            "all_moved": asdict(bill.all_moved),
            "servers": bill.servers(bill.moving),
            "server_usd": bill.server_usd(bill.moving),
            "moved": sorted(bill.moved),
        },
        "left_out": list(advice.left_out),
    }


def _advised(advice: EvalAdvice, bill: CostProjection) -> dict[str, Any]:
    line = advice.cost
    moves = line.eval in bill.moved
    return {
        "eval": line.eval,
        "decision": advice.decision.value,
        "reasons": [asdict(reason) for reason in advice.reasons],
        "now": line.current,
        "then": line.candidate or None,
        "daily_calls": line.daily_calls,
        "today_usd": line.current_usd,
        "batch_usd": line.batch_usd,
        "then_usd": None if line.local else line.candidate_usd,
        "local": line.local,
        "estimated": line.estimated,
        "break_even": line.break_even,
        "capacity": line.capacity,
        "share_usd": bill.share_usd(line) if moves else None,
        "saved_usd": bill.saved_usd(line) if moves else None,
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
        **_accuracy(summary.accuracy),
        "outcomes": dict(cell.outcomes),
        "violations": dict(summary.violations),
        "by_tag": {tag: _accuracy(accuracy) for tag, accuracy in summary.by_tag},
        "by_label_source": {source: _accuracy(accuracy) for source, accuracy in summary.by_label_source},
        "latency_p50_s": summary.latency_p50_s,
        "latency_p95_s": summary.latency_p95_s,
        "prompt_tokens": summary.prompt_tokens,
        "completion_tokens": summary.completion_tokens,
        "classification": {"strict": asdict(read[0]), "lenient": asdict(read[1])} if read[0] and read[1] else None,
    }


def _accuracy(accuracy: Accuracy) -> dict[str, Any]:
    return {
        "strict": as_json(accuracy.strict),
        "compliance": as_json(accuracy.compliance),
        "lenient": as_json(accuracy.lenient),
    }

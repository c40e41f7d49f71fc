"""Small files in the formats of other tools: lm-eval 0.4.13, Inspect (log version 2), promptfoo v3."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.interop import ColumnSelection, ImportedRun, RunNaming, SourceFile, read_run

LABELS = ("billing", "technical", "general")


def jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write one JSON object per line."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def tickets(model: str = "a", replies: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """Thirty answers of one model. `replies` overrides replies by item."""
    replies = replies or {}
    items = [(f"t-{i}", LABELS[i % 3]) for i in range(30)]
    return [
        {"item": item, "model": model, "reply": replies.get(item, gold), "gold": gold, "allowed": list(LABELS)}
        for item, gold in items
    ]


def lm_eval_line(doc_id: int, reply: str, target: str, name: str = "none", **more: Any) -> dict[str, Any]:
    """Line of a `samples_*.jsonl` for a generation task."""
    filtered = more.pop("filtered", reply)
    return {
        "doc_id": doc_id,
        "doc": {"question": f"question {doc_id}", "answer": target},
        "target": target,
        "arguments": {"gen_args_0": {"arg_0": f"question {doc_id}", "arg_1": {"until": ["\n\n"], "temperature": 0.0}}},
        "resps": [[reply]],
        "filtered_resps": [filtered],
        "filter": name,
        "metrics": ["exact_match"],
        "doc_hash": "676c",
        "prompt_hash": "a75a",
        "target_hash": "8a79",
        "exact_match": float(filtered == target),
        **more,
    }


def lm_eval_choice(
    doc_id: int, weights: tuple[float, float], target: str, acc: float, acc_norm: float
) -> dict[str, Any]:
    """Line for a multiple-choice task that scores choices by likelihood."""
    pairs = [[str(weight), "False"] for weight in weights]
    arguments = {f"gen_args_{i}": {"arg_0": "Is it?", "arg_1": choice} for i, choice in enumerate((" yes", " no"))}
    return {
        "doc_id": doc_id,
        "doc": {"question": "Is it?"},
        "target": target,
        "arguments": arguments,
        "resps": [[pair] for pair in pairs],
        "filtered_resps": pairs,
        "filter": "none",
        "metrics": ["acc", "acc_norm"],
        "acc": acc,
        "acc_norm": acc_norm,
    }


def inspect_sample(sample_id: str | int, reply: str, value: Any, epoch: int = 1, **more: Any) -> dict[str, Any]:
    """Sample of an Inspect log."""
    message = {"id": f"m-{epoch}", "content": reply, "source": "generate", "role": "assistant"}
    return {
        "id": sample_id,
        "epoch": epoch,
        "input": [{"id": f"u-{epoch}", "content": "Is water wet?", "source": "input", "role": "user"}],
        "target": "yes",
        "messages": [message],
        "output": {
            "model": "openai/gpt-4o",
            "choices": [{"message": message, "stop_reason": "stop"}],
            "completion": reply,
            "usage": {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7},
            "time": 0.25,
        },
        "scores": {"match": {"value": value, "answer": reply, "history": []}},
        "metadata": {"tag": "easy"},
        **more,
    }


HEADER = {"task": "wetness", "model": "openai/gpt-4o", "created": "2026-11-25T01:37:58+00:00"}


def inspect_json(path: Path, samples: list[dict[str, Any]]) -> Path:
    """Write a log like `--log-format json`."""
    path.write_text(json.dumps({"version": 2, "status": "success", "eval": HEADER, "samples": samples}))
    return path


def inspect_eval(path: Path, samples: list[dict[str, Any]]) -> Path:
    """Write a log as a zip with the compression of older versions."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("_journal/start.json", json.dumps({"version": 2, "eval": HEADER, "plan": {}}))
        for sample in samples:
            archive.writestr(f"samples/{sample['id']}_epoch_{sample['epoch']}.json", json.dumps(sample))
        archive.writestr("header.json", json.dumps({"version": 2, "status": "success", "eval": HEADER}))
    return path


def promptfoo_result(test: int, output: str, *, passed: bool, provider: str = "gpt-4o", **more: Any) -> dict[str, Any]:
    """Row of promptfoo's results."""
    return {
        "id": f"r-{test}-{provider}",
        "promptIdx": 0,
        "testIdx": test,
        "promptId": "5f1c",
        "provider": {"id": f"openai:{provider}", "label": provider},
        "prompt": {"raw": f"Classify: ticket {test}", "label": "Classify: {{text}}"},
        "vars": {"text": f"ticket {test}"},
        "testCase": {"vars": {"text": f"ticket {test}"}, "assert": [{"type": "equals", "value": "billing"}]},
        "response": {"output": output, "tokenUsage": {"total": 9, "prompt": 7, "completion": 2}, "cached": False},
        "success": passed,
        "score": float(passed),
        "failureReason": 0 if passed else 1,
        "latencyMs": 540,
        "gradingResult": {"pass": passed, "score": float(passed), "reason": "compared"},
        "namedScores": {},
        **more,
    }


def promptfoo(path: Path, results: list[dict[str, Any]]) -> Path:
    """`promptfoo eval -o results.json`."""
    summary = {"version": 3, "timestamp": "2026-11-25T01:00:00Z", "prompts": [], "results": results, "stats": {}}
    path.write_text(json.dumps({"evalId": "eval-1", "results": summary, "config": {}, "shareableUrl": None}))
    return path


def imported(path: Path, wanted: ColumnSelection | None = None, **naming: Any) -> ImportedRun:
    """Import a file like `harness import --as m`."""
    return read_run(SourceFile(path), RunNaming(**{"name": "m", **naming}), wanted or ColumnSelection())


def rates(imported_run: ImportedRun) -> tuple[int, int, int]:
    """Number of results that are strictly correct, leniently correct, and compliant."""
    scored = [(r.score, r.reading) for r in imported_run.run.results if r.score is not None and r.reading is not None]
    return (
        sum(score.strict for score, _ in scored),
        sum(score.lenient for score, _ in scored),
        sum(reading.compliant for _, reading in scored),
    )

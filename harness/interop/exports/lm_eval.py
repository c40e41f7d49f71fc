"""For tools that read lm-evaluation-harness: the lines of a `samples_TASK_DATE.jsonl`, one run a file.

Each answer has two lines, as a task with two filters has: `strict-match`, what production code gets (`[invalid]` where
the reply breaks the contract), and `flexible-extract`, what a careful reader reads. `exact_match` says which is right.
`harness import` makes the same accuracies and compliance of them. Calls that failed are left out: the format has no
place for them. `violations` is ours.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

from harness.core.errors import ConfigError
from harness.core.types import Reading, Result, Run, Score
from harness.report.formats.json import dumps

STRICT, LENIENT = "strict-match", "flexible-extract"
INVALID = "[invalid]"


def render(runs: Sequence[Run]) -> bytes:
    """The lines; raises `ConfigError` for more than one run, and for more than one answer a case."""
    if len(runs) != 1:
        msg = f"--format lm-eval takes one run a file, not {len(runs)}: export each by itself"
        raise ConfigError(msg)
    (run,) = runs
    if any(result.repeat for result in run.results):
        msg = (
            f"run {run.manifest.run_id} asked each case several times, and this format has one answer a case: use jsonl"
        )
        raise ConfigError(msg)
    lines = [dumps(line) for result in run.results for line in _lines(result)]
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace")


def _lines(result: Result) -> Iterator[dict[str, Any]]:
    if result.reading is None or result.score is None:
        return
    yield _line(result, result.reading, result.score, STRICT)
    yield _line(result, result.reading, result.score, LENIENT)


def _line(result: Result, reading: Reading, score: Score, name: str) -> dict[str, Any]:
    case, is_strict = result.case, name == STRICT
    value = reading.strict if is_strict else reading.lenient
    target = _text(case.expected)
    return {
        "doc_id": case.id,
        "doc": dict(case.inputs),
        "target": target,
        "arguments": {},
        "resps": [[result.response.text]],
        "filtered_resps": [INVALID if value is None else _text(value)],
        "filter": name,
        "metrics": ["exact_match"],
        "doc_hash": _hash(dumps(dict(case.inputs))),
        "target_hash": _hash(target),
        "exact_match": float(score.strict if is_strict else score.lenient),
        "violations": list(reading.violations),
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()

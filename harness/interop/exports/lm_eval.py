"""Export in the format of lm-evaluation-harness: lines of `samples_TASK_DATE.jsonl`, one run per file.

Each answer has two lines, like a task with two filters. `strict-match` is the strict answer, `[invalid]` if the reply
violates the contract. `flexible-extract` is the lenient answer. `exact_match` is the score.
`harness import` restores the same accuracy and compliance. Failed calls are left out, because the format has no field
for them. The field `violations` is an addition of this harness.
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
    """Return the JSON lines; raises `ConfigError` for several runs, or several answers per case."""
    if len(runs) != 1:
        msg = f"--format lm-eval holds one run per file, not {len(runs)}: export each run to its own file"
        raise ConfigError(msg)
    (run,) = runs
    if any(result.repeat for result in run.results):
        msg = f"run {run.manifest.run_id} has several answers per case, and lm-eval holds one: use --format jsonl"
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

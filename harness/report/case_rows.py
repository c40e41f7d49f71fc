"""One row per case and cell, for JSONL, CSV and JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from harness.core.types import Manifest, Result, Run

COLUMNS = (
    *("case_id", "variant", "backend", "reply", "strict", "compliant", "lenient", "violations", "expected"),
    *("latency_s", "error"),
    *("eval", "run_id", "prompt", "dataset", "split", "repeat", "strict_correct", "lenient_correct"),
    *("finish_reason", "prompt_tokens", "completion_tokens", "cached", "tags", "refusal", "tool_calls"),
)


def rows(runs: Iterable[Run]) -> Iterator[dict[str, Any]]:
    """Yield a row per result of every run, with the keys `COLUMNS`.

    For a failed call, `error` is `kind: message`, and the columns of the reply are `None`.
    """
    for run in runs:
        for result in run.results:
            yield _row(run.manifest, result)


def _row(manifest: Manifest, result: Result) -> dict[str, Any]:
    case, response, reading, score = result.case, result.response, result.reading, result.score
    failed = response.error
    values = (
        *(case.id, manifest.variant, manifest.backend, None if failed else response.text),
        *(reading and reading.strict, reading and reading.compliant, reading and reading.lenient),
        *(list(reading.violations) if reading else [], case.expected, response.latency_s),
        f"{failed.kind}: {failed.message}" if failed else None,
        *(manifest.eval, manifest.run_id, manifest.prompt, manifest.dataset, case.split or manifest.split),
        *(result.repeat, score and score.strict, score and score.lenient, response.finish_reason or None),
        *(response.prompt_tokens, response.completion_tokens, result.cached, list(case.tags)),
        *(response.refusal, [dict(call) for call in response.tool_calls]),
    )
    return dict(zip(COLUMNS, values, strict=True))

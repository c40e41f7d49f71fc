"""Records for a store: a manifest, a result and a failed call, and a text that is hard to store."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.core.types import CallError, Case, Manifest, Reading, Response, Result, Score

NASTY = "emoji \U0001f600, half of one \ud83d, nul \x00, quote ' \" \\, newline\r\n, rtl \u202e, {% system %}"


def manifest(run_id: str = "20250601-1000-aaaa", **more: Any) -> Manifest:
    known: dict[str, Any] = {
        "eval": "triage",
        "task": "classification",
        "variant": "local",
        "backend": "fake",
        "prompt": "triage/v1",
        "dataset": "tickets",
        "split": "test",
        "limit": None,
        "labels": ("billing", "technical"),
        "n_cases": 2,
        "started_at": "2025-06-01T10:00:00.000+00:00",
        "fingerprint": {"model": "m", "note": NASTY},
    }
    return Manifest(run_id, **(known | more))


def result(case_id: str = "t-1", text: str = "billing", **more: Any) -> Result:
    case = Case(case_id, {"text": f"ticket {case_id}"}, "billing", ("hard",), "test", "author", "d1")
    reading = Reading("billing", "billing", compliant=True)
    known = {"answered_at": "2025-06-01T10:00:01.000+00:00"}
    return Result(
        case, Response(text, "stop"), reading, Score(strict=True, lenient=True), f"key-{case_id}", **(known | more)
    )


def failure(case_id: str = "t-1", **more: Any) -> Result:
    error = CallError("rate_limit", "slow down", status=429, retryable=True, retry_after_s=2.5)
    return replace(result(case_id), response=Response(error=error), reading=None, score=None, **more)

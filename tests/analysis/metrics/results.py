"""Builders of results for tests."""

from __future__ import annotations

from itertools import count
from typing import Any

from harness.core.types import CallError, Case, Reading, Response, Result, Score

_ids = count()


def answered(expected: str, strict: str | None, lenient: str | None = None, *codes: str, **more: Any) -> Result:
    """Answered case. `lenient` defaults to `strict`. `more`: id, tags, cached, fields of the response."""
    lenient = strict if lenient is None else lenient
    case_id = more.pop("id", f"c{next(_ids)}")
    case = Case(case_id, {"text": case_id}, expected, tuple(more.pop("tags", ())))
    cached = more.pop("cached", False)
    reading = Reading(strict, lenient, strict is not None, codes)
    score = Score(strict == expected, lenient == expected)
    return Result(case, Response(**{"text": "reply", **more}), reading, score, "key", cached=cached)


def failed(kind: str = "timeout", expected: str = "a", tags: tuple[str, ...] = ()) -> Result:
    """Case whose call failed."""
    response = Response(error=CallError(kind, "it failed"), latency_s=99.0, prompt_tokens=99)
    case_id = f"c{next(_ids)}"
    return Result(Case(case_id, {"text": case_id}, expected, tags), response, None, None, "key")

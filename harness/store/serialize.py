"""Runs as text for the columns of the store, and back. What a newer version has added defaults in older text."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from harness.core.types import CallError, Case, FieldCounts, Manifest, Reading, Response, Result, Score

# ASCII: a reply may hold lone surrogates, which no database takes. Made once: making it takes longer than most records.
_ENCODER = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), default=dict)


def dump(value: Any) -> str:
    """A value as JSON that any column takes."""
    return _ENCODER.encode(value)


def column(text: str) -> str:
    """Text that any database takes in a column of its own. What it was before is in the case's row."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")


def digest(text: str) -> str:
    """By which a case is kept once."""
    return hashlib.sha256(text.encode()).hexdigest()


def case_row(case: Case) -> dict[str, str]:
    """A case as a row of the table of cases."""
    row = dump(_fields(case))
    return {"row_hash": digest(row), "row": row}


def result_row(run_id: str, result: Result, row_hash: str) -> dict[str, Any]:
    """A result as a row of the table of results; `row_hash` is its case's there."""
    response, reading, score = result.response, result.reading, result.score
    told = _fields(response)
    if response.error is not None:
        told["error"] = _fields(response.error)
    return {
        "run_id": run_id,
        "case_id": column(result.case.id),
        "repeat": result.repeat,
        "row_hash": row_hash,
        "request_key": result.request_key,
        "failed": response.error is not None,
        "answered_at": result.answered_at,
        "record": dump(
            {
                "response": told,
                "reading": _fields(reading) if reading else None,
                "score": _fields(score) if score else None,
                "attempts": result.attempts,
                "cached": result.cached,
            }
        ),
    }


def _fields(value: Any) -> dict[str, Any]:
    """What `dataclasses.asdict` gives, without copying what is in it: it is written at once."""
    return {name: getattr(value, name) for name in value.__slots__}


def result_of(row: Mapping[str, Any]) -> Result:
    """The result of such a row, with its case's `row` in it."""
    record = json.loads(row["record"])
    case = json.loads(row["row"])
    reading = record["reading"]
    return Result(
        case=Case(**{**case, "tags": tuple(case["tags"])}),
        response=response_of(record["response"]),
        reading=Reading(**{**reading, "violations": tuple(reading["violations"])}) if reading else None,
        score=_score(record["score"]) if record["score"] else None,
        request_key=row["request_key"],
        repeat=row["repeat"],
        attempts=record["attempts"],
        cached=record["cached"],
        answered_at=row["answered_at"],
    )


def _score(data: Mapping[str, Any]) -> Score:
    fields = data.get("fields", {})
    counts = {name: (FieldCounts(*strict), FieldCounts(*lenient)) for name, (strict, lenient) in fields.items()}
    return Score(data["strict"], data["lenient"], counts, data.get("measures", {}))


def response_of(data: Mapping[str, Any]) -> Response:
    """A response by what was written of it."""
    error = data["error"]
    lists = {"tool_calls": tuple(data["tool_calls"]), "vector": tuple(data.get("vector", ()))}
    return Response(**{**data, **lists, "error": CallError(**error) if error else None})


def manifest_of(text: str) -> Manifest:
    """A manifest by what was written of it."""
    data = json.loads(text)
    lists = ("labels", "notes", "tags")
    return Manifest(**{**data, **{name: tuple(data.get(name, ())) for name in lists}})

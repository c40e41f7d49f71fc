"""Runs as rows of the store, and back. A field that an older version did not write gets its default."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from harness.core.types import (
    Billing,
    CallError,
    Case,
    FieldCounts,
    Manifest,
    Reading,
    Response,
    Result,
    RunOrigin,
    Score,
)

# ASCII, because a reply may have lone surrogates, which databases reject. Created once: creating an encoder takes
# longer than encoding most records.
_ENCODER = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), default=dict)


def dump(value: Any) -> str:
    """A value as JSON text for any database column."""
    return _ENCODER.encode(value)


def column(text: str) -> str:
    """Text for any database column, with escapes. The case's row has the original text."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")


def digest(text: str) -> str:
    """Content hash that deduplicates cases."""
    return hashlib.sha256(text.encode()).hexdigest()


def case_row(case: Case) -> dict[str, str]:
    """A case as a row of `CASES`."""
    fields = _fields(case)
    if not case.cluster:  # older rows lack the field, and an unchanged case must keep its hash
        del fields["cluster"]
    row = dump(fields)
    return {"row_hash": digest(row), "row": row}


def result_row(run_id: str, result: Result, row_hash: str) -> dict[str, Any]:
    """A result as a row of `RESULTS`. `row_hash`: key of its case in `CASES`."""
    response, reading, score = result.response, result.reading, result.score
    response_fields = _fields(response)
    if not response.first_token:  # most servers report none
        del response_fields["first_token"]
    if response.error is not None:
        response_fields["error"] = _fields(response.error)
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
                "response": response_fields,
                "reading": _fields(reading) if reading else None,
                "score": _fields(score) if score else None,
                "attempts": result.attempts,
                "cached": result.cached,
            }
        ),
    }


def _fields(value: Any) -> dict[str, Any]:
    """`dataclasses.asdict` without its deep copy."""
    return {name: getattr(value, name) for name in value.__slots__}


def result_of(row: Mapping[str, Any]) -> Result:
    """A result from a row of `RESULTS` joined with the `row` of its case."""
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
    """A response from its JSON."""
    error = data["error"]
    lists = {"tool_calls": tuple(data["tool_calls"]), "vector": tuple(data.get("vector", ()))}
    lists["first_token"] = tuple((token, logprob) for token, logprob in data.get("first_token", ()))
    return Response(**{**data, **lists, "error": CallError(**error) if error else None})


def manifest_row(manifest: Manifest) -> dict[str, Any]:
    """A manifest as columns of `RUNS`."""
    return {
        "run_id": manifest.run_id,
        "eval": manifest.eval,
        "cell": manifest.cell,
        "started_at": manifest.started_at,
        "finished_at": manifest.finished_at,
        "backend": manifest.backend,
        "variant": manifest.variant,
        "decoding": manifest.decoding,
        "split": manifest.split,
        "case_limit": manifest.limit,
        "origin": manifest.origin.value,
        "manifest": manifest_text(manifest),
    }


def manifest_text(manifest: Manifest) -> str:
    """A manifest as JSON. An earlier version of the harness, which may share the store, knows no `selection`."""
    data = asdict(manifest)
    if not manifest.selection:
        del data["selection"]
    return dump(data)


def manifest_of(text: str) -> Manifest:
    """A manifest from its JSON."""
    data = json.loads(text)
    values = {name: tuple(data.get(name, ())) for name in ("labels", "notes", "tags", "selection")}
    origin, billing = RunOrigin(data.get("origin", RunOrigin.ASKED)), Billing(data.get("billing", Billing.STANDARD))
    return Manifest(**{**data, **values, "origin": origin, "billing": billing})

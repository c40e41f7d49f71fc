"""The lines of a batch: a request becomes one, and its answer is found again by the id that it was given.

An id, `<cell>-<case>-<asked>`, is three hashes: of the cell with its split and sample, of the case with its repeat, and
of what was asked of which model. An answer whose last part differs is one to another prompt, or of another model.

A result is `{"custom_id", "response": {"status_code", "body"}, "error"}`, as OpenAI's Batch API and `vllm run-batch`
write it: https://platform.openai.com/docs/api-reference/batch/request-output
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from time import time
from typing import NamedTuple

from harness.backends.http.errors import failed, failed_status, safe_line
from harness.backends.http.transport import encoded
from harness.backends.openai_responses import refusal_of
from harness.backends.providers.openai import OpenAIBackend
from harness.core.ids import now
from harness.core.types import JSON, Request, Response
from harness.project.config import BackendConfig
from harness.runner.cell_runner import PlannedRequest
from harness.runner.plan import Cell

_ID = re.compile(r"([0-9a-f]{8})-([0-9a-f]{16})-([0-9a-f]{32})")
EXPIRED, CANCELLED = "batch_expired", "batch_cancelled"
"""OpenAI's codes for requests that were not got round to."""
GIVEN_UP = "the batch was cancelled before this was asked"


class CustomId(NamedTuple):
    """The parts of a `custom_id`."""

    cell: str
    case: str
    asked: str

    def __str__(self) -> str:
        """As it stands in a file."""
        return "-".join(self)


def parsed(custom_id: str) -> CustomId | None:
    """The parts of an id, or `None` for one that is not of our making."""
    found = _ID.fullmatch(custom_id)
    return CustomId(*found.groups()) if found else None


def cell_part(cell: Cell) -> str:
    """The part of an id that all requests of a cell share."""
    return _hash(cell.definition.name, cell.name, cell.split or "", str(cell.limit or ""))[:8]


def id_of(cell: Cell, asked: PlannedRequest) -> CustomId:
    """The id of a request."""
    case = _hash(asked.case.id, str(asked.request.repeat))[:16]
    return CustomId(cell_part(cell), case, _hash(asked.key, _who(cell.backend))[:32])


def line_of(backend: OpenAIBackend, custom_id: CustomId, request: Request) -> bytes:
    """A request as a line; raises `ValueError` for text that no JSON can hold."""
    path, body = backend.body_of(request)
    return encoded({"custom_id": str(custom_id), "method": "POST", "url": f"/v1/{path}", "body": body}) + b"\n"


def result_of(line: bytes) -> dict[str, JSON] | str:
    """A line of results, or what is wrong with it."""
    try:
        result = json.loads(line)
    except (ValueError, RecursionError):
        return "no whole JSON"
    if not isinstance(result, dict) or not isinstance(result.get("custom_id"), str):
        return "no result of a batch: it has no custom_id"
    if "body" in result and result.get("response") is None and result.get("error") is None:
        return "a request, and not what came of it: give the file that the engine has written"
    return result


def is_good(result: Mapping[str, JSON]) -> bool:
    """Whether a result has an answer in it."""
    response = result.get("response")
    return isinstance(response, dict) and _is_success(response.get("status_code")) and response.get("body") is not None


def response_of(backend: OpenAIBackend, request: Request, result: Mapping[str, JSON]) -> Response:
    """What a result says, read as if it had come at once; how long it took is not known.

    Raises `BackendError` where the server took no notice of a constraint.
    """
    response, error = result.get("response"), result.get("error")
    if is_good(result):
        return replace(backend.response_of(request, result["response"]["body"], 0.0), latency_s=None)
    if not isinstance(response, dict) or not isinstance(status := response.get("status_code"), int):
        return _unanswered(error, backend.secrets)
    if _is_success(status):
        return failed("bad_reply", "a result without a body", retry=True)
    told = response.get("body") or (error if isinstance(error, dict) else {"error": error})  # vLLM: beside the response
    return failed_status(status, safe_line(refusal_of(status, told)[0], backend.secrets), {})


def answered_at(result: Mapping[str, JSON]) -> str:
    """When an answer was given, as far as its body tells; else now."""
    body = result["response"]["body"] if is_good(result) else None
    created = body.get("created") if isinstance(body, dict) else None
    if not isinstance(created, int) or not 0 < created < time():
        return now()
    return datetime.fromtimestamp(created, UTC).isoformat(timespec="milliseconds")


def content_of(result: Mapping[str, JSON]) -> JSON:
    """What an answer says, without what is different each time: ids and times."""
    body = result["response"]["body"]
    return [body.get("choices"), body.get("data")] if isinstance(body, dict) else body


def _unanswered(error: JSON, secrets: Sequence[str]) -> Response:
    """A request that nobody has answered, as the Batch API says it."""
    told = error if isinstance(error, dict) else {"message": error}
    code, message = told.get("code"), told.get("message") or "no reason is given"
    if code == EXPIRED:
        return failed("server", "the batch expired before this was asked", retry=True)
    if code == CANCELLED:
        return failed("server", GIVEN_UP, retry=True)
    return failed("server", safe_line(f"{code}: {message}" if code else message, secrets), retry=True)


def _is_success(status: JSON) -> bool:
    return isinstance(status, int) and 200 <= status < 300


def _who(backend: BackendConfig) -> str:
    return json.dumps([backend.provider, backend.model, backend.options], sort_keys=True, default=dict)


def _hash(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

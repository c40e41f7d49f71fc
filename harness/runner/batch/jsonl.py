"""The lines of batch files. Requests and results are matched by `custom_id`.

An id, `<cell>-<case>-<request>`, is three hashes: of the cell with split and sample, of the case with repeat, and of
the request with model. A result whose last part differs belongs to another prompt or another model.

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
"""OpenAI's error codes of requests that were not processed."""
CANCELLED_MESSAGE = "the batch was cancelled before this request was processed"


class CustomId(NamedTuple):
    """The parts of a `custom_id`."""

    cell: str
    case: str
    request: str

    def __str__(self) -> str:
        """Return the id as written to files."""
        return "-".join(self)


def parse_id(custom_id: str) -> CustomId | None:
    """Return the parts of an id; `None` if the harness did not make it."""
    match = _ID.fullmatch(custom_id)
    return CustomId(*match.groups()) if match else None


def cell_part(cell: Cell) -> str:
    """Return the part of the id that all requests of a cell share."""
    return _hash(cell.definition.name, cell.name, cell.split or "", str(cell.limit or ""), *cell.selection)[:8]


def custom_id_of(cell: Cell, planned: PlannedRequest) -> CustomId:
    """Return the id of a request."""
    case = _hash(planned.case.id, str(planned.request.repeat))[:16]
    return CustomId(cell_part(cell), case, _hash(planned.key, _model_of(cell.backend))[:32])


def request_line(backend: OpenAIBackend, custom_id: CustomId, request: Request) -> bytes:
    """Return a request as a line; raises `ValueError` for text that cannot be encoded as JSON."""
    path, body = backend.body_of(request)
    return encoded({"custom_id": str(custom_id), "method": "POST", "url": f"/v1/{path}", "body": body}) + b"\n"


def parse_result(line: bytes) -> dict[str, JSON] | str:
    """Parse a line of a result file: return a dict, or the problem as text."""
    try:
        result = json.loads(line)
    except (ValueError, RecursionError):
        return "incomplete JSON"
    if not isinstance(result, dict) or not isinstance(result.get("custom_id"), str):
        return "not a batch result: it has no custom_id"
    if "body" in result and result.get("response") is None and result.get("error") is None:
        return "a request, not a result: pass the file that the engine wrote"
    return result


def is_success(result: Mapping[str, JSON]) -> bool:
    """Return whether a result contains a reply."""
    response = result.get("response")
    return isinstance(response, dict) and _is_success(response.get("status_code")) and response.get("body") is not None


def response_of(backend: OpenAIBackend, request: Request, result: Mapping[str, JSON]) -> Response:
    """Return the response of a result, read like a direct reply. Its latency is unknown.

    Raises `BackendError` if the server ignored a decoding constraint.
    """
    response, error = result.get("response"), result.get("error")
    if is_success(result):
        return replace(backend.response_of(request, result["response"]["body"], 0.0), latency_s=None)
    if not isinstance(response, dict) or not isinstance(status := response.get("status_code"), int):
        return _unanswered(error, backend.secrets)
    if _is_success(status):
        return failed("bad_reply", "a result without a body", retry=True)
    # vLLM puts the error beside an empty response.
    body = response.get("body") or (error if isinstance(error, dict) else {"error": error})
    return failed_status(status, safe_line(refusal_of(status, body)[0], backend.secrets), {})


def answered_at(result: Mapping[str, JSON]) -> str:
    """Return the time of a reply from its body, or the current time if the body has none."""
    body = result["response"]["body"] if is_success(result) else None
    created = body.get("created") if isinstance(body, dict) else None
    if not isinstance(created, int) or not 0 < created < time():
        return now()
    return datetime.fromtimestamp(created, UTC).isoformat(timespec="milliseconds")


def content_of(result: Mapping[str, JSON]) -> JSON:
    """Return the content of a reply, without ids and times, which always differ."""
    body = result["response"]["body"]
    return [body.get("choices"), body.get("data")] if isinstance(body, dict) else body


def _unanswered(error: JSON, secrets: Sequence[str]) -> Response:
    details = error if isinstance(error, dict) else {"message": error}
    code, message = details.get("code"), details.get("message") or "no reason given"
    if code == EXPIRED:
        return failed("server", "the batch expired before this request was processed", retry=True)
    if code == CANCELLED:
        return failed("server", CANCELLED_MESSAGE, retry=True)
    return failed("server", safe_line(f"{code}: {message}" if code else message, secrets), retry=True)


def _is_success(status: JSON) -> bool:
    return isinstance(status, int) and 200 <= status < 300


def _model_of(backend: BackendConfig) -> str:
    return json.dumps([backend.provider, backend.model, backend.options], sort_keys=True, default=dict)


def _hash(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

"""A fake of OpenAI's Batch API on loopback: files, batches and results, without a model.

Each status request moves a batch on: `validating`, `in_progress`, then the next end of `FakeBatches.ends`.
`FakeBatches.result` makes the result of each request.
"""

from __future__ import annotations

import json
import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any
from urllib.parse import urlsplit

from .servers import FakeOpenAI, ReceivedRequest, Reply, completion, error


@dataclass(frozen=True)
class End:
    """The end of a batch. `answered`: number of answered requests; `None` means all."""

    status: str = "completed"
    answered: int | None = None
    why: str = ""


def good(line: dict[str, Any], body: Any = None) -> dict[str, Any]:
    """Return the result of an answered request, by default `billing`."""
    reply = completion() if body is None else body
    dated = reply | {"created": int(time.time())} if isinstance(reply, dict) else reply
    response = {"status_code": 200, "request_id": "r", "body": dated}
    return {"id": "batch_req_1", "custom_id": line["custom_id"], "response": response, "error": None}


def refused(line: dict[str, Any], status: int, message: str = "no") -> dict[str, Any]:
    """Return the result of a request that the model's server refused."""
    body = {"error": {"message": message, "code": None}}
    response = {"status_code": status, "request_id": "r", "body": body}
    return {"id": "batch_req_1", "custom_id": line["custom_id"], "response": response, "error": None}


def unanswered(line: dict[str, Any], code: str) -> dict[str, Any]:
    """Return the result of a request that was not processed."""
    problem = {"code": code, "message": "not got round to"}
    return {"id": "batch_req_1", "custom_id": line["custom_id"], "response": None, "error": problem}


class FakeBatches(FakeOpenAI):
    """A fake server with chat completions and the Batch API.

    `loses_files`: no file can be downloaded, as after OpenAI's retention time.
    """

    def __init__(self) -> None:
        """Start without files and batches."""
        super().__init__()
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.ends: deque[End] = deque()
        self.result: Callable[[dict[str, Any]], dict[str, Any]] = good
        self.spoil: Callable[[list[str]], Sequence[str]] = lambda lines: lines
        self.on_look: Callable[[], None] = lambda: None
        self.troubles: deque[Reply | None] = deque()
        self.after_create: Reply | None = None
        self.hangs = False
        self.loses_files = False
        self.key = ""

    def requests(self, batch_id: str) -> list[dict[str, Any]]:
        """Return the lines of a batch's input file."""
        lines = self.files[self.batches[batch_id]["input_file_id"]].decode().splitlines()
        return [json.loads(line) for line in lines]

    def read(self, path: str, body: bytes) -> Any:
        """Parse a JSON body, or return the uploaded file of a form."""
        if path != "/v1/files":
            return json.loads(body) if body else {}
        boundary, rest = body.split(b"\r\n", 1)
        parts = [part.split(b"\r\n\r\n", 1) for part in rest.split(b"\r\n" + boundary)]
        return next(part[1] for part in parts if b"filename=" in part[0])

    def reply_to(self, request: ReceivedRequest) -> Reply:
        """Serve files and batches; leave all other paths to `FakeOpenAI`."""
        path = urlsplit(request.path).path
        if not path.startswith(("/v1/files", "/v1/batches")):
            return super().reply_to(request)
        self.received.append(request)
        if self.key and request.headers.get("Authorization") != f"Bearer {self.key}":
            return error(401, f"Incorrect API key provided: {request.headers.get('Authorization', '')[7:]}")
        if self.troubles and (trouble := self.troubles.popleft()) is not None:
            return trouble
        if request.method == "GET":
            return self._get(path)
        if path == "/v1/files":
            return Reply(json={"id": self._file(request.body), "object": "file", "purpose": "batch"})
        if path == "/v1/batches":
            made = Reply(json=self._made(request.body))
            failed, self.after_create = self.after_create, None
            return failed or made
        return Reply(json=self._cancelled(path.split("/")[3]))

    def _get(self, path: str) -> Reply:
        if path == "/v1/batches":
            return Reply(json={"object": "list", "data": list(self.batches.values())[::-1], "has_more": False})
        if match := re.fullmatch(r"/v1/files/([^/]+)/content", path):
            return error(404, "No such File object") if self.loses_files else Reply(body=self.files[match[1]])
        self.on_look()
        batch = self.batches.get(path.removeprefix("/v1/batches/"))
        return Reply(json=self._moved_on(batch)) if batch else error(404, "no such batch")

    def _file(self, content: bytes) -> str:
        name = f"file-{len(self.files)}"
        self.files[name] = content
        return name

    def _made(self, options: dict[str, Any]) -> dict[str, Any]:
        name = f"batch_{len(self.batches)}"
        counts = {"total": 0, "completed": 0, "failed": 0}
        self.batches[name] = {
            "id": name,
            "object": "batch",
            "status": "validating",
            "request_counts": counts,
            **options,
        }
        return self.batches[name]

    def _moved_on(self, batch: dict[str, Any]) -> dict[str, Any]:
        if batch["status"] == "validating":
            batch["status"] = "in_progress"
        elif batch["status"] == "in_progress" and not self.hangs:
            self._end(batch, self.ends.popleft() if self.ends else End())
        elif batch["status"] == "cancelling":
            self._end(batch, End("cancelled", answered=batch["answered"]))
        return batch

    def _cancelled(self, name: str) -> dict[str, Any]:
        batch = self.batches[name]
        if batch["status"] in ("validating", "in_progress"):
            batch |= {"status": "cancelling", "answered": self.ends.popleft().answered if self.ends else 0}
        return batch

    def _end(self, batch: dict[str, Any], end: End) -> None:
        batch["status"] = end.status
        if end.status == "failed":
            batch["errors"] = {"object": "list", "data": [{"code": "invalid", "message": end.why}]}
            return
        lines = self.requests(batch["id"])
        number = len(lines) if end.answered is None else end.answered
        results = [self.result(line) for line in lines[:number]]
        results += [unanswered(line, f"batch_{end.status}") for line in lines[number:]]
        Random(1).shuffle(results)
        for key, mine in (("output_file_id", True), ("error_file_id", False)):
            output = [json.dumps(each) for each in results if _is_good(each) == mine]
            if output:
                batch[key] = self._file("\n".join(self.spoil(output) if mine else output).encode() + b"\n")
        batch["request_counts"] = {"total": len(lines), "completed": number, "failed": len(lines) - number}


def _is_good(result: dict[str, Any]) -> bool:
    response = result["response"]
    return response is not None and response["status_code"] == 200

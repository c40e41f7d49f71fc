"""A fake of OpenAI's Batch API that says so: files, batches and results on loopback, answered by no model.

A batch moves on whenever it is looked at: `validating`, `in_progress`, and then the end that `FakeBatches.ends` has for
it. What each request gets is decided by `FakeBatches.result`.
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

from .servers import Asked, FakeOpenAI, Reply, completion, error


@dataclass(frozen=True)
class End:
    """How a batch ends. `answered`: how many of its requests were got round to, all if `None`."""

    status: str = "completed"
    answered: int | None = None
    why: str = ""


def good(line: dict[str, Any], body: Any = None) -> dict[str, Any]:
    """The result of a request that was answered, by default `billing`."""
    said = completion() if body is None else body
    told = said | {"created": int(time.time())} if isinstance(said, dict) else said
    response = {"status_code": 200, "request_id": "r", "body": told}
    return {"id": "batch_req_1", "custom_id": line["custom_id"], "response": response, "error": None}


def refused(line: dict[str, Any], status: int, message: str = "no") -> dict[str, Any]:
    """The result of a request that the model's server refused."""
    body = {"error": {"message": message, "code": None}}
    response = {"status_code": status, "request_id": "r", "body": body}
    return {"id": "batch_req_1", "custom_id": line["custom_id"], "response": response, "error": None}


def unanswered(line: dict[str, Any], code: str) -> dict[str, Any]:
    """The result of a request that was not got round to."""
    told = {"code": code, "message": "not got round to"}
    return {"id": "batch_req_1", "custom_id": line["custom_id"], "response": None, "error": told}


class FakeBatches(FakeOpenAI):
    """Chat completions as ever, and batches of them.

    `loses_files`: nothing can be fetched, as when OpenAI has deleted the files in time.
    """

    def __init__(self) -> None:
        """No file and no batch is there."""
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
        """The lines of a batch's file."""
        lines = self.files[self.batches[batch_id]["input_file_id"]].decode().splitlines()
        return [json.loads(line) for line in lines]

    def read(self, path: str, body: bytes) -> Any:
        """JSON, or the file of a form."""
        if path != "/v1/files":
            return json.loads(body) if body else {}
        boundary, rest = body.split(b"\r\n", 1)
        parts = [part.split(b"\r\n\r\n", 1) for part in rest.split(b"\r\n" + boundary)]
        return next(part[1] for part in parts if b"filename=" in part[0])

    def reply_to(self, asked: Asked) -> Reply:
        """Files and batches; all else as ever."""
        path = urlsplit(asked.path).path
        if not path.startswith(("/v1/files", "/v1/batches")):
            return super().reply_to(asked)
        self.asked.append(asked)
        if self.key and asked.headers.get("Authorization") != f"Bearer {self.key}":
            return error(401, f"Incorrect API key provided: {asked.headers.get('Authorization', '')[7:]}")
        if self.troubles and (trouble := self.troubles.popleft()) is not None:
            return trouble
        if asked.method == "GET":
            return self._told(path)
        if path == "/v1/files":
            return Reply(json={"id": self._file(asked.body), "object": "file", "purpose": "batch"})
        if path == "/v1/batches":
            made = Reply(json=self._made(asked.body))
            failed, self.after_create = self.after_create, None
            return failed or made
        return Reply(json=self._cancelled(path.split("/")[3]))

    def _told(self, path: str) -> Reply:
        if path == "/v1/batches":
            return Reply(json={"object": "list", "data": list(self.batches.values())[::-1], "has_more": False})
        if found := re.fullmatch(r"/v1/files/([^/]+)/content", path):
            return error(404, "No such File object") if self.loses_files else Reply(body=self.files[found[1]])
        self.on_look()
        batch = self.batches.get(path.removeprefix("/v1/batches/"))
        return Reply(json=self._moved_on(batch)) if batch else error(404, "no such batch")

    def _file(self, content: bytes) -> str:
        name = f"file-{len(self.files)}"
        self.files[name] = content
        return name

    def _made(self, asked: dict[str, Any]) -> dict[str, Any]:
        name = f"batch_{len(self.batches)}"
        counts = {"total": 0, "completed": 0, "failed": 0}
        self.batches[name] = {"id": name, "object": "batch", "status": "validating", "request_counts": counts, **asked}
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
            told = [json.dumps(one) for one in results if _is_good(one) == mine]
            if told:
                batch[key] = self._file("\n".join(self.spoil(told) if mine else told).encode() + b"\n")
        batch["request_counts"] = {"total": len(lines), "completed": number, "failed": len(lines) - number}


def _is_good(result: dict[str, Any]) -> bool:
    response = result["response"]
    return response is not None and response["status_code"] == 200

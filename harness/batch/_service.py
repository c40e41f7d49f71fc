"""The Batch API of one server, by the `openai` SDK: files go up, batches are made and looked at, results come down.

https://platform.openai.com/docs/guides/batch
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import Any, Literal

import openai

from harness.backends._http import one_line, passwords, shown_url
from harness.backends._replies import refusal_of
from harness.batch._seen import BusyError, Seen
from harness.config import BackendConfig
from harness.errors import BackendError

WINDOW: Literal["24h"] = "24h"
"""The only one that OpenAI offers."""
TOKEN = "harness"  # noqa: S105  the name of a piece of metadata
PAGE = 100
PAGES = 10
"""How far back a batch is looked for whose id was never heard: a thousand batches."""
TRANSFER_S = 600.0
"""For files of 200 MB."""


class Service:
    """One server. Each method asks once, and raises `BusyError`, or `BackendError` for what will not pass."""

    def __init__(self, config: BackendConfig, key: str) -> None:
        """`key` is sent to this server only."""
        self._client = openai.AsyncOpenAI(
            api_key=key, base_url=config.base_url, timeout=config.timeout_s, max_retries=0
        )
        self._name = config.name
        self.url = shown_url(str(self._client.base_url))
        self._secrets = (key, *passwords(str(self._client.base_url)))

    async def upload(self, path: Path) -> str:
        """A file of requests; returns its id."""
        files = self._client.with_options(timeout=TRANSFER_S).files.with_raw_response
        return str((await self._asked(files.create(file=path, purpose="batch")))["id"])

    async def create(self, file_id: str, endpoint: str, token: str) -> Seen:
        """A batch of an uploaded file. `token` goes with it, so that it can be found."""
        batches = self._client.batches.with_raw_response
        to: Any = endpoint
        made = batches.create(completion_window=WINDOW, endpoint=to, input_file_id=file_id, metadata={TOKEN: token})
        return _seen(await self._asked(made))

    async def look(self, batch_id: str) -> Seen:
        """How a batch stands."""
        try:
            return _seen(await self._asked(self._client.batches.with_raw_response.retrieve(batch_id)))
        except _NotFoundError:
            return Seen(batch_id, "gone", why="the server does not know it")

    async def find(self, token: str) -> Seen | None:
        """The batch that was made with `token`, if one was."""
        after: str | None = None
        for _ in range(PAGES):
            page = self._client.batches.with_raw_response.list(limit=PAGE, after=after or openai.omit)
            listed = [_table(batch) for batch in (await self._asked(page)).get("data") or ()]
            for batch in listed:
                if _table(batch.get("metadata")).get(TOKEN) == token:
                    return _seen(batch)
            if len(listed) < PAGE:
                return None
            after = str(listed[-1].get("id"))
        return None

    async def fetch(self, file_id: str, path: Path) -> None:
        """Write a file of the server to `path`."""
        files = self._client.with_options(timeout=TRANSFER_S).files.with_raw_response
        reply = await self._said(files.content(file_id))
        await asyncio.to_thread(path.write_bytes, reply.content)

    async def cancel(self, batch_id: str) -> Seen:
        """Ask for no more of a batch; what is done can still be fetched."""
        return _seen(await self._asked(self._client.batches.with_raw_response.cancel(batch_id)))

    async def close(self) -> None:
        """Hang up."""
        await self._client.close()

    async def _asked(self, call: Awaitable[Any]) -> dict[str, Any]:
        """The JSON that a call gets."""
        reply = await self._said(call)
        try:
            said = json.loads(reply.content)
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict) or "error" in said or ("id" not in said and "data" not in said):
            begins = one_line(reply.content[:4000].decode(errors="replace"), 80)
            msg = f"{self.url} says nothing of a batch: {self._redact(begins)}"
            raise BusyError(msg)
        return said

    async def _said(self, call: Awaitable[Any]) -> Any:
        """What a call gets, or why not in our words."""
        try:
            return await call
        except openai.APIStatusError as error:
            self._raise_for(error.status_code, error.response.content)
        except openai.APITimeoutError:
            msg = f"{self.url} does not answer in time"
            raise BusyError(msg) from None
        except openai.OpenAIError as error:
            raise BusyError(self._redact(one_line(error.__cause__ or error))) from None

    def _raise_for(self, status: int, body: bytes) -> None:
        try:
            said, code = refusal_of(status, json.loads(body))
        except (ValueError, RecursionError):
            said, code = refusal_of(status, None)
        said = one_line(self._redact(said))
        if status in (408, 409) or status >= 500 or (status == 429 and code != "insufficient_quota"):
            raise BusyError(said)
        if status in (401, 403):
            msg = f"backend {self._name}: the server refuses the key for batches ({said})"
            raise BackendError(msg)
        if status in (404, 405):
            msg = (
                f"backend {self._name}: {self.url} has no Batch API, or not what was asked of it ({said}): run without "
                "--batch, or `harness batch export` for an engine that takes files"
            )
            raise _NotFoundError(msg)
        msg = f"backend {self._name}: {self.url} refuses the batch: {said}"
        raise BackendError(msg)

    def _redact(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***") if len(secret) > 4 else text
        return text


class _NotFoundError(BackendError):
    """There is no such thing on the server."""


def _seen(batch: Mapping[str, Any]) -> Seen:
    counts, errors = _table(batch.get("request_counts")), _table(batch.get("errors")).get("data")
    files = (batch.get("output_file_id"), batch.get("error_file_id"))
    told = [_table(error) for error in errors[:3]] if isinstance(errors, list) else []
    return Seen(
        batch_id=str(batch.get("id") or ""),
        status=str(batch.get("status") or "unknown"),
        answered=_count(counts.get("completed")),
        failed=_count(counts.get("failed")),
        files=tuple(str(file) for file in files if file),
        why="; ".join(one_line(error.get("message") or error.get("code"), 160) for error in told),
    )


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0

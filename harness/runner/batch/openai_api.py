"""The Batch API of one server, by the `openai` SDK: files go up, batches are made and looked at, results come down.

https://platform.openai.com/docs/guides/batch
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Literal

import openai

from harness.backends.http.errors import passwords, safe_line, shown_url
from harness.backends.http.openai_sdk import HTTP_ERROR, TIME_OUT
from harness.backends.openai_responses import refusal_of
from harness.core.errors import BackendError, StoreError
from harness.project.config import BackendConfig
from harness.runner.batch.status import BatchStatus, BusyError, NoFileError

WINDOW: Literal["24h"] = "24h"
"""The only one that OpenAI offers."""
TOKEN = "harness"  # noqa: S105  the name of a piece of metadata
PAGE = 100
PAGES = 10
"""How far back a batch is looked for whose id was never heard: a thousand batches."""
NOT_THERE = (404, 405, 410)
"""Statuses of what a server does not have."""
NOT_GIVEN = (*NOT_THERE, 400, 422)
"""Statuses of a file that will not be had later either."""
TRANSFER_S = 600.0
"""For files of 200 MB."""
MOST_BYTES = 10_000_000_000
"""Of a file of results: twice what 50,000 vectors of 4,096 numbers take, or 50,000 replies of 20,000 tokens."""
PIECE = 1 << 20
"""So many bytes of it are in memory at once."""


class BatchAPI:
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

    async def create(self, file_id: str, endpoint: str, token: str) -> BatchStatus:
        """A batch of an uploaded file. `token` goes with it, so that it can be found."""
        batches = self._client.batches.with_raw_response
        to: Any = endpoint
        made = batches.create(completion_window=WINDOW, endpoint=to, input_file_id=file_id, metadata={TOKEN: token})
        return _seen(await self._asked(made), self._secrets)

    async def look(self, batch_id: str) -> BatchStatus:
        """How a batch stands."""
        try:
            return _seen(await self._asked(self._client.batches.with_raw_response.retrieve(batch_id)), self._secrets)
        except _NotFoundError:
            return BatchStatus(batch_id, "gone", why="the server does not know it")

    async def find(self, token: str) -> BatchStatus | None:
        """The batch that was made with `token`, if one was."""
        after: str | None = None
        for _ in range(PAGES):
            page = self._client.batches.with_raw_response.list(limit=PAGE, after=after or openai.omit)
            listed = [_table(batch) for batch in (await self._asked(page)).get("data") or ()]
            for batch in listed:
                if _table(batch.get("metadata")).get(TOKEN) == token:
                    return _seen(batch, self._secrets)
            if len(listed) < PAGE:
                return None
            after = str(listed[-1].get("id"))
        return None

    async def fetch(self, file_id: str, path: Path) -> None:
        """Write a file of the server to `path`; raises `NoFileError` for one that is not there, or too large."""
        try:
            with path.open("wb") as file:
                async with self._content(file_id) as reply:
                    taken = 0
                    async for piece in reply.iter_bytes(PIECE):
                        taken += len(piece)
                        if taken > MOST_BYTES:
                            msg = f"file {file_id} has more than {MOST_BYTES:,} bytes, which are not read"
                            raise NoFileError(msg)
                        await asyncio.to_thread(file.write, piece)
        except OSError as error:
            msg = f"{path}: results of a batch cannot be written: {error.strerror or error}"
            raise StoreError(msg) from None

    async def has(self, file_id: str) -> bool:
        """Whether `fetch` would get a file."""
        try:
            async with self._content(file_id):
                return True
        except NoFileError:
            return False

    async def cancel(self, batch_id: str) -> BatchStatus:
        """Ask for no more of a batch; what is done can still be fetched."""
        return _seen(await self._asked(self._client.batches.with_raw_response.cancel(batch_id)), self._secrets)

    async def close(self) -> None:
        """Hang up."""
        await self._client.close()

    @asynccontextmanager
    async def _content(self, file_id: str) -> AsyncIterator[Any]:
        """A file on its way."""
        files = self._client.with_options(timeout=TRANSFER_S).files.with_streaming_response
        with self._explained():
            try:
                async with files.content(file_id) as reply:
                    yield reply
            except openai.APIStatusError as error:
                if error.status_code not in NOT_GIVEN:
                    raise
                msg = f"the server does not give file {file_id}: {safe_line(_told(error)[0], self._secrets)}"
                raise NoFileError(msg) from None

    async def _asked(self, call: Awaitable[Any]) -> dict[str, Any]:
        """The JSON that a call gets."""
        with self._explained():
            reply = await call
        try:
            told = json.loads(reply.content)
        except (ValueError, RecursionError):
            told = None
        if not isinstance(told, dict) or "error" in told or ("id" not in told and "data" not in told):
            begins = safe_line(reply.content.decode(errors="replace"), self._secrets, 80)
            msg = f"{self.url} says nothing of a batch: {begins}"
            raise BusyError(msg)
        return told

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Why a call gets nothing, in our words."""
        try:
            yield
        except openai.APIStatusError as error:
            raise self._why(error) from None
        except (openai.APITimeoutError, TIME_OUT):
            msg = f"{self.url} does not answer in time"
            raise BusyError(msg) from None
        except (openai.OpenAIError, HTTP_ERROR) as error:
            raise BusyError(safe_line(error.__cause__ or error, self._secrets)) from None

    def _why(self, error: openai.APIStatusError) -> Exception:
        status, (told, code) = error.status_code, _told(error)
        told = safe_line(told, self._secrets)
        if status in (408, 409) or status >= 500 or (status == 429 and code != "insufficient_quota"):
            return BusyError(told)
        if status in (401, 403):
            return BackendError(f"the server refuses the key for batches ({told})", backend=self._name)
        if status in NOT_THERE:
            msg = (
                f"{self.url} has no Batch API, or not what was asked of it ({told}): run without --batch, or "
                "`harness batch export` for an engine that takes files"
            )
            return _NotFoundError(msg, backend=self._name)
        return BackendError(f"{self.url} refuses the batch: {told}", backend=self._name)


class _NotFoundError(BackendError):
    """There is no such thing on the server."""


def _told(error: openai.APIStatusError) -> tuple[str, str]:
    """What a server that refuses says, and its code."""
    try:
        return refusal_of(error.status_code, json.loads(error.response.content))
    except (ValueError, RecursionError):
        return refusal_of(error.status_code, None)


def _seen(batch: Mapping[str, Any], secrets: Sequence[str]) -> BatchStatus:
    counts, errors = _table(batch.get("request_counts")), _table(batch.get("errors")).get("data")
    files = (batch.get("output_file_id"), batch.get("error_file_id"))
    told = [_table(error) for error in errors[:3]] if isinstance(errors, list) else []
    return BatchStatus(
        batch_id=str(batch.get("id") or ""),
        status=safe_line(batch.get("status") or "unknown", secrets, 40),
        answered=_count(counts.get("completed")),
        failed=_count(counts.get("failed")),
        files=tuple(str(file) for file in files if file),
        why="; ".join(safe_line(error.get("message") or error.get("code"), secrets, 160) for error in told),
    )


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0

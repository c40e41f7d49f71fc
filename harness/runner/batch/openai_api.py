"""Client of a server's Batch API, by the `openai` SDK: upload files, create and poll batches, download results.

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
"""The only window that OpenAI offers."""
TOKEN = "harness"  # noqa: S105  the name of a chunk of metadata
PAGE_SIZE = 100
MAX_PAGES = 10
"""A batch whose id never arrived is searched for among the newest 1,000 batches."""
NOT_FOUND_STATUSES = (404, 405, 410)
"""HTTP statuses of an unknown resource."""
NO_FILE_STATUSES = (*NOT_FOUND_STATUSES, 400, 422)
"""HTTP statuses of a file that will not become available."""
TRANSFER_S = 600.0
"""Time-out of uploads and downloads, enough for 200 MB."""
MAX_BYTES = 10_000_000_000
"""Limit of a result file: twice the size of 50,000 vectors of 4,096 numbers, or of 50,000 replies of 20,000 tokens."""
CHUNK_BYTES = 1 << 20
"""Bytes of a result file in memory at a time."""


class BatchAPI:
    """The Batch API of one server.

    Each method sends one request, without retries. It raises `BusyError` if a later call may succeed, and
    `BackendError` if not.
    """

    def __init__(self, config: BackendConfig, key: str) -> None:
        """Args: `key` is sent to this server only."""
        self._client = openai.AsyncOpenAI(
            api_key=key, base_url=config.base_url, timeout=config.timeout_s, max_retries=0
        )
        self._name = config.name
        self.url = shown_url(str(self._client.base_url))
        self._secrets = (key, *passwords(str(self._client.base_url)))

    async def upload(self, path: Path) -> str:
        """Upload a file of requests; return its id."""
        files = self._client.with_options(timeout=TRANSFER_S).files.with_raw_response
        return str((await self._call(files.create(file=path, purpose="batch")))["id"])

    async def create(self, file_id: str, endpoint: str, token: str) -> BatchStatus:
        """Create a batch of an uploaded file. `token` is saved with it for `find`."""
        batches = self._client.batches.with_raw_response
        path: Any = endpoint  # the SDK types endpoints as literals
        batch = batches.create(completion_window=WINDOW, endpoint=path, input_file_id=file_id, metadata={TOKEN: token})
        return _status(await self._call(batch), self._secrets)

    async def status(self, batch_id: str) -> BatchStatus:
        """Return the status of a batch, `gone` if the server does not know it."""
        try:
            return _status(await self._call(self._client.batches.with_raw_response.retrieve(batch_id)), self._secrets)
        except _NotFoundError:
            return BatchStatus(batch_id, "gone", reason="the server does not know it")

    async def find(self, token: str) -> BatchStatus | None:
        """Return the status of the batch created with `token`; `None` if there is none."""
        after: str | None = None
        for _ in range(MAX_PAGES):
            page = self._client.batches.with_raw_response.list(limit=PAGE_SIZE, after=after or openai.omit)
            listed = [_dict(batch) for batch in (await self._call(page)).get("data") or ()]
            for batch in listed:
                if _dict(batch.get("metadata")).get(TOKEN) == token:
                    return _status(batch, self._secrets)
            if len(listed) < PAGE_SIZE:
                return None
            after = str(listed[-1].get("id"))
        return None

    async def download(self, file_id: str, path: Path) -> None:
        """Download a file to `path`; raises `NoFileError` if it does not exist or is too large."""
        try:
            with path.open("wb") as file:
                async with self._content(file_id) as reply:
                    size = 0
                    async for chunk in reply.iter_bytes(CHUNK_BYTES):
                        size += len(chunk)
                        if size > MAX_BYTES:
                            msg = f"file {file_id} has more than {MAX_BYTES:,} bytes and is not read"
                            raise NoFileError(msg)
                        await asyncio.to_thread(file.write, chunk)
        except OSError as error:
            msg = f"{path}: batch results cannot be written: {error.strerror or error}"
            raise StoreError(msg) from None

    async def has_file(self, file_id: str) -> bool:
        """Return whether a file can be downloaded."""
        try:
            async with self._content(file_id):
                return True
        except NoFileError:
            return False

    async def cancel(self, batch_id: str) -> BatchStatus:
        """Cancel a batch; finished results can still be downloaded."""
        return _status(await self._call(self._client.batches.with_raw_response.cancel(batch_id)), self._secrets)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    @asynccontextmanager
    async def _content(self, file_id: str) -> AsyncIterator[Any]:
        files = self._client.with_options(timeout=TRANSFER_S).files.with_streaming_response
        with self._translated_errors():
            try:
                async with files.content(file_id) as reply:
                    yield reply
            except openai.APIStatusError as error:
                if error.status_code not in NO_FILE_STATUSES:
                    raise
                msg = f"the server does not return file {file_id}: {safe_line(_refusal(error)[0], self._secrets)}"
                raise NoFileError(msg) from None

    async def _call(self, call: Awaitable[Any]) -> dict[str, Any]:
        """Send a request and return the JSON of its reply."""
        with self._translated_errors():
            reply = await call
        try:
            content = json.loads(reply.content)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict) or "error" in content or ("id" not in content and "data" not in content):
            start = safe_line(reply.content.decode(errors="replace"), self._secrets, 80)
            msg = f"{self.url} did not reply with a batch: {start}"
            raise BusyError(msg)
        return content

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        """Translate the SDK's exceptions."""
        try:
            yield
        except openai.APIStatusError as error:
            raise self._exception_of(error) from None
        except (openai.APITimeoutError, TIME_OUT):
            msg = f"{self.url} did not reply in time"
            raise BusyError(msg) from None
        except (openai.OpenAIError, HTTP_ERROR) as error:
            raise BusyError(safe_line(error.__cause__ or error, self._secrets)) from None

    def _exception_of(self, error: openai.APIStatusError) -> Exception:
        status, (text, code) = error.status_code, _refusal(error)
        text = safe_line(text, self._secrets)
        if status in (408, 409) or status >= 500 or (status == 429 and code != "insufficient_quota"):
            return BusyError(text)
        if status in (401, 403):
            return BackendError(f"the server rejected the API key for batches ({text})", backend=self._name)
        if status in NOT_FOUND_STATUSES:
            msg = (
                f"{self.url} has no Batch API, or no such resource ({text}): run without --batch, "
                "or use `harness batch export` with an engine that reads files"
            )
            return _NotFoundError(msg, backend=self._name)
        return BackendError(f"{self.url} rejected the batch: {text}", backend=self._name)


class _NotFoundError(BackendError):
    """The server does not know the resource."""


def _refusal(error: openai.APIStatusError) -> tuple[str, str]:
    """Return the message and the error code of a rejection."""
    try:
        return refusal_of(error.status_code, json.loads(error.response.content))
    except (ValueError, RecursionError):
        return refusal_of(error.status_code, None)


def _status(batch: Mapping[str, Any], secrets: Sequence[str]) -> BatchStatus:
    counts, errors = _dict(batch.get("request_counts")), _dict(batch.get("errors")).get("data")
    files = (batch.get("output_file_id"), batch.get("error_file_id"))
    shown = [_dict(error) for error in errors[:3]] if isinstance(errors, list) else []
    return BatchStatus(
        batch_id=str(batch.get("id") or ""),
        status=safe_line(batch.get("status") or "unknown", secrets, 40),
        answered=_count(counts.get("completed")),
        failed=_count(counts.get("failed")),
        files=tuple(str(file) for file in files if file),
        reason="; ".join(safe_line(error.get("message") or error.get("code"), secrets, 160) for error in shown),
    )


def _dict(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0

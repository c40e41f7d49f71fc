"""The batches of one cell: send requests as files, wait, save the results.

Unfinished batches are in the store. After Ctrl-C, a crash or a power cut, the next run of the cell collects their
results before it sends requests.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import uniform
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

from harness.backends.http.errors import failed
from harness.backends.providers.openai import OpenAIBackend
from harness.core.errors import BackendError
from harness.core.formatting import plural
from harness.core.ids import now
from harness.core.types import JSON, Response, Result
from harness.runner.batch.jobs import JobRegistry
from harness.runner.batch.jsonl import (
    CANCELLED_MESSAGE,
    CustomId,
    answered_at,
    cell_part,
    custom_id_of,
    request_line,
    response_of,
)
from harness.runner.batch.results import BatchResults
from harness.runner.batch.status import ENDED, BatchStatus, BusyError, NoFileError
from harness.runner.cell_runner import AT_ONCE, CellRunner, PlannedRequest, first
from harness.store.batches import BatchJob

if TYPE_CHECKING:
    from harness.runner.batch.openai_api import BatchAPI

T = TypeVar("T")

MAX_REQUESTS = 50_000
MAX_BYTES = 200_000_000
"""OpenAI's limits for one file: https://platform.openai.com/docs/guides/batch"""
FIRST_WAIT_S = 2.0
LONGEST_WAIT_S = 60.0
"""Wait between two status requests, or two tries of a call. Each wait is 1.5 times the previous wait."""
GIVE_UP_AFTER_S = 3600.0
"""How long a server may be unavailable before the run ends. The batch continues on the server."""

MAX_SHOWN = 5
"""Messages about unusable results that are shown per batch."""


class _ServerUnavailableError(BackendError):
    """The server did not answer for `GIVE_UP_AFTER_S`. Whether it received the last call is unknown."""


@dataclass
class CellBatch:
    """The batches of one cell. `pending`: requests without a saved reply, by id."""

    backend: OpenAIBackend
    api: BatchAPI
    jobs: JobRegistry
    runner: CellRunner
    folder: Path
    pending: dict[CustomId, PlannedRequest] = field(default_factory=dict)
    cancelled: bool = False
    """A batch was cancelled during the wait: send no further batch."""
    broken: BackendError | None = None
    """The error that ends the cell: the server ignored a decoding constraint."""
    _files: int = 0
    _not_encodable: dict[CustomId, Response] = field(default_factory=dict)

    async def run(self, todo: list[PlannedRequest]) -> None:
        """Collect earlier batches of the cell, then send `todo` and all later requests, with retries."""
        cell = self.runner.cell
        earlier = await asyncio.to_thread(self.jobs.claim, cell_part(cell))
        while todo:
            self.pending |= {custom_id_of(cell, planned): planned for planned in todo}
            todo = await self.runner.next_requests()
        await _run_all([self._collect_earlier(job) for job in earlier])
        retries = self.runner.client.config.retries
        for attempt in range(1, retries + 2):
            if self.pending and not self.cancelled:
                parts = await asyncio.to_thread(lambda: list(self._parts()))
                for custom_id, response in self._not_encodable.items():
                    await self._save_errors([custom_id], response, attempt)
                self._not_encodable.clear()
                await _run_all([self._run_part(*part, attempt, last=attempt > retries) for part in parts])
        await self._save_errors(self.pending, failed("server", CANCELLED_MESSAGE, retry=True), 1)

    def _parts(self) -> Iterable[tuple[Path, str, list[CustomId]]]:
        """Write the pending requests to files within the server's limits; yield (file, endpoint, ids)."""
        endpoint = "/v1/embeddings" if self.runner.cell.task.embeds else "/v1/chat/completions"
        lines: list[bytes] = []
        ids: list[CustomId] = []
        size = 0
        for custom_id, planned in self.pending.items():
            try:
                line = request_line(self.backend, custom_id, planned.request)
            except ValueError as error:
                self._not_encodable[custom_id] = failed(
                    "bad_request", f"the request cannot be written as JSON: {error}"
                )
                continue
            if ids and (len(ids) == MAX_REQUESTS or size + len(line) > MAX_BYTES):
                yield self._write_file(lines), endpoint, ids
                lines, ids, size = [], [], 0
            lines.append(line)
            ids.append(custom_id)
            size += len(line)
        if ids:
            yield self._write_file(lines), endpoint, ids

    def _write_file(self, lines: list[bytes]) -> Path:
        path = self._new_path()
        path.write_bytes(b"".join(lines))
        return path

    def _new_path(self) -> Path:
        self._files += 1
        return self.folder / f"{self._files}.jsonl"

    async def _run_part(self, path: Path, endpoint: str, ids: list[CustomId], attempt: int, *, last: bool) -> None:
        """Send a file as a batch and save its results. `last`: failed requests are not retried."""
        job = await self._send(path, endpoint, len(ids))
        status = await self._wait_until_ended(job)
        if status.status == "failed":
            await asyncio.to_thread(self.jobs.forget, job)
            msg = f"{job.server} rejected the batch: {status.reason or 'no reason given'}"
            raise BackendError(msg, backend=job.backend)
        results, lost = await self._download(status)
        was_cancelled = status.status == "cancelled"
        last |= was_cancelled
        await self._save(results, attempt, last=last)
        if foreign := results.unused().keys() - set(ids):
            text = f"batch {job.batch_id}: ignored {len(foreign):,} results of requests that were not in the batch"
            self.runner.events.noted(self.runner.cell.name, text)
        missing = [custom_id for custom_id in ids if custom_id in self.pending and custom_id not in results]
        if last or lost:  # another batch would probably fail too: the user decides whether to pay for it
            reason = lost or f"the batch is {status.status} and has no reply to this request"
            reason = CANCELLED_MESSAGE if was_cancelled else reason
            await self._save_errors(missing, failed("server", reason, retry=True), attempt)
        if not lost:  # a single 404 must not discard results that were just paid for: the next run tries again
            await asyncio.to_thread(self.jobs.forget, job)
        self._raise_if_broken()

    async def _collect_earlier(self, job: BatchJob) -> None:
        """Save the results of a batch that an earlier process sent. Requests without a reply stay pending."""
        if not job.batch_id:
            created = await self._with_retries(lambda: self.api.find(job.token))
            if created is None:  # the earlier process ended before the server created the batch
                await asyncio.to_thread(self.jobs.forget, job)
                return
            job = replace(job, batch_id=created.batch_id)
            await asyncio.to_thread(self.jobs.save, job)
        before = await self._with_retries(lambda: self.api.status(job.batch_id))
        self.runner.events.waits(self.runner.cell, f"batch {job.batch_id} was sent {job.sent_at[:16]}, still running")
        status = before if before.status in ENDED else await self._wait_until_ended(job)
        self.cancelled |= status.status == "cancelled" != before.status
        results, _ = await self._download(status)
        await self._save(results, 1, last=self.cancelled)
        await asyncio.to_thread(self.jobs.forget, job)
        self._raise_if_broken()

    def _raise_if_broken(self) -> None:
        """End the cell as a direct run does, but only after all results are saved: the whole batch is paid for."""
        if self.broken is not None:
            raise self.broken

    async def _send(self, path: Path, endpoint: str, requests: int) -> BatchJob:
        """Create exactly one batch from a file. Without a reply, look for the batch before creating it again."""
        cell = self.runner.cell
        title = f"{cell.definition.name} {cell.name}"
        token = secrets.token_hex(16)
        job = BatchJob(token, cell.backend.name, self.api.url, cell_part(cell), title, requests, now())
        file_id = await self._with_retries(lambda: self.api.upload(path))
        await asyncio.to_thread(self.jobs.save, job)
        tried = False

        async def find_or_create() -> BatchStatus:
            nonlocal tried
            existing = await self.api.find(token) if tried else None
            tried = True
            return existing or await self.api.create(file_id, endpoint, token)

        try:
            status = await self._with_retries(find_or_create)
        except _ServerUnavailableError:
            # The server may have created the batch: the next run looks for it. Saved again, because another run may
            # have looked for it too early and deleted the job.
            await asyncio.to_thread(self.jobs.save, job)
            raise
        except BackendError:
            await asyncio.to_thread(self.jobs.forget, job)
            raise
        job = replace(job, batch_id=status.batch_id)
        await asyncio.to_thread(self.jobs.save, job)
        self.runner.events.waits(cell, f"batch {job.batch_id}: {plural(requests, 'request')} sent")
        return job

    async def _wait_until_ended(self, job: BatchJob) -> BatchStatus:
        """Poll a batch until it has ended; report each state and each tenth of its requests."""
        wait_s, reported = FIRST_WAIT_S, ("", 0)
        while True:
            status = await self._with_retries(lambda: self.api.status(job.batch_id))
            stage = status.status, 10 * (status.answered + status.failed) // job.requests
            if stage != reported:
                self.runner.events.waits(self.runner.cell, f"batch {job.batch_id} {status.text(job.requests)}")
                reported = stage
            if status.status in ENDED:
                return status
            wait_s = await _wait(wait_s)

    async def _download(self, status: BatchStatus) -> tuple[BatchResults, str]:
        """Download the result files; return their results, and the reason for a missing file ("" if none is)."""
        paths, lost = [], ""
        for file_id in status.files:
            path = self._new_path()
            try:
                await self._with_retries(partial(self.api.download, file_id, path))
                paths.append(path)
            except NoFileError as error:
                lost = f"no results from batch {status.batch_id}: {error}"
                self.runner.events.noted(self.runner.cell.name, lost)
        return await asyncio.to_thread(BatchResults, paths), lost

    async def _save(self, results: BatchResults, attempt: int, *, last: bool) -> None:
        """Save the results of pending requests, except errors that will be retried."""
        finished: list[Result] = []
        for custom_id in [custom_id for custom_id in self.pending if custom_id in results]:
            planned, result = self.pending[custom_id], results.take(custom_id)
            if result is None:
                response = failed("bad_reply", "two different replies have the id of this request", retry=True)
            else:
                response = self._response(planned, result)
            if response.error is None or not response.error.retryable or last:
                at = answered_at(result or {})
                finished.append(self.runner.read(planned, response, at, attempts=attempt))
                del self.pending[custom_id]
            if len(finished) == AT_ONCE:
                await self.runner.commit(finished)
                finished = []
        await self.runner.commit(finished)
        for problem in [*results.problems[:MAX_SHOWN], *_more(results.problems)]:
            self.runner.events.noted(self.runner.cell.name, f"batch results: {problem}")

    def _response(self, planned: PlannedRequest, result: Mapping[str, JSON]) -> Response:
        """Return the response of a result. A broken constraint is an error of its case only: the batch is paid for."""
        try:
            return response_of(self.backend, planned.request, result)
        except BackendError as error:
            self.broken = self.broken or error
            return failed("bad_reply", str(error))

    async def _save_errors(self, ids: Iterable[CustomId], response: Response, attempt: int) -> None:
        requests = [self.pending.pop(custom_id) for custom_id in list(ids)]
        if requests:
            await self.runner.commit([self.runner.read(each, response, now(), attempts=attempt) for each in requests])

    async def _with_retries(self, call: Callable[[], Awaitable[T]]) -> T:
        """Repeat a call, with growing waits, until the server answers or `GIVE_UP_AFTER_S` have passed."""
        since, wait_s, reported = monotonic(), FIRST_WAIT_S, False
        while True:
            try:
                return await call()
            except BusyError as error:
                if monotonic() - since > GIVE_UP_AFTER_S:
                    msg = (
                        f"{self.api.url} is unavailable: {error}; its batches continue: "
                        "collect them later with `harness run --batch --resume`"
                    )
                    raise _ServerUnavailableError(msg, backend=self.runner.cell.backend.name) from None
                if not reported:
                    self.runner.events.waits(self.runner.cell, f"{self.api.url} is unavailable, retrying: {error}")
                    reported = True
            wait_s = await _wait(wait_s)


async def _run_all(work: Sequence[Awaitable[None]]) -> None:
    """Run at the same time; the first error cancels the others and is raised."""

    async def run(each: Awaitable[None]) -> None:
        await each

    try:
        async with asyncio.TaskGroup() as group:
            for each in work:
                group.create_task(run(each))
    except BaseExceptionGroup as errors:
        raise first(errors) from None


def _more(problems: Sequence[str]) -> list[str]:
    return [f"and {len(problems) - MAX_SHOWN:,} more like these"] if len(problems) > MAX_SHOWN else []


async def _wait(wait_s: float) -> float:
    """Wait about `wait_s` seconds; return the length of the next wait."""
    await asyncio.sleep(uniform(0.8, 1.2) * wait_s)  # noqa: S311  spreads calls, no secret
    return min(1.5 * wait_s, LONGEST_WAIT_S)

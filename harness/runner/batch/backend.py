"""`harness run --batch`: the questions of a cell go up as files, and the answers come down when they are there.

What is under way is in the store (`_sent`), by the cell that it is of: whoever asks that cell next, after Ctrl-C, a
crash or a power cut, collects it before anything is asked anew.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import uniform
from tempfile import TemporaryDirectory
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

from harness.backends.http.errors import failed
from harness.backends.providers.openai import OpenAIBackend
from harness.core.errors import BackendError
from harness.core.ids import now
from harness.core.types import JSON, Billing, ModelInfo, Request, Response, Result
from harness.runner.batch.jsonl import GIVEN_UP, CustomId, answered_at, cell_part, id_of, line_of, response_of
from harness.runner.batch.results import BatchResults
from harness.runner.batch.status import ENDED, BatchStatus, BusyError, NoFileError
from harness.runner.cell_runner import AT_ONCE, CellRunner, PlannedRequest, first
from harness.store import batches
from harness.store.batches import BatchJob
from harness.store.runs import Store

if TYPE_CHECKING:
    from harness.runner.batch.openai_api import BatchAPI

T = TypeVar("T")

MOST_REQUESTS = 50_000
MOST_BYTES = 200_000_000
"""What OpenAI takes as one file: https://platform.openai.com/docs/guides/batch"""
FIRST_WAIT_S = 2.0
LONGEST_WAIT_S = 60.0
"""Between two looks at a batch, or two tries of a call; each wait is half as long again as the one before."""
PATIENCE_S = 3600.0
"""How long a server may be away before the run gives up. The batch goes on there all the same."""

SHOWN = 5
"""So many lines about strange results are shown of each batch."""


class BatchBackend:
    """A backend of the OpenAI protocol, asked through its server's Batch API."""

    concurrency = 1
    exclusive = False
    warm_up = False
    billing = Billing.BATCH

    def __init__(self, backend: OpenAIBackend, service: BatchAPI, store: Store) -> None:
        """`store` keeps what is under way."""
        self.backend = backend
        self.service = service
        self.store = store
        self._claimed: set[str] = set()
        self._claiming = Lock()

    async def identify(self) -> ModelInfo:
        """The model, as if it were asked at once: the answers are as good."""
        info = await self.backend.identify()
        return replace(info, note="; ".join(part for part in ("asked by batch", info.note) if part))

    async def complete(self, request: Request) -> Response:
        """One request by itself goes the usual way."""
        return await self.backend.complete(request)

    async def answer(self, answers: CellRunner, todo: list[PlannedRequest]) -> None:
        """Ask for `todo` and all that comes after it; every answer is saved when this returns."""
        with TemporaryDirectory(prefix="harness-batch-") as folder:
            await _CellBatch(self, answers, Path(folder)).work(todo)

    async def close(self) -> None:
        """Close the connections."""
        await self.service.close()
        await self.backend.close()

    def claim(self, cell: str) -> list[BatchJob]:
        """Batches of a cell that are under way on this server and nobody in this process waits for."""
        found = [sent for sent in batches.read(self.store) if (sent.cell, sent.server) == (cell, self.service.url)]
        with self._claiming:
            mine = [sent for sent in found if sent.token not in self._claimed]
            self._claimed.update(sent.token for sent in mine)
        return mine

    def keep(self, sent: BatchJob) -> None:
        """A batch of this process."""
        with self._claiming:
            self._claimed.add(sent.token)
        batches.write(self.store, sent)


class _ServerUnavailableError(BackendError):
    """The server was not to be had for so long that we gave up. What it has heard is not known."""


@dataclass
class _CellBatch:
    """One cell. `pending`: what has no answer yet, by id."""

    batched: BatchBackend
    answers: CellRunner
    folder: Path
    pending: dict[CustomId, PlannedRequest] = field(default_factory=dict)
    given_up: bool = False
    """A batch was cancelled while we waited for it: nobody wants the rest any more."""
    broken: BackendError | None = None
    """Why nothing more is to be asked: the server took no notice of a constraint."""
    _files: int = 0
    _unfit: dict[CustomId, Response] = field(default_factory=dict)

    async def work(self, todo: list[PlannedRequest]) -> None:
        cell = self.answers.cell
        earlier = await asyncio.to_thread(self.batched.claim, cell_part(cell))
        while todo:
            self.pending |= {id_of(cell, asked): asked for asked in todo}
            todo = await self.answers.next_requests()
        await self._gather([self._earlier(sent) for sent in earlier])
        retries = self.answers.client.config.retries
        for attempt in range(1, retries + 2):
            if self.pending and not self.given_up:
                parts = await asyncio.to_thread(lambda: list(self._parts()))
                for custom_id, response in self._unfit.items():
                    await self._save_errors([custom_id], response, attempt)
                self._unfit.clear()
                await self._gather([self._part(*part, attempt, last=attempt > retries) for part in parts])
        await self._save_errors(self.pending, failed("server", GIVEN_UP, retry=True), 1)

    async def _gather(self, work: Sequence[Awaitable[None]]) -> None:
        """All at the same time."""

        async def each(one: Awaitable[None]) -> None:
            await one

        try:
            async with asyncio.TaskGroup() as group:
                for one in work:
                    group.create_task(each(one))
        except BaseExceptionGroup as errors:
            raise first(errors) from None

    def _parts(self) -> Iterable[tuple[Path, str, list[CustomId]]]:
        """What is pending as files that the server takes, each with its endpoint."""
        endpoint = "/v1/embeddings" if self.answers.cell.task.embeds else "/v1/chat/completions"
        lines: list[bytes] = []
        ids: list[CustomId] = []
        size = 0
        for custom_id, asked in self.pending.items():
            try:
                line = line_of(self.batched.backend, custom_id, asked.request)
            except ValueError as error:
                self._unfit[custom_id] = failed("bad_request", f"what is asked fits into no JSON: {error}")
                continue
            if ids and (len(ids) == MOST_REQUESTS or size + len(line) > MOST_BYTES):
                yield self._written(lines), endpoint, ids
                lines, ids, size = [], [], 0
            lines.append(line)
            ids.append(custom_id)
            size += len(line)
        if ids:
            yield self._written(lines), endpoint, ids

    def _written(self, lines: list[bytes]) -> Path:
        path = self._file()
        path.write_bytes(b"".join(lines))
        return path

    def _file(self) -> Path:
        self._files += 1
        return self.folder / f"{self._files}.jsonl"

    async def _part(self, path: Path, endpoint: str, ids: list[CustomId], attempt: int, *, last: bool) -> None:
        """Send a file, and save what comes of it. `last`: what fails is not tried again."""
        sent = await self._send(path, endpoint, len(ids))
        seen = await self._ended(sent)
        if seen.status == "failed":
            await asyncio.to_thread(batches.forget, self.batched.store, sent.token)
            msg = f"{sent.server} refuses the batch: {seen.why or 'no reason is given'}"
            raise BackendError(msg, backend=sent.backend)
        found, lost = await self._fetched(seen)
        last |= seen.status == "cancelled"  # nobody wants the rest any more
        await self._save(found, attempt, last=last)
        if strange := found.left_over().keys() - set(ids):
            told = f"batch {sent.batch_id}: {len(strange):,} results of requests that were not in it are not used"
            self.answers.events.noted(self.answers.cell.name, told)
        missing = [custom_id for custom_id in ids if custom_id in self.pending and custom_id not in found]
        if last or lost:  # a further batch would go the same way: what it costs is for the user to say
            why = lost or f"the batch {seen.status} without an answer to this"
            why = GIVEN_UP if seen.status == "cancelled" else why
            await self._save_errors(missing, failed("server", why, retry=True), attempt)
        if not lost:  # what was paid a moment ago is not given up because of one 404: the next run looks again
            await asyncio.to_thread(batches.forget, self.batched.store, sent.token)
        self._stop_if_broken()

    async def _earlier(self, sent: BatchJob) -> None:
        """Collect what an earlier process has asked for. What it got no answer to is asked anew."""
        if not sent.batch_id:
            found = await self._patiently(lambda: self.batched.service.find(sent.token))
            if found is None:  # the process ended before the server had heard of it
                await asyncio.to_thread(batches.forget, self.batched.store, sent.token)
                return
            sent = replace(sent, batch_id=found.batch_id)
            await asyncio.to_thread(self.batched.keep, sent)
        before = await self._patiently(lambda: self.batched.service.look(sent.batch_id))
        self.answers.events.waits(self.answers.cell, f"batch {sent.batch_id} is under way since {sent.sent_at[:16]}")
        seen = before if before.status in ENDED else await self._ended(sent)
        self.given_up |= seen.status == "cancelled" != before.status
        answers, _ = await self._fetched(seen)
        await self._save(answers, 1, last=self.given_up)
        await asyncio.to_thread(batches.forget, self.batched.store, sent.token)
        self._stop_if_broken()

    def _stop_if_broken(self) -> None:
        """End the cell as a direct run does, but after all that a batch has said is saved: it is paid as a whole."""
        if self.broken is not None:
            raise self.broken

    async def _send(self, path: Path, endpoint: str, requests: int) -> BatchJob:
        """Make a batch of a file, exactly one: where no answer comes, it is looked for before it is made again."""
        service, cell = self.batched.service, self.answers.cell
        title = f"{cell.definition.name} {cell.name}"
        token, name = secrets.token_hex(16), cell.backend.name
        sent = BatchJob(token, name, service.url, cell_part(cell), title, requests, now())
        file_id = await self._patiently(lambda: service.upload(path))
        await asyncio.to_thread(self.batched.keep, sent)
        tried = False

        async def made() -> BatchStatus:
            nonlocal tried
            found = await service.find(token) if tried else None
            tried = True
            return found or await service.create(file_id, endpoint, token)

        try:
            seen = await self._patiently(made)
        except _ServerUnavailableError:
            # It may have heard us: whoever comes next looks for the batch. Noted again, because another run may have
            # looked in vain before the server heard, and have forgotten it.
            await asyncio.to_thread(self.batched.keep, sent)
            raise
        except BackendError:
            await asyncio.to_thread(batches.forget, self.batched.store, token)
            raise
        sent = replace(sent, batch_id=seen.batch_id)
        await asyncio.to_thread(self.batched.keep, sent)
        self.answers.events.waits(cell, f"batch {sent.batch_id}: {requests:,} requests sent")
        return sent

    async def _ended(self, sent: BatchJob) -> BatchStatus:
        """Look at a batch until it stays as it is."""
        wait_s, told = FIRST_WAIT_S, ("", 0)
        while True:
            seen = await self._patiently(lambda: self.batched.service.look(sent.batch_id))
            stage = seen.status, 10 * (seen.answered + seen.failed) // sent.requests
            if stage != told:
                self.answers.events.waits(self.answers.cell, f"batch {sent.batch_id} {seen.told(sent.requests)}")
                told = stage
            if seen.status in ENDED:
                return seen
            wait_s = await _waited(wait_s)

    async def _fetched(self, seen: BatchStatus) -> tuple[BatchResults, str]:
        """What the files of a batch say; and why there are no answers from one of them, where that is so."""
        paths, lost = [], ""
        for file_id in seen.files:
            path = self._file()
            try:
                await self._patiently(partial(self.batched.service.fetch, file_id, path))
                paths.append(path)
            except NoFileError as error:
                lost = f"no answers from batch {seen.batch_id}: {error}"
                self.answers.events.noted(self.answers.cell.name, lost)
        return await asyncio.to_thread(BatchResults, paths), lost

    async def _save(self, found: BatchResults, attempt: int, *, last: bool) -> None:
        """Save what has been found of what is pending, but for errors that are worth another try."""
        results: list[Result] = []
        for custom_id in [custom_id for custom_id in self.pending if custom_id in found]:
            asked, said = self.pending[custom_id], found.take(custom_id)
            if said is None:
                response = failed("bad_reply", "two different answers have the id of this request", retry=True)
            else:
                response = self._response(asked, said)
            if response.error is None or not response.error.retryable or last:
                when = answered_at(said or {})
                results.append(self.answers.read(asked, response, when, attempts=attempt))
                del self.pending[custom_id]
            if len(results) == AT_ONCE:
                await self.answers.commit(results)
                results = []
        await self.answers.commit(results)
        for problem in [*found.problems[:SHOWN], *_more(found.problems)]:
            self.answers.events.noted(self.answers.cell.name, f"results of the batch: {problem}")

    def _response(self, asked: PlannedRequest, said: Mapping[str, JSON]) -> Response:
        """What a result says. One that breaks its constraint is an error of its case: the others are paid, too."""
        try:
            return response_of(self.batched.backend, asked.request, said)
        except BackendError as error:
            self.broken = self.broken or error
            return failed("bad_reply", str(error))

    async def _save_errors(self, ids: Iterable[CustomId], response: Response, attempt: int) -> None:
        asked = [self.pending.pop(custom_id) for custom_id in list(ids)]
        if asked:
            await self.answers.commit([self.answers.read(each, response, now(), attempts=attempt) for each in asked])

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """Try until the server answers, ever more slowly."""
        since, wait_s, told = monotonic(), FIRST_WAIT_S, False
        while True:
            try:
                return await call()
            except BusyError as error:
                url = self.batched.service.url
                if monotonic() - since > PATIENCE_S:
                    msg = (
                        f"{url} is not to be had: {error}; batches under way go on there: "
                        "`harness run --batch --resume` collects them"
                    )
                    raise _ServerUnavailableError(msg, backend=self.answers.cell.backend.name) from None
                if not told:
                    self.answers.events.waits(self.answers.cell, f"{url} is busy or away, trying again: {error}")
                    told = True
            wait_s = await _waited(wait_s)


def _more(problems: Sequence[str]) -> list[str]:
    return [f"and {len(problems) - SHOWN:,} more like these"] if len(problems) > SHOWN else []


async def _waited(wait_s: float) -> float:
    """Wait about so long, and return how long the next wait is."""
    await asyncio.sleep(uniform(0.8, 1.2) * wait_s)  # noqa: S311  it spreads calls and hides nothing
    return min(1.5 * wait_s, LONGEST_WAIT_S)

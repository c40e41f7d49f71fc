"""The router as its users see it."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self

from harness import backends
from harness.core.ids import now
from harness.core.types import JSON
from harness.project import config, routing
from harness.project.config import BackendConfig
from harness.router._ask import Answer, EvalRequest
from harness.router._chat import Chat
from harness.router._member import Connect
from harness.router._service import TargetPool


def _connect(backend: BackendConfig) -> backends.Backend:
    return backends.connect(backend)


class ModelRouter:
    """Asks the backend that `routing.toml` names for a task, and the next one where that does not answer.

    An async context manager; without `async with`, the first call starts it and `close` ends it. It belongs to the
    event loop that it was started in.
    """

    def __init__(self, path: Path, connect: Connect = _connect) -> None:
        """Use `from_file`. `connect` makes the backends."""
        project = config.load(path.resolve().parent)
        backends.check(project)
        self._service = TargetPool(routing.load(path, project), path, project, connect)
        self.chat = Chat(self._service)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str] = routing.FILE_NAME) -> Self:
        """The router of a `routing.toml`, and of the `harness.toml` beside it or above it.

        Raises `ConfigError` for what is wrong in them, `BackendUnavailable` for a key that is missing. Asks nobody.
        """
        return cls(Path(path))

    async def ask(self, task: str, /, **inputs: JSON) -> Answer:
        """Ask by the prompt of the task's eval, in the variant of whoever is asked, and read the reply.

        `inputs` are what a case of its golden dataset has. Raises `AllBackendsFailed`, and `ConfigError` for a task or
        an input that is not there.
        """
        called_at = now()
        service = self._service
        work = service.work(task)
        escalate = service.routing.tasks[task].on_broken_contract == "escalate"
        chain = await service.chain(task, EvalRequest(work, inputs, escalate=escalate))
        kept = inputs if service.keeps_texts else None
        member, (response, reading) = await service.run(chain, called_at=called_at, inputs=kept)
        variant = member.config.variant
        value: JSON = reading.strict if reading.compliant else reading.lenient
        if work.task.embeds and value is not None:
            value = response.vector  # its reading only says of it how long it is
        service.note(
            chain,
            member,
            work.digests[variant],
            called_at=called_at,
            variant=variant,
            prompt_tokens=response.prompt_tokens,
            completion_tokens=response.completion_tokens,
            compliant=reading.compliant,
            violations=reading.violations,
            value=reading.lenient if service.keeps_texts or work.is_label(reading.lenient) else None,
            reply_chars=len(response.text),
            inputs=kept,
            reply=response.text if service.keeps_texts else None,
        )
        return Answer(
            value=value,
            reading=reading,
            response=response,
            backend=member.name,
            variant=variant,
            usd=chain.usd,
            latency_s=chain.wall_s,
            fallback=chain.reason(member),
            attempts=chain.attempts,
        )

    @property
    def dropped(self) -> int:
        """Rows of the log that were not written: the queue was full, or the database did not take them."""
        return self._service.log.dropped

    @property
    def down(self) -> dict[str, str]:
        """The backends that are left alone now, and why: for a health check."""
        members = self._service.members
        return {name: member.breaker.why.message for name, member in members.items() if member.breaker.why is not None}

    async def start(self) -> None:
        """Have every backend answer a probe, its model loaded, for at most `[probe] start_s` seconds."""
        await self._service.start()

    async def close(self) -> None:
        """End the probes, close the connections, write what is left of the log."""
        await self._service.close()

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

"""`ModelRouter`, the public class."""

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
from harness.router._chat_completions import Chat
from harness.router._eval_request import Answer, EvalRequest
from harness.router._target import Connect
from harness.router._target_pool import TargetPool


def _connect(backend: BackendConfig) -> backends.Backend:
    return backends.connect(backend)


class ModelRouter:
    """Sends each task to the backends that `routing.toml` names, in order, until one answers.

    An async context manager. Without `async with`, the first call starts the router and `close` ends it. A router
    belongs to the event loop in which it was started.
    """

    def __init__(self, path: Path, connect: Connect = _connect) -> None:
        """Use `from_file`. `connect` creates the backends."""
        project = config.load(path.resolve().parent)
        backends.check(project)
        self._pool = TargetPool(routing.load(path, project), path, project, connect)
        self.chat = Chat(self._pool)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str] = routing.FILE_NAME) -> Self:
        """Create a router from a `routing.toml` and the `harness.toml` in its folder or above. Sends no request.

        Raises `ConfigError` for an error in either file, `BackendUnavailable` for a missing API key.
        """
        return cls(Path(path))

    async def ask(self, task: str, /, **inputs: JSON) -> Answer:
        """Render the prompt of the task's eval in the variant of each target, and read the reply.

        `inputs` are the inputs of a case in the eval's golden dataset. Raises `AllBackendsFailed` if no backend
        answers, `ConfigError` for an unknown task, `PromptError` for inputs that do not fit the prompt.
        """
        called_at = now()
        pool = self._pool
        spec = pool.spec(task)
        escalate = pool.routing.tasks[task].on_broken_contract == "escalate"
        call = await pool.new_call(task, EvalRequest(spec, inputs, escalate=escalate))
        logged_inputs = inputs if pool.keeps_texts else None
        target, (response, reading) = await pool.run(call, called_at=called_at, inputs=logged_inputs)
        variant = target.config.variant
        value: JSON = reading.strict if reading.compliant else reading.lenient
        if spec.task.embeds and value is not None:
            value = response.vector  # the reading holds only the vector's length
        pool.log_call(
            call,
            target,
            spec.digests[variant],
            called_at=called_at,
            variant=variant,
            prompt_tokens=response.prompt_tokens,
            completion_tokens=response.completion_tokens,
            compliant=reading.compliant,
            violations=reading.violations,
            value=reading.lenient if pool.keeps_texts or spec.is_label(reading.lenient) else None,
            reply_chars=len(response.text),
            inputs=logged_inputs,
            reply=response.text if pool.keeps_texts else None,
        )
        return Answer(
            value=value,
            reading=reading,
            response=response,
            backend=target.name,
            variant=variant,
            usd=call.usd,
            latency_s=call.wall_s,
            fallback=call.fallback_reason(target),
            attempts=call.attempts,
        )

    @property
    def dropped(self) -> int:
        """Number of log rows that were not written: the queue was full, or the database did not accept them."""
        return self._pool.log.dropped

    @property
    def down(self) -> dict[str, str]:
        """Backends whose circuit breaker is open now, and why. For a health check."""
        targets = self._pool.targets
        reasons = {name: target.breaker.open_reason for name, target in targets.items()}
        return {name: reason.message for name, reason in reasons.items() if reason is not None}

    async def start(self) -> None:
        """Probe every backend and load its model; waits at most `[probe] start_s` seconds."""
        await self._pool.start()

    async def close(self) -> None:
        """Stop the probes, close the connections, and write the rest of the log."""
        await self._pool.close()

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

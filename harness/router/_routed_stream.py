"""A streamed reply: passes on the SDK's chunks and detects truncated streams."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from openai import AsyncStream
from openai.types.chat import ChatCompletionChunk

from harness.core.errors import BackendError
from harness.core.types import CallError
from harness.router._sdk_errors import SDK_ERRORS, call_error, chunk_error
from harness.router._target import Target

_log = logging.getLogger("harness.router")


class RoutedStream:
    """Result of `create(stream=True)`: an async iterator of the SDK's chunks, and a context manager that closes it.

    Fallback to another backend ends with the first chunk: a stream that breaks off later raises `BackendError`.
    """

    def __init__(
        self,
        stream: AsyncStream[ChatCompletionChunk],
        first: ChatCompletionChunk,
        target: Target,
        *,
        hide_usage: bool = False,
    ) -> None:
        """Args: `first` was already read from `stream`; `hide_usage` drops the chunk that holds only token counts."""
        self.stream = stream
        self.chars = 0
        self.text: list[str] = []
        self.usage: Any = None
        self.error: CallError | None = None
        """Why the stream broke off; `None` if it did not."""
        self.on_end: Callable[[RoutedStream], None] = lambda _: None
        """Called once, when the stream ends or breaks off."""
        self.keep_text = False
        self.target = target
        self._first: ChatCompletionChunk | None = first
        self._generation = target.breaker.generation
        self._hide_usage = hide_usage
        self._started_choices: set[int] = set()
        self._finished_choices: set[int] = set()
        self._ended = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ChatCompletionChunk:
        chunk = await self._next()
        while self._hide_usage and chunk.usage and not chunk.choices:
            chunk = await self._next()
        return chunk

    async def _next(self) -> ChatCompletionChunk:
        if self.error is not None:
            raise self._exception(self.error)
        silent_s = self.target.config.timeout_s
        try:
            async with asyncio.timeout(silent_s):  # keep-alive comments are not chunks and do not reset the time-out
                chunk, self._first = (self._first, None) if self._first else (await anext(self.stream), None)
        except StopAsyncIteration:
            if not self._ended and (not self._finished_choices or self._started_choices - self._finished_choices):
                raise self._fail(CallError("connection", "the connection ended before the reply")) from None
            self._end()
            raise
        except TimeoutError:
            raise self._fail(CallError("timeout", f"no data for {silent_s:g} s")) from None
        except asyncio.CancelledError:
            self.error = CallError("cancelled", "the caller cancelled")
            self._end()
            raise
        except SDK_ERRORS as error:
            raise self._fail(call_error(error, self.target.secrets)) from None
        if (invalid := chunk_error(chunk)) is not None:
            raise self._fail(invalid)
        self._record(chunk)
        return chunk

    def _record(self, chunk: ChatCompletionChunk) -> None:
        self.usage = chunk.usage or self.usage
        for choice in chunk.choices or ():
            self._started_choices.add(choice.index)
            if choice.finish_reason:
                self._finished_choices.add(choice.index)
            text = choice.delta.content if choice.delta else None
            if text:
                self.chars += len(text)
                if self.keep_text:
                    self.text.append(text)

    def _fail(self, error: CallError) -> BackendError:
        """Record a failure of the backend, unless another task closed the stream during the read."""
        if self._ended:
            return self._exception(CallError("closed", "the stream was closed"))
        self.error = error
        if self.target.breaker.record_failure(self._generation, error):
            _log.warning("backend %s: circuit breaker opened: %s: %s", self.target.name, error.kind, error.message)
        self._end()
        return self._exception(error)

    def _exception(self, error: CallError) -> BackendError:
        msg = f"the stream broke off after {self.chars:,} characters: {error.message}"
        return BackendError(msg, backend=self.target.name, kind=error.kind)

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            if self.error is None:
                self.target.breaker.record_success(self._generation)
            self.on_end(self)

    async def close(self) -> None:
        """Close the connection; the server stops generating."""
        self._end()
        await self.stream.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

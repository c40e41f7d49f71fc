"""A streamed reply: the SDK's chunks as they come, watched for an end that is none."""

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
from harness.router._faults import SDK_ERRORS, fault, unusable_chunk
from harness.router._member import Target

_log = logging.getLogger("harness.router")


class RoutedStream:
    """What `create(stream=True)` gives: an async iterator of the SDK's chunks, and a context manager that closes it.

    Another backend can take over until the first chunk is there, and not after it: a stream that breaks off then raises
    `BackendError`.
    """

    def __init__(
        self,
        stream: AsyncStream[ChatCompletionChunk],
        first: ChatCompletionChunk,
        member: Target,
        *,
        hide_usage: bool = False,
    ) -> None:
        """`first` has been taken from `stream`. `hide_usage`: the chunk that only tells the tokens is for us."""
        self.stream = stream
        self.chars = 0
        self.text: list[str] = []
        self.usage: Any = None
        self.broken: CallError | None = None
        """Why it broke off, if it did."""
        self.tell: Callable[[RoutedStream], None] = lambda _: None
        """Hears once, when no more will come."""
        self.keep_text = False
        self.member = member
        self._first: ChatCompletionChunk | None = first
        self._era = member.breaker.era
        self._hide_usage = hide_usage
        self._begun: set[int] = set()
        self._finished: set[int] = set()
        self._told = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ChatCompletionChunk:
        chunk = await self._next()
        while self._hide_usage and chunk.usage and not chunk.choices:
            chunk = await self._next()
        return chunk

    async def _next(self) -> ChatCompletionChunk:
        if self.broken is not None:
            raise self._error(self.broken)
        silent_s = self.member.config.timeout_s
        try:
            async with asyncio.timeout(silent_s):  # comments that keep a connection alive are no chunks
                chunk, self._first = (self._first, None) if self._first else (await anext(self.stream), None)
        except StopAsyncIteration:
            if not self._told and (not self._finished or self._begun - self._finished):
                raise self._broke_off(CallError("connection", "it ended before the reply did")) from None
            self._end()
            raise
        except TimeoutError:
            raise self._broke_off(CallError("timeout", f"nothing has come for {silent_s:g} s")) from None
        except asyncio.CancelledError:
            self.broken = CallError("cancelled", "who read it has given up")
            self._end()
            raise
        except SDK_ERRORS as error:
            raise self._broke_off(fault(error, self.member.secrets)) from None
        if (wrong := unusable_chunk(chunk)) is not None:
            raise self._broke_off(wrong)
        self._look(chunk)
        return chunk

    def _look(self, chunk: ChatCompletionChunk) -> None:
        self.usage = chunk.usage or self.usage
        for choice in chunk.choices or ():
            self._begun.add(choice.index)
            if choice.finish_reason:
                self._finished.add(choice.index)
            text = choice.delta.content if choice.delta else None
            if text:
                self.chars += len(text)
                if self.keep_text:
                    self.text.append(text)

    def _broke_off(self, error: CallError) -> BackendError:
        """No more comes: the backend's fault, unless somebody has closed the stream while another was reading it."""
        if self._told:
            return self._error(CallError("closed", "it was closed"))
        self.broken = error
        if self.member.breaker.failed(self._era, error):
            _log.warning("backend %s is left alone: %s: %s", self.member.name, error.kind, error.message)
        self._end()
        return self._error(error)

    def _error(self, error: CallError) -> BackendError:
        msg = f"the stream broke off after {self.chars:,} characters: {error.message}"
        return BackendError(msg, backend=self.member.name, kind=error.kind)

    def _end(self) -> None:
        if not self._told:
            self._told = True
            if self.broken is None:
                self.member.breaker.succeeded(self._era)
            self.tell(self)

    async def close(self) -> None:
        """Hang up; the server stops writing."""
        self._end()
        await self.stream.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

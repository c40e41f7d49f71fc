"""`router.chat.completions.create`: the OpenAI SDK's call, with `task=` instead of `model=`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, overload

from openai.types.chat import ChatCompletion

from harness.core.ids import now
from harness.core.types import CallError
from harness.router._fallback import FallbackCall
from harness.router._routed_stream import RoutedStream
from harness.router._sdk_errors import SDK_ERRORS, TargetFailed, call_error, chunk_error, reply_error, token_counts
from harness.router._target import Target
from harness.router._target_pool import TargetPool

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageParam


class Chat:
    """Namespace that makes the call read like the SDK's."""

    def __init__(self, pool: TargetPool) -> None:
        """Args: `pool` holds the backends."""
        self.completions = Completions(pool)


class Completions:
    """Namespace of `create`, the routed call."""

    def __init__(self, pool: TargetPool) -> None:
        """Args: `pool` holds the backends."""
        self._pool = pool

    @overload
    async def create(
        self,
        *,
        task: str,
        messages: Iterable[ChatCompletionMessageParam],
        stream: Literal[False] = False,
        **more: Any,
    ) -> ChatCompletion: ...

    @overload
    async def create(
        self, *, task: str, messages: Iterable[ChatCompletionMessageParam], stream: Literal[True], **more: Any
    ) -> RoutedStream: ...

    async def create(
        self, *, task: str, messages: Iterable[ChatCompletionMessageParam], stream: bool = False, **more: Any
    ) -> ChatCompletion | RoutedStream:
        """Return a chat completion from the first backend of `task` that answers; `more` goes to the SDK unchanged.

        Raises `AllBackendsFailed` if no backend answers, and `ConfigError` for a task that is not in routing.toml.
        """
        if "model" in more:
            msg = "create() takes no model: routing.toml names the backends of each task"
            raise TypeError(msg)
        params = {"messages": list(messages), **more}
        return await (self._stream(task, params) if stream else self._complete(task, params))

    async def _complete(self, task: str, params: dict[str, Any]) -> ChatCompletion:
        called_at = now()
        pool = self._pool
        call = await pool.new_call(task, _WholeChatRequest(params))
        inputs = _loggable(params) if pool.keeps_texts else None
        target, reply = await pool.run(call, called_at=called_at, inputs=inputs)
        prompt_tokens, completion_tokens = token_counts(reply.usage)
        text = reply.choices[0].message.content or ""
        pool.log_call(
            call,
            target,
            called_at=called_at,
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            reply_chars=len(text),
            inputs=inputs,
            reply=text if pool.keeps_texts else None,
        )
        return reply

    async def _stream(self, task: str, params: dict[str, Any]) -> RoutedStream:
        called_at = now()
        pool = self._pool
        call = await pool.new_call(task, _StreamedChatRequest(params))
        inputs = _loggable(params) if pool.keeps_texts else None
        target, stream = await pool.run(call, called_at=called_at, inputs=inputs)

        def log_stream(stream: RoutedStream) -> None:
            counts = token_counts(stream.usage)
            call.add_cost(target.usd(*counts))
            pool.log_call(
                call,
                target,
                called_at=called_at,
                prompt_tokens=counts[0],
                completion_tokens=counts[1],
                reply_chars=stream.chars,
                inputs=inputs,
                reply="".join(stream.text) if pool.keeps_texts else None,
                error=stream.error.kind if stream.error else "",
            )

        stream.keep_text, stream.on_end = pool.keeps_texts, log_stream
        return stream


_MAY_HOLD_KEYS = frozenset({"extra_headers", "extra_query", "extra_body"})
"""SDK parameters that may contain an API key."""


def _loggable(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that may be logged with `[log] texts`."""
    return {name: value for name, value in params.items() if name not in _MAY_HOLD_KEYS}


class _ChatRequest:
    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.max_tokens: int = params.get("max_completion_tokens") or params.get("max_tokens") or 0

    def chars(self, _target: Target) -> int:
        return sum(len(str(message)) for message in self.params["messages"])


class _WholeChatRequest(_ChatRequest):
    streams = False

    async def send(self, target: Target, call: FallbackCall[ChatCompletion]) -> ChatCompletion:
        client = await target.client()
        try:
            reply: ChatCompletion = await client.chat.completions.create(**target.adapter.adapt(self.params))
        except SDK_ERRORS as error:
            raise TargetFailed(call_error(error, target.secrets)) from None
        if (invalid := reply_error(reply, target.secrets)) is not None:
            raise TargetFailed(invalid)
        call.add_cost(target.usd(*token_counts(reply.usage)))
        return reply

    async def discard(self, reply: ChatCompletion, call: FallbackCall[ChatCompletion]) -> None:
        pass


class _StreamedChatRequest(_ChatRequest):
    streams = True

    def __init__(self, params: dict[str, Any]) -> None:
        super().__init__(params)
        # A stream reports its tokens only on request. If the caller did not request them, the chunk is hidden.
        self._hide_usage = "stream_options" not in params
        if self._hide_usage:
            self.params = {**params, "stream_options": {"include_usage": True}}

    async def send(self, target: Target, _call: FallbackCall[RoutedStream]) -> RoutedStream:
        client = await target.client()
        try:
            stream = await client.chat.completions.create(**target.adapter.adapt(self.params), stream=True)
            first = await anext(stream)
        except StopAsyncIteration:
            raise TargetFailed(CallError("bad_reply", "an empty stream", retryable=True)) from None
        except SDK_ERRORS as error:
            raise TargetFailed(call_error(error, target.secrets)) from None
        if (invalid := chunk_error(first)) is not None:
            await stream.close()
            raise TargetFailed(invalid)
        return RoutedStream(stream, first, target, hide_usage=self._hide_usage)

    async def discard(self, reply: RoutedStream, call: FallbackCall[RoutedStream]) -> None:
        call.add_cost(reply.target.usd(None, None))
        await reply.close()

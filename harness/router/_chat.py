"""`router.chat.completions.create`: the SDK's call, with `task=` in the place of `model=`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, overload

from openai.types.chat import ChatCompletion

from harness.core.ids import now
from harness.core.types import CallError
from harness.router._chain import FallbackCall
from harness.router._faults import SDK_ERRORS, TargetFailed, fault, tokens, unusable, unusable_chunk
from harness.router._member import Target
from harness.router._service import TargetPool
from harness.router._stream import RoutedStream

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageParam


class Chat:
    """So that the call reads as the SDK's."""

    def __init__(self, service: TargetPool) -> None:
        """`service` knows the backends."""
        self.completions = Completions(service)


class Completions:
    """The routed call."""

    def __init__(self, service: TargetPool) -> None:
        """`service` knows the backends."""
        self._service = service

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
        """One chat completion of whichever backend of `task` answers; `more` goes to the SDK as it is.

        Raises `AllBackendsFailed`, and `ConfigError` for a task that is not in routing.toml.
        """
        if "model" in more:
            msg = "create() takes no model: routing.toml says which backend a task goes to"
            raise TypeError(msg)
        asked = {"messages": list(messages), **more}
        return await (self._streamed(task, asked) if stream else self._whole(task, asked))

    async def _whole(self, task: str, asked: dict[str, Any]) -> ChatCompletion:
        called_at = now()
        service = self._service
        chain = await service.chain(task, _WholeChatRequest(asked))
        inputs = _kept(asked) if service.keeps_texts else None
        member, reply = await service.run(chain, called_at=called_at, inputs=inputs)
        prompt_tokens, completion_tokens = tokens(reply.usage)
        text = reply.choices[0].message.content or ""
        service.note(
            chain,
            member,
            called_at=called_at,
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            reply_chars=len(text),
            inputs=inputs,
            reply=text if service.keeps_texts else None,
        )
        return reply

    async def _streamed(self, task: str, asked: dict[str, Any]) -> RoutedStream:
        called_at = now()
        service = self._service
        chain = await service.chain(task, _StreamedChatRequest(asked))
        inputs = _kept(asked) if service.keeps_texts else None
        member, stream = await service.run(chain, called_at=called_at, inputs=inputs)

        def ended(stream: RoutedStream) -> None:
            told = tokens(stream.usage)
            chain.spend(member.usd(*told))
            service.note(
                chain,
                member,
                called_at=called_at,
                prompt_tokens=told[0],
                completion_tokens=told[1],
                reply_chars=stream.chars,
                inputs=inputs,
                reply="".join(stream.text) if service.keeps_texts else None,
                error=stream.broken.kind if stream.broken else "",
            )

        stream.keep_text, stream.tell = service.keeps_texts, ended
        return stream


_OF_THE_WIRE = frozenset({"extra_headers", "extra_query", "extra_body"})
"""Parameters of the SDK that may hold a key."""


def _kept(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What of a call goes into the log where texts do."""
    return {name: value for name, value in asked.items() if name not in _OF_THE_WIRE}


class _ChatRequest:
    """What both ways of asking have in common."""

    def __init__(self, asked: dict[str, Any]) -> None:
        self.asked = asked
        self.max_tokens: int = asked.get("max_completion_tokens") or asked.get("max_tokens") or 0

    def chars(self, _member: Target) -> int:
        return sum(len(str(message)) for message in self.asked["messages"])


class _WholeChatRequest(_ChatRequest):
    streams = False

    async def ask(self, member: Target, chain: FallbackCall[ChatCompletion]) -> ChatCompletion:
        client = await member.client()
        try:
            reply: ChatCompletion = await client.chat.completions.create(**member.dialect.spoken(self.asked))
        except SDK_ERRORS as error:
            raise TargetFailed(fault(error, member.secrets)) from None
        if (wrong := unusable(reply, member.secrets)) is not None:
            raise TargetFailed(wrong)
        chain.spend(member.usd(*tokens(reply.usage)))
        return reply

    async def drop(self, answer: ChatCompletion, chain: FallbackCall[ChatCompletion]) -> None:
        pass


class _StreamedChatRequest(_ChatRequest):
    streams = True

    def __init__(self, asked: dict[str, Any]) -> None:
        """Without it nobody tells what a streamed reply has cost; the caller does not see the chunk that does."""
        super().__init__(asked)
        self._for_us = "stream_options" not in asked
        if self._for_us:
            self.asked = {**asked, "stream_options": {"include_usage": True}}

    async def ask(self, member: Target, _chain: FallbackCall[RoutedStream]) -> RoutedStream:
        client = await member.client()
        try:
            stream = await client.chat.completions.create(**member.dialect.spoken(self.asked), stream=True)
            first = await anext(stream)
        except StopAsyncIteration:
            raise TargetFailed(CallError("bad_reply", "a stream with nothing in it", retryable=True)) from None
        except SDK_ERRORS as error:
            raise TargetFailed(fault(error, member.secrets)) from None
        if (wrong := unusable_chunk(first)) is not None:
            await stream.close()
            raise TargetFailed(wrong)
        return RoutedStream(stream, first, member, hide_usage=self._for_us)

    async def drop(self, answer: RoutedStream, chain: FallbackCall[RoutedStream]) -> None:
        chain.spend(answer.member.usd(None, None))
        await answer.close()

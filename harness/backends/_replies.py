"""Our response from what came over the OpenAI protocol: the SDK does not check what a server sends."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from math import nan
from typing import Any

from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion

from harness.backends._http import failed, one_line
from harness.types import JSON, Response

_BROKEN = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError)


def chat_response(completion: object, latency_s: float) -> Response:
    """What a chat completion says, or the error `bad_reply`."""
    if not isinstance(completion, ChatCompletion):
        return failed("bad_reply", f"not a chat completion: {one_line(completion, 80)}", retry=True)
    try:
        choice: Any = completion.choices[0]  # the SDK's types are only what a server should send
        message = choice.message
        content, refusal = message.content or "", message.refusal or None
        sent = (call.model_dump(mode="json", warnings=False) for call in message.tool_calls or ())
        calls = tool_calls((call.get("id"), call["function"]) for call in sent)
        usage = completion.usage
        tokens = (usage.prompt_tokens, usage.completion_tokens) if usage else (None, None)
    except _BROKEN as error:
        missing = "a usable message" if getattr(completion, "choices", None) else "choices"
        return failed("bad_reply", f"a chat completion without {missing}: {error}", retry=True)
    if not isinstance(content, str) or not isinstance(refusal, str | None):
        return failed("bad_reply", "a chat completion whose content is no text", retry=True)
    return Response(
        text=content,
        finish_reason=str(choice.finish_reason or ""),
        prompt_tokens=_count(tokens[0]),
        completion_tokens=_count(tokens[1]),
        latency_s=latency_s,
        refusal=refusal,
        tool_calls=calls,
        prompt_s=_timing(completion, "prompt_ms"),
        generation_s=_timing(completion, "predicted_ms"),
        model=" ".join(str(part) for part in (completion.model, completion.system_fingerprint) if part),
    )


def _timing(completion: ChatCompletion, name: str) -> float | None:
    """One of llama.cpp's own times, which it tells beside the protocol, in seconds."""
    told = (completion.model_extra or {}).get("timings")
    value = told.get(name) if isinstance(told, dict) else None
    return value / 1000 if isinstance(value, int | float) else None


def vector_response(reply: object, latency_s: float) -> Response:
    """The vector of an embedding reply, or the error `bad_reply`."""
    if not isinstance(reply, CreateEmbeddingResponse):
        return failed("bad_reply", f"not an embedding: {one_line(reply, 80)}", retry=True)
    try:
        numbers = vector(reply.data[0].embedding)
        tokens = reply.usage.prompt_tokens if reply.usage else None
    except _BROKEN as error:
        return failed("bad_reply", f"an embedding reply without a usable vector: {error}", retry=True)
    return Response(vector=numbers, prompt_tokens=_count(tokens), latency_s=latency_s, model=str(reply.model or ""))


def vector(numbers: object) -> tuple[float, ...]:
    """A list of numbers as floats; raises `ValueError` for anything else.

    `null` is how a JSON encoder says NaN, and stays one: that a model gives such numbers is for the contract to say.
    """
    if not isinstance(numbers, list) or not numbers:
        msg = f"expected numbers, got {one_line(numbers, 40)!r}"
        raise ValueError(msg)
    return tuple(nan if n is None else _float(n) for n in numbers)


def tool_calls(calls: Iterable[tuple[object, Mapping[str, JSON]]]) -> tuple[Mapping[str, JSON], ...]:
    """Calls `(id, {"name", "arguments"})` in the shape of the OpenAI protocol; raises `ValueError` for a nameless one.

    Arguments are the text that was sent; a server that sends a value instead gets that written as JSON.
    """
    shaped = []
    for place, (id_, function) in enumerate(calls):
        name, arguments = function.get("name"), function.get("arguments")
        if not isinstance(name, str):
            msg = f"a tool call of {one_line(name, 40)!r}"
            raise ValueError(msg)  # noqa: TRY004  what a server sends is a value
        text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        called = {"name": name, "arguments": text}
        shaped.append({"id": str(id_ or f"call_{place}"), "type": "function", "function": called})
    return tuple(shaped)


def _float(number: object) -> float:
    if not isinstance(number, int | float):
        msg = f"{one_line(number, 40)!r} is no number"
        raise ValueError(msg)  # noqa: TRY004  what a server sends is a value
    return float(number)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) else None

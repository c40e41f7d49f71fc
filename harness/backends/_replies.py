"""Our response from what came over the OpenAI protocol: nothing of it is sure to be there, or of its kind."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from math import nan

from harness.backends._http import failed, one_line
from harness.types import JSON, Response

_BROKEN = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError)


def chat_response(completion: JSON, latency_s: float) -> Response:
    """What a chat completion says, or the error `bad_reply`."""
    if not isinstance(completion, dict):
        return failed("bad_reply", f"not a chat completion: {one_line(completion, 80)}", retry=True)
    try:
        choice = completion["choices"][0]
        message = choice["message"]
        content, refusal = message.get("content") or "", message.get("refusal") or None
        calls = tool_calls((call.get("id"), call["function"]) for call in message.get("tool_calls") or ())
        usage = completion.get("usage") or {}
        tokens = usage.get("prompt_tokens"), usage.get("completion_tokens")
    except _BROKEN as error:
        missing = "a usable message" if completion.get("choices") else "choices"
        said = completion.get("error")  # some servers answer 200 to what they cannot do
        why = f": {one_line(said, 120)}" if said else f" ({type(error).__name__}: {one_line(error, 80)})"
        return failed("bad_reply", f"a chat completion without {missing}{why}", retry=True)
    if not isinstance(content, str) or not isinstance(refusal, str | None):
        return failed("bad_reply", "a chat completion whose content is no text", retry=True)
    return Response(
        text=content,
        finish_reason=str(choice.get("finish_reason") or ""),
        prompt_tokens=_count(tokens[0]),
        completion_tokens=_count(tokens[1]),
        latency_s=latency_s,
        refusal=refusal,
        tool_calls=calls,
        prompt_s=_timing(completion, "prompt_ms"),
        generation_s=_timing(completion, "predicted_ms"),
        model=" ".join(str(completion[key]) for key in ("model", "system_fingerprint") if completion.get(key)),
    )


def _timing(completion: Mapping[str, JSON], name: str) -> float | None:
    """One of llama.cpp's own times, which it tells beside the protocol, in seconds."""
    told = completion.get("timings")
    value = told.get(name) if isinstance(told, dict) else None
    return value / 1000 if isinstance(value, int | float) else None


def vector_response(reply: JSON, latency_s: float) -> Response:
    """The vector of an embedding reply, or the error `bad_reply`."""
    if not isinstance(reply, dict):
        return failed("bad_reply", f"not an embedding: {one_line(reply, 80)}", retry=True)
    try:
        numbers = vector(reply["data"][0]["embedding"])
        tokens = (reply.get("usage") or {}).get("prompt_tokens")
    except _BROKEN as error:
        return failed("bad_reply", f"an embedding reply without a usable vector: {error}", retry=True)
    model = str(reply.get("model") or "")
    return Response(vector=numbers, prompt_tokens=_count(tokens), latency_s=latency_s, model=model)


def refusal_of(status: int, body: JSON) -> tuple[str, str]:
    """What a server that refuses says, in the words of the SDK, and OpenAI's code for it.

    Servers word it in four ways: `{"error": {"message", "code"}}`, `{"error": text}`, `{"message"}`, `{"detail"}`.
    """
    whole = body if isinstance(body, dict) else {}
    told = whole.get("error") or whole
    if not isinstance(told, dict):
        told = {"message": told}
    message = told.get("message") or told.get("detail") or ""
    return f"Error code: {status}" + (f" - {message}" if message else ""), str(told.get("code") or "")


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

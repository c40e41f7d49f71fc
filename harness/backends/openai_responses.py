"""Our response from what came over the OpenAI protocol: nothing of it is sure to be there, or of its kind."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from math import nan

from harness.backends.http.errors import failed, safe_line
from harness.core.types import JSON, Response

MOST_TOKENS = 1_000_000_000
_BROKEN = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError)


def chat_response(completion: JSON, latency_s: float, secrets: Sequence[str] = ()) -> Response:
    """What a chat completion says, or the error `bad_reply`. `secrets` stand in no error."""
    if not isinstance(completion, dict):
        return failed("bad_reply", f"not a chat completion: {safe_line(completion, secrets, 80)}", retry=True)
    try:
        choice = completion["choices"][0]
        message = choice["message"]
        content, refusal = message.get("content") or "", message.get("refusal") or None
        calls = tool_calls((call.get("id"), call["function"]) for call in message.get("tool_calls") or ())
        usage = completion.get("usage") or {}
        tokens = usage.get("prompt_tokens"), usage.get("completion_tokens")
    except _BROKEN as error:
        missing = "a usable message" if completion.get("choices") else "choices"
        told = completion.get("error")  # some servers answer 200 to what they cannot do
        why = (
            f": {safe_line(told, secrets, 120)}"
            if told
            else f" ({type(error).__name__}: {safe_line(error, secrets, 80)})"
        )
        return failed("bad_reply", f"a chat completion without {missing}{why}", retry=True)
    if not isinstance(content, str) or not isinstance(refusal, str | None):
        return failed("bad_reply", "a chat completion whose content is no text", retry=True)
    return Response(
        text=content,
        finish_reason=str(choice.get("finish_reason") or ""),
        prompt_tokens=count(tokens[0]),
        completion_tokens=count(tokens[1]),
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


def vector_response(reply: JSON, latency_s: float, secrets: Sequence[str] = ()) -> Response:
    """The vector of an embedding reply, or the error `bad_reply`. `secrets` stand in no error."""
    if not isinstance(reply, dict):
        return failed("bad_reply", f"not an embedding: {safe_line(reply, secrets, 80)}", retry=True)
    try:
        numbers = vector(reply["data"][0]["embedding"])
        tokens = (reply.get("usage") or {}).get("prompt_tokens")
    except _BROKEN as error:
        return failed(
            "bad_reply", f"an embedding reply without a usable vector: {safe_line(error, secrets)}", retry=True
        )
    model = str(reply.get("model") or "")
    return Response(vector=numbers, prompt_tokens=count(tokens), latency_s=latency_s, model=model)


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
        msg = f"expected numbers, got {_kind(numbers)}"
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
            msg = f"a tool call whose name is {_kind(name)}"
            raise ValueError(msg)  # noqa: TRY004  what a server sends is a value
        text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        called = {"name": name, "arguments": text}
        shaped.append({"id": str(id_ or f"call_{place}"), "type": "function", "function": called})
    return tuple(shaped)


def _kind(value: object) -> str:
    """What a value is instead: not what it says, which may be a key."""
    return "nothing" if value in (None, [], "") else f"a {type(value).__name__}"


def _float(number: object) -> float:
    if not isinstance(number, int | float):
        msg = f"{_kind(number)} among the numbers"
        raise ValueError(msg)  # noqa: TRY004  what a server sends is a value
    return float(number)


def count(value: object) -> int | None:
    """A number of tokens, or `None` for what can be none: it is added up, and multiplied by a price."""
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else None

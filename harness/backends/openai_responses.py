"""Parse JSON replies of the OpenAI protocol. Any part may be missing or have the wrong type."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from math import inf, nan

from harness.backends.http.errors import failed, safe_line
from harness.core.types import JSON, Response

MOST_TOKENS = 1_000_000_000
MOST_LOGPROBS = 20
MOST_TOKEN_CHARACTERS = 100
ROUNDING = 0.01
"""Log-probabilities up to this value count as 0: servers round."""

_BROKEN = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError)


def chat_response(completion: JSON, latency_s: float, secrets: Sequence[str] = ()) -> Response:
    """Parse a chat completion; the error `bad_reply` if it is invalid. Errors do not contain `secrets`."""
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
        problem = completion.get("error")  # some servers reply 200 to requests that they cannot serve
        why = (
            f": {safe_line(problem, secrets, 120)}"
            if problem
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
        first_token=_first_token(choice),
        model=" ".join(str(completion[key]) for key in ("model", "system_fingerprint") if completion.get(key)),
    )


def _first_token(choice: Mapping[str, JSON]) -> tuple[tuple[str, float], ...]:
    """The likeliest first tokens with their log-probabilities; empty if the server reports none or invalid ones."""
    try:
        first = choice["logprobs"]["content"][0]
        listed = first.get("top_logprobs") or [first]
        pairs = [(str(each["token"])[:MOST_TOKEN_CHARACTERS], float(each["logprob"])) for each in listed]
    except _BROKEN:
        return ()
    sound = {token: logprob for token, logprob in pairs if -inf < logprob <= ROUNDING}
    return tuple((token, min(0.0, logprob)) for token, logprob in list(sound.items())[:MOST_LOGPROBS])


def _timing(completion: Mapping[str, JSON], name: str) -> float | None:
    """A timing in seconds that llama.cpp adds to the protocol."""
    timings = completion.get("timings")
    value = timings.get(name) if isinstance(timings, dict) else None
    return value / 1000 if isinstance(value, int | float) else None


def vector_response(reply: JSON, latency_s: float, secrets: Sequence[str] = ()) -> Response:
    """Parse an embedding reply; the error `bad_reply` if it is invalid. Errors do not contain `secrets`."""
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
    """Message and code of an error reply; the message has the SDK's wording.

    Servers use four forms: `{"error": {"message", "code"}}`, `{"error": text}`, `{"message"}`, `{"detail"}`.
    """
    fields = body if isinstance(body, dict) else {}
    error = fields.get("error") or fields
    if not isinstance(error, dict):
        error = {"message": error}
    message = error.get("message") or error.get("detail") or ""
    return f"Error code: {status}" + (f" - {message}" if message else ""), str(error.get("code") or "")


def vector(numbers: object) -> tuple[float, ...]:
    """A list of numbers as floats; raises `ValueError` for anything else.

    `null` is NaN from some JSON encoders and becomes NaN: the contract judges such vectors.
    """
    if not isinstance(numbers, list) or not numbers:
        msg = f"expected numbers, got {_kind(numbers)}"
        raise ValueError(msg)
    return tuple(nan if n is None else _float(n) for n in numbers)


def tool_calls(calls: Iterable[tuple[object, Mapping[str, JSON]]]) -> tuple[Mapping[str, JSON], ...]:
    """Calls `(id, {"name", "arguments"})` in the shape of the OpenAI protocol; raises `ValueError` without a name.

    Arguments are the text of the reply; another value is written as JSON.
    """
    shaped = []
    for place, (id_, function) in enumerate(calls):
        name, arguments = function.get("name"), function.get("arguments")
        if not isinstance(name, str):
            msg = f"a tool call whose name is {_kind(name)}"
            raise ValueError(msg)  # noqa: TRY004  data of a server
        text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        called = {"name": name, "arguments": text}
        shaped.append({"id": str(id_ or f"call_{place}"), "type": "function", "function": called})
    return tuple(shaped)


def _kind(value: object) -> str:
    """The type of a value, for messages. The value itself may hold a key."""
    return "nothing" if value in (None, [], "") else f"a {type(value).__name__}"


def _float(number: object) -> float:
    if not isinstance(number, int | float):
        msg = f"{_kind(number)} among the numbers"
        raise ValueError(msg)  # noqa: TRY004  data of a server
    return float(number)


def count(value: object) -> int | None:
    """A number of tokens; `None` for an impossible number, because counts are summed and priced."""
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else None

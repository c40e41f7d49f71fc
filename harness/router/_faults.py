"""What the OpenAI SDK raises, as the kinds of failure that the whole harness knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import openai
from openai.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessage
from openai.types.chat.chat_completion_chunk import Choice, ChoiceDelta

from harness.backends.http.errors import failed_status, safe_line
from harness.backends.http.openai_sdk import HTTP_ERROR, TIME_OUT
from harness.backends.http.transport import TooLargeError
from harness.backends.openai_responses import count
from harness.core.types import CallError

SDK_ERRORS = (
    openai.OpenAIError,
    HTTP_ERROR,
    TooLargeError,
    ValueError,
    OverflowError,
    AttributeError,
    LookupError,
    RecursionError,
)
"""What a call of the SDK raises for what a server or the network does: it does not check the shape of a reply. A
`TypeError` is the caller's own."""


class TargetFailed(Exception):
    """One backend has not answered one call, and why. It goes no further than the chain, which asks the next one."""

    def __init__(self, error: CallError) -> None:
        super().__init__(error.message)
        self.error = error


def fault(error: BaseException, secrets: Sequence[str]) -> CallError:
    """Why a call failed; `secrets`: keys, which servers like to repeat when they do not accept them."""
    large = next((one for one in (error, error.__cause__) if isinstance(one, TooLargeError)), None)
    if large is not None:
        return CallError("too_large", str(large))
    if isinstance(error, (openai.APITimeoutError, TIME_OUT)):
        return CallError("timeout", "the server has stopped answering", retryable=True)
    if isinstance(error, (openai.APIConnectionError, HTTP_ERROR)):
        cause = error.__cause__ or error
        return CallError("connection", safe_line(cause, secrets) or type(cause).__name__, retryable=True)
    if isinstance(error, openai.APIStatusError):
        told = safe_line(error.message, secrets) or type(error).__name__
        if error.status_code in (401, 403, 404):
            return CallError("refused", told, status=error.status_code)
        kind = failed_status(error.status_code, told, error.response.headers).error
        return kind or CallError("server", told, status=error.status_code, retryable=True)
    return CallError("bad_reply", f"not a chat completion: {safe_line(error, secrets, 120)}", retryable=True)


def unusable(reply: object, secrets: Sequence[str]) -> CallError | None:
    """What is wrong with a reply that came with status 200."""
    choices: object = reply.choices if isinstance(reply, ChatCompletion) else None
    if not isinstance(choices, list) or not choices:
        told = safe_line(getattr(reply, "error", None) or reply, secrets, 120)
        return CallError("bad_reply", f"not a chat completion: {told}", retryable=True)
    messages = [getattr(choice, "message", None) for choice in choices]
    if not all(isinstance(m, ChatCompletionMessage) and isinstance(m.content, str | None) for m in messages):
        return CallError("bad_reply", "a chat completion without a usable message", retryable=True)
    return None


def unusable_chunk(chunk: object) -> CallError | None:
    """What is wrong with a part of a stream."""
    choices: object = chunk.choices if isinstance(chunk, ChatCompletionChunk) else 0
    if isinstance(choices, list | None) and all(map(_is_part, choices or ())):
        return None
    return CallError("bad_reply", "a part of it is none of a chat completion", retryable=True)


def _is_part(choice: object) -> bool:
    if not isinstance(choice, Choice):
        return False
    delta: object = choice.delta
    return delta is None or (isinstance(delta, ChoiceDelta) and isinstance(delta.content, str | None))


def tokens(usage: Any) -> tuple[int | None, int | None]:
    """Prompt and completion tokens, where a server tells them as numbers."""
    return count(getattr(usage, "prompt_tokens", None)), count(getattr(usage, "completion_tokens", None))

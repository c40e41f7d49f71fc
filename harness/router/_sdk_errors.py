"""Map the OpenAI SDK's exceptions and malformed replies to `CallError`."""

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
"""What an SDK call raises because of the server or the network. The SDK does not validate replies, hence the built-in
exceptions. Not `TypeError`: the caller's own mistake."""


class TargetFailed(Exception):
    """One backend did not answer one call. Caught by the fallback chain."""

    def __init__(self, error: CallError) -> None:
        super().__init__(error.message)
        self.error = error


def call_error(error: BaseException, secrets: Sequence[str]) -> CallError:
    """Return why a call failed. `secrets` are removed from the message: servers repeat a key that they reject."""
    too_large = next((e for e in (error, error.__cause__) if isinstance(e, TooLargeError)), None)
    if too_large is not None:
        return CallError("too_large", str(too_large))
    if isinstance(error, (openai.APITimeoutError, TIME_OUT)):
        return CallError("timeout", "the server stopped responding", retryable=True)
    if isinstance(error, (openai.APIConnectionError, HTTP_ERROR)):
        cause = error.__cause__ or error
        return CallError("connection", safe_line(cause, secrets) or type(cause).__name__, retryable=True)
    if isinstance(error, openai.APIStatusError):
        text = safe_line(error.message, secrets) or type(error).__name__
        if error.status_code in (401, 403, 404):
            return CallError("refused", text, status=error.status_code)
        classified = failed_status(error.status_code, text, error.response.headers).error
        return classified or CallError("server", text, status=error.status_code, retryable=True)
    return CallError("bad_reply", f"not a chat completion: {safe_line(error, secrets, 120)}", retryable=True)


def reply_error(reply: object, secrets: Sequence[str]) -> CallError | None:
    """Return what is wrong with a reply of status 200; `None` if it is valid."""
    choices: object = reply.choices if isinstance(reply, ChatCompletion) else None
    if not isinstance(choices, list) or not choices:
        text = safe_line(getattr(reply, "error", None) or reply, secrets, 120)
        return CallError("bad_reply", f"not a chat completion: {text}", retryable=True)
    messages = [getattr(choice, "message", None) for choice in choices]
    if not all(isinstance(m, ChatCompletionMessage) and isinstance(m.content, str | None) for m in messages):
        return CallError("bad_reply", "a chat completion without a usable message", retryable=True)
    return None


def chunk_error(chunk: object) -> CallError | None:
    """Return what is wrong with a chunk of a stream; `None` if it is valid."""
    choices: object = chunk.choices if isinstance(chunk, ChatCompletionChunk) else 0
    if isinstance(choices, list | None) and all(map(_is_valid_choice, choices or ())):
        return None
    return CallError("bad_reply", "a chunk that is not part of a chat completion", retryable=True)


def _is_valid_choice(choice: object) -> bool:
    if not isinstance(choice, Choice):
        return False
    delta: object = choice.delta
    return delta is None or (isinstance(delta, ChoiceDelta) and isinstance(delta.content, str | None))


def token_counts(usage: Any) -> tuple[int | None, int | None]:
    """Return prompt and completion tokens; `None` for a count that the server did not send as a number."""
    return count(getattr(usage, "prompt_tokens", None)), count(getattr(usage, "completion_tokens", None))

"""What the OpenAI SDK raises, as the kinds of failure that the whole harness knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import openai
from openai.types.chat import ChatCompletion

from harness.backends._http import failed_status, one_line
from harness.backends._sdk import HTTP_ERROR, TIME_OUT
from harness.backends._transport import TooLargeError
from harness.types import CallError

SDK_ERRORS = (openai.OpenAIError, HTTP_ERROR, TooLargeError, ValueError, OverflowError)
"""What a call of the SDK raises for what a server or the network does; a `TypeError` is the caller's own."""


class Failed(Exception):
    """One backend has not answered one call, and why. It goes no further than the chain, which asks the next one."""

    def __init__(self, error: CallError) -> None:
        super().__init__(error.message)
        self.error = error


def fault(error: Exception, secrets: Sequence[str]) -> CallError:
    """Why a call failed; `secrets`: keys, which servers like to repeat when they do not accept them."""
    large = next((one for one in (error, error.__cause__) if isinstance(one, TooLargeError)), None)
    if large is not None:
        return CallError("too_large", str(large))
    if isinstance(error, (openai.APITimeoutError, TIME_OUT)):
        return CallError("timeout", "the server has stopped answering", retryable=True)
    if isinstance(error, (openai.APIConnectionError, HTTP_ERROR)):
        return CallError("connection", _said(error.__cause__ or error, secrets), retryable=True)
    if isinstance(error, openai.APIStatusError):
        said = _said(error.message, secrets)
        if error.status_code in (401, 403, 404):
            return CallError("refused", said, status=error.status_code)
        told = failed_status(error.status_code, said, error.response.headers).error
        return told or CallError("server", said, status=error.status_code, retryable=True)
    return CallError("bad_reply", f"not a chat completion: {_said(error, secrets)}", retryable=True)


def unusable(reply: object) -> CallError | None:
    """What is wrong with a reply that came with status 200: the SDK does not check what a server sends."""
    choices: Any = reply.choices if isinstance(reply, ChatCompletion) else None
    if not choices:
        said = getattr(reply, "error", None) or reply
        return CallError("bad_reply", f"not a chat completion: {one_line(said, 120)}", retryable=True)
    if getattr(choices[0], "message", None) is None:
        return CallError("bad_reply", "a chat completion without a message", retryable=True)
    return None


def tokens(usage: Any) -> tuple[int | None, int | None]:
    """Prompt and completion tokens, where a server tells them as numbers."""
    counts = (getattr(usage, name, None) for name in ("prompt_tokens", "completion_tokens"))
    prompt, completion = (count if isinstance(count, int) else None for count in counts)
    return prompt, completion


def without(secrets: Sequence[str], text: str) -> str:
    """A text in which no key stands. What is shorter than any key would take common words out."""
    for secret in secrets:
        if len(secret) > 4:
            text = text.replace(secret, "***")
    return text


def _said(text: object, secrets: Sequence[str]) -> str:
    return without(secrets, one_line(text) or type(text).__name__)

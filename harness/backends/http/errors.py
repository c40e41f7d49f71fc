"""Responses for failed calls; addresses and messages without passwords and keys."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from time import time
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from harness.core.types import CallError, Response

MAX_REPLY_CHARS = 4_000_000
"""Longer replies are a fault of the server and become the error `too_large`."""
LONG_TEXT = re.compile(r"too large to process|input length exceeds", re.IGNORECASE)
"""llama.cpp and Ollama reply 500 to a text that is too long to be embedded; a retry cannot succeed."""


def bad_url(url: str) -> str:
    """The problem with a server's address; empty if valid. Does not repeat the address, which may hold a password."""
    try:
        parts = urlsplit(url)
        is_valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_valid = False
    return "" if is_valid else "expected http://host:port or https://host"


def shown_url(url: str) -> str:
    """The address without user and password."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")


def basic(parts: SplitResult) -> str:
    """The Authorization header for user and password of an address; empty if it has neither."""
    if parts.username is None and parts.password is None:
        return ""
    pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def passwords(url: str) -> tuple[str, ...]:
    """The password of an address in each form in which it is sent, to be removed from messages."""
    parts = urlsplit(url)
    forms = (parts.password or "", unquote(parts.password or ""), basic(parts).removeprefix("Basic "))
    return tuple(form for form in forms if form)


async def get_json(url: str, headers: Mapping[str, str] | None = None, timeout_s: float = 10.0) -> Any:
    """Fetch an optional JSON endpoint; `None` if it does not exist, is no JSON, or times out."""
    import httpx  # takes 0.1 s to import, and servers of the OpenAI protocol do not need it

    try:
        async with asyncio.timeout(timeout_s), httpx.AsyncClient(timeout=timeout_s, follow_redirects=True) as client:
            reply = await client.get(url, headers=dict(headers or {}))
            return reply.raise_for_status().json()
    except (httpx.HTTPError, TimeoutError, ValueError):
        return None


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait before a retry: `retry-after-ms`, or `retry-after` as seconds or a date."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            return max(0.0, float(value) / unit)
        except ValueError:
            try:
                return max(0.0, parsedate_to_datetime(value).timestamp() - time())
            except ValueError:
                continue
    return None


def one_line(text: object, at_most: int = 300) -> str:
    """The text on one line, cut to `at_most` characters."""
    return " ".join(str(text).split())[:at_most]


def without_secrets(secrets: Sequence[str], text: str) -> str:
    """The text with `***` for each secret, because servers repeat keys that they reject.

    Secrets of up to 4 characters are kept, because removing them would damage common words.
    """
    for secret in secrets:
        if len(secret) > 4:
            text = text.replace(secret, "***")
    return text


def safe_line(text: object, secrets: Sequence[str], at_most: int = 300) -> str:
    """The text on one line, without secrets. They are removed before the cut, which could leave half a key."""
    return one_line(without_secrets(secrets, str(text)), at_most)


def failed(
    kind: str, message: str, *, status: int | None = None, retry: bool = False, after_s: float | None = None
) -> Response:
    """A failed call: a response with an error, its message cut to one line."""
    return Response(error=CallError(kind, one_line(message), status=status, retryable=retry, retry_after_s=after_s))


def checked_size(response: Response) -> Response:
    """The response, or the error `too_large` in its place."""
    size = len(response.text) + len(response.refusal or "") + len(response.vector)
    size += sum(len(str(call)) for call in response.tool_calls)
    if size <= MAX_REPLY_CHARS:
        return response
    return failed("too_large", f"a reply of {size:,} characters; the limit is {MAX_REPLY_CHARS:,}")


def failed_status(status: int, message: str, headers: Mapping[str, str]) -> Response:
    """A failed call for an HTTP status that concerns this call only."""
    if status == 429:
        return failed("rate_limit", message, status=status, retry=True, after_s=retry_after_s(headers))
    if status >= 500 and LONG_TEXT.search(message):
        return failed("bad_request", message, status=status)
    if status in (408, 409) or status >= 500:
        return failed("server", message, status=status, retry=True, after_s=retry_after_s(headers))
    return failed("bad_request", message, status=status)

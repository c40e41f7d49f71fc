"""Small things that every backend over HTTP needs."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from time import time
from typing import Any

from harness.types import CallError, Response

MAX_REPLY_CHARS = 4_000_000
"""A longer reply is a fault of the server, not an answer."""


async def get_json(url: str, headers: Mapping[str, str] | None = None, timeout_s: float = 10.0) -> Any:
    """What a side endpoint says, or `None` where it does not exist or says no JSON."""
    request = urllib.request.Request(url, headers=dict(headers or {}))  # noqa: S310  the user's own server

    def fetch() -> Any:
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as reply:  # noqa: S310
                return json.load(reply)
        except (urllib.error.URLError, OSError, ValueError):
            return None

    return await asyncio.to_thread(fetch)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks us to wait: `retry-after-ms`, or `retry-after` as seconds or a date."""
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


def failed(
    kind: str, message: str, *, status: int | None = None, retry: bool = False, after_s: float | None = None
) -> Response:
    """A response that is an error, its message cut to one line."""
    line = " ".join(message.split())[:300]
    return Response(error=CallError(kind, line, status=status, retryable=retry, retry_after_s=after_s))


def failed_status(status: int, message: str, headers: Mapping[str, str]) -> Response:
    """A response for an HTTP status that is no success and does not concern every call."""
    if status == 429:
        return failed("rate_limit", message, status=status, retry=True, after_s=retry_after_s(headers))
    if status in (408, 409) or status >= 500:
        return failed("server", message, status=status, retry=True, after_s=retry_after_s(headers))
    return failed("bad_request", message, status=status)

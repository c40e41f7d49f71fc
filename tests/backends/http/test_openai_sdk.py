"""Behaviour of the SDK client only. Tests of both clients are in test_roads.py and the folder openai."""

from __future__ import annotations

import asyncio

import openai
import pytest

from harness.backends.http.openai_sdk import OpenAISDKTransport
from harness.backends.http.transport import TooLargeError
from harness.core.types import Response

from ...support.backend_calls import ask, configured
from ...support.wire import Wire, reply, wire
from ..conftest import by_the_sdk


@pytest.fixture(autouse=True)
def _by_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    by_the_sdk(monkeypatch)


def answer(server: Wire) -> Response:
    return ask(configured("openai", server.base_url))[0]


def test_sdk_headers_accept_only_supported_encodings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    with wire([reply()]) as server:
        assert answer(server).text == "billing"
        head = server.head(0)
        assert (head["openai-organization"], head["accept-encoding"]) == ("org-1", "gzip, deflate")
        assert head["user-agent"].startswith("AsyncOpenAI/")


def test_header_with_a_line_break_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1\r\nx-other: 1")
    with wire([reply()]) as server:
        error = answer(server).error
        assert error is not None
        assert error.kind == "connection"
        assert server.requests == []


def test_non_ascii_header_is_accepted() -> None:
    with wire([reply("billing", "x-region: Z\u00fcrich")]) as server:
        assert answer(server).text == "billing"


def test_too_large_error_survives_sdk_version_2(monkeypatch: pytest.MonkeyPatch) -> None:
    sdk = OpenAISDKTransport("http://127.0.0.1:9/v1", "none", 1.0)

    async def wrapped(*_: object, **__: object) -> None:
        raise openai.APIConnectionError(request=None) from TooLargeError()  # type: ignore[arg-type]

    monkeypatch.setattr(sdk._client, "get", wrapped)
    with pytest.raises(TooLargeError):
        asyncio.run(sdk.get("models"))

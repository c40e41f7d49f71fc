"""Both HTTP clients over raw sockets: host names, redirects, and passwords that stay secret."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from harness.core.types import Message

from ...support.backend_calls import ask, configured, request
from ...support.protocol import error_of, texts
from ...support.wire import reply, wire
from .conftest import asked

pytestmark = pytest.mark.usefixtures("way")


def test_unknown_host_name_is_a_call_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    found = error_of(ask(configured("openai", "http://vllm.example/v1"))[0])
    assert (found.kind, found.retryable) == ("connection", True)
    assert "Name or service not known" in found.message


@pytest.mark.parametrize(("status", "method"), [(301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")])
def test_a_redirect_is_followed_as_by_the_sdk(status: int, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "mine-123456")
    sent_on = reply(b"", "location: /elsewhere?a=b%20c", status=f"{status} Sent On")
    with wire([sent_on], [reply()]) as server:
        assert texts(asked(server, api_key_env="MY_KEY")) == ["billing"]
        assert server.requests[1].startswith(f"{method} /elsewhere?a=b%20c HTTP/1.1\r\n")
        assert server.head(1)["authorization"] == "Bearer mine-123456"
        assert ("I was charged twice" in server.requests[1]) == (method == "POST")


def test_the_key_is_not_sent_on_to_another_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "mine-123456")
    with wire([reply()]) as other, wire([reply(b"", f"location: {other.root}/v1", status="308 There")]) as server:
        assert texts(asked(server, 2, api_key_env="MY_KEY")) == ["billing"] * 2
        assert "mine-123456" in server.requests[1]
        assert "mine-123456" not in "".join(other.requests)


@pytest.mark.parametrize("location", ["/v1/chat/completions", "ftp://127.0.0.1/", "http://", "http://[::1", "//"])
def test_invalid_redirect_is_a_call_error(location: str) -> None:
    with wire([reply(b"", f"location: {location}", status="307 Round And Round")]) as server:
        assert error_of(asked(server)[0]).kind == "connection"


def test_user_and_password_are_sent_and_never_shown() -> None:
    with wire(
        [reply()], [reply(b'{"error": "Basic bWU6czNjcmV0IQ== is wrong, me:s3cret! is"}', status="500 No")]
    ) as server:
        base_url = server.base_url.replace("://", "://me:s3cret%21@")
        first, second = ask(configured("openai", base_url), request(), request())
        assert first.text == "billing"
        assert server.head(0)["authorization"] == "Basic bWU6czNjcmV0IQ=="
        assert error_of(second).message == "Error code: 500 - Basic *** is wrong, me:*** is"


def test_ipv6_address_is_accepted() -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    try:
        with wire([reply()], host="::1") as server:
            assert texts(asked(server)) == ["billing"]
            assert server.head(0)["host"] == server.root.removeprefix("http://")
    except OSError:
        pytest.skip("this machine has no IPv6")


def test_lone_surrogate_in_a_prompt_is_rejected_unsent() -> None:
    with wire([reply()]) as server:
        half = replace(request(), messages=(Message("user", "half \ud83d of it"),))
        found = error_of(ask(configured("openai", server.base_url), half)[0])
        assert (found.kind, found.retryable) == ("bad_request", False)
        assert server.requests == []

"""Failed calls over the OpenAI protocol: no reply, error statuses, rejected keys."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from harness.core.errors import BackendError, BackendUnavailable

from ...support.backend_calls import ask, configured, identify, request
from ...support.protocol import error_of
from ...support.servers import FakeOpenAI, Reply, error
from .conftest import KEY, reply_to_one

pytestmark = pytest.mark.usefixtures("way")


def test_slow_server_times_out(server: FakeOpenAI) -> None:
    found = error_of(reply_to_one(server, Reply(delay_s=1.0), timeout_s=0.1))
    assert (found.kind, found.message, found.retryable) == ("timeout", "no answer within 0.1 s", True)


def test_dropped_connection_is_retryable(server: FakeOpenAI) -> None:
    found = error_of(reply_to_one(server, Reply(drop=True)))
    assert (found.kind, found.retryable) == ("connection", True)


def test_closed_port_fails_the_call_and_identification(unused_port: int) -> None:
    config = configured("openai", f"http://127.0.0.1:{unused_port}/v1")
    found = error_of(ask(config)[0])
    assert (found.kind, found.retryable) == ("connection", True)
    with pytest.raises(
        BackendUnavailable, match=rf"no answer from http://127.0.0.1:{unused_port}/v1 \(.+\): is the server"
    ):
        identify(config)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_rejected_request_is_an_error_without_retry(server: FakeOpenAI, status: int) -> None:
    found = error_of(reply_to_one(server, error(status, "context of 4096\nis too short")))
    assert (found.kind, found.status, found.retryable) == ("bad_request", status, False)
    assert "context of 4096 is too short" in found.message


@pytest.mark.parametrize("status", [408, 409, 500, 502, 503, 529])
def test_server_errors_are_retryable(server: FakeOpenAI, status: int) -> None:
    found = error_of(reply_to_one(server, error(status, Retry_After="3")))
    assert (found.kind, found.retryable, found.retry_after_s) == ("server", True, 3.0)


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({"Retry-After": "7"}, 7, 7),
        ({"Retry-After": "0.5"}, 0.5, 0.5),
        ({"Retry-After-Ms": "250", "Retry-After": "9"}, 0.25, 0.25),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0, 0),
        ({"Retry-After": "-5"}, 0, 0),
    ],
)
def test_status_429_has_its_retry_after(server: FakeOpenAI, headers: dict[str, str], least: float, most: float) -> None:
    found = error_of(reply_to_one(server, error(429, **headers)))
    assert (found.kind, found.retryable) == ("rate_limit", True)
    assert found.retry_after_s is not None
    assert least <= found.retry_after_s <= most


def test_retry_after_date_is_converted_to_seconds(server: FakeOpenAI) -> None:
    in_an_hour = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    seconds = error_of(reply_to_one(server, error(429, Retry_After=in_an_hour))).retry_after_s
    assert seconds is not None
    assert 3500 <= seconds <= 3600


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "soon"}, {"Retry-After": ""}])
def test_without_a_usable_retry_after_the_engine_decides(server: FakeOpenAI, headers: dict[str, str]) -> None:
    assert error_of(reply_to_one(server, error(429, **headers))).retry_after_s is None


def test_exhausted_quota_stops_the_run_without_retry(server: FakeOpenAI) -> None:
    with pytest.raises(BackendError, match="the account is out of quota"):
        reply_to_one(server, error(429, "You exceeded your quota", code="insufficient_quota"))


@pytest.mark.parametrize("status", [401, 403])
def test_refused_key_stops_the_run_and_is_never_shown(hosted: FakeOpenAI, status: int) -> None:
    hosted.next(error(status, f"Incorrect API key provided: {KEY}.\nYou can find yours at ..."))
    with pytest.raises(BackendError, match="check OPENAI_API_KEY") as caught:
        ask(configured("openai"))
    assert KEY not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_status_403_keeps_the_servers_reason(server: FakeOpenAI) -> None:
    with pytest.raises(BackendError, match=r"api_key_env in harness.toml .*no access to model"):
        reply_to_one(server, error(403, "Project has no access to model"))


@pytest.mark.parametrize("status", [400, 429, 500])
def test_key_in_any_error_message_is_redacted(hosted: FakeOpenAI, status: int) -> None:
    hosted.next(error(status, f"bad header: Bearer {KEY}"))
    found = error_of(ask(configured("openai"))[0])
    assert KEY not in found.message
    assert "Bearer ***" in found.message


def test_a_model_that_is_not_served_stops_the_run(server: FakeOpenAI) -> None:
    with pytest.raises(
        BackendError, match=rf"{server.base_url} does not serve 'fake-model': .*no such model"
    ) as caught:
        reply_to_one(server, error(404, "no such\nmodel"))
    assert "\n" not in str(caught.value)


def test_a_404_page_of_a_web_server_is_one_line(server: FakeOpenAI) -> None:
    page = b"<html>\n" + b"<p>Not found</p>\n" * 1000
    with pytest.raises(BackendError) as caught:
        reply_to_one(server, Reply(status=404, body=page, headers={"content-type": "text/html"}))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("at", range(60, 130, 23))
@pytest.mark.parametrize(
    "shape",
    [
        {"error": {"message": "{}"}},
        {"error": "{}", "choices": []},
        ["{}"],
        {"choices": [{"message": "{}"}]},
        {"choices": [{"message": {"tool_calls": [{"function": {"name": ["{}"]}}]}}]},
        {"data": [{"embedding": "{}"}]},
    ],
)
def test_error_of_a_200_reply_holds_no_part_of_the_key(
    server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch, shape: Any, at: int
) -> None:
    """For every position at which the message is cut."""
    key = "sk-verysecret-1234567890abcdefghijklmnop"
    monkeypatch.setenv("SERVER_KEY", key)
    told = json.loads(json.dumps(shape).replace("{}", "x" * at + key))
    server.next(Reply(json=told), Reply(json=told))
    backend = configured("openai", server.base_url, api_key_env="SERVER_KEY")
    for response in ask(backend, request(), replace(request(), embed=True)):
        assert response.error is not None
        assert "sk-very" not in str(response)

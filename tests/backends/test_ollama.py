"""Ollama's own protocol over real sockets."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from harness import backends
from harness.core.errors import BackendError, BackendUnavailable
from harness.core.types import CallError, Response

from ..support.backend_calls import ask, configured, identify, request
from ..support.servers import DIGEST, MODEL, FakeOllama, Reply, chat, closing

SECOND = 1_000_000_000


@pytest.fixture
def server() -> Iterator[FakeOllama]:
    with closing(FakeOllama()) as fake:
        yield fake


def reply_to_one(server: FakeOllama, reply: Reply, **config: Any) -> Response:
    server.next(reply)
    return ask(configured("ollama", server.root, **config))[0]


def error_of(response: Response) -> CallError:
    assert response.error is not None
    assert "\n" not in response.error.message
    return response.error


# What is sent


def test_every_sampling_parameter_and_the_context_size_are_sent(server: FakeOllama) -> None:
    ask(configured("ollama", server.root), request(temperature=0.0, top_p=1.0, seed=0, max_tokens=32, stop=("\n",)))
    body = server.chats[0].body
    sampling = {"temperature": 0.0, "top_p": 1.0, "seed": 0, "num_predict": 32, "stop": ["\n"], "num_ctx": 8192}
    assert body["options"] == sampling
    assert (body["model"], body["stream"]) == (MODEL, False)
    assert body["messages"] == [{"role": "user", "content": "I was charged twice"}]
    assert "keep_alive" not in body


def test_extra_options_cannot_change_recorded_parameters(server: FakeOllama) -> None:
    options = {"num_ctx": 2048, "keep_alive": "1h", "options": {"top_k": 1, "temperature": 0.9}}
    ask(configured("ollama", server.root, **options), request(temperature=0.0))
    body = server.chats[0].body
    assert (body["options"]["num_ctx"], body["options"]["top_k"], body["keep_alive"]) == (2048, 1, "1h")
    assert body["options"]["temperature"] == 0.0


def test_server_defaults_to_the_environments_address(server: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", server.root.removeprefix("http://"))
    assert ask(configured("ollama"))[0].text == "billing"


def test_an_environment_that_names_no_server_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "http://host:port")
    with pytest.raises(BackendError, match="OLLAMA_HOST is not an address"):
        backends.connect(configured("ollama"))


def test_a_key_comes_from_the_variable_that_is_named(server: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    config = configured("ollama", server.root, api_key_env="MY_KEY")
    with pytest.raises(BackendUnavailable, match="no key: set MY_KEY in the environment"):
        backends.connect(config)
    monkeypatch.setenv("MY_KEY", "mine-123456")
    identify(config)
    ask(config)
    assert {asked.headers.get("authorization") for asked in server.asked} == {"Bearer mine-123456"}


# What is read


def test_identity_has_digest_quantization_size_version(server: FakeOllama) -> None:
    info = identify(configured("ollama", server.root))
    assert (info.model, info.digest) == (MODEL, f"sha256:{DIGEST}")
    assert (info.quantization, info.parameters) == ("Q4_K_M", "7.2B")
    assert (info.engine, info.engine_version) == ("ollama", "0.12.3")


def test_a_name_without_a_tag_is_the_latest(server: FakeOllama) -> None:
    server.page("/api/tags", Reply(json={"models": [{"model": f"{MODEL}:latest", "digest": "ab"}]}))
    assert identify(configured("ollama", server.root)).digest == "sha256:ab"


def test_a_server_that_tells_little_is_no_obstacle(server: FakeOllama) -> None:
    server.page("/api/tags", Reply(json={"models": []}))
    server.page("/api/show", Reply(json={"model_info": {}}))
    server.page("/api/version", Reply(body=b"<html>"))
    info = identify(configured("ollama", server.root))
    assert (info.digest, info.quantization, info.parameters, info.engine_version) == ("", "", "", "")


def test_loading_the_model_is_told_apart_from_latency(server: FakeOllama) -> None:
    started = time.monotonic()
    response = reply_to_one(server, Reply(json=chat(load_duration=SECOND // 5), delay_s=0.25))
    took = time.monotonic() - started
    assert response.load_s == pytest.approx(0.2)
    assert response.latency_s is not None
    assert 0.05 <= response.latency_s <= took - 0.2


def test_latency_is_never_negative(server: FakeOllama) -> None:
    assert reply_to_one(server, Reply(json=chat(load_duration=90 * SECOND))).latency_s == 0.0


def test_a_reply_is_read_with_usage_and_finish_reason(server: FakeOllama) -> None:
    response = reply_to_one(server, Reply(json=chat("The cat", done_reason="length")))
    assert (response.text, response.truncated, response.model) == ("The cat", True, MODEL)
    assert (response.prompt_tokens, response.completion_tokens) == (11, 3)


def test_usage_may_be_missing(server: FakeOllama) -> None:
    response = reply_to_one(server, Reply(json={"message": {"role": "assistant", "content": "billing"}}))
    assert (response.text, response.prompt_tokens, response.load_s, response.error) == ("billing", None, None, None)


def test_tool_calls_are_kept(server: FakeOllama) -> None:
    call = {"function": {"name": "refund", "arguments": {"id": 7}}}
    message = {"role": "assistant", "content": "", "tool_calls": [call]}
    response = reply_to_one(server, Reply(json=chat(message=message)))
    assert [kept["function"]["name"] for kept in response.tool_calls] == ["refund"]


# What goes wrong


def test_missing_model_names_the_pull_command(server: FakeOllama) -> None:
    server.page("/api/show", Reply(status=404, json={"error": f"model '{MODEL}' not found"}))
    with pytest.raises(BackendUnavailable, match=f"`ollama pull {MODEL}`"):
        identify(configured("ollama", server.root))


def test_a_model_that_vanishes_in_mid_run_stops_it(server: FakeOllama) -> None:
    with pytest.raises(BackendError, match=f"`ollama pull {MODEL}`") as caught:
        reply_to_one(server, Reply(status=404, json={"error": "model not found"}))
    assert not isinstance(caught.value, BackendUnavailable)


def test_nobody_listening_says_how_to_start_it(unused_port: int) -> None:
    config = configured("ollama", f"http://127.0.0.1:{unused_port}")
    with pytest.raises(BackendUnavailable, match=rf"no Ollama at http://127.0.0.1:{unused_port} .*`ollama serve`"):
        identify(config)
    found = error_of(ask(config)[0])
    assert (found.kind, found.retryable) == ("connection", True)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=b"<html>Welcome", headers={"content-type": "text/html"}),
        Reply(json=[]),
        Reply(json="x"),
        Reply(body=b""),
        Reply(body=b"\xff\xfe\xfd"),
        Reply(json={"models": 7}),
    ],
)
def test_a_server_that_is_no_ollama_is_told(server: FakeOllama, reply: Reply) -> None:
    server.page("/api/tags", reply)
    with pytest.raises(BackendUnavailable, match=r"is no Ollama server .*check base_url") as caught:
        identify(configured("ollama", server.root))
    assert "\n" not in str(caught.value)


def test_a_server_in_trouble_is_not_there(server: FakeOllama) -> None:
    server.page("/api/tags", Reply(status=500, json={"error": "llama runner\nexited"}))
    with pytest.raises(BackendUnavailable, match="answers 500: llama runner exited"):
        identify(configured("ollama", server.root))


def test_a_server_that_says_nothing_is_not_waited_for_forever(server: FakeOllama) -> None:
    server.page("/api/tags", Reply(delay_s=1.0))
    with pytest.raises(BackendUnavailable, match="no Ollama at"):
        identify(configured("ollama", server.root, timeout_s=0.1))


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"",
        b"[]",
        b"null",
        b'"x"',
        b"{}",
        b'{"message": null}',
        b'{"message": {"role": "assistant", "content": ["x"]}}',
        b'{"message": {"role": "assistant", "content": "\xff"}}',
        json.dumps(chat()).encode()[:40],
    ],
)
def test_what_is_no_chat_reply_is_an_error_of_the_call(server: FakeOllama, body: bytes) -> None:
    found = error_of(reply_to_one(server, Reply(body=body)))
    assert (found.kind, found.retryable) == ("bad_reply", True)


@pytest.mark.parametrize(
    ("status", "kind", "retryable"), [(400, "bad_request", False), (429, "rate_limit", True), (503, "server", True)]
)
def test_a_status_is_data(server: FakeOllama, status: int, kind: str, *, retryable: bool) -> None:
    found = error_of(reply_to_one(server, Reply(status=status, json={"error": "server\nbusy"})))
    assert (found.kind, found.status, found.retryable, found.message) == (kind, status, retryable, "server busy")


@pytest.mark.parametrize("body", [b'{"error": {"message": "busy"}}', b'["busy"]', b"<p>busy</p>", b""])
def test_an_error_in_another_form_is_still_an_error_of_the_call(server: FakeOllama, body: bytes) -> None:
    assert error_of(reply_to_one(server, Reply(status=500, body=body))).retryable


def test_too_many_requests_carries_how_long_to_wait(server: FakeOllama) -> None:
    reply = Reply(status=429, json={"error": "slow down"}, headers={"retry-after": "7"})
    assert error_of(reply_to_one(server, reply)).retry_after_s == 7.0


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_stops_the_run_and_is_not_shown(
    server: FakeOllama, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setenv("MY_KEY", "mine-123456")
    with pytest.raises(BackendError, match="check MY_KEY") as caught:
        reply_to_one(server, Reply(status=status, json={"error": "no: mine-123456"}), api_key_env="MY_KEY")
    assert "mine-123456" not in str(caught.value)


def test_a_key_that_a_server_repeats_is_blanked(server: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_API_KEY", "mine-123456")
    found = error_of(reply_to_one(server, Reply(status=500, json={"error": "bad: mine-123456"})))
    assert found.message == "bad: ***"


def test_timeout_broken_connection_and_10_mb_are_call_errors(server: FakeOllama) -> None:
    assert error_of(reply_to_one(server, Reply(delay_s=1.0), timeout_s=0.1)).kind == "timeout"
    assert error_of(reply_to_one(server, Reply(drop=True))).kind == "connection"
    assert error_of(reply_to_one(server, Reply("x" * 10_000_000))).kind == "too_large"

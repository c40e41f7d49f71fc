"""Replies over the OpenAI protocol: fields, and invalid, oversized or truncated replies."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.backends.http.errors import MAX_REPLY_CHARS

from ...support.backend_calls import ask, configured, request
from ...support.protocol import error_of
from ...support.servers import MODEL, FakeOpenAI, Reply, completion
from .conftest import reply_to_one

pytestmark = pytest.mark.usefixtures("way")


# Fields of a reply


def test_a_reply_is_read_with_its_usage_model_and_time(server: FakeOpenAI) -> None:
    response = reply_to_one(server, Reply("technical", delay_s=0.05))
    assert (response.text, response.finish_reason) == ("technical", "stop")
    assert (response.prompt_tokens, response.completion_tokens) == (11, 3)
    assert response.model == f"{MODEL} fp_fake"
    assert response.latency_s is not None
    assert response.latency_s >= 0.05


def test_a_reply_cut_off_at_max_tokens_says_so(server: FakeOpenAI) -> None:
    assert reply_to_one(server, Reply(json=completion("The cat", finish_reason="length"))).truncated


@pytest.mark.parametrize(
    ("logprobs", "first_token"),
    [
        ({"content": [{"token": "a", "logprob": -0.5, "top_logprobs": []}]}, (("a", -0.5),)),
        (
            {"content": [{"top_logprobs": [{"token": "a", "logprob": 0.001}, {"token": "b", "logprob": -3}]}]},
            (("a", 0.0), ("b", -3.0)),
        ),
        ({"content": [{"top_logprobs": [{"token": "x" * 500, "logprob": -1}]}]}, (("x" * 100, -1.0),)),
        ({"content": [{"top_logprobs": [{"token": f"t{i}", "logprob": -1} for i in range(99)]}]}, None),
        ({"content": [{"top_logprobs": [{"token": "a", "logprob": 7}, {"token": "b", "logprob": "nan"}]}]}, ()),
        ({"content": []}, ()),
        ({"content": None}, ()),
        ("yes", ()),
        (None, ()),
    ],
)
def test_first_token_is_kept_with_sound_probabilities(
    server: FakeOpenAI, logprobs: Any, first_token: tuple[tuple[str, float], ...] | None
) -> None:
    reply = completion("a")
    reply["choices"][0]["logprobs"] = logprobs
    found = reply_to_one(server, Reply(json=reply)).first_token
    assert len(found) == 20 if first_token is None else found == first_token


def test_a_refusal_is_kept_beside_the_empty_text(server: FakeOpenAI) -> None:
    response = reply_to_one(server, Reply(json=completion(None, refusal="I can't help with that.")))
    assert (response.text, response.refusal, response.error) == ("", "I can't help with that.", None)


def test_tool_calls_are_kept(server: FakeOpenAI) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "refund", "arguments": '{"id": 7}'}}
    response = reply_to_one(server, Reply(json=completion(None, finish_reason="tool_calls", tool_calls=[call])))
    assert response.tool_calls == (call,)


def test_usage_may_be_missing(server: FakeOpenAI) -> None:
    body = {key: value for key, value in completion().items() if key not in ("usage", "system_fingerprint")}
    response = reply_to_one(server, Reply(json=body))
    assert (response.text, response.prompt_tokens, response.model) == ("billing", None, MODEL)


def test_emoji_lone_surrogate_and_nul_survive(server: FakeOpenAI) -> None:
    text = "ok \U0001f600 \ud83d \x00 end"
    assert reply_to_one(server, Reply(json=completion(text))).text == text


# Invalid replies


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"<html><body>Welcome to nginx!</body></html>", "not a chat completion"),
        (json.dumps(completion()).encode()[:80], "not a chat completion"),
        (b"", "not a chat completion"),
        (b'{"text": "\xff\xfe"}', "not a chat completion"),
        (b"[]", "not a chat completion"),
        (b"null", "not a chat completion"),
        (b"{}", "without choices"),
        (b'{"choices": []}', "without choices"),
        (b'{"choices": null}', "without choices"),
        (b'{"choices": {"0": "x"}}', "without a usable message"),
        (b'{"choices": "billing"}', "without a usable message"),
        (b'{"choices": [null]}', "without a usable message"),
        (b'{"choices": [{"message": null}]}', "without a usable message"),
        (b'{"choices": [{"message": "billing"}]}', "without a usable message"),
        (b'{"choices": [{"message": {"content": ["billing"]}}]}', "content is no text"),
        (b'{"choices": [{"message": {"content": {"a": 1}}}]}', "content is no text"),
        (b'{"choices": [{"message": {"content": "x", "tool_calls": ["y"]}}]}', "without a usable message"),
        (b'{"choices": [{"message": {"content": "x"}}], "usage": 5}', "without a usable message"),
    ],
)
def test_invalid_chat_completion_is_a_retryable_error(server: FakeOpenAI, body: bytes, says: str) -> None:
    kinds = ("application/json", "text/html; charset=utf-8", "application/octet-stream")
    server.next(*(Reply(body=body, headers={"content-type": kind}) for kind in kinds))
    for response in ask(configured("openai", server.base_url), *[request()] * len(kinds)):
        found = error_of(response)
        assert (found.kind, found.retryable) == ("bad_reply", True)
        assert says in found.message


def test_web_page_instead_of_a_reply_is_quoted(server: FakeOpenAI) -> None:
    page = Reply(body=b"<html>\n<body>Welcome to nginx!" + b"x" * 1000, headers={"content-type": "text/html"})
    assert "<html> <body>Welcome to nginx!xxx" in error_of(reply_to_one(server, page)).message


@pytest.mark.parametrize("usage", [{}, {"prompt_tokens": "eleven"}, {"prompt_tokens": None}])
def test_invalid_usage_keeps_the_reply(server: FakeOpenAI, usage: Any) -> None:
    response = reply_to_one(server, Reply(json=completion() | {"usage": usage, "model": 7}))
    assert (response.text, response.prompt_tokens) == ("billing", None)


def test_a_reply_of_10_mb_is_an_error_and_is_not_kept(server: FakeOpenAI) -> None:
    found = error_of(reply_to_one(server, Reply("x" * 10_000_000)))
    assert (found.kind, found.retryable) == ("too_large", False)
    assert "10,000,000" in found.message
    assert f"{MAX_REPLY_CHARS:,}" in found.message


def test_tool_calls_of_10_mb_are_too_large_as_well(server: FakeOpenAI) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "x" * 10_000_000}}
    assert error_of(reply_to_one(server, Reply(json=completion(None, tool_calls=[call])))).kind == "too_large"

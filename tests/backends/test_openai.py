"""The OpenAI protocol, asked over real sockets: what is sent, what is read, and what a broken server makes of a call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from harness import backends
from harness.backends._http import MAX_REPLY_CHARS
from harness.errors import BackendError, BackendUnavailable
from harness.types import CallError, Response

from ..support.asking import ask, configured, identify, request
from ..support.servers import MODEL, FakeOpenAI, Reply, closing, completion, error

KEY = "sk-a-key-of-the-tests-0123456789"
pytestmark = pytest.mark.usefixtures("way")


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    with closing(FakeOpenAI()) as fake:
        yield fake


@pytest.fixture
def hosted(server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch) -> FakeOpenAI:
    """The server in the place of api.openai.com: the SDK looks at this variable where there is no base_url."""
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return server


def reply_to_one(server: FakeOpenAI, reply: Reply, **config: Any) -> Response:
    server.next(reply)
    return ask(configured("openai", server.base_url, **config))[0]


def error_of(response: Response) -> CallError:
    assert response.error is not None
    assert response.text == ""
    assert "\n" not in response.error.message
    return response.error


# What is sent


def test_every_sampling_parameter_is_sent_so_that_no_server_decides(server: FakeOpenAI) -> None:
    ask(configured("openai", server.base_url), request(temperature=0.0, top_p=1.0, seed=0, max_tokens=32, stop=("\n",)))
    body = server.chats[0].body
    messages = [{"role": "user", "content": "I was charged twice"}]
    sampling = {"temperature": 0.0, "top_p": 1.0, "seed": 0, "max_tokens": 32, "stop": ["\n"]}
    assert body == {"model": MODEL, "messages": messages, **sampling}


def test_the_hosted_service_is_given_the_name_of_max_tokens_that_its_newer_models_take(hosted: FakeOpenAI) -> None:
    ask(configured("openai"), request(max_tokens=7))
    body = hosted.chats[0].body
    assert body["max_completion_tokens"] == 7
    assert "max_tokens" not in body


def test_roles_are_kept(server: FakeOpenAI) -> None:
    ask(configured("openai", server.base_url), request(system="One word."))
    assert [m["role"] for m in server.chats[0].body["messages"]] == ["system", "user"]


def test_a_parameter_can_be_left_out_renamed_and_added(server: FakeOpenAI) -> None:
    options = {
        "omit": ["temperature"],
        "max_tokens_parameter": "max_completion_tokens",
        "extra_body": {"top_k": 1},
    }
    ask(configured("openai", server.base_url, **options), request(max_tokens=5))
    body = server.chats[0].body
    assert "temperature" not in body
    assert "max_tokens" not in body
    assert (body["max_completion_tokens"], body["top_k"]) == (5, 1)


def test_no_key_goes_to_a_server_of_ones_own_unless_its_variable_is_named(
    server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("MY_KEY", "mine-123456")
    ask(configured("openai", server.base_url))
    ask(configured("openai", server.base_url, api_key_env="MY_KEY"))
    sent = [asked.headers.get("Authorization", asked.headers.get("authorization")) for asked in server.chats]
    assert sent == ["Bearer none", "Bearer mine-123456"]
    assert KEY not in str([asked.headers for asked in server.asked])


def test_the_hosted_service_gets_the_key_from_the_environment(hosted: FakeOpenAI) -> None:
    ask(configured("openai"))
    assert f"Bearer {KEY}" in hosted.chats[0].headers.values()


@pytest.mark.parametrize(("config", "variable"), [({}, "OPENAI_API_KEY"), ({"api_key_env": "MY_KEY"}, "MY_KEY")])
def test_a_missing_key_names_the_variable_to_set(config: dict[str, str], variable: str) -> None:
    with pytest.raises(BackendUnavailable, match=f"backend mine: no key: set {variable} in the environment"):
        backends.connect(configured("openai", **config))


@pytest.mark.parametrize("key", ["sk-\u00e9t\u00e9", "sk-one\nsk-two"])
def test_a_key_that_no_header_can_hold_is_told_and_not_shown(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(BackendError, match="OPENAI_API_KEY holds characters that no key has") as caught:
        backends.connect(configured("openai"))
    assert key not in str(caught.value)


# What is read


def test_a_reply_is_read_with_its_usage_model_and_time(server: FakeOpenAI) -> None:
    response = reply_to_one(server, Reply("technical", delay_s=0.05))
    assert (response.text, response.finish_reason) == ("technical", "stop")
    assert (response.prompt_tokens, response.completion_tokens) == (11, 3)
    assert response.model == f"{MODEL} fp_fake"
    assert response.latency_s is not None
    assert 0.05 <= response.latency_s < 4


def test_a_reply_cut_off_at_max_tokens_says_so(server: FakeOpenAI) -> None:
    assert reply_to_one(server, Reply(json=completion("The cat", finish_reason="length"))).truncated


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


def test_an_emoji_half_an_emoji_and_a_nul_come_through_as_they_are(server: FakeOpenAI) -> None:
    text = "ok \U0001f600 \ud83d \x00 end"
    assert reply_to_one(server, Reply(json=completion(text))).text == text


# What goes wrong


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
def test_what_is_no_chat_completion_is_an_error_of_the_call_and_worth_another_try(
    server: FakeOpenAI, body: bytes, says: str
) -> None:
    kinds = ("application/json", "text/html; charset=utf-8", "application/octet-stream")
    server.next(*(Reply(body=body, headers={"content-type": kind}) for kind in kinds))
    for response in ask(configured("openai", server.base_url), *[request()] * len(kinds)):
        found = error_of(response)
        assert (found.kind, found.retryable) == ("bad_reply", True)
        assert says in found.message


def test_a_web_page_in_place_of_a_reply_is_shown(server: FakeOpenAI) -> None:
    page = Reply(body=b"<html>\n<body>Welcome to nginx!" + b"x" * 1000, headers={"content-type": "text/html"})
    assert "<html> <body>Welcome to nginx!xxx" in error_of(reply_to_one(server, page)).message


@pytest.mark.parametrize("usage", [{}, {"prompt_tokens": "eleven"}, {"prompt_tokens": None}])
def test_odd_usage_does_not_spoil_an_answer(server: FakeOpenAI, usage: Any) -> None:
    response = reply_to_one(server, Reply(json=completion() | {"usage": usage, "model": 7}))
    assert (response.text, response.prompt_tokens) == ("billing", None)


def test_a_reply_of_10_mb_is_an_error_and_is_not_kept(server: FakeOpenAI) -> None:
    found = error_of(reply_to_one(server, Reply("x" * 10_000_000)))
    assert (found.kind, found.retryable) == ("too_large", False)
    assert found.message == f"a reply of 10,000,000 characters; at most {MAX_REPLY_CHARS:,} are read"


def test_tool_calls_of_10_mb_are_too_large_as_well(server: FakeOpenAI) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "x" * 10_000_000}}
    assert error_of(reply_to_one(server, Reply(json=completion(None, tool_calls=[call])))).kind == "too_large"


def test_a_server_that_takes_too_long_is_a_time_out(server: FakeOpenAI) -> None:
    found = error_of(reply_to_one(server, Reply(delay_s=1.0), timeout_s=0.1))
    assert (found.kind, found.message, found.retryable) == ("timeout", "no answer within 0.1 s", True)


def test_a_connection_that_drops_is_an_error_worth_another_try(server: FakeOpenAI) -> None:
    found = error_of(reply_to_one(server, Reply(drop=True)))
    assert (found.kind, found.retryable) == ("connection", True)


def test_nobody_listening_is_a_failed_call_and_no_backend(unused_port: int) -> None:
    config = configured("openai", f"http://127.0.0.1:{unused_port}/v1")
    found = error_of(ask(config)[0])
    assert (found.kind, found.retryable) == ("connection", True)
    with pytest.raises(
        BackendUnavailable, match=rf"no answer from http://127.0.0.1:{unused_port}/v1 \(.+\): is the server"
    ):
        identify(config)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_request_that_the_server_does_not_take_is_data_and_is_not_repeated(server: FakeOpenAI, status: int) -> None:
    found = error_of(reply_to_one(server, error(status, "context of 4096\nis too short")))
    assert (found.kind, found.status, found.retryable) == ("bad_request", status, False)
    assert "context of 4096 is too short" in found.message


@pytest.mark.parametrize("status", [408, 409, 500, 502, 503, 529])
def test_a_server_in_trouble_is_worth_another_try(server: FakeOpenAI, status: int) -> None:
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
def test_too_many_requests_carries_how_long_to_wait(
    server: FakeOpenAI, headers: dict[str, str], least: float, most: float
) -> None:
    found = error_of(reply_to_one(server, error(429, **headers)))
    assert (found.kind, found.retryable) == ("rate_limit", True)
    assert found.retry_after_s is not None
    assert least <= found.retry_after_s <= most


def test_a_date_to_wait_for_is_turned_into_seconds(server: FakeOpenAI) -> None:
    in_an_hour = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    seconds = error_of(reply_to_one(server, error(429, Retry_After=in_an_hour))).retry_after_s
    assert seconds is not None
    assert 3500 <= seconds <= 3600


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "soon"}, {"Retry-After": ""}])
def test_without_a_usable_retry_after_the_engine_decides(server: FakeOpenAI, headers: dict[str, str]) -> None:
    assert error_of(reply_to_one(server, error(429, **headers))).retry_after_s is None


def test_an_empty_account_stops_the_run_and_is_not_asked_again(server: FakeOpenAI) -> None:
    with pytest.raises(BackendError, match="the account is out of quota"):
        reply_to_one(server, error(429, "You exceeded your quota", code="insufficient_quota"))


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_stops_the_run_and_is_not_shown_even_if_the_server_repeats_it(
    hosted: FakeOpenAI, status: int
) -> None:
    hosted.next(error(status, f"Incorrect API key provided: {KEY}.\nYou can find yours at ..."))
    with pytest.raises(BackendError, match="check OPENAI_API_KEY") as caught:
        ask(configured("openai"))
    assert KEY not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_403_says_why_because_it_is_not_always_the_key(server: FakeOpenAI) -> None:
    with pytest.raises(BackendError, match=r"api_key_env in harness.toml .*no access to model"):
        reply_to_one(server, error(403, "Project has no access to model"))


@pytest.mark.parametrize("status", [400, 429, 500])
def test_a_key_that_a_server_repeats_in_another_error_is_blanked(hosted: FakeOpenAI, status: int) -> None:
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


# Who is there


def test_a_wrong_name_on_the_hosted_service_gets_the_nearest_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(FakeOpenAI("gpt-4o", "gpt-4o-mini", "o3")) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        with pytest.raises(BackendError, match=r"no model 'gpt4o' \(did you mean 'gpt-4o'\?\)"):
            identify(configured("openai", model="gpt4o"))


def test_a_compatible_server_that_lists_another_model_is_tried_and_that_is_noted(server: FakeOpenAI) -> None:
    config = configured("openai", server.base_url, model="other")
    assert identify(config).note == "the server lists fake-model, not other"
    assert ask(config)[0].text == "billing"


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=404, json={}),
        Reply(status=500, json={}),
        Reply(body=b"<html>", headers={"content-type": "text/html"}),
        Reply(body=b'{"object": "list", "data": [1'),
        Reply(json={"data": ["fake-model"]}),
        Reply(json={"data": None}),
        Reply(json=[]),
        Reply(body=b"\xff\xfe\xfd"),
    ],
)
def test_a_server_without_a_list_of_models_is_asked_all_the_same(server: FakeOpenAI, reply: Reply) -> None:
    server.page("/v1/models", reply)
    info = identify(configured("openai", server.base_url))
    assert (info.model, info.engine, info.note) == (MODEL, "openai", "")


def test_a_refused_key_shows_before_anything_is_asked(hosted: FakeOpenAI) -> None:
    hosted.page("/v1/models", error(401, f"no: {KEY}"))
    with pytest.raises(BackendError, match=r"refuses the key \(401\)"):
        identify(configured("openai"))


@pytest.mark.parametrize("meta", [None, "x", [], {"ftype": "Q4_K - Medium", "n_params": 7}])
def test_what_a_llama_cpp_server_tells_of_its_model_is_kept(server: FakeOpenAI, meta: Any) -> None:
    server.page("/v1/models", Reply(json={"data": [{"id": MODEL, "meta": meta}]}))
    info = identify(configured("openai", server.base_url))
    expected = ("Q4_K - Medium", "7") if isinstance(meta, dict) else ("", "")
    assert (info.quantization, info.parameters) == expected


def test_a_hosted_service_that_the_environment_moves_elsewhere_is_not_taken_for_openai(hosted: FakeOpenAI) -> None:
    assert identify(configured("openai")).engine == f"openai at {hosted.base_url}"


def test_a_password_in_the_address_is_never_shown(unused_port: int) -> None:
    config = configured("openai", f"http://me:secret@127.0.0.1:{unused_port}/v1")
    with pytest.raises(BackendUnavailable) as caught:
        identify(config)
    assert "secret" not in str(caught.value)


def test_only_a_server_of_ones_own_is_warmed_up(hosted: FakeOpenAI) -> None:
    assert not backends.connect(configured("openai")).warm_up
    assert backends.connect(configured("openai", hosted.base_url)).warm_up

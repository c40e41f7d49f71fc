"""Requests over the OpenAI protocol: sampling, roles, extra options, keys."""

from __future__ import annotations

import pytest

from harness import backends
from harness.core.errors import BackendError, BackendUnavailable

from ...support.backend_calls import ask, configured, request
from ...support.servers import MODEL, FakeOpenAI
from .conftest import KEY

pytestmark = pytest.mark.usefixtures("way")


def test_every_sampling_parameter_is_sent(server: FakeOpenAI) -> None:
    ask(configured("openai", server.base_url), request(temperature=0.0, top_p=1.0, seed=0, max_tokens=32, stop=("\n",)))
    body = server.chats[0].body
    messages = [{"role": "user", "content": "I was charged twice"}]
    sampling = {"temperature": 0.0, "top_p": 1.0, "seed": 0, "max_tokens": 32, "stop": ["\n"]}
    assert body == {"model": MODEL, "messages": messages, **sampling}


def test_hosted_service_gets_max_completion_tokens(hosted: FakeOpenAI) -> None:
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


def test_no_key_goes_to_another_server_unless_named(server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("MY_KEY", "mine-123456")
    ask(configured("openai", server.base_url))
    ask(configured("openai", server.base_url, api_key_env="MY_KEY"))
    sent = [asked.headers.get("Authorization", asked.headers.get("authorization")) for asked in server.chats]
    assert sent == ["Bearer none", "Bearer mine-123456"]
    assert KEY not in str([asked.headers for asked in server.received])


def test_the_hosted_service_gets_the_key_from_the_environment(hosted: FakeOpenAI) -> None:
    ask(configured("openai"))
    assert f"Bearer {KEY}" in hosted.chats[0].headers.values()


@pytest.mark.parametrize(("config", "variable"), [({}, "OPENAI_API_KEY"), ({"api_key_env": "MY_KEY"}, "MY_KEY")])
def test_a_missing_key_names_the_variable_to_set(config: dict[str, str], variable: str) -> None:
    with pytest.raises(BackendUnavailable, match=f"backend mine: no key: set {variable} in the environment"):
        backends.connect(configured("openai", **config))


@pytest.mark.parametrize("key", ["sk-\u00e9t\u00e9", "sk-one\nsk-two"])
def test_key_invalid_in_a_header_is_reported_unshown(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(BackendError, match="OPENAI_API_KEY contains characters that no API key has") as caught:
        backends.connect(configured("openai"))
    assert key not in str(caught.value)

"""The models that a server of the OpenAI protocol lists, and their details."""

from __future__ import annotations

from typing import Any

import pytest

from harness import backends
from harness.core.errors import BackendError, BackendUnavailable

from ...support.backend_calls import ask, configured, identify
from ...support.servers import MODEL, FakeOpenAI, Reply, closing, error
from .conftest import KEY

pytestmark = pytest.mark.usefixtures("way")


def test_a_wrong_name_on_the_hosted_service_gets_the_nearest_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(FakeOpenAI("gpt-4o", "gpt-4o-mini", "o3")) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        with pytest.raises(BackendError, match=r"no model 'gpt4o' \(did you mean 'gpt-4o'\?\)"):
            identify(configured("openai", model="gpt4o"))


def test_model_that_the_server_does_not_list_is_an_error(server: FakeOpenAI) -> None:
    with pytest.raises(BackendError, match=r"lists no model 'fake-modl' \(did you mean 'fake-model'\?\)"):
        identify(configured("openai", server.base_url, model="fake-modl"))


@pytest.mark.parametrize("listed", [{"id": "path/to.gguf", "owned_by": "llamacpp"}, {"id": "openai/*"}])
def test_server_that_answers_under_any_name_is_noted(server: FakeOpenAI, listed: dict[str, str]) -> None:
    server.page("/v1/models", Reply(json={"data": [listed]}))
    note = identify(configured("openai", server.base_url, model="other")).note
    assert note == f"the server lists {listed['id']}, not other"


def test_unchecked_model_is_used_and_noted(server: FakeOpenAI) -> None:
    config = configured("openai", server.base_url, model="other", check_model=False)
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
def test_server_without_a_model_list_is_used(server: FakeOpenAI, reply: Reply) -> None:
    server.page("/v1/models", reply)
    info = identify(configured("openai", server.base_url))
    assert (info.model, info.engine, info.note) == (MODEL, "openai", "")


def test_rejected_key_is_reported_before_any_prompt(hosted: FakeOpenAI) -> None:
    hosted.page("/v1/models", error(401, f"no: {KEY}"))
    with pytest.raises(BackendError, match=r"refuses the key \(401\)"):
        identify(configured("openai"))


@pytest.mark.parametrize("meta", [None, "x", [], {"ftype": "Q4_K - Medium", "n_params": 7}])
def test_llama_cpp_model_details_are_recorded(server: FakeOpenAI, meta: Any) -> None:
    server.page("/v1/models", Reply(json={"data": [{"id": MODEL, "meta": meta}]}))
    info = identify(configured("openai", server.base_url))
    expected = ("Q4_K - Medium", "7") if isinstance(meta, dict) else ("", "")
    assert (info.quantization, info.parameters) == expected


def test_openai_base_url_is_part_of_the_engine_name(hosted: FakeOpenAI) -> None:
    assert identify(configured("openai")).engine == f"openai at {hosted.base_url}"


def test_a_password_in_the_address_is_never_shown(unused_port: int) -> None:
    config = configured("openai", f"http://me:secret@127.0.0.1:{unused_port}/v1")
    with pytest.raises(BackendUnavailable) as caught:
        identify(config)
    assert "secret" not in str(caught.value)


def test_only_self_hosted_servers_are_warmed_up(hosted: FakeOpenAI) -> None:
    assert not backends.connect(configured("openai")).warm_up
    assert backends.connect(configured("openai", hosted.base_url)).warm_up

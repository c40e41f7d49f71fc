"""vLLM: the OpenAI protocol with a version."""

from __future__ import annotations

import pytest

from harness import backends
from harness.core.errors import BackendUnavailable

from ..support.backend_calls import ask, configured, identify
from ..support.servers import MODEL, FakeOpenAI, Reply, closing


def test_model_engine_and_version_are_part_of_the_identity() -> None:
    with closing(FakeOpenAI(version="0.11.0")) as server:
        info = identify(configured("vllm", server.base_url, quantization="fp16"))
    assert (info.model, info.quantization, info.engine, info.engine_version) == (MODEL, "fp16", "vllm", "0.11.0")


@pytest.mark.parametrize(
    "reply", [Reply(status=404, json={}), Reply(body=b"<html>"), Reply(json=["0.11"]), Reply(drop=True)]
)
def test_server_without_a_version_is_accepted(reply: Reply) -> None:
    with closing(FakeOpenAI()) as server:
        server.page("/version", reply)
        assert identify(configured("vllm", server.base_url)).engine_version == ""


def test_missing_version_reply_does_not_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.backends.providers.openai.SIDE_TIMEOUT_S", 0.1)
    with closing(FakeOpenAI()) as server:
        server.page("/version", Reply(delay_s=2.0, json={"version": "0.11.0"}))
        assert identify(configured("vllm", server.base_url)).engine_version == ""


def test_vllm_requests_use_the_openai_protocol() -> None:
    with closing(FakeOpenAI()) as server:
        assert ask(configured("vllm", server.base_url))[0].text == "billing"
        assert server.chats[0].body["max_tokens"] == 256


def test_vllm_gets_only_a_configured_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai")
    monkeypatch.setenv("VLLM_KEY", "of-vllm")
    with closing(FakeOpenAI(version="0.11.0")) as server:
        for key in (None, "VLLM_KEY"):
            identify(configured("vllm", server.base_url, api_key_env=key))
        sent = [{name.lower(): value for name, value in asked.headers.items()} for asked in server.received]
    keys = [headers["authorization"] for headers in sent]
    assert keys == ["Bearer none"] * 2 + ["Bearer of-vllm"] * 2
    with pytest.raises(BackendUnavailable, match="set OTHER_KEY"):
        backends.connect(configured("vllm", server.base_url, api_key_env="OTHER_KEY"))


def test_vllm_defaults_to_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    backend = backends.connect(configured("vllm"))
    assert backend.url == "http://localhost:8000/v1"  # type: ignore[attr-defined]
    assert backend.warm_up

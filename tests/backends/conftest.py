"""Fixtures for the tests of backends."""

from __future__ import annotations

import socket

import pytest

from harness.backends.http.openai_sdk import OpenAISDKTransport
from harness.backends.http.transport import Transport
from harness.backends.providers import openai
from harness.project.config import BackendConfig

from ..support.servers import skip_certificates


@pytest.fixture(autouse=True)
def _plain_http(monkeypatch: pytest.MonkeyPatch) -> None:
    skip_certificates(monkeypatch)


@pytest.fixture
def unused_port() -> int:
    """A closed port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def by_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the SDK for every server of the OpenAI protocol, not only for api.openai.com."""

    def transport_to(config: BackendConfig, key: str) -> Transport:
        return OpenAISDKTransport(config.base_url, key, config.timeout_s)

    monkeypatch.setattr(openai, "transport_to", transport_to)


@pytest.fixture(params=["lean", "sdk"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each of the two HTTP clients in turn. They must behave alike."""
    if request.param == "sdk":
        by_the_sdk(monkeypatch)
    return str(request.param)


@pytest.fixture(params=["openai", "openai by the SDK", "vllm", "ollama"])
def provider(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each provider that is called over a socket."""
    name, _, way = str(request.param).partition(" ")
    if way:
        by_the_sdk(monkeypatch)
    return name

"""Base URL and API key of the OpenAI SDK's client for each provider."""

from __future__ import annotations

import asyncio

import pytest

from harness import backends
from harness.project.config import BackendConfig
from harness.router._openai_client import client_of


@pytest.mark.parametrize(
    ("provider", "keys", "environment", "url", "key"),
    [
        ("openai", {}, {"OPENAI_API_KEY": "sk-1"}, "https://api.openai.com/v1/", "sk-1"),
        ("openai", {}, {"OPENAI_API_KEY": "sk-1", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}, "http://127.0.0.1:9/v1/", "sk-1"),
        ("openai", {"base_url": "http://127.0.0.1:9/v1"}, {"OPENAI_API_KEY": "sk-1"}, "http://127.0.0.1:9/v1/", "none"),
        ("openai", {"base_url": "http://127.0.0.1:9/v1", "api_key_env": "K"}, {"K": "k-2"}, "http://127.0.0.1:9/v1/", "k-2"),
        ("vllm", {}, {}, "http://localhost:8000/v1/", "none"),
        ("ollama", {}, {}, "http://127.0.0.1:11434/v1/", "none"),
        ("ollama", {}, {"OLLAMA_HOST": "127.0.0.1:9", "OLLAMA_API_KEY": "o-3"}, "http://127.0.0.1:9/v1/", "o-3"),
        ("ollama", {"base_url": "http://127.0.0.1:9/"}, {}, "http://127.0.0.1:9/v1/", "none"),
    ],
)  # fmt: skip
def test_each_provider_has_its_base_url_and_key(
    provider: str,
    keys: dict[str, str],
    environment: dict[str, str],
    url: str,
    key: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    config = BackendConfig(name="x", provider=provider, model="m", variant="gpt", **keys)  # type: ignore[arg-type]

    async def main() -> tuple[str, str]:
        backend = backends.connect(config)
        client = await client_of(config, backend)
        await client.close()
        await backend.close()
        return str(client.base_url), client.api_key

    assert asyncio.run(main()) == (url, key)

"""The OpenAI SDK's client for a backend of any provider, and the adapter for its parameters."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import openai
import openai.resources.chat  # otherwise the SDK imports this module during the first call

from harness.backends import Backend
from harness.backends.http import openai_sdk
from harness.backends.http.errors import passwords
from harness.backends.providers import ollama as ollama_backend
from harness.backends.providers import openai as openai_backend
from harness.backends.providers import vllm
from harness.project.config import BackendConfig

if TYPE_CHECKING:
    from harness.backends.providers.llamacpp import LlamaCppBackend
    from harness.backends.providers.ollama import OllamaBackend

_LIMITS = ("max_tokens", "max_completion_tokens")


def key_of(config: BackendConfig) -> str:
    """Return the API key of a connected backend; "" if it needs none."""
    if config.api_key_env is not None:
        return os.environ.get(config.api_key_env, "").strip()
    if config.provider == "ollama":
        return os.environ.get(ollama_backend.KEY_VARIABLE, "").strip()
    hosted = config.provider == "openai" and config.base_url is None
    return os.environ.get(openai_backend.KEY_VARIABLE, "").strip() if hosted else ""


def secrets_of(config: BackendConfig, backend: Backend) -> tuple[str, ...]:
    """Return the key and the passwords sent to a backend, which no message may contain."""
    address = _address(config, backend) or os.environ.get("OPENAI_BASE_URL", "")
    return (key_of(config), *passwords(address))


async def client_of(config: BackendConfig, backend: Backend) -> openai.AsyncOpenAI:
    """Return the OpenAI SDK's client for a backend."""
    if config.provider == "llamacpp":
        return await _embedded(config, cast("LlamaCppBackend", backend))
    return openai_sdk.client(_address(config, backend), key_of(config) or "none", config.timeout_s)


def _address(config: BackendConfig, backend: Backend) -> str | None:
    """Return the base URL; `None` for the SDK's default."""
    if config.provider == "ollama":
        return cast("OllamaBackend", backend).address + "/v1"  # OLLAMA_HOST may decide
    if config.provider == "vllm":
        return config.base_url or vllm.DEFAULT_URL
    return config.base_url


async def _embedded(config: BackendConfig, backend: LlamaCppBackend) -> openai.AsyncOpenAI:

    from harness.backends.providers.llamacpp import LOOPBACK_KEY

    return openai_sdk.client(await backend.address(), LOOPBACK_KEY, config.timeout_s, proxies=False)


class RequestAdapter:
    """Adapts a caller's parameters to one server, by `max_tokens_parameter`, `omit` and `extra_body` of its backend."""

    def __init__(self, config: BackendConfig) -> None:
        """Args: `config` may be of any provider."""
        options = config.options
        hosted = config.provider == "openai" and config.base_url is None
        self._limit = options.get("max_tokens_parameter") or _LIMITS[hosted]
        self._other_limit = _LIMITS[self._limit == _LIMITS[0]]
        self._omit = frozenset(options.get("omit", ()))
        self._extra_body: Mapping[str, Any] = options.get("extra_body", {})
        self._model = config.model

    def adapt(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the caller's parameters as this server accepts them."""
        adapted = {"model": self._model, **params}
        if self._other_limit in adapted:
            adapted.setdefault(self._limit, adapted.pop(self._other_limit))
        for name in self._omit:
            adapted.pop(name, None)
        if self._extra_body:
            adapted["extra_body"] = {**self._extra_body, **(adapted.get("extra_body") or {})}
        return adapted

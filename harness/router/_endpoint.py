"""The OpenAI protocol of a backend: every provider has it, at one address or another."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import openai
import openai.resources.chat  # which the SDK would import in the midst of the first call

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
    """The key of a backend that has connected, so that it is there where one is needed; "" where it has none."""
    if config.api_key_env is not None:
        return os.environ.get(config.api_key_env, "").strip()
    if config.provider == "ollama":
        return os.environ.get(ollama_backend.KEY_VARIABLE, "").strip()
    hosted = config.provider == "openai" and config.base_url is None
    return os.environ.get(openai_backend.KEY_VARIABLE, "").strip() if hosted else ""


def secrets_of(config: BackendConfig, backend: Backend) -> tuple[str, ...]:
    """What is sent to it and must stand in no message."""
    address = _address(config, backend) or os.environ.get("OPENAI_BASE_URL", "")
    return (key_of(config), *passwords(address))


async def client_of(config: BackendConfig, backend: Backend) -> openai.AsyncOpenAI:
    """The SDK's client for it."""
    if config.provider == "llamacpp":
        return await _embedded(config, cast("LlamaCppBackend", backend))
    return openai_sdk.client(_address(config, backend), key_of(config) or "none", config.timeout_s)


def _address(config: BackendConfig, backend: Backend) -> str | None:
    """Where it is; `None` where the SDK knows."""
    if config.provider == "ollama":
        return cast("OllamaBackend", backend).address + "/v1"  # OLLAMA_HOST may decide
    if config.provider == "vllm":
        return config.base_url or vllm.DEFAULT_URL
    return config.base_url


async def _embedded(config: BackendConfig, backend: LlamaCppBackend) -> openai.AsyncOpenAI:
    """The engine in this process; a probe has loaded it before."""
    from harness.backends.providers.llamacpp import LOOPBACK_KEY

    return openai_sdk.client(await backend.address(), LOOPBACK_KEY, config.timeout_s, proxies=False)


class RequestAdapter:
    """What a server wants to be told otherwise, by the keys of its backend (`max_tokens_parameter`, `omit`)."""

    def __init__(self, config: BackendConfig) -> None:
        """`config` may be of any provider."""
        told = config.options
        hosted = config.provider == "openai" and config.base_url is None
        self._limit = told.get("max_tokens_parameter") or _LIMITS[hosted]
        self._other = _LIMITS[self._limit == _LIMITS[0]]
        self._omit = frozenset(told.get("omit", ()))
        self._extra: Mapping[str, Any] = told.get("extra_body", {})
        self._model = config.model

    def spoken(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """A caller's parameters as this server takes them."""
        told = {"model": self._model, **asked}
        if self._other in told:
            told.setdefault(self._limit, told.pop(self._other))
        for name in self._omit:
            told.pop(name, None)
        if self._extra:
            told["extra_body"] = {**self._extra, **(told.get("extra_body") or {})}
        return told

"""The OpenAI protocol of a backend: every provider of servers has it, at one address or another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import openai
import openai.resources.chat  # which the SDK would import in the midst of the first call

from harness.backends import Backend, ServesOpenAI
from harness.backends.http import openai_sdk
from harness.core.errors import BackendError
from harness.project.config import BackendConfig

_LIMITS = ("max_tokens", "max_completion_tokens")


def secrets_of(backend: Backend) -> tuple[str, ...]:
    """Keys and passwords that are sent to it and must stand in no message."""
    return backend.secrets if isinstance(backend, ServesOpenAI) else ()


async def client_of(config: BackendConfig, backend: Backend) -> openai.AsyncOpenAI:
    """The SDK's client for it; raises `BackendError` for one that does not speak the OpenAI protocol."""
    if not isinstance(backend, ServesOpenAI):
        msg = f"provider {config.provider} does not speak the OpenAI protocol: call its tasks by `router.ask`"
        raise BackendError(msg, backend=config.name)
    endpoint = await backend.openai_endpoint()
    return openai_sdk.client(endpoint.url, endpoint.key or "none", config.timeout_s, proxies=endpoint.proxies)


class RequestAdapter:
    """What a server wants to be told otherwise, by the keys of its backend (`max_tokens_parameter`, `omit`)."""

    def __init__(self, config: BackendConfig) -> None:
        """`config` may be of any provider."""
        told = config.options
        self._limit = told.get("max_tokens_parameter") or _LIMITS[config.is_hosted]
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

"""The OpenAI SDK's client for a backend of any provider, and the adapter for its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import openai
import openai.resources.chat  # otherwise the SDK imports this module during the first call

from harness.backends import Backend, ServesOpenAI
from harness.backends.http import openai_sdk
from harness.core.errors import BackendError
from harness.project.config import BackendConfig

_LIMITS = ("max_tokens", "max_completion_tokens")


def secrets_of(backend: Backend) -> tuple[str, ...]:
    """Return the key and the passwords sent to a backend, which no message may contain."""
    return backend.secrets if isinstance(backend, ServesOpenAI) else ()


async def client_of(config: BackendConfig, backend: Backend) -> openai.AsyncOpenAI:
    """Return the OpenAI SDK's client for a backend; raises `BackendError` if it does not speak the OpenAI protocol."""
    if not isinstance(backend, ServesOpenAI):
        msg = f"provider {config.provider} does not speak the OpenAI protocol: call its tasks with `router.ask`"
        raise BackendError(msg, backend=config.name)
    endpoint = await backend.openai_endpoint()
    return openai_sdk.client(endpoint.url, endpoint.key or "none", config.timeout_s, proxies=endpoint.proxies)


class RequestAdapter:
    """Adapts a caller's parameters to one server, by `max_tokens_parameter`, `omit` and `extra_body` of its backend."""

    def __init__(self, config: BackendConfig) -> None:
        """Args: `config` may be of any provider."""
        options = config.options
        self._limit = options.get("max_tokens_parameter") or _LIMITS[config.is_hosted]
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

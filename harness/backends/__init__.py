"""Backends: models behind one protocol. `Backend.complete` takes a request and returns a response.

May import store, project and core.
Never here: retries, scoring, prompts.

A provider is a file of `providers/`, found by its name; its constant `PROVIDER` is the class of its backends (see
`Provider`). A failed call is a `Response` with an `error`; an error that every further call would get (wrong key,
unknown model) raises `BackendError`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast, runtime_checkable

from pydantic import BaseModel

from harness.backends.http.errors import bad_url
from harness.backends.local.models import Progress
from harness.core.errors import ConfigError
from harness.core.plugins import PROVIDERS, ProviderCapabilities
from harness.core.toml import hint, parse
from harness.core.types import ModelInfo, Request, Response
from harness.project.config import BackendConfig, Config


@runtime_checkable
class Backend(Protocol):
    """A connected model."""

    concurrency: int
    """Upper limit of concurrent requests, unless the user sets one; the engine measures how many are useful."""
    exclusive: bool
    """Whether it computes on this machine's cores. Two such backends must not run at the same time."""
    warm_up: bool
    """Whether the first request loads a model. If so, a dummy request precedes the first timed request."""

    async def identify(self) -> ModelInfo:
        """Describe the model that is served; raises `BackendError` if it is not available."""
        ...

    async def complete(self, request: Request) -> Response:
        """Send one request. Does not retry and does not raise for a failed call."""
        ...

    async def close(self) -> None:
        """Release connections and memory."""
        ...


class Provider(Protocol):
    """The class of a provider's backends, as `PROVIDER` of its module."""

    capabilities: ProviderCapabilities
    """Capabilities of all its backends."""
    options_class: type[BaseModel]
    """Its own keys of `[backends.NAME]` in harness.toml."""

    def connect(self, config: BackendConfig, progress: Progress | None = None, /) -> Backend:
        """Create a backend without sending anything. `progress` is notified while a model file is fetched.

        Raises `BackendUnavailable` if a key is missing.
        """
        ...


@runtime_checkable
class ReportsHeaders(Protocol):
    """A backend that reports the headers of every reply, errors included; names are in lower case."""

    on_headers: Callable[[Mapping[str, str]], None] | None


@dataclass(frozen=True, slots=True)
class OpenAIEndpoint:
    """Address and key of a server of the OpenAI protocol. `url`: `None` if the SDK knows the address.

    `proxies`: whether the proxies of the environment apply.
    """

    url: str | None
    key: str = ""
    proxies: bool = True


@runtime_checkable
class ServesOpenAI(Protocol):
    """A backend that the router can call by the OpenAI protocol; every provider but `replay` is one."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Keys and passwords of requests, which no message may contain."""
        ...

    async def openai_endpoint(self) -> OpenAIEndpoint:
        """Return the server's address and key; load the model if necessary."""
        ...


def provider_names() -> list[str]:
    """The names of all providers."""
    return PROVIDERS.names()


def check(config: Config) -> None:
    """Raise `ConfigError` for an unknown provider or an unknown key of one."""
    for backend in config.backends.values():
        _provider(backend, config.path)


def connect(backend: BackendConfig, progress: Progress | None = None) -> Backend:
    """Create a backend without sending anything. `progress` is notified while a model file is fetched."""
    provider = _provider(backend, None)
    connected: object = provider.connect(backend, progress)
    if not isinstance(connected, Backend):
        msg = f"{backend.provider}: PROVIDER.connect() returned {type(connected).__name__}, which is not a Backend"
        raise TypeError(msg)
    return connected


def _provider(backend: BackendConfig, path: Path | None) -> Provider:
    """The provider of a backend whose keys are valid; raises `ConfigError`."""
    where = path or Path("harness.toml")
    if backend.provider not in provider_names():
        near = hint(backend.provider, provider_names())
        msg = f"{where}: [backends.{backend.name}] unknown provider {backend.provider!r}{near}"
        raise ConfigError(msg)
    provider = cast("Provider", PROVIDERS.load(backend.provider))
    options = provider.options_class
    common = set(BackendConfig.model_fields) - {"name", "folder"}
    for key in backend.options:
        if key not in options.model_fields:
            near = hint(key, common | set(options.model_fields))
            msg = f"{where}: unknown key {key!r} in [backends.{backend.name}]{near}"
            raise ConfigError(msg)
    if backend.base_url is not None and (problem := bad_url(backend.base_url)):
        msg = f"{where}: base_url in [backends.{backend.name}] {problem}"
        raise ConfigError(msg)
    parse(options, backend.options, where, ("backends", backend.name))
    return provider

"""Models behind one protocol: `Backend.complete`, a request in, a response out.

May import store, project and core.
Never here: retries, scoring, prompts.

A provider is a file of `providers/`, found by its name, with a `connect(config, progress) -> Backend` and an `Options`
model of its own keys in `harness.toml`. A call that fails is a `Response` with an `error`; what makes every further
call pointless (wrong key, unknown model) raises `BackendError`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from pydantic import BaseModel

from harness.backends import providers
from harness.backends.http.errors import bad_url
from harness.backends.local.models import Progress
from harness.core.errors import ConfigError
from harness.core.toml import hint, parse
from harness.core.types import ModelInfo, Request, Response
from harness.project.config import BackendConfig, Config


@runtime_checkable
class Backend(Protocol):
    """A model that can be asked."""

    concurrency: int
    """The most requests at once, unless the user says otherwise; how many it can do with is found by measuring."""
    exclusive: bool
    """Whether it takes this machine's cores, so that two such backends must not run side by side."""
    warm_up: bool
    """Whether the first request loads a model, so that a dummy one must come before anything is timed."""

    async def identify(self) -> ModelInfo:
        """What exactly is being served; raises `BackendError` where it is not there."""
        ...

    async def complete(self, request: Request) -> Response:
        """Ask once. Does not retry and does not raise for a failed call."""
        ...

    async def close(self) -> None:
        """Give back connections and memory."""
        ...


@runtime_checkable
class ReportsHeaders(Protocol):
    """A backend that tells the headers of every reply, errors included; names are in lower case."""

    on_headers: Callable[[Mapping[str, str]], None] | None


def provider_names() -> list[str]:
    """The names of all providers."""
    return sorted(m.name for m in pkgutil.iter_modules(providers.__path__) if not m.name.startswith("_"))


def check(config: Config) -> None:
    """Raise `ConfigError` for an unknown provider, or a key that its provider does not know."""
    for backend in config.backends.values():
        _options(backend, config.path)


def connect(backend: BackendConfig, progress: Progress | None = None) -> Backend:
    """A backend, not yet asked anything. `progress` hears of a model file that has to be fetched."""
    _options(backend, None)
    connected = importlib.import_module(f"{providers.__name__}.{backend.provider}").connect(backend, progress)
    if not isinstance(connected, Backend):
        msg = f"{backend.provider}.connect() returned {type(connected).__name__}, which is no Backend"
        raise TypeError(msg)
    return connected


def _options(backend: BackendConfig, path: Path | None) -> None:
    where = path or Path("harness.toml")
    if backend.provider not in provider_names():
        near = hint(backend.provider, provider_names())
        msg = f"{where}: [backends.{backend.name}] unknown provider {backend.provider!r}{near}"
        raise ConfigError(msg)
    module = importlib.import_module(f"{providers.__name__}.{backend.provider}")
    options: type[BaseModel] = module.Options
    common = set(BackendConfig.model_fields) - {"name", "folder"}
    for key in backend.options:
        if key not in options.model_fields:
            near = hint(key, common | set(options.model_fields))
            msg = f"{where}: unknown key {key!r} in [backends.{backend.name}]{near}"
            raise ConfigError(msg)
    if backend.base_url is not None and (wrong := bad_url(backend.base_url)):
        msg = f"{where}: base_url in [backends.{backend.name}] {wrong}"
        raise ConfigError(msg)
    parse(options, backend.options, where, ("backends", backend.name))

"""Direct calls to one backend, without the engine's retries, cache and store."""

from __future__ import annotations

import asyncio
from typing import Any

from harness import backends
from harness.core.types import Message, ModelInfo, Request, Response, Sampling
from harness.project.config import BackendConfig

from .servers import MODEL


def configured(provider: str, base_url: str | None = None, **more: Any) -> BackendConfig:
    """Return the backend `[backends.mine]`."""
    known = {"name": "mine", "provider": provider, "model": MODEL, "variant": "local", "base_url": base_url}
    return BackendConfig.model_validate({**known, "timeout_s": 5.0, **more})


def request(text: str = "I was charged twice", system: str = "", **sampling: Any) -> Request:
    """Return a request with these sampling parameters."""
    first = (Message("system", system),) if system else ()
    return Request((*first, Message("user", text)), Sampling(**sampling))


def ask(config: BackendConfig, *requests: Request) -> list[Response]:
    """Send the requests one after the other on one connection; return the responses."""

    async def talk() -> list[Response]:
        backend = backends.connect(config)
        try:
            return [await backend.complete(each) for each in requests or (request(),)]
        finally:
            await backend.close()

    return asyncio.run(talk())


def identify(config: BackendConfig) -> ModelInfo:
    """Return the identity that the backend reports."""

    async def talk() -> ModelInfo:
        backend = backends.connect(config)
        try:
            return await backend.identify()
        finally:
            await backend.close()

    return asyncio.run(talk())

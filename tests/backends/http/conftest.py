"""Calls to a server that sends raw bytes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from harness import backends
from harness.core.types import Response

from ...support.backend_calls import ask, configured, request
from ...support.servers import completion
from ...support.wire import Wire

BILLING = json.dumps(completion()).encode()


def asked(server: Wire, times: int = 1, **config: Any) -> list[Response]:
    return ask(configured("openai", server.base_url, **config), *[request()] * times)


def spaced(server: Wire, times: int) -> list[str]:
    """Send requests with pauses, in which the server can act; return the responses."""

    async def talk() -> list[str]:
        backend = backends.connect(configured("openai", server.base_url))
        said = []
        for _ in range(times):
            said.append((await backend.complete(request())).text)
            await asyncio.sleep(0.12)
        await backend.close()
        return said

    return asyncio.run(talk())

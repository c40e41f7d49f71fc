"""One backend in service: who it is, whether it is up, what it costs, and the probes that bring it back."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from harness.backends import Backend
from harness.core.errors import HarnessError
from harness.core.types import CallError, Message, ModelInfo, Request, Sampling
from harness.project import pricing
from harness.project.config import BackendConfig, Config
from harness.project.routing import Routing
from harness.router._breaker import COUNTED, CircuitBreaker
from harness.router._endpoint import RequestAdapter, client_of, secrets_of

if TYPE_CHECKING:
    import openai

_log = logging.getLogger("harness.router")

CHARS_PER_TOKEN = 3
"""By which a prompt is counted before it is sent; of English text it is about four, so that the estimate is high."""

Connect = Callable[[BackendConfig], Backend]


class Target:
    """One backend of the routing, shared by all tasks that use it."""

    def __init__(self, config: Config, name: str, routing: Routing, embeds: frozenset[bool], connect: Connect) -> None:
        """`embeds`: whether its tasks ask for vectors, for replies, or both. Raises what `connect` raises."""
        self.config = config.backend(name)
        self.name = name
        self.backend = connect(self.config)
        self.breaker = CircuitBreaker(routing.breaker.failures)
        self.dialect = RequestAdapter(self.config)
        self.secrets = secrets_of(self.backend)
        self.looked = asyncio.Event()
        """Set when the first probe is over, however it went."""
        self.closed = False
        self._probe = routing.probe
        self._embeds = embeds
        self._price = pricing.price_of(config, self.config)
        self._free = self._price is None and pricing.is_local(config, self.config)
        self._info: ModelInfo | None = None
        self._prints: dict[str, str] = {}
        self._client: openai.AsyncOpenAI | None = None
        self._connecting = asyncio.Lock()

    async def client(self) -> openai.AsyncOpenAI:
        """The SDK's client, made on first use."""
        if self._client is None:
            async with self._connecting:
                self.check_open()
                self._client = self._client or await client_of(self.config, self.backend)
        return self._client

    def check_open(self) -> None:
        """Raise where it serves no more: a call may be under way when the router is closed."""
        if self.closed:
            msg = "the router is closed"
            raise HarnessError(msg)

    def usd(self, prompt_tokens: int | None, completion_tokens: int | None) -> float | None:
        """What so many tokens cost: nothing on a server of one's own, `None` where tokens or price are not told."""
        if self._free:
            return 0.0
        if self._price is None or prompt_tokens is None:
            return None
        return pricing.usd(self._price, prompt_tokens, completion_tokens or 0)

    def at_most_usd(self, chars: int, max_tokens: int) -> float:
        """What a call may cost, by the size of its prompt; nothing where there is no price."""
        return self.usd(chars // CHARS_PER_TOKEN + 1, max_tokens) or 0.0

    def fingerprint(self, prompt: str) -> str:
        """Hash of who answers a prompt of that digest; "" as long as the backend has not said who it is."""
        if prompt not in self._prints:
            info = self._info
            if info is None:
                return ""
            parts = (info.model, info.digest, info.quantization, info.engine, info.engine_version, prompt)
            self._prints[prompt] = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
        return self._prints[prompt]

    async def watch(self) -> None:
        """Probe at once, and again from each time that the breaker opens until an answer comes. Until cancelled."""
        while True:
            error = await self.probe()
            self._tell(error)
            self.breaker.probed(error)
            self.looked.set()
            await self.breaker.opened.wait()
            await asyncio.sleep(self._probe.every_s)

    async def probe(self) -> CallError | None:
        """Ask who it is, and where it has to load its model have it do so; returns what is wrong."""
        limit_s = min(self.config.timeout_s, max(self._probe.start_s, self._probe.every_s))
        try:
            async with asyncio.timeout(limit_s):
                self._recognize(await self.backend.identify())
                error = await self._warm_up() if self.backend.warm_up else None
                if error is None and False in self._embeds:
                    await self.client()  # reading certificates is nothing for a caller's first call
                return error
        except TimeoutError:
            return CallError("timeout", f"no answer to a probe within {limit_s:g} s")
        except HarnessError as error:
            return CallError("refused", error.message)
        except Exception as error:  # noqa: BLE001  a watch that has ended would leave the backend down for ever
            _log.exception("backend %s: a probe failed in a way that it should not", self.name)
            return CallError("refused", f"{type(error).__name__}: {error}")

    async def _warm_up(self) -> CallError | None:
        for embed in self._embeds:
            dummy = Request((Message("user", "Say OK."),), Sampling(max_tokens=1), embed=embed)
            response = await self.backend.complete(dummy)
            if response.error is not None and response.error.kind in COUNTED:
                return response.error  # one that is busy, or does not like the question, is up
        return None

    def _recognize(self, info: ModelInfo) -> None:
        """After a restart it may be another model."""
        if info != self._info:
            self._info = info
            self._prints.clear()

    def _tell(self, error: CallError | None) -> None:
        was = self.breaker.why
        if error is None and was is not None:
            _log.info("backend %s is up", self.name)
        elif error is not None and (was is None or was.message != error.message):
            _log.warning("backend %s is down: %s", self.name, error.message)

    async def close(self) -> None:
        """Give back connections and memory."""
        self.closed = True
        if self._client is not None:
            await self._client.close()
            self._client = None
        await self.backend.close()

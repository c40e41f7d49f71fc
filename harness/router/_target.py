"""One backend of the router: its clients, its price, its circuit breaker, and the probes that close the breaker."""

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
from harness.router._circuit_breaker import COUNTED, CircuitBreaker
from harness.router._openai_client import RequestAdapter, client_of, secrets_of

if TYPE_CHECKING:
    import openai

_log = logging.getLogger("harness.router")

CHARS_PER_TOKEN = 3
"""Estimates prompt tokens before a call. English has about four, so the estimate is high on purpose."""

Connect = Callable[[BackendConfig], Backend]


class Target:
    """One backend of the routing, shared by all tasks that use it."""

    def __init__(self, config: Config, name: str, routing: Routing, embeds: frozenset[bool], connect: Connect) -> None:
        """Args: `embeds` tells whether its tasks need vectors, replies, or both. Raises what `connect` raises."""
        self.config = config.backend(name)
        self.name = name
        self.backend = connect(self.config)
        self.breaker = CircuitBreaker(routing.breaker.failures)
        self.adapter = RequestAdapter(self.config)
        self.secrets = secrets_of(self.backend)
        self.first_probe_done = asyncio.Event()
        """Set after the first probe, whether it succeeded or not."""
        self.closed = False
        self._probe = routing.probe
        self._embeds = embeds
        self._price = pricing.price_of(config, self.config)
        self._free = self._price is None and pricing.is_local(config, self.config)
        self._info: ModelInfo | None = None
        self._fingerprints: dict[str, str] = {}
        self._client: openai.AsyncOpenAI | None = None
        self._connecting = asyncio.Lock()

    async def client(self) -> openai.AsyncOpenAI:
        """Return the OpenAI SDK's client, created on first use."""
        if self._client is None:
            async with self._connecting:
                self.check_open()
                self._client = self._client or await client_of(self.config, self.backend)
        return self._client

    def check_open(self) -> None:
        """Raise `HarnessError` after `close`: the router may be closed while calls are in flight."""
        if self.closed:
            msg = "the router is closed"
            raise HarnessError(msg)

    def usd(self, prompt_tokens: int | None, completion_tokens: int | None) -> float | None:
        """Return the cost of these tokens: 0 on a local server, `None` if the tokens or the price are unknown."""
        if self._free:
            return 0.0
        if self._price is None or prompt_tokens is None:
            return None
        return pricing.usd(self._price, prompt_tokens, completion_tokens or 0)

    def max_usd_of(self, chars: int, max_tokens: int) -> float:
        """Return the highest cost of a call with a prompt of `chars` characters; 0 if there is no price."""
        return self.usd(chars // CHARS_PER_TOKEN + 1, max_tokens) or 0.0

    def fingerprint(self, prompt: str) -> str:
        """Return the hash of model, engine and prompt digest; "" until the backend has identified itself."""
        if prompt not in self._fingerprints:
            info = self._info
            if info is None:
                return ""
            parts = (info.model, info.digest, info.quantization, info.engine, info.engine_version, prompt)
            self._fingerprints[prompt] = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
        return self._fingerprints[prompt]

    async def keep_probing(self) -> None:
        """Probe now, then while the breaker is open, every `[probe] every_s` seconds. Runs until cancelled."""
        while True:
            error = await self.probe()
            self._log_change(error)
            self.breaker.record_probe(error)
            self.first_probe_done.set()
            await self.breaker.opened.wait()
            await asyncio.sleep(self._probe.every_s)

    async def probe(self) -> CallError | None:
        """Identify the backend and load its model if necessary; return what failed."""
        limit_s = min(self.config.timeout_s, max(self._probe.start_s, self._probe.every_s))
        try:
            async with asyncio.timeout(limit_s):
                self._set_info(await self.backend.identify())
                error = await self._warm_up() if self.backend.warm_up else None
                if error is None and False in self._embeds:
                    await self.client()  # loading certificates is slow: not during a caller's first call
                return error
        except TimeoutError:
            return CallError("timeout", f"no reply to a probe within {limit_s:g} s")
        except HarnessError as error:
            return CallError("refused", error.message)
        except Exception as error:  # noqa: BLE001  without its probe loop the backend would stay down forever
            _log.exception("backend %s: a probe failed unexpectedly", self.name)
            return CallError("refused", f"{type(error).__name__}: {error}")

    async def _warm_up(self) -> CallError | None:
        for embed in self._embeds:
            dummy = Request((Message("user", "Say OK."),), Sampling(max_tokens=1), embed=embed)
            response = await self.backend.complete(dummy)
            if response.error is not None and response.error.kind in COUNTED:
                return response.error  # other kinds mean that the backend is up: busy, or it rejects this prompt
        return None

    def _set_info(self, info: ModelInfo) -> None:
        if info != self._info:
            self._info = info  # after a restart the server may serve another model
            self._fingerprints.clear()

    def _log_change(self, error: CallError | None) -> None:
        before = self.breaker.open_reason
        if error is None and before is not None:
            _log.info("backend %s is up", self.name)
        elif error is not None and (before is None or before.message != error.message):
            _log.warning("backend %s is down: %s", self.name, error.message)

    async def close(self) -> None:
        """Close connections and free memory."""
        self.closed = True
        if self._client is not None:
            await self._client.close()
            self._client = None
        await self.backend.close()

"""A cost limit that holds however long the replies are.

    hold = await budget.reserve(config, request)        reserves the maximum cost of the call; waits, or raises
    try:
        response = await backend.complete(request)
    finally:
        budget.settle(hold, response)                   replaces it by the actual cost, if the server reports it

Settled and reserved costs together never exceed the limit. A call that does not fit waits for pending calls, which
mostly cost less than their reservation. The budget is exhausted when no call is pending.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock

from harness.analysis.costs.spend import MAY_BE_BILLED
from harness.core.errors import BudgetExhausted, ConfigError
from harness.core.types import Request, Response
from harness.project.config import BackendConfig, Config
from harness.project.pricing import Price, is_local, price_of, usd

PER_MESSAGE = 16
"""Upper bound on the tokens that a chat template adds around a turn, or after the last turn."""
_NO_LIMIT = frozenset({"max_tokens", "max_completion_tokens"})
FREE = Price(0.0, 0.0, None, "local")


def most_prompt_tokens(request: Request) -> int:
    """Upper bound on the prompt tokens of a request for any tokenizer: one per byte, and a template per turn."""
    text = sum(len(message.content.encode("utf-8", "backslashreplace")) for message in request.messages)
    beside = [*request.tools]
    if request.constraint is not None:
        beside.append({"choices": request.constraint.choices, "schema": request.constraint.schema})
    text += sum(len(json.dumps(part, default=dict)) + PER_MESSAGE for part in beside)
    return text + PER_MESSAGE * (len(request.messages) + 1)


def most_usd(price: Price, request: Request) -> float:
    """Maximum cost of one attempt at a request, in USD."""
    return usd(price, most_prompt_tokens(request), 0 if request.embed else request.sampling.max_tokens)


@dataclass(frozen=True, slots=True)
class Reservation:
    """The maximum cost of one pending attempt."""

    usd: float
    price: Price


@dataclass
class Budget:
    """A cost limit, with the price of each backend by name. Safe to share among tasks and threads."""

    limit_usd: float
    prices: Mapping[str, Price]
    settled_usd: float = 0.0
    held_usd: float = 0.0
    _open: int = 0
    _waiting: list[asyncio.Future[None]] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    async def reserve(self, backend: BackendConfig, request: Request) -> Reservation:
        """Reserve the maximum cost of an attempt; raises `BudgetExhausted` if it cannot fit."""
        price = self.prices[backend.name]
        most = most_usd(price, request)
        while (hold := self._hold(most, price)) is None:
            await self._next_settled()
        return hold

    def settle(self, hold: Reservation, response: Response | None) -> None:
        """Replace a reservation by the actual cost. `None`: the attempt was cut off, and may be billed."""
        spent = hold.usd if response is None else _spent(hold, response)
        with self._lock:
            self._open -= 1
            # no pending call, no reservation: rounding errors must not add up
            self.held_usd = self.held_usd - hold.usd if self._open else 0.0
            self.settled_usd += spent
            waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():  # its loop may be closed
                waiter.get_loop().call_soon_threadsafe(_wake, waiter)

    def _hold(self, most: float, price: Price) -> Reservation | None:
        """A reservation, or `None` if it may fit after pending calls have settled."""
        with self._lock:
            if most and self.settled_usd + self.held_usd + most > self.limit_usd:
                if not self._open or self.settled_usd + most > self.limit_usd:
                    raise BudgetExhausted(self._exhausted(most))
                return None
            self._open += 1
            self.held_usd += most
            return Reservation(most, price)

    async def _next_settled(self) -> None:
        """Wait until an attempt settles. Returns at once if none is pending: it may have settled just before."""
        waiter = asyncio.get_running_loop().create_future()
        with self._lock:
            if not self._open:
                return
            self._waiting.append(waiter)
        await waiter

    def _exhausted(self, most: float) -> str:
        return (
            f"budget of ${self.limit_usd:.10g}: ${self.settled_usd:.4g} are spent and the next call can cost "
            f"${most:.4g}; all results so far are saved: continue with --resume and a higher --budget"
        )


def budget(config: Config, backends: Mapping[str, BackendConfig], limit_usd: float) -> Budget:
    """A budget over these backends, by name. Raises `ConfigError` for a backend with unlimited or unknown cost."""
    prices: dict[str, Price] = {}
    for name, backend in backends.items():
        price = price_of(config, backend)
        if price is None and not is_local(config, backend):
            msg = (
                f"backend {name} cannot have a budget: the price of {backend.model} is unknown; "
                f'set it in harness.toml: [prices."{backend.model}"] prompt_usd = …, completion_usd = …'
            )
            raise ConfigError(msg)
        if price is not None and price.completion_usd and _NO_LIMIT & set(backend.options.get("omit", ())):
            msg = f"backend {name} cannot have a budget: it omits max_tokens, so a reply can be of any length"
            raise ConfigError(msg)
        prices[name] = price or FREE
    return Budget(limit_usd, prices)


def _spent(hold: Reservation, response: Response) -> float:
    """Cost by the reported tokens; 0 for a rejected request; else the whole reservation."""
    if response.prompt_tokens is not None:
        return usd(hold.price, response.prompt_tokens, response.completion_tokens or 0)
    refused = response.error is not None and response.error.kind not in MAY_BE_BILLED
    return 0.0 if refused else hold.usd


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():  # it may have been cancelled
        waiter.set_result(None)

"""A limit on what is spent that holds whatever the models answer.

    hold = await budget.reserve(config, request)        as much as the call can cost at most; waits, or raises
    try:
        response = await backend.complete(request)
    finally:
        budget.settle(hold, response)                   as much as it did cost; all of it where nobody says

What is settled and what is held never add up to more than the limit. A call that does not fit waits for those under
way, which mostly cost less than was held for them; only where none is left is the budget exhausted.
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
"""More tokens than any chat template known to us puts around a turn, or after the last one."""
_NO_LIMIT = frozenset({"max_tokens", "max_completion_tokens"})
FREE = Price(0.0, 0.0, None, "local")


def most_prompt_tokens(request: Request) -> int:
    """No fewer tokens than any tokenizer makes of a request: one a byte, and what a template puts around each turn."""
    text = sum(len(message.content.encode("utf-8", "backslashreplace")) for message in request.messages)
    beside = [*request.tools]
    if request.constraint is not None:
        beside.append({"choices": request.constraint.choices, "schema": request.constraint.schema})
    text += sum(len(json.dumps(part, default=dict)) + PER_MESSAGE for part in beside)
    return text + PER_MESSAGE * (len(request.messages) + 1)


def most_usd(price: Price, request: Request) -> float:
    """What one attempt at a request can cost at most."""
    return usd(price, most_prompt_tokens(request), 0 if request.embed else request.sampling.max_tokens)


@dataclass(frozen=True, slots=True)
class Reservation:
    """What is set aside for one attempt under way."""

    usd: float
    price: Price


@dataclass
class Budget:
    """So much may be spent, by these prices: of each backend's name. Safe to share among tasks and threads."""

    limit_usd: float
    prices: Mapping[str, Price]
    settled_usd: float = 0.0
    held_usd: float = 0.0
    _open: int = 0
    _waiting: list[asyncio.Future[None]] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    async def reserve(self, backend: BackendConfig, request: Request) -> Reservation:
        """Set aside what an attempt can cost; raises `BudgetExhausted` where that is more than will be left."""
        price = self.prices[backend.name]
        most = most_usd(price, request)
        while (hold := self._hold(most, price)) is None:
            await self._another()
        return hold

    def settle(self, hold: Reservation, response: Response | None) -> None:
        """Put what an attempt did cost in the place of what was held. `None`: it was cut off, and may be billed."""
        spent = hold.usd if response is None else _spent(hold, response)
        with self._lock:
            self._open -= 1
            # with nothing under way nothing is held: what sums of fractions leave over must not add up
            self.held_usd = self.held_usd - hold.usd if self._open else 0.0
            self.settled_usd += spent
            waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.done():  # whose loop may be closed
                one.get_loop().call_soon_threadsafe(_wake, one)

    def _hold(self, most: float, price: Price) -> Reservation | None:
        """A hold, or `None` where it may fit when those under way are done."""
        with self._lock:
            if most and self.settled_usd + self.held_usd + most > self.limit_usd:
                if not self._open or self.settled_usd + most > self.limit_usd:
                    raise BudgetExhausted(self._told(most))
                return None
            self._open += 1
            self.held_usd += most
            return Reservation(most, price)

    async def _another(self) -> None:
        """Wait until an attempt is settled. One that was settled just before has woken nobody, so look again."""
        mine = asyncio.get_running_loop().create_future()
        with self._lock:
            if not self._open:
                return
            self._waiting.append(mine)
        await mine

    def _told(self, most: float) -> str:
        return (
            f"budget of ${self.limit_usd:.10g}: ${self.settled_usd:.4g} are spent and the next call can cost "
            f"${most:.4g}; what was answered is saved: the same command with --resume and another --budget goes on"
        )


def budget(config: Config, backends: Mapping[str, BackendConfig], limit_usd: float) -> Budget:
    """A budget over these backends, by name. Raises `ConfigError` for one whose calls could cost anything."""
    prices: dict[str, Price] = {}
    for name, backend in backends.items():
        price = price_of(config, backend)
        if price is None and not is_local(config, backend):
            msg = (
                f"no budget can be held with backend {name}: nobody says what {backend.model} costs; "
                f'say it in harness.toml: [prices."{backend.model}"] prompt_usd = …, completion_usd = …'
            )
            raise ConfigError(msg)
        if price is not None and price.completion_usd and _NO_LIMIT & set(backend.options.get("omit", ())):
            msg = f"no budget can be held with backend {name}: it omits max_tokens, so a reply can be of any length"
            raise ConfigError(msg)
        prices[name] = price or FREE
    return Budget(limit_usd, prices)


def _spent(hold: Reservation, response: Response) -> float:
    """By the tokens that the server told; nothing for a request that was refused; else what it can have cost."""
    if response.prompt_tokens is not None:
        return usd(hold.price, response.prompt_tokens, response.completion_tokens or 0)
    refused = response.error is not None and response.error.kind not in MAY_BE_BILLED
    return 0.0 if refused else hold.usd


def _wake(one: asyncio.Future[None]) -> None:
    if not one.done():  # whoever waited may have been cancelled
        one.set_result(None)

"""`Pace`: one queue per backend. A call that finds a slot free and nothing to wait for passes in a few microseconds."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Mapping
from time import monotonic
from types import TracebackType
from typing import Self

from harness.core.types import NOTHING, CallError, Response
from harness.runner.pacing.cohort import LatencySample
from harness.runner.pacing.limits import ServerAllowance, TokenBucket
from harness.runner.pacing.retries import FLOOR, RetryBudget
from harness.runner.pacing.slots import MOST, AdaptiveLimit

LONGEST_PAUSE_S = 600.0
"""A server that asks for more is asked again after this long."""
_BUSY = frozenset({429, 502, 503, 504, 529})
_BUSY_KINDS = frozenset({"rate_limit", "timeout", "connection"})


class Pace:
    """How fast one backend is asked. Used from one event loop.

        async with pace.turn(tokens=estimate) as turn:
            response = await backend.complete(request)
            turn.learn(response, headers)          # inside: before the slot goes to the next one

    `limit`: the most in flight. `rpm`, `tpm`: requests and tokens a minute, `None` for as many as come.
    """

    def __init__(
        self,
        limit: int = MOST,
        *,
        rpm: float | None = None,
        tpm: float | None = None,
        clock: Callable[[], float] = monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """`clock` in seconds; `draw`: an even draw from 0 to 1. Both are replaced in tests."""
        self.slots = AdaptiveLimit(limit)
        self.in_flight = 0
        self._clock = clock
        self._draw = draw
        self._retries = RetryBudget(FLOOR + self.slots.limit)
        self._waiting: deque[tuple[Turn, asyncio.Future[None]]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._pause_until = float("-inf")
        self._heard_at = now = clock()
        self._requests = TokenBucket(rpm, now) if rpm else None
        self._tokens = TokenBucket(tpm, now) if tpm else None
        self._left: tuple[ServerAllowance, ServerAllowance] | None = None

    @property
    def now(self) -> int:
        """How many may be in flight at this moment."""
        return self.slots.now

    @property
    def slowed(self) -> int:
        """How often the server was too busy, bursts counted once."""
        return self.slots.slowed

    @property
    def waiting_s(self) -> float | None:
        """How long until the next request may start, where one waits for a time and not for a slot."""
        if not self._waiting or self.in_flight >= self.slots.now:
            return None
        return self._delay_s(self._waiting[0][0], self._clock()) or None

    @property
    def waits_for(self) -> str:
        """What a request waits for, in words for the progress display; empty where none waits for a time."""
        if self.waiting_s is None:
            return ""
        turn, now = self._waiting[0][0], self._clock()
        if self._pause_until > now or any(left.delay_s(1, now) > 0 for left in self._left or ()):
            return "the server asked to wait"
        per = "tokens" if self._tokens is not None and self._tokens.delay_s(turn.tokens, now) > 0 else "requests"
        return f"{per}_per_minute in harness.toml"

    @property
    def silent_s(self) -> float:
        """How long nobody has been answered."""
        return self._clock() - self._heard_at

    def turn(self, tokens: int = 0) -> Turn:
        """A place in the queue for one attempt that costs about so many tokens, prompt and reply together."""
        return Turn(self, tokens)

    def may_retry(self) -> bool:
        """Whether a failed call may be asked again; a retry that may be made is counted as made."""
        return self._retries.spend()

    def heed(self, headers: Mapping[str, str]) -> None:
        """Read what a reply's headers say is left (`x-ratelimit-*`). Names in lower case, or a case-blind mapping."""
        if "x-ratelimit-remaining-requests" not in headers and "x-ratelimit-remaining-tokens" not in headers:
            return
        if self._left is None:
            self._left = (ServerAllowance("requests"), ServerAllowance("tokens"))
        now = self._clock()
        self._left[0].heed(headers, now, max(0, self.in_flight - 1))
        self._left[1].heed(headers, now, 0)

    def pause(self, for_s: float) -> None:
        """Start nothing for so long, and a little more: the server's other clients come back at that time, too."""
        for_s = min(for_s, LONGEST_PAUSE_S)
        until = self._clock() + for_s + self._draw() * min(1.0, 0.1 * for_s)
        self._pause_until = max(self._pause_until, until)

    def _delay_s(self, turn: Turn, now: float) -> float:
        """How long this turn must wait for a time to come; slots aside."""
        delay = max(0.0, self._pause_until - now)
        if self._requests is not None:
            delay = max(delay, self._requests.delay_s(1, now))
        if self._tokens is not None:
            delay = max(delay, self._tokens.delay_s(turn.tokens, now))
        if self._left is not None:
            delay = max(delay, self._left[0].delay_s(1, now), self._left[1].delay_s(turn.tokens or 1, now))
        return delay

    async def _begin(self, turn: Turn) -> None:
        now = self._clock()
        if not self._waiting and self.in_flight < self.slots.now and self._delay_s(turn, now) <= 0:
            self._start(turn, now)
            return
        ticket: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, ticket))
        self._wake()
        try:
            await ticket
        except asyncio.CancelledError:
            if ticket.done() and not ticket.cancelled():
                self._end(turn)  # it was let in just then
            else:
                ticket.cancel()
                self._wake()  # whoever is next may need less, or no timer at all
            raise

    def _start(self, turn: Turn, now: float) -> None:
        self.in_flight += 1
        turn.started = now
        turn.cohort = self.slots.begin(self.in_flight)
        self._retries.called()
        if self._requests is not None:
            self._requests.take(1)
        if self._tokens is not None:
            self._tokens.take(turn.tokens)
        if self._left is not None:
            self._left[0].take(1)
            self._left[1].take(turn.tokens)

    def _end(self, turn: Turn) -> None:
        self.in_flight -= 1
        if not turn.learned:
            self.slots.dropped(turn.cohort)
        if self._waiting:
            self._wake()

    def _wake(self) -> None:
        """Let in who may start now, and come back when the next one may."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting = self._waiting
        while waiting and self.in_flight < self.slots.now:
            turn, ticket = waiting[0]
            if not ticket.done():
                now = self._clock()
                delay = self._delay_s(turn, now)
                if delay > 0:
                    self._timer = ticket.get_loop().call_later(delay, self._wake)
                    return
                self._start(turn, now)
                ticket.set_result(None)
            waiting.popleft()

    def _learn(self, turn: Turn, response: Response, headers: Mapping[str, str]) -> None:
        if headers:
            self.heed(headers)
        now = self._clock()
        if response.error is None:
            self._heard_at = now
            if self._tokens is not None and response.prompt_tokens is not None:
                self._tokens.take(response.prompt_tokens + (response.completion_tokens or 0) - turn.tokens)
            self.slots.answered(turn.cohort, now - turn.started, response.completion_tokens)
        elif _busy(response.error) and not (response.error.kind == "timeout" and self._heard_at > turn.started):
            # a time-out while others were answered is that case's own trouble, and no sign of a busy server
            if response.error.retry_after_s is not None:
                self.pause(response.error.retry_after_s)
            self.slots.refused(turn.cohort, turn.started, now)
        else:
            self.slots.dropped(turn.cohort)


class Turn:
    """One attempt's place: waits on entering, gives its slot back on leaving."""

    __slots__ = ("_pace", "cohort", "learned", "started", "tokens")

    def __init__(self, pace: Pace, tokens: int) -> None:
        self._pace = pace
        self.tokens = tokens
        self.started = 0.0
        self.cohort: LatencySample | None = None
        self.learned = False

    async def __aenter__(self) -> Self:
        await self._pace._begin(self)  # noqa: SLF001  two halves of one thing
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pace._end(self)  # noqa: SLF001

    def learn(self, response: Response, headers: Mapping[str, str] = NOTHING) -> None:
        """Tell what came of the attempt. A turn that ends without it (Ctrl-C) says nothing about the server."""
        self.learned = True
        self._pace._learn(self, response, headers)  # noqa: SLF001


def _busy(error: CallError) -> bool:
    """Whether an error means that the server has, or may have, too much to do."""
    return error.kind in _BUSY_KINDS or error.status in _BUSY

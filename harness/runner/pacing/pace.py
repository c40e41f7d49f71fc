"""`Pace`: one queue per backend. A call that need not wait passes in a few microseconds."""

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
"""Longest pause that a server's `retry-after` causes."""
_BUSY = frozenset({429, 502, 503, 504, 529})
_BUSY_KINDS = frozenset({"rate_limit", "timeout", "connection"})


class Pace:
    """Limits the requests to one backend, in flight and per minute. Used from one event loop.

        async with pace.turn(tokens=estimate) as turn:
            response = await backend.complete(request)
            turn.record(response, headers)          # inside: before the next request gets the slot

    `limit`: maximum in flight. `rpm`, `tpm`: requests and tokens per minute, `None` for no limit.
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
        """Args: `clock` returns seconds, `draw` a random number from 0 to 1; tests replace both."""
        self.concurrency = AdaptiveLimit(limit)
        self.in_flight = 0
        self._clock = clock
        self._draw = draw
        self._retries = RetryBudget(FLOOR + self.concurrency.maximum)
        self._waiting: deque[tuple[Turn, asyncio.Future[None]]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._pause_until = float("-inf")
        self._answered_at = now = clock()
        self._requests = TokenBucket(rpm, now) if rpm else None
        self._tokens = TokenBucket(tpm, now) if tpm else None
        self._left: tuple[ServerAllowance, ServerAllowance] | None = None

    @property
    def current_limit(self) -> int:
        """Number of requests that may be in flight now."""
        return self.concurrency.current

    @property
    def decreases(self) -> int:
        """How often the server was overloaded; a burst of refusals counts once."""
        return self.concurrency.decreases

    @property
    def waiting_s(self) -> float | None:
        """Seconds until the next request may start; `None` if none waits, or if it waits for a free slot."""
        if not self._waiting or self.in_flight >= self.concurrency.current:
            return None
        return self._delay_s(self._waiting[0][0], self._clock()) or None

    @property
    def wait_reason(self) -> str:
        """Why the next request waits, for the progress display; empty if `waiting_s` is `None`."""
        if self.waiting_s is None:
            return ""
        turn, now = self._waiting[0][0], self._clock()
        if self._pause_until > now or any(left.delay_s(1, now) > 0 for left in self._left or ()):
            return "the server asked to wait"
        per = "tokens" if self._tokens is not None and self._tokens.delay_s(turn.tokens, now) > 0 else "requests"
        return f"{per}_per_minute in harness.toml"

    @property
    def silent_s(self) -> float:
        """Seconds since the last successful reply."""
        return self._clock() - self._answered_at

    def turn(self, tokens: int = 0) -> Turn:
        """Return a place in the queue for one attempt. `tokens`: estimate of prompt and reply together."""
        return Turn(self, tokens)

    def may_retry(self) -> bool:
        """Return whether a failed call may be retried, and count the retry if so."""
        return self._retries.try_spend()

    def observe(self, headers: Mapping[str, str]) -> None:
        """Read a reply's `x-ratelimit-*` headers. Names in lower case, or a case-insensitive mapping."""
        if "x-ratelimit-remaining-requests" not in headers and "x-ratelimit-remaining-tokens" not in headers:
            return
        if self._left is None:
            self._left = (ServerAllowance("requests"), ServerAllowance("tokens"))
        now = self._clock()
        self._left[0].observe(headers, now, max(0, self.in_flight - 1))
        self._left[1].observe(headers, now, 0)

    def pause(self, for_s: float) -> None:
        """Start no request for `for_s` seconds and a little longer, because other clients return at the same time."""
        for_s = min(for_s, LONGEST_PAUSE_S)
        until = self._clock() + for_s + self._draw() * min(1.0, 0.1 * for_s)
        self._pause_until = max(self._pause_until, until)

    def _delay_s(self, turn: Turn, now: float) -> float:
        """Return the seconds that a turn must wait for limits and pauses; free slots are not considered."""
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
        if not self._waiting and self.in_flight < self.concurrency.current and self._delay_s(turn, now) <= 0:
            self._start(turn, now)
            return
        ticket: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, ticket))
        self._wake()
        try:
            await ticket
        except asyncio.CancelledError:
            if ticket.done() and not ticket.cancelled():
                self._end(turn)  # it was started at the same moment
            else:
                ticket.cancel()
                self._wake()  # the next turn may need a shorter timer, or none
            raise

    def _start(self, turn: Turn, now: float) -> None:
        self.in_flight += 1
        turn.started = now
        turn.sample = self.concurrency.begin(self.in_flight)
        self._retries.record_attempt()
        if self._requests is not None:
            self._requests.take(1)
        if self._tokens is not None:
            self._tokens.take(turn.tokens)
        if self._left is not None:
            self._left[0].take(1)
            self._left[1].take(turn.tokens)

    def _end(self, turn: Turn) -> None:
        self.in_flight -= 1
        if not turn.recorded:
            self.concurrency.dropped(turn.sample)
        if self._waiting:
            self._wake()

    def _wake(self) -> None:
        """Start the turns that may start now, and set a timer for the next."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting = self._waiting
        while waiting and self.in_flight < self.concurrency.current:
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

    def _record(self, turn: Turn, response: Response, headers: Mapping[str, str]) -> None:
        if headers:
            self.observe(headers)
        now = self._clock()
        if response.error is None:
            self._answered_at = now
            if self._tokens is not None and response.prompt_tokens is not None:
                self._tokens.take(response.prompt_tokens + (response.completion_tokens or 0) - turn.tokens)
            self.concurrency.answered(turn.sample, now - turn.started, response.completion_tokens)
        elif _busy(response.error) and not (response.error.kind == "timeout" and self._answered_at > turn.started):
            # A time-out while other requests were answered is a problem of its case, not a sign of load.
            if response.error.retry_after_s is not None:
                self.pause(response.error.retry_after_s)
            self.concurrency.refused(turn.sample, turn.started, now)
        else:
            self.concurrency.dropped(turn.sample)


class Turn:
    """One attempt: waits for a slot on entering, returns the slot on leaving."""

    __slots__ = ("_pace", "recorded", "sample", "started", "tokens")

    def __init__(self, pace: Pace, tokens: int) -> None:
        self._pace = pace
        self.tokens = tokens
        self.started = 0.0
        self.sample: LatencySample | None = None
        self.recorded = False

    async def __aenter__(self) -> Self:
        await self._pace._begin(self)  # noqa: SLF001  two halves of one thing
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pace._end(self)  # noqa: SLF001

    def record(self, response: Response, headers: Mapping[str, str] = NOTHING) -> None:
        """Record the outcome of the attempt. A turn without outcome (Ctrl-C) says nothing about the server."""
        self.recorded = True
        self._pace._record(self, response, headers)  # noqa: SLF001


def _busy(error: CallError) -> bool:
    """Return whether an error means that the server is, or may be, overloaded."""
    return error.kind in _BUSY_KINDS or error.status in _BUSY

"""One routed call: try the targets of a route in order until one answers; with hedging, two at a time."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Generic, Protocol, TypeVar

from harness.analysis.costs.spend import MAY_BE_BILLED
from harness.core.errors import AllBackendsFailed, BackendError
from harness.core.types import CallError
from harness.project.routing import TaskRoute
from harness.router._circuit_breaker import COUNTED
from harness.router._sdk_errors import TargetFailed
from harness.router._target import Target

_log = logging.getLogger("harness.router")

T = TypeVar("T")

RETRY_WAIT_S = 0.2
"""Wait before the last target is tried again."""

TRANSIENT = frozenset({"connection", "server"})
"""Failure kinds after which the last target is tried again. Not `timeout`: the caller has waited long enough."""

DEFAULT_WAIT_S = 0.5
"""Wait after a 429 without a `retry-after` header."""

MIN_WAIT_S = 0.1
"""Lower bound for `retry-after`: a server that sends 0 would be called in a tight loop."""


class FallbackRequest(Protocol[T]):
    """What a caller wants, independent of the target that serves it."""

    def chars(self, target: Target, /) -> int:
        """Return the prompt size for `target`, in characters."""
        ...

    @property
    def max_tokens(self) -> int:
        """Token limit of the reply; 0 if the caller set none."""
        ...

    @property
    def streams(self) -> bool:
        """Whether the reply is a stream, which reports its end to the circuit breaker itself."""
        ...

    async def send(self, target: Target, call: FallbackCall[T], /) -> T:
        """Return the target's reply; raises `TargetFailed`."""
        ...

    async def discard(self, reply: T, call: FallbackCall[T], /) -> None:
        """Release a reply that lost to a faster one, and add its cost to `call` if `send` did not."""
        ...


class FallbackCall(Generic[T]):
    """One call through the targets of its route: attempts, causes of failure, cost."""

    def __init__(self, task: str, route: TaskRoute, targets: Sequence[Target], request: FallbackRequest[T]) -> None:
        """Args: `targets` are the backends of the route, in order."""
        self.task = task
        self.route = route
        self.targets = targets
        self.request = request
        self.started = perf_counter()
        self.attempts = 0
        self.causes: list[tuple[str, CallError]] = []
        self._known_usd = 0.0
        self._usd_unknown = False

    @property
    def usd(self) -> float | None:
        """Cost of all attempts; `None` if one may have been billed and its cost is unknown."""
        return None if self._usd_unknown else self._known_usd

    @property
    def wall_s(self) -> float:
        """Seconds since the call was created."""
        return perf_counter() - self.started

    def fallback_reason(self, target: Target | None) -> str:
        """Return why the first target did not answer: its failure kind or `hedge`; "" if it did.

        `target` is the target that answered, `None` if all failed.
        """
        if target is self.targets[0]:
            return ""
        hedged = "" if target is None else "hedge"
        return next((error.kind for name, error in self.causes if name == self.targets[0].name), hedged)

    def add_cost(self, usd: float | None) -> None:
        """Add the cost of an attempt, `None` if unknown."""
        if usd is None:
            self._usd_unknown = True
        else:
            self._known_usd += usd

    async def run(self) -> tuple[Target, T]:
        """Return the target that answered and its reply; raises `AllBackendsFailed`."""
        if self.route.hedge_after_s is not None and len(self.targets) > 1:
            return await self._run_hedged(self.route.hedge_after_s)
        for index, target in enumerate(self.targets):
            try:
                return target, await self._try_target(target, self.targets[index + 1 :])
            except TargetFailed as failed:
                self.causes.append((target.name, failed.error))
        raise self._all_failed()

    async def _run_hedged(self, after_s: float) -> tuple[Target, T]:
        """Start the next target after `after_s` without a reply, or at once after a failure. The first reply wins."""
        waiting = list(self.targets)
        running: dict[asyncio.Task[T], Target] = {}
        generations = [target.breaker.generation for target in self.targets]
        try:
            while waiting or running:
                if waiting:
                    target = waiting.pop(0)
                    running[asyncio.create_task(self._try_target(target, waiting))] = target
                await asyncio.wait(running, timeout=after_s if waiting else None, return_when=asyncio.FIRST_COMPLETED)
                for task in [task for task in running if task.done()]:
                    target = running.pop(task)
                    try:
                        reply = task.result()
                    except TargetFailed as failed:
                        self.causes.append((target.name, failed.error))
                    else:
                        self._record_slow_targets(target, set(running.values()), generations, after_s)
                        return target, reply
        finally:
            await self._cancel_all(running)
        raise self._all_failed()

    def _record_slow_targets(
        self, winner: Target, unanswered: set[Target], generations: Sequence[int], after_s: float
    ) -> None:
        """Record a failure of the targets started before `winner`: hedging must still detect a backend that hangs."""
        slow = CallError("timeout", f"slower than the next backend, which was called {after_s:g} s later")
        for target, generation in zip(self.targets, generations, strict=True):
            if target is winner:
                return
            if target in unanswered:
                self._record_failure(target, generation, slow)

    async def _cancel_all(self, running: Mapping[asyncio.Task[T], Target]) -> None:
        """Cancel the running attempts. One that finished meanwhile releases its connection."""
        for task in running:
            task.cancel()
        for reply in await asyncio.gather(*running, return_exceptions=True):
            if not isinstance(reply, BaseException):
                await self.request.discard(reply, self)

    async def _try_target(self, target: Target, later: Sequence[Target]) -> T:
        """Return the reply of one target, with retries. `later`: targets that could be tried instead."""
        began, until = self.wall_s, 0.0
        may_repeat = True
        while True:
            alternatives = sum(other.breaker.open_reason is None for other in later)
            self._check_allowed(target)
            until = until or began + self._time_share_s(alternatives)
            try:
                return await self._attempt(target, min(until - self.wall_s, target.config.timeout_s))
            except TargetFailed as failed:
                error = failed.error
            wait_s = _jitter(max(MIN_WAIT_S, DEFAULT_WAIT_S if error.retry_after_s is None else error.retry_after_s))
            patience_s = self.route.patience_s - (self.wall_s - began) if alternatives else self._left_s
            if error.kind == "rate_limit" and wait_s < min(until - self.wall_s, patience_s):
                pass
            elif may_repeat and not alternatives and error.kind in TRANSIENT and target.breaker.open_reason is None:
                may_repeat, wait_s = False, _jitter(RETRY_WAIT_S)
            else:
                raise TargetFailed(error)
            await asyncio.sleep(wait_s)

    async def _attempt(self, target: Target, limit_s: float) -> T:
        """Make one attempt and record its outcome in the circuit breaker; raises `TargetFailed`."""
        generation = target.breaker.generation
        self.attempts += 1
        try:
            async with asyncio.timeout(limit_s):
                reply = await self.request.send(target, self)
        except asyncio.CancelledError:
            self.add_cost(target.usd(None, None))
            raise
        except TimeoutError:
            error = CallError("timeout", f"no answer within {limit_s:.3g} s", retryable=True)
        except BackendError as refused:
            error = CallError(refused.kind, refused.message)
        except TargetFailed as failed:
            error = failed.error
        else:
            if not self.request.streams:
                target.breaker.record_success(generation)
            return reply
        if error.kind in MAY_BE_BILLED:
            self.add_cost(target.usd(None, None))
        self._record_failure(target, generation, error)
        raise TargetFailed(error)

    @staticmethod
    def _record_failure(target: Target, generation: int, error: CallError) -> None:
        """Record a failure in the circuit breaker. A kind that does not count shows that the backend is up."""
        if error.kind not in COUNTED:
            target.breaker.record_success(generation)
        elif target.breaker.record_failure(generation, error):
            _log.warning("backend %s: circuit breaker opened: %s: %s", target.name, error.kind, error.message)

    @property
    def _left_s(self) -> float:
        return self.route.deadline_s - self.wall_s

    def _time_share_s(self, alternatives: int) -> float:
        """Share of the remaining time for one target: equal parts for it and the targets that could follow."""
        return self._left_s / (1 if self.route.hedge_after_s is not None else 1 + alternatives)

    def _check_allowed(self, target: Target) -> None:
        """Raise `TargetFailed` if a target must not be called: breaker open, deadline or budget used up."""
        target.check_open()
        if target.breaker.open_reason is not None:
            raise TargetFailed(CallError("breaker_open", f"circuit breaker open: {target.breaker.open_reason.message}"))
        if self._left_s <= 0:
            raise TargetFailed(CallError("deadline", f"not called: deadline_s = {self.route.deadline_s:g} has passed"))
        limit_usd = self.route.max_usd
        if limit_usd is not None:
            usd = self._known_usd + target.max_usd_of(self.request.chars(target), self.request.max_tokens)
            if usd > limit_usd:
                raise TargetFailed(
                    CallError("budget", f"not called: the total could reach ${usd:.4g}, above max_usd = {limit_usd:g}")
                )

    def _all_failed(self) -> AllBackendsFailed:
        return AllBackendsFailed(self.task, tuple((name, e.kind, e.message) for name, e in self.causes))


def _jitter(seconds: float) -> float:
    """Spread retries, so that clients do not return at the same moment."""
    return seconds * random.uniform(1.0, 1.2)  # noqa: S311  no secret

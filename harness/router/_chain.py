"""One call on its way through the tiers of its route: one backend after another, and two at once only when hedging."""

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
from harness.router._breaker import COUNTED
from harness.router._faults import TargetFailed
from harness.router._member import Target

_log = logging.getLogger("harness.router")

T = TypeVar("T")

AGAIN_S = 0.2
"""How long the last backend of a chain is left alone before it is asked once more."""

MAY_PASS = frozenset({"connection", "server"})
"""Kinds of failures after which that is worth it: a time-out has cost the caller enough already."""

WAIT_S = 0.5
"""How long to wait after a 429 that does not say."""

LEAST_WAIT_S = 0.1
"""However short a wait a server asks for: one that says 0 to everybody would be asked without end."""


class FallbackRequest(Protocol[T]):
    """What is asked: the same of every backend, in its words."""

    def chars(self, member: Target, /) -> int:
        """The size of the prompt that `member` would get."""
        ...

    @property
    def max_tokens(self) -> int:
        """How long the reply may be; 0 where the caller has not said."""
        ...

    @property
    def streams(self) -> bool:
        """Whether an answer is one that has only begun: how it ends is told to the breaker by itself."""
        ...

    async def ask(self, member: Target, chain: FallbackCall[T], /) -> T:
        """One answer; raises `TargetFailed`."""
        ...

    async def drop(self, answer: T, chain: FallbackCall[T], /) -> None:
        """Let go of an answer that came second, and tell what it has cost if that is not told yet."""
        ...


class FallbackCall(Generic[T]):
    """One call."""

    def __init__(self, task: str, route: TaskRoute, members: Sequence[Target], job: FallbackRequest[T]) -> None:
        """`members`: the backends of the route, in its order."""
        self.task = task
        self.route = route
        self.members = members
        self.job = job
        self.started = perf_counter()
        self.attempts = 0
        self.causes: list[tuple[str, CallError]] = []
        self._told_usd = 0.0
        self._untold = False

    @property
    def usd(self) -> float | None:
        """What all its attempts have cost; `None` where one of them did not tell and may have been billed."""
        return None if self._untold else self._told_usd

    @property
    def wall_s(self) -> float:
        """Seconds since the call came in."""
        return perf_counter() - self.started

    def reason(self, member: Target | None) -> str:
        """Why `member` answered (or nobody) and not the first one: how that failed; "" where it is the first."""
        if member is self.members[0]:
            return ""
        hedged = "" if member is None else "hedge"
        return next((error.kind for name, error in self.causes if name == self.members[0].name), hedged)

    def spend(self, usd: float | None) -> None:
        """Note what an attempt has cost, `None` where it has not told."""
        if usd is None:
            self._untold = True
        else:
            self._told_usd += usd

    async def run(self) -> tuple[Target, T]:
        """Who answered, and what; raises `AllBackendsFailed`."""
        if self.route.hedge_after_s is not None and len(self.members) > 1:
            return await self._side_by_side(self.route.hedge_after_s)
        for place, member in enumerate(self.members):
            try:
                return member, await self._ask(member, self.members[place + 1 :])
            except TargetFailed as failed:
                self.causes.append((member.name, failed.error))
        raise self._nobody()

    async def _side_by_side(self, after_s: float) -> tuple[Target, T]:
        """Ask the next one too when no answer has come by then, or at once after a failure; the first answer counts."""
        waiting = list(self.members)
        asked: dict[asyncio.Task[T], Target] = {}
        eras = [member.breaker.era for member in self.members]
        try:
            while waiting or asked:
                if waiting:
                    member = waiting.pop(0)
                    asked[asyncio.create_task(self._ask(member, waiting))] = member
                await asyncio.wait(asked, timeout=after_s if waiting else None, return_when=asyncio.FIRST_COMPLETED)
                for task in [task for task in asked if task.done()]:
                    member = asked.pop(task)
                    try:
                        answer = task.result()
                    except TargetFailed as failed:
                        self.causes.append((member.name, failed.error))
                    else:
                        self._overtaken(member, set(asked.values()), eras, after_s)
                        return member, answer
        finally:
            await self._call_off(asked)
        raise self._nobody()

    def _overtaken(self, winner: Target, others: set[Target], eras: Sequence[int], after_s: float) -> None:
        """Those that were asked before and have not answered yet: a backend that hangs must be found out here, too."""
        slow = CallError("timeout", f"overtaken by one that was asked {after_s:g} s later")
        for member, era in zip(self.members, eras, strict=True):
            if member is winner:
                return
            if member in others:
                self._count(member, era, slow)

    async def _call_off(self, asked: Mapping[asyncio.Task[T], Target]) -> None:
        """Nothing stays running, and an answer that came all the same holds no connection."""
        for task in asked:
            task.cancel()
        for answer in await asyncio.gather(*asked, return_exceptions=True):
            if not isinstance(answer, BaseException):
                await self.job.drop(answer, self)

    async def _ask(self, member: Target, after: Sequence[Target]) -> T:
        """Ask one backend, more than once where waiting is worth it; `after` are those that could be asked instead."""
        began, until = self.wall_s, 0.0
        more = True
        while True:
            others = sum(other.breaker.why is None for other in after)
            self._check(member)
            until = until or began + self._share_s(others)
            try:
                return await self._once(member, min(until - self.wall_s, member.config.timeout_s))
            except TargetFailed as failed:
                error = failed.error
            wait_s = _jitter(max(LEAST_WAIT_S, WAIT_S if error.retry_after_s is None else error.retry_after_s))
            patience_s = self.route.patience_s - (self.wall_s - began) if others else self._left_s
            if error.kind == "rate_limit" and wait_s < min(until - self.wall_s, patience_s):
                pass
            elif more and not others and error.kind in MAY_PASS and member.breaker.why is None:
                more, wait_s = False, _jitter(AGAIN_S)
            else:
                raise TargetFailed(error)
            await asyncio.sleep(wait_s)

    async def _once(self, member: Target, limit_s: float) -> T:
        """One attempt, which its breaker hears of; raises `TargetFailed`."""
        era = member.breaker.era
        self.attempts += 1
        try:
            async with asyncio.timeout(limit_s):
                answer = await self.job.ask(member, self)
        except asyncio.CancelledError:
            self.spend(member.usd(None, None))
            raise
        except TimeoutError:
            error = CallError("timeout", f"no answer within {limit_s:.3g} s", retryable=True)
        except BackendError as refused:
            error = CallError(refused.kind, refused.message)
        except TargetFailed as failed:
            error = failed.error
        else:
            if not self.job.streams:
                member.breaker.succeeded(era)
            return answer
        if error.kind in MAY_BE_BILLED:
            self.spend(member.usd(None, None))
        self._count(member, era, error)
        raise TargetFailed(error)

    @staticmethod
    def _count(member: Target, era: int, error: CallError) -> None:
        """Tell the breaker; a failure that does not speak of the backend was an answer of it."""
        if error.kind not in COUNTED:
            member.breaker.succeeded(era)
        elif member.breaker.failed(era, error):
            _log.warning("backend %s is left alone: %s: %s", member.name, error.kind, error.message)

    @property
    def _left_s(self) -> float:
        return self.route.deadline_s - self.wall_s

    def _share_s(self, others: int) -> float:
        """What a backend may take of the time that is left: shared with those who could be asked after it."""
        return self._left_s / (1 if self.route.hedge_after_s is not None else 1 + others)

    def _check(self, member: Target) -> None:
        """Raise `TargetFailed` where a backend is not to be asked at all."""
        member.check_open()
        if member.breaker.why is not None:
            raise TargetFailed(CallError("breaker_open", f"left alone: {member.breaker.why.message}"))
        if self._left_s <= 0:
            raise TargetFailed(
                CallError("deadline", f"not asked: the {self.route.deadline_s:g} s of this task are over")
            )
        most = self.route.max_usd
        if most is not None:
            usd = self._told_usd + member.at_most_usd(self.job.chars(member), self.job.max_tokens)
            if usd > most:
                raise TargetFailed(
                    CallError("budget", f"not asked: ${usd:.4g} in all is more than the ${most:g} of a call")
                )

    def _nobody(self) -> AllBackendsFailed:
        return AllBackendsFailed(self.task, tuple((name, e.kind, e.message) for name, e in self.causes))


def _jitter(seconds: float) -> float:
    """So that clients do not come back together."""
    return seconds * random.uniform(1.0, 1.2)  # noqa: S311  no secret

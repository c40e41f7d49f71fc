"""Asking one model one thing: its turn, time-outs, retries, what it may cost, and when to stop trying altogether."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from harness.backends import Backend
from harness.backends.http.errors import failed
from harness.core.errors import BackendError
from harness.core.types import CallError, Request, Response
from harness.project.config import BackendConfig
from harness.runner.budget import Budget
from harness.runner.pacing import LONGEST_PAUSE_S, Pace, retry_wait_s

SILENCE = 3
"""Time-outs without any answer after which a server is taken to be gone."""
LEAST_SILENCE_S = 30.0
"""A server that restarts is waited for at least so long."""
FEW, MANY = 3, 10
"""Failed calls in a row that end a cell, of a server that is silent and of one that answers with errors."""
CHARS_PER_TOKEN = 4
"""For `tokens_per_minute`, before the server has said how many there were."""


@dataclass
class RetryingClient:
    """One backend, asked at the pace that it keeps up with and within a budget. Used from one event loop."""

    backend: Backend
    config: BackendConfig
    pace: Pace = field(default_factory=Pace)
    budget: Budget | None = None

    async def ask(self, request: Request) -> tuple[Response, int]:
        """One answer, or the error that remains after all attempts, and how many attempts it took.

        Raises `BudgetExhausted` where the next attempt may cost more than is left.
        """
        attempts = 0
        while True:
            attempts += 1
            async with self.pace.turn(self._tokens(request)) as turn:
                response = await (self._attempt(request) if self.budget is None else self._paid(self.budget, request))
                turn.learn(response)
            error = response.error
            if error is None or not error.retryable:
                return response, attempts
            if error.retry_after_s is not None and error.retry_after_s > LONGEST_PAUSE_S:
                raise BackendError(_put_off(error, error.retry_after_s), backend=self.config.name)
            if attempts > self.config.retries or self.is_silent or not self.pace.may_retry():
                return response, attempts
            await asyncio.sleep(retry_wait_s(attempts, error.retry_after_s))

    @property
    def is_silent(self) -> bool:
        """Nobody has been answered for so long that asking again only makes the end come later."""
        return self.pace.silent_s > max(SILENCE * self.config.timeout_s, LEAST_SILENCE_S)

    async def _attempt(self, request: Request) -> Response:
        try:
            async with asyncio.timeout(self.config.timeout_s):
                return await self.backend.complete(request)
        except TimeoutError:
            return failed("timeout", f"no answer within {self.config.timeout_s:g} s", retry=True)

    async def _paid(self, budget: Budget, request: Request) -> Response:
        hold = await budget.reserve(self.config, request)
        response = None
        try:
            response = await self._attempt(request)
        finally:
            budget.settle(hold, response)
        return response

    def _tokens(self, request: Request) -> int:
        """About how many tokens an attempt takes, where that is limited."""
        if self.config.tokens_per_minute is None:
            return 0
        return sum(len(m.content) for m in request.messages) // CHARS_PER_TOKEN + request.sampling.max_tokens


@dataclass
class FailureLimit:
    """Stops a cell whose every call fails: hours of retries would end with nothing."""

    asker: RetryingClient
    in_a_row: int = 0

    def watch(self, response: Response) -> None:
        """Count a final failure, or forget them all after an answer."""
        self.in_a_row = self.in_a_row + 1 if response.error else 0
        enough = FEW if self.asker.is_silent else max(MANY, 2 * self.asker.pace.now)
        if response.error and self.in_a_row >= enough:
            msg = (
                f"stopped after {self.in_a_row} failed calls in a row, the last one "
                f"{response.error.kind}: {response.error.message}; what was answered is saved, go on with --resume"
            )
            raise BackendError(msg, backend=self.asker.config.name)


def _put_off(error: CallError, for_s: float) -> str:
    hours = for_s / 3600
    wait = f"{hours:.0f} hours" if hours >= 2 else f"{for_s / 60:.0f} minutes"
    return f"asks to wait {wait} ({error.message}); what was answered is saved, go on with --resume by then"

"""One call to one backend: pacing, time-out, retries, budget; and when a cell stops after failures."""

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

SILENT_TIMEOUTS = 3
"""Time-outs without any reply after which a server counts as silent."""
MIN_SILENCE_S = 30.0
"""Shortest silence that counts, so that a server may restart."""
MAX_FAILURES_SILENT, MAX_FAILURES = 3, 10
"""Consecutive failures that end a cell: of a silent server, and of a server that replies with errors."""
CHARS_PER_TOKEN = 4
"""Estimates the tokens of a request for `tokens_per_minute`."""


@dataclass
class RetryingClient:
    """Client of one backend with pacing, retries and budget. Used from one event loop."""

    backend: Backend
    config: BackendConfig
    pace: Pace = field(default_factory=Pace)
    budget: Budget | None = None

    async def ask(self, request: Request) -> tuple[Response, int]:
        """Return the reply, or the error after all attempts, and the number of attempts.

        Raises `BudgetExhausted` if the next attempt may cost more than is left, and `BackendError` if the server asks
        for a wait longer than `LONGEST_PAUSE_S`.
        """
        attempts = 0
        while True:
            attempts += 1
            async with self.pace.turn(self._tokens(request)) as turn:
                response = await (self._attempt(request) if self.budget is None else self._paid(self.budget, request))
                turn.record(response)
            error = response.error
            if error is None or not error.retryable:
                return response, attempts
            if error.retry_after_s is not None and error.retry_after_s > LONGEST_PAUSE_S:
                raise BackendError(_too_long_a_wait(error, error.retry_after_s), backend=self.config.name)
            if attempts > self.config.retries or self.is_silent or not self.pace.may_retry():
                return response, attempts
            await asyncio.sleep(retry_wait_s(attempts, error.retry_after_s))

    @property
    def is_silent(self) -> bool:
        """Whether the server has not replied for so long that retries are pointless."""
        return self.pace.silent_s > max(SILENT_TIMEOUTS * self.config.timeout_s, MIN_SILENCE_S)

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
        """Return an estimate of an attempt's tokens; 0 if they are not limited."""
        if self.config.tokens_per_minute is None:
            return 0
        return sum(len(m.content) for m in request.messages) // CHARS_PER_TOKEN + request.sampling.max_tokens


@dataclass
class FailureLimit:
    """Stops a cell whose calls all fail, instead of hours of retries."""

    client: RetryingClient
    in_a_row: int = 0

    def watch(self, response: Response) -> None:
        """Count a failure after all retries; a reply resets the count. Raises `BackendError` at the limit."""
        self.in_a_row = self.in_a_row + 1 if response.error else 0
        silent, concurrency = self.client.is_silent, self.client.pace.current_limit
        limit = MAX_FAILURES_SILENT if silent else max(MAX_FAILURES, 2 * concurrency)
        if response.error and self.in_a_row >= limit:
            msg = (
                f"stopped after {self.in_a_row} failed calls in a row, the last one "
                f"{response.error.kind}: {response.error.message}; replies so far are saved: continue with --resume"
            )
            raise BackendError(msg, backend=self.client.config.name)


def _too_long_a_wait(error: CallError, for_s: float) -> str:
    hours = for_s / 3600
    wait = f"{hours:.0f} hours" if hours >= 2 else f"{for_s / 60:.0f} minutes"
    return f"the server asks to wait {wait} ({error.message}); replies so far are saved: continue later with --resume"

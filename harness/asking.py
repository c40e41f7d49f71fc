"""Asking one model one thing: time-outs, retries, and when to stop trying altogether."""

from __future__ import annotations

import asyncio
import random

from harness.backends import Backend
from harness.backends._http import failed
from harness.config import BackendConfig
from harness.errors import BackendError
from harness.types import Request, Response

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 60.0


async def ask(backend: Backend, request: Request, config: BackendConfig) -> tuple[Response, int]:
    """One answer, or the error that remains after all attempts, and how many attempts it took."""
    attempts = 0
    while True:
        attempts += 1
        try:
            async with asyncio.timeout(config.timeout_s):
                response = await backend.complete(request)
        except TimeoutError:
            response = failed("timeout", f"no answer within {config.timeout_s:g} s", retry=True)
        error = response.error
        if error is None or not error.retryable or attempts > config.retries:
            return response, attempts
        await asyncio.sleep(wait_s(attempts, error.retry_after_s))


class Patience:
    """Stops a cell whose every call fails: hours of retries would end with nothing."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.in_a_row = 0

    def watch(self, backend: str, response: Response) -> None:
        """Count a final failure, or forget them all after an answer."""
        self.in_a_row = self.in_a_row + 1 if response.error else 0
        if response.error and self.in_a_row >= self.limit:
            msg = (
                f"backend {backend}: stopped after {self.in_a_row} failed calls in a row, the last one "
                f"{response.error.kind}: {response.error.message}; what was answered is saved, go on with --resume"
            )
            raise BackendError(msg)


def wait_s(attempt: int, asked_s: float | None) -> float:
    """What the server asks for, or twice as long each time; with jitter, so that clients do not come back together."""
    if asked_s is not None:
        return min(asked_s, LONGEST_WAIT_S) + random.uniform(0, 0.1)  # noqa: S311  no secret
    return float(min(FIRST_WAIT_S * 2 ** (attempt - 1), LONGEST_WAIT_S) * random.uniform(0.5, 1.5))  # noqa: S311

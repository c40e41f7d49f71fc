"""Cost of the calls of one run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.core.types import Billing, Manifest, Result, Run
from harness.project.config import Config
from harness.project.pricing import BATCH, Price, price_of, usd

DAYS = 30
"""Days of a month."""

SECONDS = 86_400
"""Seconds of a day."""

MOST_TOKENS = 1_000_000_000
"""Counts above it are ignored as invalid: no call takes more, and a sum in dollars could overflow."""

MAY_BE_BILLED = frozenset({"timeout", "bad_reply", "too_large"})
"""Kinds of failed calls that may have been billed. A rejected or undelivered request costs nothing."""


@dataclass(frozen=True, slots=True)
class RunCost:
    """Calls, attempts, tokens and cost of one run.

    `calls`: without those answered from the store. `attempts`: all attempts at these calls.
    `attempts_without_tokens`: attempts that may have been billed, but have no token count.
    `usd`: cost of the counted tokens; `None` without a price. `at_most_usd`: the same plus every attempt without
    tokens at the mean of the others; `None` if there is no mean.
    """

    calls: int
    from_store: int
    attempts: int
    attempts_without_tokens: int
    prompt_tokens: int
    completion_tokens: int
    usd: float | None
    at_most_usd: float | None

    @property
    def usd_per_1k(self) -> float | None:
        """`at_most_usd` per 1,000 calls."""
        return None if self.at_most_usd is None or not self.calls else 1000 * self.at_most_usd / self.calls


def run_cost(config: Config, run: Run) -> RunCost:
    """Cost of a run at the current prices of its backend."""
    backend = config.backends.get(run.manifest.backend)
    return cost_of(run.results, charged(price_of(config, backend), run.manifest) if backend else None)


def charged(price: Price | None, manifest: Manifest) -> Price | None:
    """The price of a run's calls: half of the standard price for batches."""
    if price is None or manifest.billing is Billing.STANDARD:
        return price
    cached = None if price.cached_usd is None else BATCH * price.cached_usd
    return Price(BATCH * price.prompt_usd, BATCH * price.completion_usd, cached, f"{price.source}, by batch")


def cost_of(results: Iterable[Result], price: Price | None) -> RunCost:
    """Cost of these calls. Answers from the store cost nothing."""
    calls = from_store = attempts = counted_calls = unknown = prompt = completion = 0
    for result in results:  # one pass: the results may not fit into memory
        if result.cached:
            from_store += 1
            continue
        calls += 1
        attempts += result.attempts
        unknown += attempts_without_tokens(result)
        if (counted := tokens(result)) is not None:
            counted_calls += 1
            prompt += counted[0]
            completion += counted[1]
    known = None if price is None else usd(price, prompt, completion)
    return RunCost(
        calls=calls,
        from_store=from_store,
        attempts=attempts,
        attempts_without_tokens=unknown,
        prompt_tokens=prompt,
        completion_tokens=completion,
        usd=known,
        at_most_usd=_at_most(known, counted_calls, unknown),
    )


def tokens(result: Result) -> tuple[int, int] | None:
    """Prompt and completion tokens of a call; `None` if they are missing or invalid."""
    prompt, completion = result.response.prompt_tokens, result.response.completion_tokens or 0
    return None if prompt is None or max(prompt, completion) > MOST_TOKENS else (prompt, completion)


def attempts_without_tokens(result: Result) -> int:
    """Count the attempts at a call that may have been billed, but have no token count."""
    error = result.response.error
    if error is not None:  # assume that every attempt failed like the last one
        return result.attempts if error.kind in MAY_BE_BILLED else 0
    return result.attempts - (tokens(result) is not None)


def _at_most(known: float | None, counted_calls: int, unknown: int) -> float | None:
    if known is None or (unknown and not counted_calls):
        return None
    return known * (1 + unknown / counted_calls) if counted_calls else known

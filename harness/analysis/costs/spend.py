"""What the calls of one run cost."""

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
"""No call takes more: a count above it tells nothing, and would be more than a sum in dollars can hold."""

MAY_BE_BILLED = frozenset({"timeout", "bad_reply", "too_large"})
"""Kinds of failed calls that a server may have worked for all the same. A refused or unheard request costs nothing."""


@dataclass(frozen=True, slots=True)
class RunCost:
    """What the calls of one run came to. Tokens are of the `asked` calls that answered, not of those from the store.

    `attempts`: all tries of the calls that were made; of `untold` of them nobody told the tokens, though they may have
    been billed. `usd` is for the tokens that were told, `None` without a price; `at_most_usd` adds the untold attempts,
    each as the mean of the others, and is `None` where there is no mean.
    """

    asked: int
    from_store: int
    attempts: int
    untold: int
    prompt_tokens: int
    completion_tokens: int
    usd: float | None
    at_most_usd: float | None

    @property
    def usd_per_1k(self) -> float | None:
        """Per 1,000 calls, with every attempt counted."""
        return None if self.at_most_usd is None or not self.asked else 1000 * self.at_most_usd / self.asked


def run_usd(config: Config, run: Run) -> RunCost:
    """What a run came to, by the prices of its backend today."""
    backend = config.backends.get(run.manifest.backend)
    return spent(run.results, charged(price_of(config, backend), run.manifest) if backend else None)


def charged(price: Price | None, manifest: Manifest) -> Price | None:
    """The price of a run's calls: half of the standard price for batches."""
    if price is None or manifest.billing is Billing.STANDARD:
        return price
    cached = None if price.cached_usd is None else BATCH * price.cached_usd
    return Price(BATCH * price.prompt_usd, BATCH * price.completion_usd, cached, f"{price.source}, by batch")


def spent(results: Iterable[Result], price: Price | None) -> RunCost:
    """What these calls came to. An answer from the store cost nothing this time."""
    asked = from_store = attempts = told = unknown = prompt = completion = 0
    for result in results:  # once: a run may have more of them than fit into memory
        if result.cached:
            from_store += 1
            continue
        asked += 1
        attempts += result.attempts
        unknown += untold(result)
        if (counted := tokens(result)) is not None:
            told += 1
            prompt += counted[0]
            completion += counted[1]
    known = None if price is None else usd(price, prompt, completion)
    return RunCost(
        asked=asked,
        from_store=from_store,
        attempts=attempts,
        untold=unknown,
        prompt_tokens=prompt,
        completion_tokens=completion,
        usd=known,
        at_most_usd=_at_most(known, told, unknown),
    )


def tokens(result: Result) -> tuple[int, int] | None:
    """The tokens of a call, in and out; `None` where nobody told them, or what was told is no count of them."""
    prompt, completion = result.response.prompt_tokens, result.response.completion_tokens or 0
    return None if prompt is None or max(prompt, completion) > MOST_TOKENS else (prompt, completion)


def untold(result: Result) -> int:
    """How many attempts at a call may have been billed although nobody told their tokens."""
    error = result.response.error
    if error is not None:  # the earlier attempts of a call that failed went as the last one did
        return result.attempts if error.kind in MAY_BE_BILLED else 0
    return result.attempts - (tokens(result) is not None)


def _at_most(known: float | None, told: int, unknown: int) -> float | None:
    if known is None or (unknown and not told):
        return None
    return known * (1 + unknown / told) if told else known

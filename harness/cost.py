"""What a call costs: prices per million tokens, which backends have any, and what a run came to. Pure but for the data.

A price is the backend's own (`prompt_usd`, `completion_usd`), else `[prices]` of harness.toml, else that of the library
`genai-prices`, whose data is in the package: no network is asked. A backend of one's own has no price; what it costs is
the server's, in `[local]`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from harness.config import BackendConfig, Config
from harness.errors import ConfigError
from harness.toml import at, dotted
from harness.types import Manifest, Result, Run

if TYPE_CHECKING:
    from genai_prices.types import Provider

LIBRARY = "genai-prices"
MILLION = 1_000_000
DAYS = 30
"""Days of a month."""
SECONDS = 86_400
"""Seconds of a day."""

MOST_USD = 1_000_000_000
"""No million tokens costs more."""
MOST_TOKENS = 1_000_000_000
"""No call takes more: a count above it tells nothing, and would be more than a sum in dollars can hold."""

BATCH = 0.5
"""What a call costs that may take a day, against one that may not: the batch endpoints of OpenAI and Anthropic."""
BY_BATCH = "asked by batch"
"""How a note of a run's manifest begins whose calls were batches."""

_HOSTED = "openai"
"""The provider that asks a service of somebody else's, unless `base_url` says otherwise."""
MAY_BE_BILLED = frozenset({"timeout", "bad_reply", "too_large"})
"""Kinds of failed calls that a server may have worked for all the same. A refused or unheard request costs nothing."""


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens. `cached_usd`: of prompt tokens that the provider has read before, where it says so.

    `source` says where the price is from.
    """

    prompt_usd: float
    completion_usd: float
    cached_usd: float | None
    source: str


@dataclass(frozen=True, slots=True)
class Spent:
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


def price_of(config: Config, backend: BackendConfig) -> Price | None:
    """What `backend` charges; `None`: it is local, or nobody says. Raises `ConfigError` for what is no price."""
    if backend.prompt_usd is not None or backend.completion_usd is not None:
        _whole(
            backend, backend.model_dump(include={"prompt_usd", "completion_usd"}), config, ("backends", backend.name)
        )
        told = Price(backend.prompt_usd or 0.0, backend.completion_usd or 0.0, None, f"[backends.{backend.name}]")
        return _checked(told, config, ("backends", backend.name))
    if own := config.prices.get(backend.model):
        _whole(backend, own.model_dump(exclude_unset=True), config, ("prices", backend.model))
        told = Price(own.prompt_usd, own.completion_usd, own.cached_usd, f'[prices."{backend.model}"]')
        return _checked(told, config, ("prices", backend.model))
    provider = _provider(backend)
    return None if provider is None else _listed(provider, backend.model)


def check(config: Config) -> None:
    """Raise `ConfigError` for a price in harness.toml that is none, before anything is asked."""
    for backend in config.backends.values():
        if backend.prompt_usd is not None or backend.completion_usd is not None or backend.model in config.prices:
            price_of(config, backend)


def _whole(backend: BackendConfig, told: Mapping[str, Any], config: Config, table: tuple[str, str]) -> None:
    """Raise where one half of a price is missing: by nothing, a chat would be counted as free in or out."""
    asked = (
        {"prompt_usd": "prompts", "completion_usd": "replies"} if "chat" in backend.serves else {"prompt_usd": "texts"}
    )
    for key, what in asked.items():
        if told.get(key) is None:
            where = at(config.path, table) if config.path else f"{config.root}: "
            msg = (
                f"{where}[{dotted(table)}] has no {key}, by which {what} of {backend.name} would cost nothing: "
                "write the USD of a million tokens, 0 where it is so"
            )
            raise ConfigError(msg)


def _checked(price: Price, config: Config, table: tuple[str, str]) -> Price:
    for key in ("prompt_usd", "completion_usd", "cached_usd"):
        value = getattr(price, key)
        if value is not None and not value <= MOST_USD:
            where = at(config.path, (*table, key)) if config.path else f"{config.root}: "
            msg = f"{where}[{dotted(table)}] {key} = {value} is no price: write the USD of a million tokens"
            raise ConfigError(msg)
    return price


def is_local(config: Config, backend: BackendConfig) -> bool:
    """Whether a backend is of one's own: no known paid service, and without a price."""
    priced = backend.prompt_usd is not None or backend.completion_usd is not None or backend.model in config.prices
    return not priced and _provider(backend) is None


def is_openais(backend: BackendConfig) -> bool:
    """Whether a backend is OpenAI's own service: the tokenizers of its models are known."""
    provider = _provider(backend)
    return provider is not None and provider.id == _HOSTED


def usd(price: Price, prompt_tokens: float, completion_tokens: float) -> float:
    """What so many tokens cost; infinity, of more than can be counted."""
    try:
        return (prompt_tokens * price.prompt_usd + completion_tokens * price.completion_usd) / MILLION
    except OverflowError:
        return math.inf


def run_usd(config: Config, run: Run) -> Spent:
    """What a run came to, by the prices of its backend today."""
    backend = config.backends.get(run.manifest.backend)
    return spent(run.results, charged(price_of(config, backend), run.manifest) if backend else None)


def charged(price: Price | None, manifest: Manifest) -> Price | None:
    """What a run's calls were charged by: half of the price where they were batches."""
    if price is None or not any(note.startswith(BY_BATCH) for note in manifest.notes):
        return price
    cached = None if price.cached_usd is None else BATCH * price.cached_usd
    return Price(BATCH * price.prompt_usd, BATCH * price.completion_usd, cached, f"{price.source}, by batch")


def spent(results: Iterable[Result], price: Price | None) -> Spent:
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
    return Spent(
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


def _provider(backend: BackendConfig) -> Provider | None:
    """Whose service a backend is, as the library knows it by the address."""
    from genai_prices.data_snapshot import get_snapshot

    url = backend.base_url
    if url is None and backend.provider == _HOSTED:
        url = os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"  # as the SDK finds its server
    if url is None:
        return None
    try:
        return get_snapshot().find_provider(None, None, url)
    except LookupError:
        return None


def _listed(provider: Provider, model: str) -> Price | None:
    """The price of the library, of today; of a model whose price goes up with the prompt's length, the lowest."""
    from genai_prices.data_snapshot import get_snapshot

    try:
        _, found = get_snapshot().find_provider_model(model, provider, None, None)
    except LookupError:
        return None
    listed = found.get_prices(datetime.now(UTC))
    prompt, completion, cached = (
        _number(getattr(listed, name, None)) for name in ("input_mtok", "output_mtok", "cache_read_mtok")
    )
    if prompt is None:
        return None
    return Price(prompt, completion or 0.0, cached, f"{_library()}: {provider.id}/{found.id}")


@cache
def _library() -> str:
    """The package and its version, which says how old its prices are."""
    return f"{LIBRARY} {version(LIBRARY)}"


def _number(price: Any) -> float | None:
    """A price of the library: a decimal, or one that depends on the prompt's length."""
    return None if price is None else float(getattr(price, "base", price))

"""Prices per million tokens: from the backend, else `[prices]` of harness.toml, else the package genai-prices."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from harness.core.errors import ConfigError
from harness.core.toml import at, table_name
from harness.project.config import BackendConfig, Config

if TYPE_CHECKING:
    from genai_prices.types import Provider

LIBRARY = "genai-prices"

MILLION = 1_000_000

MOST_USD = 1_000_000_000
"""Highest accepted price of a million tokens."""

BATCH = 0.5
"""Price of a batch call relative to a standard call, as charged by OpenAI and Anthropic."""

_OPENAI = "openai"
"""Id of OpenAI in the price list, not a provider name of the harness."""


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens.

    `cached_usd` is the price of prompt tokens in the provider's cache; `None` if unknown. `source` names the origin.
    """

    prompt_usd: float
    completion_usd: float
    cached_usd: float | None
    source: str


def price_of(config: Config, backend: BackendConfig) -> Price | None:
    """Return the price of `backend`; `None` if it is local or unknown. Raises `ConfigError` if the price is invalid."""
    if backend.prompt_usd is not None or backend.completion_usd is not None:
        keys = backend.model_dump(include={"prompt_usd", "completion_usd"})
        _check_complete(backend, keys, config, ("backends", backend.name))
        price = Price(backend.prompt_usd or 0.0, backend.completion_usd or 0.0, None, f"[backends.{backend.name}]")
        return _checked(price, config, ("backends", backend.name))
    if own := config.prices.get(backend.model):
        _check_complete(backend, own.model_dump(exclude_unset=True), config, ("prices", backend.model))
        price = Price(own.prompt_usd, own.completion_usd, own.cached_usd, f'[prices."{backend.model}"]')
        return _checked(price, config, ("prices", backend.model))
    provider = _provider(backend)
    return None if provider is None else _list_price(provider, backend.model)


def check(config: Config) -> None:
    """Raise `ConfigError` for an invalid price in harness.toml, before any request is sent."""
    for backend in config.backends.values():
        if backend.prompt_usd is not None or backend.completion_usd is not None or backend.model in config.prices:
            price_of(config, backend)


def _check_complete(backend: BackendConfig, keys: Mapping[str, Any], config: Config, table: tuple[str, str]) -> None:
    """Raise if half of a price is missing: that half would count as free."""
    required = (
        {"prompt_usd": "prompts", "completion_usd": "replies"} if "chat" in backend.serves else {"prompt_usd": "texts"}
    )
    for key, what in required.items():
        if keys.get(key) is None:
            where = at(config.path, table) if config.path else f"{config.root}: "
            msg = (
                f"{where}[{table_name(table)}] has no {key}, so {what} of {backend.name} would be free: "
                "add the USD per million tokens, or 0 if they are free"
            )
            raise ConfigError(msg)


def _checked(price: Price, config: Config, table: tuple[str, str]) -> Price:
    for key in ("prompt_usd", "completion_usd", "cached_usd"):
        value = getattr(price, key)
        if value is not None and not value <= MOST_USD:
            where = at(config.path, (*table, key)) if config.path else f"{config.root}: "
            msg = f"{where}[{table_name(table)}] {key} = {value} is not a price: write the USD per million tokens"
            raise ConfigError(msg)
    return price


def is_local(config: Config, backend: BackendConfig) -> bool:
    """Return whether a backend is self-hosted: not a known paid service, and without a price."""
    priced = backend.prompt_usd is not None or backend.completion_usd is not None or backend.model in config.prices
    return not priced and _provider(backend) is None


def is_openai(backend: BackendConfig) -> bool:
    """Return whether a backend is OpenAI's own service, whose tokenizers are known."""
    provider = _provider(backend)
    return provider is not None and provider.id == _OPENAI


def usd(price: Price, prompt_tokens: float, completion_tokens: float) -> float:
    """Return the cost in USD; infinity if the token counts overflow a float."""
    try:
        return (prompt_tokens * price.prompt_usd + completion_tokens * price.completion_usd) / MILLION
    except OverflowError:
        return math.inf


def _provider(backend: BackendConfig) -> Provider | None:
    """Provider that the library knows by the backend's URL, if any."""
    from genai_prices.data_snapshot import get_snapshot

    url = backend.base_url or backend.service_url
    if url is None:
        return None
    try:
        return get_snapshot().find_provider(None, None, url)
    except LookupError:
        return None


def _list_price(provider: Provider, model: str) -> Price | None:
    """Today's price in the library. If it rises with the prompt length, the lowest price."""
    from genai_prices.data_snapshot import get_snapshot

    try:
        _, listed_model = get_snapshot().find_provider_model(model, provider, None, None)
    except LookupError:
        return None
    prices = listed_model.get_prices(datetime.now(UTC))
    prompt, completion, cached = (
        _number(getattr(prices, name, None)) for name in ("input_mtok", "output_mtok", "cache_read_mtok")
    )
    if prompt is None:
        return None
    return Price(prompt, completion or 0.0, cached, f"{_price_source()}: {provider.id}/{listed_model.id}")


@cache
def _price_source() -> str:
    """Package and version, which shows the age of its prices."""
    return f"{LIBRARY} {version(LIBRARY)}"


def _number(price: Any) -> float | None:
    """Convert a price of the library: a decimal, or tiers by prompt length with a base price."""
    return None if price is None else float(getattr(price, "base", price))

"""Prices per million tokens: the backend's own, `[prices]` of harness.toml, else the package genai-prices."""

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
"""No million tokens costs more."""

BATCH = 0.5
"""What a call costs that may take a day, against one that may not: the batch endpoints of OpenAI and Anthropic."""

_OPENAI = "openai"
"""OpenAI's id in the price list; no provider of ours."""


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens. `cached_usd`: of prompt tokens that the provider has read before, where it says so.

    `source` says where the price is from.
    """

    prompt_usd: float
    completion_usd: float
    cached_usd: float | None
    source: str


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
                f"{where}[{table_name(table)}] has no {key}, by which {what} of {backend.name} would cost nothing: "
                "write the USD of a million tokens, 0 where it is so"
            )
            raise ConfigError(msg)


def _checked(price: Price, config: Config, table: tuple[str, str]) -> Price:
    for key in ("prompt_usd", "completion_usd", "cached_usd"):
        value = getattr(price, key)
        if value is not None and not value <= MOST_USD:
            where = at(config.path, (*table, key)) if config.path else f"{config.root}: "
            msg = f"{where}[{table_name(table)}] {key} = {value} is no price: write the USD of a million tokens"
            raise ConfigError(msg)
    return price


def is_local(config: Config, backend: BackendConfig) -> bool:
    """Whether a backend is of one's own: no known paid service, and without a price."""
    priced = backend.prompt_usd is not None or backend.completion_usd is not None or backend.model in config.prices
    return not priced and _provider(backend) is None


def is_openais(backend: BackendConfig) -> bool:
    """Whether a backend is OpenAI's own service: the tokenizers of its models are known."""
    provider = _provider(backend)
    return provider is not None and provider.id == _OPENAI


def usd(price: Price, prompt_tokens: float, completion_tokens: float) -> float:
    """What so many tokens cost; infinity, of more than can be counted."""
    try:
        return (prompt_tokens * price.prompt_usd + completion_tokens * price.completion_usd) / MILLION
    except OverflowError:
        return math.inf


def _provider(backend: BackendConfig) -> Provider | None:
    """Whose service a backend is, as the library knows it by the address."""
    from genai_prices.data_snapshot import get_snapshot

    url = backend.base_url or backend.service_url
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

"""`harness.toml`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from harness.core.errors import ConfigError
from harness.core.plugins import ProviderCapabilities, provider_capabilities
from harness.core.toml import Name, Names, StrictModel, at, hint, parse, read_toml, table_name
from harness.core.types import Decoding

FILE_NAME = "harness.toml"
_SET_BY_US = {"root", "path"}
"""Fields of `Config` that are no keys of the file."""

Service = Literal["chat", "embeddings"]
"""What a model can be asked for."""


class StoreConfig(StrictModel):
    """Where runs are kept."""

    url: str = "sqlite:///.harness/runs.db"


class PairConfig(StrictModel):
    """What production runs on today, and what it should move to."""

    reference: Name
    candidate: Name


class LogConfig(StrictModel):
    """`[log]`: what is kept of routed calls, for how many days, and how many may wait to be written.

    `redact` is a function `package.module:function`, str -> str, applied to the texts before they are kept.
    """

    texts: bool = False
    keep_days: int = Field(default=90, ge=1)
    queue: int = Field(default=10_000, ge=1)
    redact: Annotated[str, Field(pattern=r"^[\w.]+:[\w.]+$")] | None = None


class RunConfig(StrictModel):
    """Defaults for the flags of `harness run`, by the same names."""

    backend: Names = ()
    variant: Names = ()
    version: str | None = None
    decoding: Annotated[tuple[Decoding, ...], Field(strict=False)] = ()
    limit: int | None = Field(default=None, ge=1)
    demo: bool = False
    split: str | None = None
    cache: bool = True
    resume: bool = False
    jobs: int | None = Field(default=None, ge=1)
    tag: Names = ()
    budget: float | None = Field(default=None, ge=0)
    record: str | None = None
    quiet: bool = False
    output: Names = ()


class LadderConfig(StrictModel):
    """Backends that serve one model in several quantizations, the one that the others are judged against first."""

    steps: Annotated[tuple[str, ...], Field(strict=False, min_length=2)]

    @field_validator("steps")
    @classmethod
    def _each_once(cls, steps: tuple[str, ...]) -> tuple[str, ...]:
        if twice := [step for step in dict.fromkeys(steps) if steps.count(step) > 1]:
            msg = f"steps has {twice[0]!r} more than once"
            raise ValueError(msg)
        return steps


class PriceConfig(StrictModel):
    """`[prices."gpt-4o"]`: USD per million tokens of a model, in the place of what the price list says."""

    prompt_usd: float = Field(ge=0)
    completion_usd: float = Field(default=0.0, ge=0)
    cached_usd: float | None = Field(default=None, ge=0)


class LocalConfig(StrictModel):
    """`[local]`: what a server of one's own costs a month, whatever it is asked, and how many there are."""

    server_usd_per_month: float = Field(default=80.0, ge=0, allow_inf_nan=False)
    overhead_usd_per_month: float = Field(default=5.0, ge=0, allow_inf_nan=False)
    servers: int = Field(default=1, ge=1)


class AdviceConfig(StrictModel):
    """`[advice]`: what keeps a task where it is, whatever its quality.

    `keep`: names of evals, or kinds of task. `peak`: how many times the mean of a day the busiest hour asks.
    """

    keep: Names = ("tool_calling",)  # the default of a user's key, so a name and no capability
    max_context_tokens: int = Field(default=32_000, ge=1)
    min_daily_calls: int = Field(default=100, ge=0)
    peak: float = Field(default=3.0, ge=1, allow_inf_nan=False)


class BackendConfig(BaseModel):
    """A model behind a protocol. Keys of the provider's own (`n_ctx`, `keep_alive`, …) are checked by its module.

    `prompt_usd`, `completion_usd`: the price of a million tokens.
    """

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    name: str
    provider: Name
    model: Name
    variant: Name
    base_url: str | None = None
    api_key_env: str | None = None
    quantization: str | None = None
    timeout_s: float = Field(default=120.0, gt=0)
    concurrency: int | None = Field(default=None, ge=1)
    retries: int = Field(default=4, ge=0)
    requests_per_minute: float | None = Field(default=None, gt=0)
    tokens_per_minute: float | None = Field(default=None, gt=0)
    prompt_usd: float | None = Field(default=None, ge=0)
    completion_usd: float | None = Field(default=None, ge=0)
    serves: Annotated[tuple[Service, ...], Field(strict=False, min_length=1)] = ("chat",)
    default: bool = True
    """Whether it is asked where no backend is named."""
    folder: Path | None = None
    """Where harness.toml is: a relative path to a model counts from there. Not the user's to set."""

    @property
    def options(self) -> dict[str, Any]:
        """The keys that are not common to all providers."""
        return dict(self.model_extra or {})

    @property
    def capabilities(self) -> ProviderCapabilities:
        """What its provider can do."""
        return provider_capabilities(self.provider)

    @property
    def is_hosted(self) -> bool:
        """Whether calls go to the paid service of the provider."""
        return self.base_url is None and self.capabilities.hosted_url is not None

    @property
    def service_url(self) -> str | None:
        """Address of the paid service that is called; `None` where `base_url` or the provider names a server."""
        if not self.is_hosted:
            return None
        return os.environ.get(self.capabilities.hosted_url_variable) or self.capabilities.hosted_url

    @property
    def key_variable(self) -> str | None:
        """Environment variable with the API key; the key of a hosted service is never sent to another server."""
        if self.api_key_env is not None:
            return self.api_key_env
        is_elsewhere = self.capabilities.hosted_url is not None and not self.is_hosted
        return None if is_elsewhere else self.capabilities.key_variable


class Config(StrictModel):
    """One project: its store, its backends, and the pair that it compares."""

    root: Path
    path: Path | None = None
    store: StoreConfig = StoreConfig()
    pair: PairConfig | None = None
    run: RunConfig = RunConfig()
    log: LogConfig = LogConfig()
    backends: Mapping[str, BackendConfig] = Field(default_factory=dict)
    ladders: Mapping[str, LadderConfig] = Field(default_factory=dict)
    prices: Mapping[str, PriceConfig] = Field(default_factory=dict)
    local: LocalConfig = LocalConfig()
    advice: AdviceConfig = AdviceConfig()

    @property
    def usual(self) -> tuple[str, ...]:
        """The names of the backends that are asked where none is named."""
        return tuple(name for name, backend in self.backends.items() if backend.default)

    def ladder(self, name: str) -> LadderConfig:
        """The ladder called `name`; raises `ConfigError` with the nearest name there is."""
        if name in self.ladders:
            return self.ladders[name]
        near = hint(name, self.ladders) or ': [ladders.NAME] with steps = ["a backend", "another"] makes one'
        msg = f"no ladder {name!r} in {self.path or self.root / FILE_NAME}{near}"
        raise ConfigError(msg)

    def backend(self, name: str) -> BackendConfig:
        """The backend called `name`; raises `ConfigError` with the nearest name there is."""
        if name in self.backends:
            return self.backends[name]
        where = self.path or self.root / FILE_NAME
        msg = f"no backend {name!r} in {where}{hint(name, self.backends)}"
        raise ConfigError(msg)

    @property
    def store_url(self) -> str:
        """The store's URL: `HARNESS_STORE_URL` or the file's; a relative SQLite path counts from the project's root."""
        prefix = "sqlite:///"
        url = os.environ.get("HARNESS_STORE_URL") or self.store.url
        if url.startswith(prefix) and not Path(url.removeprefix(prefix)).is_absolute() and ":memory:" not in url:
            return f"{prefix}{self.root / url.removeprefix(prefix)}"
        return url


def load(start: Path | None = None) -> Config:
    """The `harness.toml` of `start` (default: here) or the nearest folder above it; raises `ConfigError`."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / FILE_NAME).is_file():
            return _read(folder / FILE_NAME)
    msg = f"no {FILE_NAME} in {here} or above it: run `harness init`, or change to your project's folder"
    raise ConfigError(msg)


def _read(path: Path) -> Config:
    data = read_toml(path)
    _refuse(data, _SET_BY_US, path)
    if isinstance(backends := data.get("backends"), dict):
        data["backends"] = {name: _named(name, table, path) for name, table in backends.items()}
    config = parse(Config, {**data, "root": path.parent, "path": path}, path)
    for role, name in config.pair.model_dump().items() if config.pair else ():
        if name not in config.backends:
            msg = f"{at(path, ('pair', role))}[pair] {role} = {name!r} is not a backend{hint(name, config.backends)}"
            raise ConfigError(msg)
    models = {backend.model for backend in config.backends.values()}
    for model in config.prices:
        if model not in models:
            table = ("prices", model)
            msg = f"{at(path, table)}[{table_name(table)}] is the model of no backend{hint(model, models)}"
            raise ConfigError(msg)
    for ladder, steps in config.ladders.items():
        for step in steps.steps:
            if step not in config.backends:
                table = ("ladders", ladder)
                near = hint(step, config.backends)
                msg = f"{at(path, (*table, 'steps'))}[{table_name(table)}] step {step!r} is not a backend{near}"
                raise ConfigError(msg)
    return config


def _named(name: str, table: Any, path: Path) -> Any:
    """A backend's table with its name in it."""
    if not isinstance(table, dict):
        return table
    _refuse(table, {"name", "folder"}, path, ("backends", name))
    return {**table, "name": name, "folder": path.parent}


def _refuse(table: Mapping[str, Any], keys: set[str], path: Path, section: tuple[str, ...] = ()) -> None:
    """Raise for keys that are fields of a model but not the user's to set."""
    for key in table:
        if key in keys:
            inside = f" in [{table_name(section)}]" if section else ""
            msg = f"{at(path, (*section, key))}unknown key {key!r}{inside}: remove it"
            raise ConfigError(msg)

"""Configuration of a project: `harness.toml`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model, field_validator

from harness.core.errors import ConfigError
from harness.core.plugins import ProviderCapabilities, provider_capabilities
from harness.core.toml import Name, Names, StrictModel, at, hint, parse, read_toml, table_name
from harness.project import run_options
from harness.project.run_options import RunOptions

FILE_NAME = "harness.toml"
_INTERNAL_FIELDS = {"root", "path"}
"""Fields of `Config` that are not keys of the file."""

Service = Literal["chat", "embeddings"]
"""Kinds of request that a backend serves."""


class StoreConfig(StrictModel):
    """`[store]`: URL of the run database."""

    url: str = "sqlite:///.harness/runs.db"


class PairConfig(StrictModel):
    """`[pair]`: the backend that production uses today, and the candidate to replace it."""

    reference: Name
    candidate: Name


class LogConfig(StrictModel):
    """`[log]`: storage of routed calls.

    `keep_days` limits the age of calls, and `queue` the number of calls that wait to be written.
    `redact` names a function `package.module:function`, str -> str. It is applied to texts before they are stored.
    """

    texts: bool = False
    keep_days: int = Field(default=90, ge=1)
    queue: int = Field(default=10_000, ge=1)
    redact: Annotated[str, Field(pattern=r"^[\w.]+:[\w.]+$")] | None = None


class LadderConfig(StrictModel):
    """`[ladders.x]`: backends that serve one model in several quantizations. The first is the reference."""

    steps: Annotated[tuple[str, ...], Field(strict=False, min_length=2)]

    @field_validator("steps")
    @classmethod
    def _each_once(cls, steps: tuple[str, ...]) -> tuple[str, ...]:
        if repeated := [step for step in dict.fromkeys(steps) if steps.count(step) > 1]:
            msg = f"steps has {repeated[0]!r} more than once"
            raise ValueError(msg)
        return steps


class PriceConfig(StrictModel):
    """`[prices."gpt-4o"]`: USD per million tokens of a model. Overrides the price list."""

    prompt_usd: float = Field(ge=0)
    completion_usd: float = Field(default=0.0, ge=0)
    cached_usd: float | None = Field(default=None, ge=0)


class LocalConfig(StrictModel):
    """`[local]`: fixed monthly cost of a self-hosted server, and the number of servers."""

    server_usd_per_month: float = Field(default=80.0, ge=0, allow_inf_nan=False)
    overhead_usd_per_month: float = Field(default=5.0, ge=0, allow_inf_nan=False)
    servers: int = Field(default=1, ge=1)


class AdviceConfig(StrictModel):
    """`[advice]`: limits beyond which a task stays on its backend, regardless of quality.

    `keep` lists names of evals or task kinds. `peak` is the ratio of the busiest hour's calls to the hourly mean.
    """

    keep: Names = ("tool_calling",)  # a name, not a capability, because it is the default of a user's key
    max_context_tokens: int = Field(default=32_000, ge=1)
    min_daily_calls: int = Field(default=100, ge=0)
    peak: float = Field(default=3.0, ge=1, allow_inf_nan=False)


class WeeklyConfig(StrictModel):
    """`[weekly]`: extra requests of `harness weekly`.

    `second_run`: whether a cell that looks worse is run a second time. `noise_cases`: cases that are sent twice to each
    backend that reports no digest of its model; 0 sends none.
    """

    second_run: bool = True
    noise_cases: int = Field(default=30, ge=0)


class BackendConfig(BaseModel):
    """`[backends.x]`: a model behind a protocol.

    The module of the provider checks the provider's own keys (`n_ctx`, `keep_alive`, …).
    `prompt_usd` and `completion_usd` are USD per million tokens.
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
    """Whether the backend is used if a command names no backend."""
    folder: Path | None = None
    """Folder of harness.toml. Relative model paths start there. Set by `load`, not by the user."""

    @property
    def options(self) -> dict[str, Any]:
        """Keys that belong to the provider."""
        return dict(self.model_extra or {})

    @property
    def capabilities(self) -> ProviderCapabilities:
        """Capabilities of the provider."""
        return provider_capabilities(self.provider)

    @property
    def is_hosted(self) -> bool:
        """Whether requests go to the provider's paid service."""
        return self.base_url is None and self.capabilities.hosted_url is not None

    @property
    def service_url(self) -> str | None:
        """URL of the paid service; `None` if requests go to another server."""
        if not self.is_hosted:
            return None
        return os.environ.get(self.capabilities.hosted_url_variable) or self.capabilities.hosted_url

    @property
    def key_variable(self) -> str | None:
        """Environment variable of the API key. A hosted service's key is never sent to another server."""
        if self.api_key_env is not None:
            return self.api_key_env
        is_elsewhere = self.capabilities.hosted_url is not None and not self.is_hosted
        return None if is_elsewhere else self.capabilities.key_variable


class Config(StrictModel):
    """Validated content of `harness.toml`."""

    root: Path
    path: Path | None = None
    store: StoreConfig = StoreConfig()
    pair: PairConfig | None = None
    run: RunOptions = RunOptions()
    log: LogConfig = LogConfig()
    backends: Mapping[str, BackendConfig] = Field(default_factory=dict)
    ladders: Mapping[str, LadderConfig] = Field(default_factory=dict)
    prices: Mapping[str, PriceConfig] = Field(default_factory=dict)
    local: LocalConfig = LocalConfig()
    advice: AdviceConfig = AdviceConfig()
    weekly: WeeklyConfig = WeeklyConfig()

    @property
    def usual(self) -> tuple[str, ...]:
        """Names of the backends that are used if a command names none."""
        return tuple(name for name, backend in self.backends.items() if backend.default)

    def ladder(self, name: str) -> LadderConfig:
        """Return the ladder `name`; raises `ConfigError` that suggests the closest name."""
        if name in self.ladders:
            return self.ladders[name]
        near = hint(name, self.ladders) or ': add [ladders.NAME] with steps = ["backend-1", "backend-2"]'
        msg = f"no ladder {name!r} in {self.path or self.root / FILE_NAME}{near}"
        raise ConfigError(msg)

    def backend(self, name: str) -> BackendConfig:
        """Return the backend `name`; raises `ConfigError` that suggests the closest name."""
        if name in self.backends:
            return self.backends[name]
        where = self.path or self.root / FILE_NAME
        msg = f"no backend {name!r} in {where}{hint(name, self.backends)}"
        raise ConfigError(msg)

    @property
    def store_url(self) -> str:
        """URL of the store: `HARNESS_STORE_URL`, else `[store] url`. Relative SQLite paths start at `root`."""
        prefix = "sqlite:///"
        url = os.environ.get("HARNESS_STORE_URL") or self.store.url
        if url.startswith(prefix) and not Path(url.removeprefix(prefix)).is_absolute() and ":memory:" not in url:
            return f"{prefix}{self.root / url.removeprefix(prefix)}"
        return url


def load(start: Path | None = None) -> Config:
    """Load the `harness.toml` in `start` (default: working directory) or the nearest parent folder.

    Raises `ConfigError` if there is none, or if it is invalid.
    """
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / FILE_NAME).is_file():
            return _read(folder / FILE_NAME)
        for name in ("harness.yaml", "harness.yml"):
            if (folder / name).is_file():
                msg = f"{folder / name}: the configuration is a TOML file: write {FILE_NAME} (docs/files.md)"
                raise ConfigError(msg)
    msg = f"no {FILE_NAME} in {here} or above it: run `harness init`, or change to the folder of your project"
    raise ConfigError(msg)


def _read(path: Path) -> Config:
    data = read_toml(path)
    _refuse(data, _INTERNAL_FIELDS, path)
    if isinstance(backends := data.get("backends"), dict):
        data["backends"] = {name: _named(name, table, path) for name, table in backends.items()}
    if isinstance(run := data.get("run"), dict):
        data["run"] = _run_options(run, path)
    config = parse(Config, {**data, "root": path.parent, "path": path}, path)
    for role, name in config.pair.model_dump().items() if config.pair else ():
        if name not in config.backends:
            msg = f"{at(path, ('pair', role))}[pair] {role} = {name!r} is not a backend{hint(name, config.backends)}"
            raise ConfigError(msg)
    models = {backend.model for backend in config.backends.values()}
    for model in config.prices:
        if model not in models:
            table = ("prices", model)
            msg = f"{at(path, table)}[{table_name(table)}] is not the model of any backend{hint(model, models)}"
            raise ConfigError(msg)
    for ladder, steps in config.ladders.items():
        for step in steps.steps:
            if step not in config.backends:
                table = ("ladders", ladder)
                near = hint(step, config.backends)
                msg = f"{at(path, (*table, 'steps'))}[{table_name(table)}] step {step!r} is not a backend{near}"
                raise ConfigError(msg)
    return config


def _run_options(table: dict[str, Any], path: Path) -> RunOptions:
    """`[run]`, with paths relative to the folder of the file."""
    values = parse(_RUN_TABLE, table, path, ("run",)).model_dump(exclude_unset=True)
    if "record" in values:
        values["record"] = path.parent / values["record"]
    if "output" in values:
        values["output"] = tuple(path.parent / output for output in values["output"])
    return RunOptions(**values)


def _run_table() -> type[StrictModel]:
    """The keys of `[run]`: the options of a run that a file may set."""
    types = {**run_options.types(), "record": str | None, "output": tuple[str, ...]}
    keys: dict[str, Any] = {}
    for option in run_options.options():
        is_array = option.default == ()
        checks = Field(default=option.default, ge=option.metadata["at_least"], strict=False if is_array else None)
        if option.metadata["toml"]:
            keys[option.name] = (types[option.name], checks)
    return create_model("RunTable", __base__=StrictModel, **keys)


_RUN_TABLE = _run_table()


def _named(name: str, table: Any, path: Path) -> Any:
    if not isinstance(table, dict):
        return table
    _refuse(table, {"name", "folder"}, path, ("backends", name))
    return {**table, "name": name, "folder": path.parent}


def _refuse(table: Mapping[str, Any], keys: set[str], path: Path, section: tuple[str, ...] = ()) -> None:
    """Raise for keys that are model fields but cannot be set by the user."""
    for key in table:
        if key in keys:
            inside = f" in [{table_name(section)}]" if section else ""
            msg = f"{at(path, (*section, key))}unknown key {key!r}{inside}: remove it"
            raise ConfigError(msg)

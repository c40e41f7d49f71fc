"""`harness.toml`, and TOML files that say where they are wrong."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from harness.errors import ConfigError
from harness.types import Decoding

FILE_NAME = "harness.toml"
_SET_BY_US = {"root", "path"}
"""Fields of `Config` that are no keys of the file."""


class Strict(BaseModel):
    """The base of everything read from TOML: frozen, no unknown keys, no silent conversion ("1.0" is not 1.0)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


M = TypeVar("M", bound=BaseModel)

Names = Annotated[tuple[str, ...], Field(strict=False)]
"""A TOML array of strings, kept as a tuple."""

Name = Annotated[str, Field(min_length=1)]
"""A string that is not empty."""


Service = Literal["chat", "embeddings"]
"""What a model can be asked for."""


class StoreConfig(Strict):
    """Where runs are kept."""

    url: str = "sqlite:///.harness/runs.db"


class PairConfig(Strict):
    """What production runs on today, and what it should move to."""

    reference: Name
    candidate: Name


class LogConfig(Strict):
    """`[log]`: what is kept of routed calls, for how many days, and how many may wait to be written.

    `redact` is a function `package.module:function`, str -> str, applied to the texts before they are kept.
    """

    texts: bool = False
    keep_days: int = Field(default=90, ge=1)
    queue: int = Field(default=10_000, ge=1)
    redact: Annotated[str, Field(pattern=r"^[\w.]+:[\w.]+$")] | None = None


class RunConfig(Strict):
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


class LadderConfig(Strict):
    """Backends that serve one model in several quantizations, the one that the others are judged against first."""

    steps: Annotated[tuple[str, ...], Field(strict=False, min_length=2)]

    @field_validator("steps")
    @classmethod
    def _each_once(cls, steps: tuple[str, ...]) -> tuple[str, ...]:
        if twice := [step for step in dict.fromkeys(steps) if steps.count(step) > 1]:
            msg = f"steps has {twice[0]!r} more than once"
            raise ValueError(msg)
        return steps


class PriceConfig(Strict):
    """`[prices."gpt-4o"]`: USD per million tokens of a model, in the place of what the price list says."""

    prompt_usd: float = Field(ge=0)
    completion_usd: float = Field(default=0.0, ge=0)
    cached_usd: float | None = Field(default=None, ge=0)


class LocalConfig(Strict):
    """`[local]`: what a server of one's own costs a month, whatever it is asked, and how many there are."""

    server_usd_per_month: float = Field(default=80.0, ge=0)
    overhead_usd_per_month: float = Field(default=5.0, ge=0)
    servers: int = Field(default=1, ge=1)


class AdviceConfig(Strict):
    """`[advice]`: what keeps a task where it is, whatever its quality.

    `keep`: names of evals, or kinds of task. `peak`: how many times the mean of a day the busiest hour asks.
    """

    keep: Names = ("tool_calling",)
    max_context_tokens: int = Field(default=32_000, ge=1)
    min_daily_calls: int = Field(default=100, ge=0)
    peak: float = Field(default=3.0, ge=1)


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


class Config(Strict):
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
            msg = f"{at(path, table)}[{_dotted(table)}] is the model of no backend{hint(model, models)}"
            raise ConfigError(msg)
    for ladder, steps in config.ladders.items():
        for step in steps.steps:
            if step not in config.backends:
                table = ("ladders", ladder)
                near = hint(step, config.backends)
                msg = f"{at(path, (*table, 'steps'))}[{_dotted(table)}] step {step!r} is not a backend{near}"
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
            inside = f" in [{_dotted(section)}]" if section else ""
            msg = f"{at(path, (*section, key))}unknown key {key!r}{inside}: remove it"
            raise ConfigError(msg)


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file as a dict; raises `ConfigError` with path and line."""
    text = ""
    try:
        text = path.read_text(encoding="utf-8-sig")
        return tomllib.loads(text)
    except FileNotFoundError:
        msg = f"{path}: no such file"
        raise ConfigError(msg) from None
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        msg = f"{path}:{line}: not UTF-8 text (byte {error.object[error.start]:#04x}): save the file as UTF-8"
        raise ConfigError(msg) from None
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        line = int(found.group(1)) if found else text.rstrip().count("\n") + 1
        msg = f"{path}:{line}: not valid TOML: {re.sub(r' [(]at .*[)]$', '', str(error))}"
        raise ConfigError(msg) from None
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}"
        raise ConfigError(msg) from None


def parse(model: type[M], data: Mapping[str, Any], path: Path, section: tuple[str, ...] = ()) -> M:
    """`data` as a `model`; raises `ConfigError` that names file, line and key, and the nearest valid key."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise ConfigError("; ".join(_explain(model, item, path, section) for item in error.errors()[:3])) from None


def _explain(model: type[BaseModel], item: Any, path: Path, section: tuple[str, ...]) -> str:
    loc = (*section, *(str(part) for part in item["loc"]))
    where = at(path, loc)
    table = f" in [{_dotted(loc[:-1])}]" if len(loc) > 1 else ""
    if item["type"] == "extra_forbidden":
        known = _fields_at(model, item["loc"][:-1])
        return f"{where}unknown key {loc[-1]!r}{table}{hint(loc[-1], known)}"
    if item["type"] == "missing":
        return f"{where}missing key {loc[-1]!r}{table}"
    if item["type"] == "value_error":  # our own validators write whole sentences
        return f"{where}{item['msg'].removeprefix('Value error, ')}"
    value = item["input"]
    given = f", not {str(value).lower() if isinstance(value, bool) else f'{value!r:.60}'}"
    if value == "" or not isinstance(value, str | int | float):
        given = ""
    what = f"item {int(loc[-1]) + 1} of {loc[-2]}" if isinstance(item["loc"][-1], int) else f"{loc[-1]}{table}"
    return f"{where}{what} {_PLAIN.get(item['type'], item['msg'].removeprefix('Input '))}{_least(item)}{given}"


_PLAIN = {
    "tuple_type": "should be a list",
    "list_type": "should be a list",
    "dict_type": "should be a table",
    "mapping_type": "should be a table",
    "model_type": "should be a table",
    "model_attributes_type": "should be a table",
    "string_type": "should be a string",
    "string_too_short": "should not be empty",
    "int_type": "should be a whole number",
    "int_from_float": "should be a whole number",
    "float_type": "should be a number",
    "bool_type": "should be true or false",
    "too_short": "should have at least",
}
"""Pydantic's error types in the words of TOML."""


def _least(item: Any) -> str:
    """How many there should be and how many there are, where an array is too short."""
    if item["type"] != "too_short":
        return ""
    context = item["ctx"]
    return f" {context['min_length']} items, not {context['actual_length']}"


def _dotted(loc: tuple[str, ...]) -> str:
    """A table's name as it is written between brackets."""
    return ".".join(part if re.fullmatch(r"[\w-]+", part, re.ASCII) else f'"{part}"' for part in loc)


def _fields_at(model: type[BaseModel], loc: tuple[Any, ...]) -> list[str]:
    """The valid keys of the table at `loc` below `model`."""
    here: Any = model
    for part in loc:
        field = getattr(here, "model_fields", {}).get(part)
        if field is None:
            return []
        here = next(
            (
                kind
                for kind in (field.annotation, *getattr(field.annotation, "__args__", ()))
                if isinstance(kind, type) and issubclass(kind, BaseModel)
            ),
            None,
        )
    return [name for name in getattr(here, "model_fields", {}) if name not in _SET_BY_US | {"name"}]


def at(path: Path, loc: tuple[str, ...]) -> str:
    """`path:line: ` of a key. TOML parsers keep no positions, so the key is looked up in the text."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        return f"{path}: "
    best = 0
    table: tuple[str, ...] = ()
    for number, line in enumerate(lines, 1):
        if header := re.match(rf"\s*\[\[?\s*({_KEY})\s*\]", line):
            full = table = _parts(header.group(1))
        elif key := re.match(rf"\s*({_KEY})\s*=", line):
            full = (*table, *_parts(key.group(1)))
        else:
            continue
        if full == loc[: len(full)]:
            best = number
    return f"{path}:{best}: " if best else f"{path}: "


_PART = r"""(?:"[^"]*"|'[^']*'|[\w-]+)"""
_KEY = rf"{_PART}(?:\s*\.\s*{_PART})*"


def _parts(key: str) -> tuple[str, ...]:
    """The parts of a dotted key; a dot between quotation marks is none."""
    return tuple(part.strip("\"'") for part in re.findall(_PART, key))


def hint(name: str, known: Any) -> str:
    """` (did you mean 'x'?)`, or the list of what there is, or nothing."""
    names = sorted(known)
    near = difflib.get_close_matches(name[:100], names, n=1, cutoff=0.6)
    if near:
        return f" (did you mean {near[0]!r}?)"
    return f" (there are: {', '.join(names)})" if names else ""

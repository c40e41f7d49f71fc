"""`harness.toml`, and TOML files that say where they are wrong."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.errors import ConfigError

FILE_NAME = "harness.toml"


class Strict(BaseModel):
    """The base of everything read from TOML: frozen, no unknown keys, no silent conversion ("1.0" is not 1.0)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


M = TypeVar("M", bound=BaseModel)

Names = Annotated[tuple[str, ...], Field(strict=False)]
"""A TOML array of strings, kept as a tuple."""


class StoreConfig(Strict):
    """Where runs are kept."""

    url: str = "sqlite:///.harness/runs.db"


class PairConfig(Strict):
    """What production runs on today, and what it should move to."""

    reference: str
    candidate: str


class RunConfig(Strict):
    """Defaults for the flags of `harness run`, by the same names."""

    backend: Names = ()
    variant: Names = ()
    version: str | None = None
    limit: int | None = Field(default=None, ge=1)
    split: str | None = None
    cache: bool = True
    jobs: int | None = Field(default=None, ge=1)
    output: Names = ()


class BackendConfig(BaseModel):
    """A model behind a protocol. Keys of the provider's own (`n_ctx`, `keep_alive`, …) are checked by its module."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    name: str
    provider: str
    model: str
    variant: str
    base_url: str | None = None
    api_key_env: str | None = None
    quantization: str | None = None
    timeout_s: float = Field(default=120.0, gt=0)
    concurrency: int | None = Field(default=None, ge=1)
    retries: int = Field(default=4, ge=0)

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
    backends: Mapping[str, BackendConfig] = Field(default_factory=dict)

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
    data["backends"] = {
        name: {"name": name, **table} if isinstance(table, dict) else table
        for name, table in data.get("backends", {}).items()
    }
    config = parse(Config, {**data, "root": path.parent, "path": path}, path)
    for role, name in config.pair.model_dump().items() if config.pair else ():
        if name not in config.backends:
            msg = f"{_at(path, ('pair', role))}[pair] {role} = {name!r} is not a backend{hint(name, config.backends)}"
            raise ConfigError(msg)
    return config


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file as a dict; raises `ConfigError` with path and line."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        msg = f"{path}: no such file"
        raise ConfigError(msg) from None
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        msg = f"{path}:{line}: not UTF-8 text (byte {error.object[error.start]:#04x}): save the file as UTF-8"
        raise ConfigError(msg) from None
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        where = f"{path}:{found.group(1)}" if found else str(path)
        msg = f"{where}: not valid TOML: {re.sub(r' [(]at .*[)]$', '', str(error))}"
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
    where = _at(path, loc)
    table = f" in [{'.'.join(loc[:-1])}]" if len(loc) > 1 else ""
    if item["type"] == "extra_forbidden":
        known = _fields_at(model, item["loc"][:-1])
        return f"{where}unknown key {loc[-1]!r}{table}{hint(loc[-1], known)}"
    if item["type"] == "missing":
        return f"{where}missing key {loc[-1]!r}{table}"
    given = f", not {item['input']!r}" if isinstance(item["input"], str | int | float | bool) else ""
    message = item["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{where}{loc[-1]}{table} {message}{given}"


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
    return [name for name in getattr(here, "model_fields", {}) if name not in {"root", "path", "name"}]


def _at(path: Path, loc: tuple[str, ...]) -> str:
    """`path:line: ` of a key. TOML parsers keep no positions, so the key is looked up in the text."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return f"{path}: "
    best = 0
    table: tuple[str, ...] = ()
    for number, line in enumerate(lines, 1):
        if header := re.match(r"\s*\[\[?\s*([^\]]+?)\s*\]\]?", line):
            table = tuple(part.strip().strip("\"'") for part in header.group(1).split("."))
            if table == loc[: len(table)]:
                best = number
        elif key := re.match(r"\s*([\w\"'.-]+)\s*=", line):
            full = (*table, *(part.strip("\"'") for part in key.group(1).split(".")))
            if full == loc[: len(full)]:
                best = number
    return f"{path}:{best}: " if best else f"{path}: "


def hint(name: str, known: Any) -> str:
    """` (did you mean 'x'?)`, or the list of what there is, or nothing."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f" (did you mean {near[0]!r}?)"
    return f" (there are: {', '.join(names)})" if names else ""

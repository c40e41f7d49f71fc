"""`routing.toml`: which backend each task goes to, and what answers where that one does not. Read and written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, field_validator

from harness.core.errors import ConfigError
from harness.core.toml import StrictModel, at, comment, hint, parse, read_toml, table_text
from harness.project.config import Config

FILE_NAME = "routing.toml"

Tier = Literal["local", "api_fast", "api_frontier"]
"""Where a task can go, from the cheapest to the best."""

TIERS: tuple[Tier, ...] = get_args(Tier)

HEAD = "# routing.toml: which backend each task goes to, and what answers where that one does not."


class TaskRoute(StrictModel):
    """`[tasks.x]`, x being the name of an eval. Deadline and budget are over the whole chain of `tiers`.

    `patience_s`: how long a backend that says 429 is waited for before the next tier is asked.
    """

    tiers: Annotated[tuple[Tier, ...], Field(strict=False, min_length=1)]
    on_broken_contract: Literal["accept", "escalate"] = "accept"
    deadline_s: float = Field(default=30.0, gt=0)
    max_usd: float | None = Field(default=None, gt=0)
    hedge_after_s: float | None = Field(default=None, gt=0)
    patience_s: float = Field(default=1.0, ge=0)

    @field_validator("tiers")
    @classmethod
    def _each_once(cls, tiers: tuple[Tier, ...]) -> tuple[Tier, ...]:
        if twice := [tier for tier in dict.fromkeys(tiers) if tiers.count(tier) > 1]:
            msg = f"tiers has {twice[0]!r} more than once"
            raise ValueError(msg)
        return tiers


class ProbeConfig(StrictModel):
    """`[probe]`: how often a backend that is down is tried, and how long the start waits for models to be loaded."""

    every_s: float = Field(default=5.0, gt=0)
    start_s: float = Field(default=30.0, ge=0)


class BreakerConfig(StrictModel):
    """`[breaker]`: after how many failures in a row a backend is left alone until a probe succeeds."""

    failures: int = Field(default=3, ge=1)


class Routing(StrictModel):
    """The whole file. `tiers` names a backend of harness.toml for each tier that a task uses."""

    tiers: Mapping[Tier, str]
    tasks: Mapping[str, TaskRoute] = Field(default_factory=dict)
    probe: ProbeConfig = ProbeConfig()
    breaker: BreakerConfig = BreakerConfig()

    def backends(self, task: str) -> tuple[str, ...]:
        """The names of the backends of a task, in the order in which they are asked."""
        return tuple(self.tiers[tier] for tier in self.tasks[task].tiers)


def load(path: Path, config: Config) -> Routing:
    """Read a `routing.toml`; raises `ConfigError` with its line, also for a backend that `config` does not have."""
    data = read_toml(path)
    tables = [("tiers", data.get("tiers"))]
    if isinstance(tasks := data.get("tasks"), dict):
        tables += [(f"tasks.{name}", table) for name, table in tasks.items()]
    _check_tiers(path, tables)
    if isinstance(tasks, dict):  # each by itself, so that a misspelt key is told with the nearest one of its table
        data["tasks"] = {
            name: parse(TaskRoute, table, path, ("tasks", name)) if isinstance(table, dict) else table
            for name, table in tasks.items()
        }
    routing = parse(Routing, data, path)
    for tier, backend in routing.tiers.items():
        if backend not in config.backends:
            near = hint(backend, config.backends)
            msg = f"{at(path, ('tiers', tier))}[tiers] {tier} = {backend!r} is not a backend of harness.toml{near}"
            raise ConfigError(msg)
    for name, route in routing.tasks.items():
        for tier in route.tiers:
            if tier not in routing.tiers:
                where = at(path, ("tasks", name, "tiers"))
                msg = f"{where}[tasks.{name}] uses tier {tier!r}, and [tiers] names no backend for it"
                raise ConfigError(msg)
        if len(set(routing.backends(name))) < len(route.tiers):
            where = at(path, ("tasks", name, "tiers"))
            msg = f"{where}[tasks.{name}] has one backend under two tiers: name it once"
            raise ConfigError(msg)
    return routing


def _check_tiers(path: Path, tables: Sequence[tuple[str, Any]]) -> None:
    """Raise for a tier that there is not, in plain words: pydantic speaks of literals."""
    for name, table in tables:
        named = table if name == "tiers" else table.get("tiers") if isinstance(table, dict) else None
        for tier in named if isinstance(named, list | dict) else ():
            if tier not in TIERS:
                key = ("tiers", str(tier)) if name == "tiers" else (*name.split(".", 1), "tiers")
                msg = f"{at(path, key)}unknown tier {tier!r} in [{name}]{hint(str(tier), TIERS)}"
                raise ConfigError(msg)


def dump(routing: Routing, comments: Mapping[str, Sequence[str]] | None = None) -> str:
    """The file's text: always in the same order, for review in git. `comments[task]` stand above that task's table.

    Tables are written one by one, because tomlkit has no place for a comment above the header of a nested table.
    """
    tiers: dict[str, str] = {tier: routing.tiers[tier] for tier in TIERS if tier in routing.tiers}
    blocks = [f"{HEAD}\n{table_text(('tiers',), tiers)}"]
    for name in sorted(routing.tasks):
        keys = _keys(routing.tasks[name], {"tiers", "on_broken_contract", "deadline_s"})
        lines = [comment(text) for text in (comments or {}).get(name, ())]
        blocks.append("\n".join([*lines, table_text(("tasks", name), keys)]))
    others = {name: _keys(getattr(routing, name), set()) for name in ("probe", "breaker")}
    return "\n".join([*blocks, *(table_text((name,), keys) for name, keys in others.items() if keys)])


def _keys(settings: StrictModel, always: set[str]) -> dict[str, Any]:
    """The keys of a table, but for those that are left at their default and need not be seen."""
    shown = {}
    for key, field in type(settings).model_fields.items():
        value = getattr(settings, key)
        if value is not None and (key in always or value != field.default):
            shown[key] = value
    return shown

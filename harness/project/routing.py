"""Read and write `routing.toml`: the backend of each task, and its fallbacks."""

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
"""Tiers of backends, from the cheapest to the best."""

TIERS: tuple[Tier, ...] = get_args(Tier)

HEAD = "# routing.toml: which backend each task goes to, and what answers where that one does not."


class TaskRoute(StrictModel):
    """`[tasks.x]`: the route of the eval `x`. Deadline and budget apply to the whole chain of `tiers`.

    `patience_s` limits the wait after a 429 response, before the next tier is tried.
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
        if repeated := [tier for tier in dict.fromkeys(tiers) if tiers.count(tier) > 1]:
            msg = f"tiers has {repeated[0]!r} more than once"
            raise ValueError(msg)
        return tiers


class ProbeConfig(StrictModel):
    """`[probe]`: seconds between probes of a failed backend, and the limit for loading models at start."""

    every_s: float = Field(default=5.0, gt=0)
    start_s: float = Field(default=30.0, ge=0)


class BreakerConfig(StrictModel):
    """`[breaker]`: consecutive failures after which a backend is skipped until a probe succeeds."""

    failures: int = Field(default=3, ge=1)


class Routing(StrictModel):
    """Validated `routing.toml`. `tiers` maps each tier to a backend of harness.toml."""

    tiers: Mapping[Tier, str]
    tasks: Mapping[str, TaskRoute] = Field(default_factory=dict)
    probe: ProbeConfig = ProbeConfig()
    breaker: BreakerConfig = BreakerConfig()

    def backends(self, task: str) -> tuple[str, ...]:
        """Return the backends of a task, in the order in which they are tried."""
        return tuple(self.tiers[tier] for tier in self.tasks[task].tiers)


def load(path: Path, config: Config) -> Routing:
    """Load a `routing.toml`; raises `ConfigError` with the line, also for backends that `config` lacks."""
    data = read_toml(path)
    tables = [("tiers", data.get("tiers"))]
    if isinstance(tasks := data.get("tasks"), dict):
        tables += [(f"tasks.{name}", table) for name, table in tasks.items()]
    _check_tiers(path, tables)
    if isinstance(tasks, dict):  # parsed separately, so that a misspelt key is compared with the keys of its own table
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
                msg = f"{where}[tasks.{name}] uses tier {tier!r}: add a backend for it to [tiers]"
                raise ConfigError(msg)
        if len(set(routing.backends(name))) < len(route.tiers):
            where = at(path, ("tasks", name, "tiers"))
            msg = f"{where}[tasks.{name}] has two tiers with the same backend: remove one of them"
            raise ConfigError(msg)
    return routing


def routed(root: Path) -> frozenset[str]:
    """Return the tasks that the `routing.toml` of a project routes; raises `ConfigError` if it is not TOML."""
    path = root / FILE_NAME
    tasks = read_toml(path).get("tasks") if path.is_file() else None
    return frozenset(tasks) if isinstance(tasks, dict) else frozenset()


def _check_tiers(path: Path, tables: Sequence[tuple[str, Any]]) -> None:
    """Raise for an unknown tier. pydantic's own message would mention literals."""
    for name, table in tables:
        tiers = table if name == "tiers" else table.get("tiers") if isinstance(table, dict) else None
        for tier in tiers if isinstance(tiers, list | dict) else ():
            if tier not in TIERS:
                key = ("tiers", str(tier)) if name == "tiers" else (*name.split(".", 1), "tiers")
                msg = f"{at(path, key)}unknown tier {tier!r} in [{name}]{hint(str(tier), TIERS)}"
                raise ConfigError(msg)


def dump(routing: Routing, comments: Mapping[str, Sequence[str]] | None = None) -> str:
    """Return the text of the file, in a fixed order for review in git. `comments[task]` precede the task's table.

    Tables are written one by one, because tomlkit cannot place a comment above a nested table.
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
    """Keys of a table: those in `always`, and those that differ from their default."""
    shown = {}
    for key, field in type(settings).model_fields.items():
        value = getattr(settings, key)
        if value is not None and (key in always or value != field.default):
            shown[key] = value
    return shown

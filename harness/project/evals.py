"""Eval files, `evals/<name>.toml`: task kind, prompt, golden dataset, contract and gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.core.errors import ConfigError
from harness.core.toml import Name, Names, StrictModel, at, hint, parse, read_toml
from harness.core.types import Decoding

FOLDER = "evals"
YAML = (".yaml", ".yml")


class TagGates(StrictModel):
    """`[gates.tag.x]`: gates for the cases with one tag."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    @property
    def limits(self) -> dict[str, Any]:
        """Limit of each gate that is set. `harness.analysis.gates.check` validates them."""
        return dict(self.model_extra or {})


class GateConfig(TagGates):
    """`[gates]`: limits for each cell. Every module of `harness/analysis/gates` adds a key.

    `margin` (to the reference) and `max_regression` (to the baseline) also set the margins of comparisons.
    `max_label_loss` and `max_tag_loss` are no gates of their own: they limit the loss of each label and tag in all
    comparisons.
    `judge` selects what must meet a limit: a bound of the 95% interval, or the observed value (`point`).
    """

    margin: float | None = Field(default=None, gt=0, lt=1)
    max_regression: float | None = Field(default=None, gt=0, lt=1)
    max_label_loss: float | None = Field(default=None, gt=0, le=1)
    max_tag_loss: float | None = Field(default=None, gt=0, le=1)
    tag: Mapping[str, TagGates] = Field(default_factory=dict)
    judge: Literal["interval", "point"] = "interval"

    @property
    def limits(self) -> dict[str, Any]:
        """Limit of each gate that is set."""
        margins = {"margin": self.margin, "max_regression": self.max_regression}
        return {**{k: v for k, v in margins.items() if v is not None}, **(self.model_extra or {})}


class SamplingConfig(StrictModel):
    """`[sampling]`: sampling parameters. Missing keys use the defaults of the task kind."""

    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1)
    seed: int | None = None
    stop: Names | None = None


class TrafficConfig(StrictModel):
    """`[traffic]`: daily production calls, and the backend they use (default: the reference of `[pair]`)."""

    daily_calls: int = Field(ge=0)
    backend: Name | None = None


class WeightsConfig(StrictModel):
    """`[weights.label]` or `[weights.tag]`: the share of production traffic of each label or tag."""

    label: Mapping[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(default_factory=dict)
    tag: Mapping[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_one_kind(self) -> Self:
        if bool(self.label) == bool(self.tag):
            msg = "weights needs either [weights.label] or [weights.tag]"
            raise ValueError(msg)
        if not any((*self.label.values(), *self.tag.values())):
            msg = "weights are all 0: give the share of each label or tag in production"
            raise ValueError(msg)
        return self


class CostsConfig(BaseModel):
    """`[costs]`: what an error costs, such as `"spam->ham" = 5`: expected, then predicted.

    Attributes:
        default: Cost of any other error.
        no_answer: Cost of a reply without an answer; by default `default`.
        margin: The most that the cost per case may grow.
        unit: Name of the unit, such as USD.
    """

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    default: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    no_answer: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    margin: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    unit: str = ""

    @model_validator(mode="after")
    def _has_known_errors(self) -> Self:
        for name, cost in (self.model_extra or {}).items():
            if "->" not in name or isinstance(cost, bool) or not isinstance(cost, int | float) or not 0 <= cost < inf:
                msg = f'{name} = {cost!r:.40}: an error and its cost look like "spam->ham" = 5'
                raise ValueError(msg)
        return self

    @property
    def errors(self) -> dict[str, float]:
        """Costs of the named errors, by `expected->predicted`."""
        return {name: float(cost) for name, cost in (self.model_extra or {}).items()}

    @property
    def of_no_answer(self) -> float:
        """Cost of a reply without an answer."""
        return self.default if self.no_answer is None else self.no_answer

    @property
    def largest(self) -> float:
        """The largest cost of a case."""
        return max(self.default, self.of_no_answer, *self.errors.values())


class Eval(StrictModel):
    """Validated eval file. The module of the task kind checks its own keys (`labels`, …), which are in `options`.

    Attributes:
        decoding: Decoding modes, one cell each. Gates apply to the first, which production uses.
        repeats: Requests per case.
        production: How production code reads replies. By default leniently if `routing.toml` routes the task, because
            `router.ask` does; else strictly.
        demo_limit: Number of cases for `--demo`.
    """

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    name: str
    path: Path
    task: Name
    prompt: Name
    dataset: Name
    split: Name | None = "test"
    backends: Names = ()
    decoding: Annotated[tuple[Decoding, ...], Field(strict=False, min_length=1)] = ("free",)
    repeats: int = Field(default=1, ge=1)
    production: Literal["strict", "lenient"] | None = None
    demo_limit: int | None = Field(default=None, ge=1)
    sampling: SamplingConfig = SamplingConfig()
    gates: GateConfig = GateConfig()
    traffic: TrafficConfig | None = None
    weights: WeightsConfig | None = None
    costs: CostsConfig | None = None

    @property
    def root(self) -> Path:
        """Folder of the project. Paths in an eval are relative to it."""
        return self.path.parent.parent

    @property
    def options(self) -> dict[str, Any]:
        """Keys that belong to the task kind."""
        return dict(self.model_extra or {})


def load(path: Path) -> Eval:
    """Load one eval file; raises `ConfigError`."""
    data = read_toml(path)
    for key in ("name", "path"):
        if key in data:
            msg = f"{at(path, (key,))}unknown key {key!r}: remove it, because an eval is named after its file"
            raise ConfigError(msg)
    return parse(Eval, {**data, "name": path.stem, "path": path}, path)


def find(root: Path, wanted: Sequence[str] = ()) -> list[Eval]:
    """Load the evals in `wanted` (names or paths), or all evals of the project; raises `ConfigError`."""
    folder = root / FOLDER
    if not wanted:
        for ending in YAML:
            for path in sorted(folder.glob(f"*{ending}")):
                raise _is_yaml(path)
        paths = sorted(folder.glob("*.toml"))
        if not paths:
            msg = f"no evals in {folder}: add {folder / 'my_eval'}.toml, or run `harness init`"
            raise ConfigError(msg)
        return [load(path) for path in paths]
    return [load(path) for path in dict.fromkeys(_resolve(folder, name) for name in wanted)]


def names(root: Path) -> set[str]:
    """Return the names of all evals of `root`, including invalid ones."""
    return {path.stem for path in (root / FOLDER).glob("*.toml")}


def _resolve(folder: Path, name: str) -> Path:
    for path in (Path(name).resolve(), folder / f"{name}.toml"):
        if path.suffix == ".toml" and path.is_file():
            return path
    for path in (Path(name).resolve(), *(folder / f"{name}{ending}" for ending in YAML)):
        if path.suffix in YAML and path.is_file():
            raise _is_yaml(path)
    known = [path.stem for path in folder.glob("*.toml")]
    msg = f"no eval {name!r} in {folder}{hint(Path(name).stem, known)}"
    raise ConfigError(msg)


def _is_yaml(path: Path) -> ConfigError:
    return ConfigError(
        f"{path}: evals are TOML files: write {path.with_suffix('.toml').name} (docs/files.md), remove this"
    )

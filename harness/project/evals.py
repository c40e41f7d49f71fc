"""`evals/<name>.toml`: a task kind, a prompt, a golden dataset, a contract, gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from harness.core.errors import ConfigError
from harness.core.toml import Name, Names, StrictModel, at, hint, parse, read_toml
from harness.core.types import Decoding

FOLDER = "evals"


class TagGates(StrictModel):
    """`[gates.tag.x]`: limits for the cases of one tag."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    @property
    def limits(self) -> dict[str, Any]:
        """The gates that are set, with their limits. `harness.analysis.gates.check` validates them."""
        return dict(self.model_extra or {})


class GateConfig(TagGates):
    """`[gates]`: limits for each cell. Every file of `harness/analysis/gates` adds a key.

    `margin` (against the reference) and `max_regression` (against the baseline) are also margins of comparisons.
    `judge`: whether a 95% bound or the observed value decides.
    """

    margin: float | None = Field(default=None, gt=0, lt=1)
    max_regression: float | None = Field(default=None, gt=0, lt=1)
    tag: Mapping[str, TagGates] = Field(default_factory=dict)
    judge: Literal["interval", "point"] = "interval"

    @property
    def limits(self) -> dict[str, Any]:
        """The gates that are set, with their limits."""
        margins = {"margin": self.margin, "max_regression": self.max_regression}
        return {**{k: v for k, v in margins.items() if v is not None}, **(self.model_extra or {})}


class SamplingConfig(StrictModel):
    """`[sampling]`: what is not said here has the task kind's default."""

    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1)
    seed: int | None = None
    stop: Names | None = None


class TrafficConfig(StrictModel):
    """`[traffic]`: how often production asks this, and which backend, where it is not the reference of `[pair]`."""

    daily_calls: int = Field(ge=0)
    backend: Name | None = None


class Eval(StrictModel):
    """One eval file. Keys of the task kind's own (`labels`, …) are in `options` and are checked by its module.

    `decoding`: a cell each; the first is the one that production uses, and gates judge. `repeats`: how often each case
    is asked. `demo_limit`: how many cases `--demo` takes.
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
    demo_limit: int | None = Field(default=None, ge=1)
    sampling: SamplingConfig = SamplingConfig()
    gates: GateConfig = GateConfig()
    traffic: TrafficConfig | None = None

    @property
    def root(self) -> Path:
        """The project's folder, from which paths in an eval count."""
        return self.path.parent.parent

    @property
    def options(self) -> dict[str, Any]:
        """The keys that belong to the task kind."""
        return dict(self.model_extra or {})


def load(path: Path) -> Eval:
    """Read one eval file; raises `ConfigError`."""
    data = read_toml(path)
    for key in ("name", "path"):
        if key in data:
            msg = f"{at(path, (key,))}{key!r} is not a key of an eval: its name is its file's"
            raise ConfigError(msg)
    return parse(Eval, {**data, "name": path.stem, "path": path}, path)


def find(root: Path, wanted: Sequence[str] = ()) -> list[Eval]:
    """The evals that `wanted` names, as a name or a path; without any, all of `root/evals`. Raises `ConfigError`."""
    folder = root / FOLDER
    if not wanted:
        paths = sorted(folder.glob("*.toml"))
        if not paths:
            msg = f"no evals in {folder}: add {folder / 'my_eval'}.toml, or run `harness init` in an empty folder"
            raise ConfigError(msg)
        return [load(path) for path in paths]
    return [load(path) for path in dict.fromkeys(_resolve(folder, name) for name in wanted)]


def names(root: Path) -> set[str]:
    """The names of all evals of `root`, whatever is in their files."""
    return {path.stem for path in (root / FOLDER).glob("*.toml")}


def _resolve(folder: Path, name: str) -> Path:
    for path in (Path(name).resolve(), folder / f"{name}.toml"):
        if path.suffix == ".toml" and path.is_file():
            return path
    known = [path.stem for path in folder.glob("*.toml")]
    msg = f"no eval {name!r} in {folder}{hint(Path(name).stem, known)}"
    raise ConfigError(msg)

"""`evals/<name>.toml`: a task kind, a prompt, a golden dataset, a contract, gates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field

from harness.config import Name, Names, Strict, at, hint, parse, read_toml
from harness.errors import ConfigError

FOLDER = "evals"


class GateConfig(Strict):
    """`[gates]`: what each cell must reach. A rate is judged by the lower end of its 95% interval."""

    min_accuracy: float | None = Field(default=None, gt=0, le=1)
    min_lenient_accuracy: float | None = Field(default=None, gt=0, le=1)
    min_compliance: float | None = Field(default=None, gt=0, le=1)
    max_p95_latency_s: float | None = Field(default=None, gt=0)


class SamplingConfig(Strict):
    """`[sampling]`: what is not said here has the task kind's default."""

    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1)
    seed: int | None = None
    stop: Names | None = None


class TrafficConfig(Strict):
    """`[traffic]`: how often production asks this."""

    daily_calls: int = Field(ge=0)


class Eval(Strict):
    """One eval file. Keys of the task kind's own (`labels`, …) are in `options` and are checked by its module."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    name: str
    path: Path
    task: Name
    prompt: Name
    dataset: Name
    split: Name | None = "test"
    backends: Names = ()
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


def _resolve(folder: Path, name: str) -> Path:
    for path in (Path(name).resolve(), folder / f"{name}.toml"):
        if path.suffix == ".toml" and path.is_file():
            return path
    known = [path.stem for path in folder.glob("*.toml")]
    msg = f"no eval {name!r} in {folder}{hint(Path(name).stem, known)}"
    raise ConfigError(msg)

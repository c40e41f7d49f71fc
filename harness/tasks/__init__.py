"""Task kinds: how a task builds requests, reads replies and scores them. One file per kind.

May import backends, analysis and everything below them.
Never here: model calls, report files.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

from pydantic import BaseModel

from harness.contracts import Contract
from harness.core.errors import ConfigError, MissingExtra
from harness.core.plugins import TASKS, TaskCapabilities
from harness.core.toml import at, hint, parse
from harness.core.types import JSON, NOTHING, Case, Constraint, Reading, Response, Result, Sampling, Score
from harness.project.evals import Eval


class Task(ABC):
    """A task with the settings of its eval. Each kind is a subclass, named by `TASK` in its module."""

    capabilities: ClassVar[TaskCapabilities] = TaskCapabilities()
    """Capabilities of all tasks of this kind."""
    options_class: ClassVar[type[BaseModel]]
    """Keys of an eval that only this kind has."""

    contract: Contract
    """The contract that reads the replies."""
    sampling: Sampling
    """Sampling parameters if the eval does not set them."""
    labels: tuple[str, ...] = ()
    """The possible answers; empty if they are not a fixed list."""
    context: tuple[Case, ...] = ()
    """Cases that are sent but never scored, such as the passages of a search."""

    @classmethod
    @abstractmethod
    def build(cls, options: Any, root: Path) -> Task:
        """Create the task from its options, an `options_class`; paths are relative to `root`. Raises `ConfigError`."""

    @property
    def embeds(self) -> bool:
        """Whether requests ask for vectors instead of replies."""
        return self.capabilities.embeds

    @property
    def judges_together(self) -> bool:
        """Whether scores need all replies of a run, by `judge`."""
        return self.capabilities.scores_together

    @property
    def settings(self) -> Mapping[str, JSON]:
        """Settings that decide a score and are not settings of the contract."""
        return NOTHING

    @property
    def constraint(self) -> Constraint | None:
        """The constraint for servers that decode under constraints; `None` if there is none."""
        return None

    def tools(self, _case: Case) -> tuple[Mapping[str, JSON], ...]:
        """The functions that the model may call."""
        return ()

    @abstractmethod
    def variables(self, case: Case) -> dict[str, Any]:
        """The variables of the prompt."""

    @abstractmethod
    def check(self, case: Case) -> str | None:
        """The problem with the expected answer of a case; `None` if it is valid."""

    @abstractmethod
    def score(self, reading: Reading, case: Case) -> Score | None:
        """Right or wrong; `None` if the score needs all replies of a run."""

    def require(self, where: str) -> None:  # noqa: B027  most kinds of task need no extra
        """Raise `MissingExtra`, its message starting with `where`, if scores need a package that is not installed."""

    def judge(self, results: Sequence[Result]) -> Sequence[Result]:
        """Score all results of a run together. Called if `judges_together`."""
        return results


def read_and_score(task: Task, case: Case, response: Response) -> tuple[Reading | None, Score | None]:
    """Read and score one response; both are `None` if the call failed, because a failed call is not a wrong answer.

    A case of the task's context has no expected answer, so that it is read but never scored.
    """
    if response.error is not None:
        return None, None
    reading = task.contract.read(response)
    return reading, None if case.expected is None else task.score(reading, case)


def kinds() -> list[str]:
    """The names of all task kinds."""
    return TASKS.names()


def task_of(definition: Eval) -> Task:
    """The task of an eval; raises `ConfigError` for an unknown kind or key, `MissingExtra` for a missing package."""
    if definition.task not in kinds():
        msg = f"{at(definition.path, ('task',))}unknown task {definition.task!r}{hint(definition.task, kinds())}"
        raise ConfigError(msg)
    kind = cast("type[Task]", TASKS.load(definition.task))
    known = set(kind.options_class.model_fields)
    for key in definition.options:
        if key not in known:
            near = hint(key, known | (set(Eval.model_fields) - {"name", "path"}))
            msg = f"{at(definition.path, (key,))}unknown key {key!r}{near}"
            raise ConfigError(msg)
    try:
        options = parse(kind.options_class, definition.options, definition.path)
    except MissingExtra as error:
        msg = f"{definition.path}: {error}"
        raise MissingExtra(msg) from None
    return kind.build(options, definition.root)

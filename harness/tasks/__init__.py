"""Kinds of work: how a task builds requests, reads replies and scores them. One file per kind.

May import backends, analysis and everything below them.
Never here: model calls, files of a report.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, cast

from harness.contracts import Contract
from harness.core.errors import ConfigError, MissingExtra
from harness.core.toml import at, hint, parse
from harness.core.types import JSON, NOTHING, Case, Constraint, Reading, Response, Result, Sampling, Score
from harness.project.evals import Eval


class Task(ABC):
    """An eval's task, with the settings that the eval gives it. A kind of task overrides what it needs."""

    contract: Contract
    """What its replies must look like."""
    sampling: Sampling
    """How to sample where the eval does not say."""
    labels: tuple[str, ...] = ()
    """The answers there are, or nothing where they are not a list."""
    context: tuple[Case, ...] = ()
    """Cases that are asked too but never judged: what the others are judged against."""
    embeds: bool = False
    """Whether it asks for vectors instead of replies."""
    judges_together: bool = False
    """Whether scores show only once all replies are there, by `judge`."""

    @property
    def settings(self) -> Mapping[str, JSON]:
        """What decides a score and is no setting of the contract."""
        return NOTHING

    @property
    def constraint(self) -> Constraint | None:
        """What a server that decodes under constraints is told, `None` where it cannot be told."""
        return None

    def tools(self, _case: Case) -> tuple[Mapping[str, JSON], ...]:
        """The functions that the model may call."""
        return ()

    @abstractmethod
    def variables(self, case: Case) -> dict[str, Any]:
        """What the prompt is rendered with."""

    @abstractmethod
    def check(self, case: Case) -> str | None:
        """What is wrong with what a case expects, if anything."""

    @abstractmethod
    def score(self, reading: Reading, case: Case) -> Score | None:
        """Right or wrong; `None` where that shows only beside the other replies."""

    def require(self, where: str) -> None:  # noqa: B027  most kinds of task need no extra
        """Raise `MissingExtra`, its message starting with `where`, if scores need a package that is not installed."""

    def judge(self, results: Sequence[Result]) -> Sequence[Result]:
        """Score what shows only beside the other replies, once all are there. Called where `judges_together`."""
        return results


def read_and_score(task: Task, case: Case, response: Response) -> tuple[Reading | None, Score | None]:
    """What a reply says and whether that is right; nothing where the call failed, which is no wrong answer.

    A case of the task's context is read, and never scored: it expects nothing.
    """
    if response.error is not None:
        return None, None
    reading = task.contract.read(response)
    return reading, None if case.expected is None else task.score(reading, case)


def kinds() -> list[str]:
    """The names of all task kinds."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def task_of(definition: Eval) -> Task:
    """The task of an eval; raises `ConfigError` for an unknown kind or key, `MissingExtra` for a missing package."""
    if definition.task not in kinds():
        msg = f"{at(definition.path, ('task',))}unknown task {definition.task!r}{hint(definition.task, kinds())}"
        raise ConfigError(msg)
    module = importlib.import_module(f"{__name__}.{definition.task}")
    known = set(module.Options.model_fields)
    for key in definition.options:
        if key not in known:
            near = hint(key, known | (set(Eval.model_fields) - {"name", "path"}))
            msg = f"{at(definition.path, (key,))}unknown key {key!r}{near}"
            raise ConfigError(msg)
    try:
        options = parse(module.Options, definition.options, definition.path)
    except MissingExtra as error:
        msg = f"{definition.path}: {error}"
        raise MissingExtra(msg) from None
    return cast("Task", module.build(options, definition.root))

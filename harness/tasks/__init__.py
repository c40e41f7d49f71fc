"""Kinds of work. One kind, one file: its contract, how it is scored, what it is measured by."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any, Protocol, cast

from harness.config import at, hint, parse
from harness.contracts import Contract
from harness.errors import ConfigError
from harness.evals import Eval
from harness.types import Case, Reading, Response, Sampling, Score


class Task(Protocol):
    """An eval's task, with the settings that the eval gives it."""

    @property
    def contract(self) -> Contract:
        """What its replies must look like."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """The answers there are, or nothing where they are not a list."""
        ...

    @property
    def sampling(self) -> Sampling:
        """How to sample where the eval does not say."""
        ...

    def variables(self, case: Case) -> dict[str, Any]:
        """What the prompt is rendered with."""
        ...

    def check(self, case: Case) -> str | None:
        """What is wrong with what a case expects, if anything."""
        ...

    def score(self, reading: Reading, case: Case) -> Score:
        """Right or wrong."""
        ...


def read_and_score(task: Task, case: Case, response: Response) -> tuple[Reading | None, Score | None]:
    """What a reply says and whether that is right; nothing where the call failed, which is no wrong answer."""
    if response.error is not None:
        return None, None
    reading = task.contract.read(response)
    return reading, task.score(reading, case)


def kinds() -> list[str]:
    """The names of all task kinds."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def task_of(definition: Eval) -> Task:
    """The task of an eval; raises `ConfigError` for an unknown kind or key."""
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
    options = parse(module.Options, definition.options, definition.path)
    return cast("Task", module.build(options, definition.root))

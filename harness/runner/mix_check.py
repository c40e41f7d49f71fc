"""Check that `[weights]` and `[costs]` of an eval fit its labels and cases."""

from __future__ import annotations

from collections.abc import Iterable

from harness.core.errors import ConfigError
from harness.core.toml import at, hint
from harness.core.types import Case
from harness.project.evals import Eval
from harness.tasks import Task


def check_mix(definition: Eval, task: Task, cases: Iterable[Case]) -> None:
    """Raise `ConfigError` for weights and costs that do not fit the labels and tags of the cases."""
    weights, costs = definition.weights, definition.costs
    if not task.labels and (costs is not None or (weights is not None and weights.label)):
        key = "costs" if costs is not None else "weights"
        msg = f"{at(definition.path, (key,))}[{key}] needs labels, which a task of kind {definition.task} does not have"
        raise ConfigError(msg)
    for error in costs.errors if costs else ():
        for label in error.split("->", 1):
            if label not in task.labels:
                where = at(definition.path, ("costs", error))
                msg = f"{where}[costs] {error!r} names {label!r}, which is no label{hint(label, task.labels)}"
                raise ConfigError(msg)
    if weights is None:
        return
    kind, shares = ("label", weights.label) if weights.label else ("tag", weights.tag)
    for case in cases:
        names = [case.expected] if kind == "label" else [tag for tag in case.tags if tag in shares]
        if case.expected is not None and (len(names) != 1 or names[0] not in shares):
            has = f"label {case.expected!r}" if kind == "label" else f"{len(names)} of the weighted tags"
            msg = f"{at(definition.path, ('weights', kind))}[weights.{kind}]: case {case.id} has {has}: give its share"
            raise ConfigError(msg)

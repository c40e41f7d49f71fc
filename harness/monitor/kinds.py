"""Which tasks of the log have a list of labels, as far as their evals still say so."""

from __future__ import annotations

from collections.abc import Iterable

from harness.core.errors import ConfigError, MissingExtra
from harness.project import evals
from harness.project.config import Config
from harness.tasks import task_of


def labels_of(found: Config, tasks: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Task -> labels. Of a task whose eval is not there, or does not load, none: it is watched all the same."""
    known: dict[str, tuple[str, ...]] = {}
    for task in tasks:
        try:
            (definition,) = evals.find(found.root, [task])
            labels = task_of(definition).labels
        except (ConfigError, MissingExtra):
            continue
        if labels:
            known[task] = labels
    return known

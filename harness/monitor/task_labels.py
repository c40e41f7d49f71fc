"""Which tasks of the traffic log have a list of labels, according to their evals."""

from __future__ import annotations

from collections.abc import Iterable

from harness.core.errors import ConfigError, MissingExtra
from harness.project import evals
from harness.project.config import Config
from harness.tasks import task_of


def labels_of(config: Config, tasks: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return task -> labels. A task whose eval is missing or invalid is left out and monitored without labels."""
    known: dict[str, tuple[str, ...]] = {}
    for task in tasks:
        try:
            (definition,) = evals.find(config.root, [task])
            labels = task_of(definition).labels
        except (ConfigError, MissingExtra):
            continue
        if labels:
            known[task] = labels
    return known

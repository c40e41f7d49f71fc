"""The questions of a project: the settings of its evals and routes, and the candidates compared before."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from harness.analysis.compare import ComparisonQuestion, question_of
from harness.analysis.compare.verdicts import SIGNIFICANT
from harness.core.errors import ConfigError
from harness.core.types import OWN_ORIGINS
from harness.project import evals, routing
from harness.project.evals import Eval
from harness.report.analyses import Analyses, analyses_of
from harness.runner.project import Project
from harness.store.run_query import RunQuery


def question(
    project: Project, name: str, kind: Literal["move", "change"], *, level: float = SIGNIFICANT
) -> ComparisonQuestion:
    """Build the question of the eval `name`. An eval that is gone, or an import without an eval, has the defaults.

    Candidates that were compared on the same split before share the error of `move`: the best of many prompts looks
    better than it is.
    """
    definition = definition_of(project.root, name)
    if definition is None:
        return question_of(kind, None, level=level)
    candidates = n_candidates(project, definition) if kind == "move" else 1
    return question_of(kind, definition, routed=routing.routed(project.root), level=level, candidates=candidates)


def analyses(project: Project, names: Iterable[str]) -> Analyses:
    """Collect the analyses of a report on these evals, with the project's questions."""
    known = dict.fromkeys(names)
    counted = {name: n_candidates(project, d) for name in known if (d := definition_of(project.root, name)) is not None}
    return analyses_of(project.config, known, counted)


def n_candidates(project: Project, definition: Eval) -> int:
    """Count the prompts and models with a whole run on the split of an eval, except those in production; at least 1.

    A run that stops when a verdict is proven counts from its start, because its verdict is read while it runs.

    A prompt counts on the backends that are tuned for its variant: there, production could use it.
    """
    config = project.config
    query = RunQuery(eval=definition.name, splits=(definition.split or "",), origins=OWN_ORIGINS)
    in_production = {config.pair and config.pair.reference, definition.traffic and definition.traffic.backend}
    candidates = {
        tuple(m.fingerprint.get(part, "") for part in ("prompt_hash", "model", "quantization"))
        for m in project.store.manifests(query)
        if m.until_decided or (m.limit is None and m.finished_at is not None)
        if m.backend in config.backends and m.variant == config.backends[m.backend].variant
        if m.backend not in in_production
    }
    return max(1, len(candidates))


def definition_of(root: Path, name: str) -> Eval | None:
    """The eval `name`; `None` if its file is gone or broken."""
    try:
        (definition,) = evals.find(root, [name])
    except ConfigError:
        return None
    return definition

"""The prompts of saved runs, rendered again for any case, where the project still has the same text."""

from __future__ import annotations

from collections.abc import Sequence

from harness.core.errors import HarnessError
from harness.core.types import Case, Message, Run
from harness.project import evals
from harness.project.prompts import PromptLibrary, Variant
from harness.report.model import PromptText
from harness.runner.project import Project
from harness.tasks import Task, task_of


def of_runs(project: Project, runs: Sequence[Run]) -> tuple[PromptText, ...]:
    """The different prompts of the runs. A prompt whose text or eval has changed is left out."""
    found: dict[tuple[str, str, str], PromptText] = {}
    for run in runs:
        manifest = run.manifest
        key = (manifest.eval, manifest.prompt, manifest.variant)
        if key in found:
            continue
        try:
            (definition,) = evals.find(project.root, [manifest.eval])
            task = task_of(definition)
            variant = PromptLibrary(project.root / "prompts").load(manifest.prompt).variant(manifest.variant)
        except HarnessError:
            continue
        if variant.digest == manifest.fingerprint.get("prompt_hash"):
            found[key] = PromptText(manifest.eval, f"{manifest.prompt} {manifest.variant}", _Renderer(task, variant))
    return tuple(found.values())


class _Renderer:
    def __init__(self, task: Task, variant: Variant) -> None:
        self._task = task
        self._variant = variant

    def __call__(self, case: Case) -> tuple[Message, ...]:
        try:
            return self._variant.render(self._task.variables(case))
        except HarnessError:  # the inputs of the template have changed since the run
            return ()

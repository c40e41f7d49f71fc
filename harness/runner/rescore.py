"""Read saved replies again under the current contract, so that scoring changes do not look like model changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.core.errors import ConfigError
from harness.core.ids import new_run_id, now
from harness.core.types import Result, Run
from harness.project.evals import Eval
from harness.runner.plan import contract_digest
from harness.tasks import read_and_score, task_of


def rescore(run: Run, definition: Eval) -> Run:
    """A new run with the replies of `run`, read under the current contract of `definition`. Calls no model.

    Raises `ConfigError` if the eval now has another task, or lacks a label that a case expects.
    """
    old = run.manifest
    if definition.task != old.task:
        msg = f"{definition.path}: its task is {definition.task}, but run {old.run_id} is of {old.task}"
        raise ConfigError(msg)
    task = task_of(definition)
    results = []
    for result in run.results:
        if result.case.expected is not None and (problem := task.check(result.case)):
            msg = f"{definition.path}: case {result.case.id} of run {old.run_id}: {problem}"
            raise ConfigError(msg)
        reading, score = read_and_score(task, result.case, result.response)
        results.append(replace(result, reading=reading, score=score, cached=True))
    judged = task.judge(results)
    contract = {"contract": task.contract.id, "contract_hash": contract_digest(task.contract, task.settings)}
    started = now()
    manifest = replace(
        old,
        run_id=new_run_id(started),
        labels=task.labels,
        fingerprint={**old.fingerprint, **contract},
        started_at=started,
        finished_at=started if old.finished_at else None,
        notes=(*old.notes, f"replies of {old.run_id}, read again"),
        origin=old.origin.when_rescored,
    )
    return Run(manifest, tuple(judged))


def differences(before: Sequence[Result], after: Sequence[Result]) -> list[tuple[Result, Result]]:
    """Pairs of old and new results whose readings differ."""
    old = {(result.case.id, result.repeat): result for result in before}
    pairs = ((old[result.case.id, result.repeat], result) for result in after)
    return [(a, b) for a, b in pairs if a.reading != b.reading]

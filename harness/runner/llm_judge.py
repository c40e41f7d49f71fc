"""LLM as judge: score replies with a model, and report the model's agreement with people.

A judge is a classification eval: a prompt, labels, and a golden dataset labelled by people. It runs twice: over that
dataset, which gives its agreement with people, and over the replies of a run. No score is reported without agreement.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.analysis.stats import Interval, Rate, kappa, rate
from harness.core.errors import BackendError, ConfigError
from harness.core.plugins import task_capabilities
from harness.core.types import Case, Result, Run
from harness.project.datasets import case_digest
from harness.runner.engine import Outcome
from harness.runner.plan import Cell

SUMMARY = "summary"
REFERENCE = "reference"


@dataclass(frozen=True, slots=True)
class JudgeReport:
    """A judge's scores for a run.

    `accepted`: share of replies with the first label, among labelled replies. `agreement`: Cohen's kappa with the
    people who labelled the sample; `agreed`: raw agreement over `agreed.n` rows. `unread`: replies without a label.
    """

    judge: str
    label: str
    accepted: Rate
    unread: int
    agreement: Interval
    agreed: Rate
    runs: tuple[str, str]


def judge(sample: Cell, run: Run, execute: Callable[[Sequence[Cell]], Outcome]) -> JudgeReport:
    """Judge the replies of `run`. `sample`: the judge's cell over its labelled dataset; `execute` runs cells.

    Raises `ConfigError` if there is nothing to judge, `BackendError` if the judge fails.
    """
    manifest = run.manifest
    if not (task_capabilities(manifest.task).free_text and task_capabilities(sample.definition.task).single_label):
        msg = (
            f"{sample.definition.path}: a judge is an eval of task classification, and reads runs of summarization; "
            f"run {manifest.run_id} is of {manifest.task}"
        )
        raise ConfigError(msg)
    cases = [case for result in run.results if (case := _case(result)) is not None]
    if not cases:
        msg = f"run {manifest.run_id} has no replies to judge"
        raise ConfigError(msg)
    outcome = execute([sample, sample.over_replies(cases, f"run:{manifest.run_id}")])
    for failure in outcome.failures:
        raise failure
    if len(outcome.runs) != 2:
        raise BackendError("; ".join(why for _, why in outcome.skipped))
    return _report(sample, *outcome.runs)


def _case(result: Result) -> Case | None:
    """The judge's case for one reply, without an expected label; `None` if there is no reply."""
    if result.reading is None or result.reading.lenient is None or result.case.expected is None:
        return None
    inputs = {
        **result.case.inputs,
        REFERENCE: result.case.expected[SUMMARY],
        SUMMARY: result.reading.lenient,
    }
    case_id = f"{result.case.id}#{result.repeat}" if result.repeat else result.case.id
    return Case(case_id, inputs, None, result.case.tags, digest=case_digest(case_id, inputs, None))


def _report(sample: Cell, labelled: Run, judged: Run) -> JudgeReport:
    label = sample.task.labels[0]
    pairs = [(r.case.expected, r.reading.lenient or "") for r in labelled.results if r.reading is not None]
    given = [r.reading.lenient for r in judged.results if r.reading is not None]
    labels = [given_label for given_label in given if given_label is not None]
    return JudgeReport(
        judge=f"{sample.prompt.id} {sample.name}",
        label=label,
        accepted=rate(labels.count(label), len(labels)),
        unread=len(judged.results) - len(labels),
        agreement=kappa(*_columns(pairs)),
        agreed=rate(sum(a == b for a, b in pairs), len(pairs)),
        runs=(labelled.manifest.run_id, judged.manifest.run_id),
    )


def _columns(pairs: Sequence[tuple[str, str]]) -> tuple[list[str], list[str]]:
    return [a for a, _ in pairs], [b for _, b in pairs]

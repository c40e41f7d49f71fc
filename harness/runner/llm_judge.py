"""A model that judges replies, and how far it is to be believed.

A judge is a classification eval like any other: a prompt, labels, and a golden dataset that people have labelled. So it
is run twice: over that dataset, which gives its agreement with people, and over the replies of a run. The second figure
is never given without the first.
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
    """What a judge made of a run.

    `accepted`: the replies that got the first of its labels, among those it gave any. `agreement`: Cohen's kappa with
    the people who labelled the sample, chance agreement taken out; `agreed`: the plain share of the `agreed.n` rows.
    `unread`: replies that it gave no label.
    """

    judge: str
    label: str
    accepted: Rate
    unread: int
    agreement: Interval
    agreed: Rate
    runs: tuple[str, str]


def judge(sample: Cell, run: Run, ask: Callable[[Sequence[Cell]], Outcome]) -> JudgeReport:
    """Have the replies of `run` judged by `sample`, the cell that a judge's labelled sample is run with.

    `ask` runs cells. Raises `ConfigError` where there is nothing to judge, `BackendError` where the judge fails.
    """
    manifest = run.manifest
    if not (task_capabilities(manifest.task).free_text and task_capabilities(sample.definition.task).single_label):
        msg = (
            f"{sample.definition.path}: a judge is an eval of task classification, and reads runs of summarization; "
            f"run {manifest.run_id} is of {manifest.task}"
        )
        raise ConfigError(msg)
    cases = [case for result in run.results if (case := _question(result)) is not None]
    if not cases:
        msg = f"run {manifest.run_id} has no replies to judge"
        raise ConfigError(msg)
    outcome = ask([sample, sample.over_replies(cases, manifest.run_id)])
    for failure in outcome.failures:
        raise failure
    if len(outcome.runs) != 2:
        raise BackendError("; ".join(why for _, why in outcome.skipped))
    return _opinion(sample, *outcome.runs)


def _question(result: Result) -> Case | None:
    """What the judge is asked about one reply, `None` where there is none. Nobody knows yet what it should answer."""
    if result.reading is None or result.reading.lenient is None or result.case.expected is None:
        return None
    inputs = {
        **result.case.inputs,
        REFERENCE: result.case.expected[SUMMARY],
        SUMMARY: result.reading.lenient,
    }
    case_id = f"{result.case.id}#{result.repeat}" if result.repeat else result.case.id
    return Case(case_id, inputs, None, result.case.tags, digest=case_digest(case_id, inputs, None))


def _opinion(sample: Cell, labelled: Run, judged: Run) -> JudgeReport:
    label = sample.task.labels[0]
    pairs = [(r.case.expected, r.reading.lenient or "") for r in labelled.results if r.reading is not None]
    given = [r.reading.lenient for r in judged.results if r.reading is not None]
    said = [answer for answer in given if answer is not None]
    return JudgeReport(
        judge=f"{sample.prompt.id} {sample.name}",
        label=label,
        accepted=rate(said.count(label), len(said)),
        unread=len(judged.results) - len(said),
        agreement=kappa(*_columns(pairs)),
        agreed=rate(sum(a == b for a, b in pairs), len(pairs)),
        runs=(labelled.manifest.run_id, judged.manifest.run_id),
    )


def _columns(pairs: Sequence[tuple[str, str]]) -> tuple[list[str], list[str]]:
    return [a for a, _ in pairs], [b for _, b in pairs]

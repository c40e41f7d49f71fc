"""One side of a comparison: a run, reduced to the outcome of each case."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from harness.analysis.compare.verdicts import LegName
from harness.analysis.metrics.inputs import inputs_key
from harness.core.types import Case, Manifest, Reading, Result, Run, RunOrigin

NO_ANSWER = "null"
"""The `answer_key` of a reply without an answer."""


@dataclass(frozen=True, slots=True)
class CaseOutcome:
    """Counts of one case: judged replies, and how many of these are right or compliant. Failed calls are in `errors`.

    `answer`: a short hash of the most frequent answer, read leniently. `predicted` and `expected`: labels, if the task
    has labels. `cluster`: cases of one cluster are not independent, such as the tickets of one customer, or cases
    with equal inputs; empty for a case on its own. `weight`: how much the case counts, by the traffic of its label or
    tag.
    """

    id: str
    digest: str
    judged: int
    strict: int
    lenient: int
    compliant: int
    errors: int = 0
    answer: str = ""
    predicted: str = ""
    expected: str = ""
    tags: tuple[str, ...] = ()
    cluster: str = ""
    predicted_leniently: str = ""
    weight: float = 1.0

    @property
    def is_right(self) -> bool:
        """Whether more than half of the replies are right, read strictly."""
        return 2 * self.strict > self.judged

    def is_right_read(self, leg: LegName) -> bool:
        """Whether more than half of the replies are right, read in this way."""
        return 2 * (self.strict if leg == "strict" else self.lenient) > self.judged

    @property
    def is_compliant(self) -> bool:
        """Whether more than half of the replies satisfy the contract."""
        return 2 * self.compliant > self.judged


@dataclass(frozen=True, slots=True)
class RunOutcomes:
    """The outcomes of a run, for comparisons. `name`: shown to users. `cases`: by id.

    `until_decided`: the run stopped when a verdict was proven. `latency_s`: the median. Tokens: means per call. `None`
    if nothing was measured. `from_store`: every answer is from the store, so no call was made. `label_sources`: where
    the expected answers come from, with the number of cases.
    """

    name: str
    run_id: str
    eval: str
    cell: str
    backend: str
    started_at: str
    fingerprint: Mapping[str, str]
    cases: Mapping[str, CaseOutcome]
    labels: tuple[str, ...] = ()
    latency_s: float | None = None
    prompt_tokens: float | None = None
    completion_tokens: float | None = None
    notes: tuple[str, ...] = field(default=())
    from_store: bool = False
    is_imported: bool = False
    label_sources: Mapping[str, int] = field(default_factory=dict)
    until_decided: bool = False

    @property
    def n_errors(self) -> int:
        """Number of failed calls, after retries."""
        return sum(case.errors for case in self.cases.values())


def outcomes_of(run: Run, name: str = "") -> RunOutcomes:
    """Reduce a run to its outcomes. A task's context cases are left out, but their failed calls count as errors."""
    m = run.manifest
    by_id: dict[str, list[Result]] = {}
    for result in run.results:
        if result.case.expected is not None or result.response.error is not None:
            by_id.setdefault(result.case.id, []).append(result)
    answered = [r.response for r in run.results if r.response.error is None]
    clusters = _clusters([results[0].case for results in by_id.values()])
    latencies = [r.latency_s for r in answered if r.latency_s is not None]
    return RunOutcomes(
        name=name or m.cell,
        run_id=m.run_id,
        eval=m.eval,
        cell=m.cell,
        backend=m.backend,
        started_at=m.started_at,
        fingerprint=m.fingerprint,
        cases={case_id: _outcome(results, m, clusters[case_id]) for case_id, results in by_id.items()},
        labels=m.labels,
        latency_s=median(latencies) if latencies else None,
        prompt_tokens=_mean([r.prompt_tokens for r in answered]),
        completion_tokens=_mean([r.completion_tokens for r in answered]),
        notes=m.notes,
        from_store=bool(answered) and all(r.cached for r in run.results if r.response.error is None),
        is_imported=m.origin is RunOrigin.IMPORTED,
        label_sources=Counter(results[0].case.label_source for results in by_id.values()),
        until_decided=m.until_decided,
    )


def answer_key(reading: Reading) -> str:
    """Hash the lenient answer of a reading; `NO_ANSWER` without one."""
    if reading.lenient is None:
        return NO_ANSWER
    text = json.dumps(reading.lenient, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _clusters(cases: Sequence[Case]) -> dict[str, str]:
    """The cluster of each case, by id. Cases with equal inputs are one cluster, because they are one observation."""
    inputs = {case.id: inputs_key(case) for case in cases if not case.cluster}
    repeated = {key for key, n in Counter(inputs.values()).items() if key and n > 1}
    return {case.id: case.cluster or (key if (key := inputs[case.id]) in repeated else "") for case in cases}


def _outcome(results: Sequence[Result], manifest: Manifest, cluster: str) -> CaseOutcome:
    case = results[0].case
    scored = [(r.reading, r.score) for r in results if r.reading is not None and r.score is not None]
    answers = Counter(answer_key(reading) for reading, _ in scored)
    labels = Counter(str(reading.strict) for reading, _ in scored if reading.strict is not None)
    lenient = Counter(str(reading.lenient) for reading, _ in scored if reading.lenient is not None)
    has_labels = bool(manifest.labels) and isinstance(case.expected, str)
    return CaseOutcome(
        id=case.id,
        digest=case.digest,
        judged=len(scored),
        strict=sum(score.strict for _, score in scored),
        lenient=sum(score.lenient for _, score in scored),
        compliant=sum(reading.compliant for reading, _ in scored),
        errors=len(results) - len(scored),
        answer=answers.most_common(1)[0][0] if answers else "",
        predicted=labels.most_common(1)[0][0] if labels and has_labels else "",
        predicted_leniently=lenient.most_common(1)[0][0] if lenient and has_labels else "",
        expected=case.expected if has_labels else "",
        tags=case.tags,
        cluster=cluster,
    )


def _mean(counts: Sequence[int | None]) -> float | None:
    known = [count for count in counts if count is not None]
    return sum(known) / len(known) if known else None

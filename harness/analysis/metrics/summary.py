"""Metrics of every task: accuracy, compliance, violations, latency, tokens, errors and slices."""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from harness.analysis.metrics.inputs import inputs_key
from harness.analysis.stats import Rate, clustered_rate, quantile, rate
from harness.core.types import Result


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Strict accuracy, lenient accuracy and compliance over the same answered cases.

    With repeats, a case counts by its share of correct replies, so `n` is always a number of cases.
    """

    strict: Rate
    lenient: Rate
    compliance: Rate


@dataclass(frozen=True, slots=True)
class Summary:
    """Summary of one run. A failed call counts in `errors`, never as a wrong answer.

    Attributes:
        n: Number of calls.
        answered: Calls with a reply.
        judged: Replies with an expected answer.
        unstable: Share of cases whose repeats give different answers; `None` without repeats.
        by_label_source: Accuracy by source of the labels. Differences can come from the labels, not the model.
        latency_p50_s: Median latency in seconds.
        latency_p95_s: 95th percentile of the latency in seconds.
    """

    n: int
    answered: int
    judged: int
    unstable: Rate | None
    cached: int
    errors: tuple[tuple[str, int], ...]
    accuracy: Accuracy
    violations: tuple[tuple[str, int], ...]
    by_tag: tuple[tuple[str, Accuracy], ...]
    by_label_source: tuple[tuple[str, Accuracy], ...]
    latency_p50_s: float | None
    latency_p95_s: float | None
    prompt_tokens: int
    completion_tokens: int

    @property
    def n_errors(self) -> int:
        """Calls that failed after all retries."""
        return self.n - self.answered


Outcomes = Mapping[tuple[int, int, int, int], int]
"""Number of cases by their counts (replies, strict, lenient, compliant)."""


def accuracy(results: Iterable[Result]) -> Accuracy:
    """Return strict accuracy, lenient accuracy and compliance over the scored results."""
    return _accuracy(Counter(outcomes for case in _by_case(list(results)) if (outcomes := _outcomes(case))))


def outcome_rate(cases: Outcomes, place: int) -> Rate:
    """Return the rate of one outcome, each case counting once. `place`: 1 strict, 2 lenient, 3 compliant."""
    scored = [(counts, n) for counts, n in cases.items() if counts[0]]
    if all(counts[0] == 1 for counts, _ in scored):
        return rate(sum(n for counts, n in scored if counts[place]), sum(n for _, n in scored))
    return clustered_rate([pair for counts, n in scored for pair in [(counts[place], counts[0])] * n])


def summarize(results: Sequence[Result]) -> Summary:
    """Summarize a run in one pass. Counts are sorted by frequency, tags and sources by name."""
    counter = _OutcomeCounter()
    for case in _by_case(results):
        counter.add(case)
    return Summary(
        n=len(results),
        answered=len(results) - counter.errors.total(),
        judged=sum(counts[0] * n for counts, n in counter.cases.items()),
        unstable=rate(counter.unstable, counter.repeated) if counter.repeated else None,
        cached=counter.cached,
        errors=_ordered(counter.errors),
        accuracy=counter.accuracy(),
        violations=_ordered(counter.violations),
        by_tag=tuple((tag, _accuracy(cases)) for tag, cases in sorted(counter.by_tag.items())),
        by_label_source=tuple((source, _accuracy(cases)) for source, cases in sorted(counter.by_source.items())),
        latency_p50_s=quantile(counter.latencies, 0.50),
        latency_p95_s=quantile(counter.latencies, 0.95),
        prompt_tokens=counter.prompt_tokens,
        completion_tokens=counter.completion_tokens,
    )


class _OutcomeCounter:
    """Running counts. Memory does not grow with the number of cases, except for latencies and 16 bytes a case."""

    def __init__(self) -> None:
        self.cases: Counter[tuple[int, int, int, int]] = Counter()
        self.by_tag: dict[str, Counter[tuple[int, int, int, int]]] = {}
        self.by_source: dict[str, Counter[tuple[int, int, int, int]]] = {}
        self.errors: Counter[str] = Counter()
        self.violations: Counter[str] = Counter()
        self.latencies = array("d")
        self._clusters, self._kinds = array("q"), array("q")  # of each scored case
        self._kind_of: dict[tuple[int, int, int, int], int] = {}
        self.cached = self.prompt_tokens = self.completion_tokens = self.repeated = self.unstable = 0

    def add(self, results: Sequence[Result]) -> None:
        """Add all results of one case."""
        case, outcomes = results[0].case, _outcomes(results)
        slices = [self.by_tag.setdefault(tag, Counter()) for tag in case.tags]
        if case.label_source and case.expected is not None:
            slices.append(self.by_source.setdefault(case.label_source, Counter()))
        if outcomes:
            for counted in (self.cases, *slices):
                counted[outcomes] += 1
            self._clusters.append(hash(case.cluster or inputs_key(case) or case.id))
            self._kinds.append(self._kind_of.setdefault(outcomes, len(self._kind_of)))
        for result in results:
            self._add_call(result)
        readings = [r.reading for r in results if r.reading is not None and r.score is not None]
        if len(readings) > 1:
            self.repeated += 1
            answers = {json.dumps(reading.lenient, sort_keys=True, default=str) for reading in readings}
            self.unstable += len(answers) > 1

    def accuracy(self) -> Accuracy:
        """The rates of all cases. Cases of one cluster, or with equal inputs, count by their effective number."""
        if len(set(self._clusters)) == len(self._clusters):
            return _accuracy(self.cases)
        outcomes = list(self._kind_of)
        cases = [outcomes[kind] for kind in self._kinds]
        names = [str(cluster) for cluster in self._clusters]
        rates = (clustered_rate([(case[i], case[0]) for case in cases], clusters=names) for i in (1, 2, 3))
        return Accuracy(*rates)

    def _add_call(self, result: Result) -> None:
        response = result.response
        self.cached += result.cached
        if response.error is not None:
            self.errors[response.error.kind] += 1
            return
        if response.latency_s is not None:
            self.latencies.append(response.latency_s)
        self.prompt_tokens += response.prompt_tokens or 0
        self.completion_tokens += response.completion_tokens or 0
        if result.reading is not None:
            self.violations.update(result.reading.violations)


def _by_case(results: Sequence[Result]) -> Iterator[list[Result]]:
    """Group results by case. Results from a store are already in that order."""
    if isinstance(results, list | tuple):
        results = sorted(results, key=lambda result: result.case.id)
    return (list(group) for _, group in groupby(results, key=lambda result: result.case.id))


def _outcomes(results: Sequence[Result]) -> tuple[int, int, int, int] | None:
    """Counts of one case (replies, strict, lenient, compliant); `None` if nothing was scored."""
    scores = [(r.score.strict, r.score.lenient, r.reading.compliant) for r in results if r.score and r.reading]
    if not scores:
        return None
    strict, lenient, compliant = map(sum, zip(*scores, strict=True))
    return len(scores), strict, lenient, compliant


def _accuracy(cases: Outcomes) -> Accuracy:
    return Accuracy(*(outcome_rate(cases, place) for place in (1, 2, 3)))


def _ordered(counted: Counter[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counted.items(), key=lambda item: (-item[1], item[0])))

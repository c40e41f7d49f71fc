"""What every run has, whatever its task: accuracy, compliance, violations, latency, tokens, errors, slices."""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from harness.analysis.stats import Rate, clustered_rate, quantile, rate
from harness.core.types import Result


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The three rates that tell unable from badly phrased, all over the same answered cases.

    Where a case was asked repeatedly, its share of right replies counts, so that `n` is always a number of cases.
    """

    strict: Rate
    lenient: Rate
    compliance: Rate


@dataclass(frozen=True, slots=True)
class Summary:
    """One run in numbers. A failed call is in `errors`, never a wrong answer.

    `n` calls, of which `answered`, of which `judged` have something to be right about. `unstable`: the share of cases
    whose repeats do not all give the same answer, `None` where nothing was asked twice. `by_label_source`: over the
    cases labelled by one source; a rate that depends on who labelled says as much of the labels as of the model.
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
        """Calls that failed for good."""
        return self.n - self.answered


Outcomes = Mapping[tuple[int, int, int, int], int]
"""How many cases have been (asked, strict, lenient, compliant) so often each."""


def accuracy(results: Iterable[Result]) -> Accuracy:
    """Strict and lenient accuracy and compliance over those among `results` that could be judged."""
    return _accuracy(Counter(outcomes for case in _by_case(list(results)) if (outcomes := _outcomes(case))))


def outcome_rate(cases: Outcomes, place: int) -> Rate:
    """The rate of one of the outcomes (1: strict, 2: lenient, 3: compliant), each case counting once."""
    asked = [(counts, n) for counts, n in cases.items() if counts[0]]
    if all(counts[0] == 1 for counts, _ in asked):
        return rate(sum(n for counts, n in asked if counts[place]), sum(n for _, n in asked))
    return clustered_rate([pair for counts, n in asked for pair in [(counts[place], counts[0])] * n])


def summarize(results: Sequence[Result]) -> Summary:
    """All of it, in one pass. Counts are ordered most frequent first, tags and sources by name."""
    seen = _OutcomeCounter()
    for case in _by_case(results):
        seen.add(case)
    return Summary(
        n=len(results),
        answered=len(results) - seen.errors.total(),
        judged=sum(counts[0] * n for counts, n in seen.cases.items()),
        unstable=rate(seen.unstable, seen.repeated) if seen.repeated else None,
        cached=seen.cached,
        errors=_ordered(seen.errors),
        accuracy=_accuracy(seen.cases),
        violations=_ordered(seen.violations),
        by_tag=tuple((tag, _accuracy(cases)) for tag, cases in sorted(seen.by_tag.items())),
        by_label_source=tuple((source, _accuracy(cases)) for source, cases in sorted(seen.by_source.items())),
        latency_p50_s=quantile(seen.latencies, 0.50),
        latency_p95_s=quantile(seen.latencies, 0.95),
        prompt_tokens=seen.prompt_tokens,
        completion_tokens=seen.completion_tokens,
    )


class _OutcomeCounter:
    """What has been counted so far: so little that a million cases can be gone through."""

    def __init__(self) -> None:
        self.cases: Counter[tuple[int, int, int, int]] = Counter()
        self.by_tag: dict[str, Counter[tuple[int, int, int, int]]] = {}
        self.by_source: dict[str, Counter[tuple[int, int, int, int]]] = {}
        self.errors: Counter[str] = Counter()
        self.violations: Counter[str] = Counter()
        self.latencies = array("d")
        self.cached = self.prompt_tokens = self.completion_tokens = self.repeated = self.unstable = 0

    def add(self, results: Sequence[Result]) -> None:
        """All results of one case."""
        case, outcomes = results[0].case, _outcomes(results)
        slices = [self.by_tag.setdefault(tag, Counter()) for tag in case.tags]
        if case.label_source and case.expected is not None:
            slices.append(self.by_source.setdefault(case.label_source, Counter()))
        if outcomes:
            for counted in (self.cases, *slices):
                counted[outcomes] += 1
        for result in results:
            self._call(result)
        told = [r.reading for r in results if r.reading is not None and r.score is not None]
        if len(told) > 1:
            self.repeated += 1
            answers = {json.dumps(reading.lenient, sort_keys=True, default=str) for reading in told}
            self.unstable += len(answers) > 1

    def _call(self, result: Result) -> None:
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
    """The results of one case after the other. What is read from a store is in that order already."""
    if isinstance(results, list | tuple):
        results = sorted(results, key=lambda result: result.case.id)
    return (list(of_case) for _, of_case in groupby(results, key=lambda result: result.case.id))


def _outcomes(results: Sequence[Result]) -> tuple[int, int, int, int] | None:
    """How often one case was asked and came out each way; `None` where there is nothing to be right about."""
    told = [(r.score.strict, r.score.lenient, r.reading.compliant) for r in results if r.score and r.reading]
    if not told:
        return None
    strict, lenient, compliant = map(sum, zip(*told, strict=True))
    return len(told), strict, lenient, compliant


def _accuracy(cases: Outcomes) -> Accuracy:
    return Accuracy(*(outcome_rate(cases, place) for place in (1, 2, 3)))


def _ordered(counted: Counter[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counted.items(), key=lambda item: (-item[1], item[0])))

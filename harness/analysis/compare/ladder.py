"""What quantization costs: the steps of a ladder, each against the first. Pure.

A step is a run; the first is the one that the others are judged against, such as FP16. Speed is that of the runs as
they were made: on a busy machine all of it is off, and the ratios less so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.analysis.compare.comparison import Comparison, compare, points, unsettled
from harness.analysis.compare.noise import beyond, floor
from harness.analysis.compare.sides import CaseOutcome, RunOutcomes, outcomes_of
from harness.analysis.compare.verdicts import DEFAULT_MARGIN, ComparisonQuestion, Verdict
from harness.analysis.stats import Rate, clustered_rate, quantile
from harness.core.types import Response, Run

_SAME = 0.05
"""Medians that differ by less are called the same: they vary as much from run to run."""


@dataclass(frozen=True, slots=True)
class LadderStep:
    """One rung. Against the first: `comparison`, `faster` (its median latency over this one's), `net_changes`.

    `quartiles`: of the latency in seconds. `tokens_per_s`: completion tokens over the time in which the server says it
    wrote them, else over that of the calls. `prompt_s`: the median time of reading the prompt, where the server tells
    it; the first token comes right after.
    `net_changes`: answers changed beyond noise, where that was measured. `None`: not known, or the first step itself.
    """

    backend: str
    label: str
    side: RunOutcomes
    accuracy: Rate
    compliance: Rate
    quartiles: tuple[float, float] | None
    tokens_per_s: float | None
    prompt_s: float | None
    model_bytes: int | None
    comparison: Comparison | None
    faster: float | None
    net_changes: float | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Ladder:
    """All steps that were run, in their order. `missing`: backends of steps that were not."""

    name: str
    margin: float
    steps: tuple[LadderStep, ...]
    missing: tuple[str, ...]
    noise: Comparison | None


def climb(
    name: str,
    backends: Sequence[str],
    runs: Sequence[Run],
    margin: float = DEFAULT_MARGIN,
    noise: Comparison | None = None,
) -> Ladder | None:
    """Judge the run of each backend against that of the first. `None` where the first was not run, or no other one.

    `runs`: at most one that counts per backend, the last. `noise`: two runs of the same thing; found among the runs if
    they hold such two.
    """
    by_backend = {run.manifest.backend: run for run in runs}
    there = [by_backend[backend] for backend in backends if backend in by_backend]
    if backends[0] not in by_backend or len(there) < 2:
        return None
    measured = noise or floor([run for run in runs if run.manifest.backend in backends])
    first = outcomes_of(there[0])
    steps = tuple(
        _step(run, label, None if run is there[0] else first, margin, measured)
        for run, label in zip(there, _labels(there), strict=True)
    )
    missing = tuple(backend for backend in backends if backend not in by_backend)
    return Ladder(name, margin, steps, missing, measured)


def _labels(runs: Sequence[Run]) -> list[str]:
    """The quantization where each tells another one; else the backends' names."""
    told = [run.manifest.fingerprint.get("quantization", "") for run in runs]
    return told if all(told) and len(set(told)) == len(told) else [run.manifest.backend for run in runs]


def _step(run: Run, label: str, first: RunOutcomes | None, margin: float, noise: Comparison | None) -> LadderStep:
    own = outcomes_of(run)
    comparison = None if first is None else compare(first, own, ComparisonQuestion("move", margin))
    faster = first.latency_s / own.latency_s if first and first.latency_s and own.latency_s else None
    return LadderStep(
        backend=own.backend,
        label=label,
        side=own,
        accuracy=_rate(own, lambda case: case.strict),
        compliance=_rate(own, lambda case: case.compliant),
        quartiles=_quartiles(run),
        tokens_per_s=_tokens_per_s(run),
        prompt_s=quantile([r.prompt_s for r in _answered(run) if r.prompt_s is not None], 0.5),
        model_bytes=run.manifest.model_bytes,
        comparison=comparison,
        faster=faster,
        net_changes=beyond(comparison, noise) if comparison and noise else None,
        sentence=f"{label}: {_judged(comparison, faster) if comparison else 'the others are judged against this one'}",
    )


def _judged(c: Comparison, faster: float | None) -> str:
    """`within 3 points (-1.8, interval -3.9 to +0.2), 2.9x faster: MOVE`."""
    if c.verdict is Verdict.INCOMPARABLE:
        return f"{c.verdict.value}, {c.reason}"
    p, margin = c.strict.paired, points(c.question.margin, signed=False)
    shown = {
        Verdict.MOVE: f"within {margin} points",
        Verdict.STAY: f"more than {margin} points lost",
    }.get(c.verdict, f"not shown to be within {margin} points, nor beyond")
    interval = f"({points(p.delta)}, interval {points(p.low)} to {points(p.high)})"
    speed = f", {speed_text(faster)}" if faster else ""
    told = f"{shown} {interval}{speed}: {c.verdict.value}"
    if c.verdict is not Verdict.INCONCLUSIVE:
        return told
    if c.needed:
        return f"{told}; about {c.needed:,} cases would settle it"
    failed = c.base.n_errors + c.head.n_errors
    return f"{told}; {failed} calls failed, which could overturn it" if failed else f"{told}; {unsettled(c.n)}"


def speed_text(faster: float) -> str:
    """`2.9x faster`, `1.3x slower`, `as fast`."""
    if abs(faster - 1) < _SAME:
        return "as fast"
    return f"{faster:.1f}x faster" if faster > 1 else f"{1 / faster:.1f}x slower"


def _rate(own: RunOutcomes, count: Callable[[CaseOutcome], int]) -> Rate:
    return clustered_rate([(count(case), case.asked) for case in own.cases.values() if case.asked])


def _quartiles(run: Run) -> tuple[float, float] | None:
    latencies = [r.latency_s for r in _answered(run) if r.latency_s is not None]
    low, high = quantile(latencies, 0.25), quantile(latencies, 0.75)
    return None if low is None or high is None else (low, high)


def _tokens_per_s(run: Run) -> float | None:
    spans = [(r.completion_tokens, r.generation_s or r.latency_s) for r in _answered(run)]
    timed = [(tokens, seconds) for tokens, seconds in spans if tokens and seconds]
    spent = math.fsum(seconds for _, seconds in timed)
    return sum(tokens for tokens, _ in timed) / spent if spent else None


def _answered(run: Run) -> list[Response]:
    return [result.response for result in run.results if result.response.error is None]

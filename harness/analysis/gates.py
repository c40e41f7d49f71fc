"""Gates: what a run must reach. Each is judged by the end of a 95% interval that proves the point.

`judge = "point"` in `[gates]` judges by the observed value instead, for those who know what they give up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.analysis.compare import Comparison
from harness.analysis.compare import Verdict as Compared
from harness.analysis.metrics.classification import macro_f1
from harness.analysis.metrics.summary import Accuracy, Summary
from harness.analysis.stats import Interval, Rate
from harness.core.types import Result
from harness.project.evals import GateConfig, TagGates
from harness.project.pricing import Price, usd


class GateStatus(StrEnum):
    """PASSED and FAILED are proven; UNDECIDED is neither: calls failed, or there is nothing to judge by."""

    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class GateResult:
    """One gate of one cell. `message` is the whole story on one line.

    `asked`: somebody asked for it to be decided, so that UNDECIDED is not good enough.
    """

    gate: str
    cell: str
    verdict: GateStatus
    message: str
    asked: bool = True


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the gates of one cell are judged by. `None`: nothing to compare with; no price."""

    cell: str
    summary: Summary
    results: Sequence[Result] = ()
    labels: tuple[str, ...] = ()
    price: Price | None = None
    reference: Comparison | None = None
    baseline: Comparison | None = None


Told = tuple[bool | None, str]
"""Whether a gate passes, `None` where that cannot be told, and what to say."""


def names(gates: GateConfig) -> list[str]:
    """The gates that an eval sets; those of a tag as `tag.hard.min_accuracy`."""
    own = [name for name in _JUDGES if getattr(gates, name) is not None]
    tagged = [f"tag.{tag}.{name}" for tag, of_tag in gates.tag.items() for name in _RATES if getattr(of_tag, name)]
    return own + tagged


def judge(gate: str, gates: GateConfig, evidence: Evidence) -> GateResult:
    """Judge one gate of one cell."""
    summary = evidence.summary
    if summary.n_errors or not summary.judged:
        kinds = ", ".join(f"{count} {kind}" for kind, count in summary.errors)
        said = (
            f"{summary.n_errors} of {summary.n} calls failed ({kinds}): {gate} is undecided; "
            "mend the backend and run again with --resume (answered cases are not asked twice)"
        )
        return GateResult(gate, evidence.cell, GateStatus.UNDECIDED, f"{evidence.cell}: {said}")
    if gate.startswith("tag."):
        tag, name = gate.removeprefix("tag.").rsplit(".", 1)
        of_tag = dict(summary.by_tag).get(tag)
        passed, said = (
            _rate(name, gates.tag[tag], of_tag, gates.judge) if of_tag else (None, f"no case has tag {tag!r}")
        )
        said = f"tag {tag}: {said}"
    else:
        passed, said = _JUDGES[gate](gate, gates, evidence)
    verdict = GateStatus.UNDECIDED if passed is None else GateStatus.PASSED if passed else GateStatus.FAILED
    return GateResult(gate, evidence.cell, verdict, f"{evidence.cell}: {said}")


_RATES: Mapping[str, tuple[str, Callable[[Accuracy], Rate]]] = {
    "min_accuracy": ("strict accuracy", lambda a: a.strict),
    "min_lenient_accuracy": ("lenient accuracy", lambda a: a.lenient),
    "min_compliance": ("compliance", lambda a: a.compliance),
}


def _rate(gate: str, gates: GateConfig | TagGates, accuracy: Accuracy, by: str) -> Told:
    what, of = _RATES[gate]
    rate = of(accuracy)
    counted = f"{what} {rate.value:.1%} ({rate.hits:.4g} of {rate.n})"
    return _reached(f"{gate} = {getattr(gates, gate):g}", getattr(gates, gate), rate, counted, by)


def _reached(gate: str, limit: float, found: Rate | Interval, counted: str, by: str) -> Told:
    if by == "point":
        return found.value >= limit, f"{counted}, {gate}, judged by the point alone"
    passed = found.low >= limit
    end = f"its lower end is {'not ' if passed else ''}below {gate}"
    said = f"{counted}, 95% interval {max(0.0, found.low):.1%} to {min(1.0, found.high):.1%}: {end}"
    if not passed and found.value >= limit:
        said += "; the observed rate is not, so more cases may prove it"
    return passed, said


def _of_summary(gate: str, gates: GateConfig, evidence: Evidence) -> Told:
    return _rate(gate, gates, evidence.summary.accuracy, gates.judge)


def _macro_f1(gate: str, gates: GateConfig, evidence: Evidence) -> Told:
    limit, found = gates.min_macro_f1 or 0.0, macro_f1(evidence.results, evidence.labels)
    if math.isinf(found.low):  # all cases came out alike, of which a bootstrap learns nothing: as sure as accuracy is
        found = Interval(found.value, found.value * evidence.summary.accuracy.strict.low, found.value)
    return _reached(f"{gate} = {limit:g}", limit, found, f"macro-F1 {found.value:.1%}", gates.judge)


def _latency(gate: str, gates: GateConfig, evidence: Evidence) -> Told:
    limit, found = gates.max_p95_latency_s or 0.0, evidence.summary.latency_p95_s
    if found is None:
        return None, f"no latency was measured, so {gate} is undecided"
    return found <= limit, f"p95 latency {found:.2f} s, {gate} = {limit:g}"


def _cost(gate: str, gates: GateConfig, evidence: Evidence) -> Told:
    limit, summary = gates.max_cost_per_1k or 0.0, evidence.summary
    if evidence.price is None:
        return (
            None,
            f"{gate} is undecided: the backend has no price; prompt_usd and completion_usd in its table say one",
        )
    per_1k = 1000 * usd(evidence.price, summary.prompt_tokens, summary.completion_tokens) / summary.answered
    return per_1k <= limit, f"{per_1k:.4g} USD per 1,000 calls by {evidence.price.source}, {gate} = {limit:g}"


def _margin(gate: str, gates: GateConfig, evidence: Evidence) -> Told:
    return _compared(gate, gates, evidence.reference, "the reference has not been run over these cases")


def _regression(gate: str, gates: GateConfig, evidence: Evidence) -> Told:
    return _compared(gate, gates, evidence.baseline, "there is no baseline: `harness baseline save` makes one")


def _compared(gate: str, gates: GateConfig, c: Comparison | None, missing: str) -> Told:
    limit = float(getattr(gates, gate))
    if c is None:
        return None, f"{gate} is undecided: {missing}"
    said = f"against {c.base.name}: {c.verdict.value}, {c.reason} ({gate} = {limit:g}){changed(c)}"
    if c.verdict is Compared.INCOMPARABLE:
        return None, said
    if gates.judge == "point":
        return c.strict.paired.delta >= -limit, f"{said}, judged by the point alone"
    if c.verdict is Compared.INCONCLUSIVE:
        return None, said
    return c.verdict in {Compared.MOVE, Compared.OK, Compared.IMPROVED}, said + lost(c)


def _flips(gate: str, gates: GateConfig, evidence: Evidence) -> Told:
    c, limit = evidence.baseline, gates.max_flips or 0
    if c is None:
        return None, f"{gate} is undecided: there is no baseline: `harness baseline save` makes one"
    if c.verdict is Compared.INCOMPARABLE:
        return None, f"{gate} is undecided: {c.reason}"
    n = sum(flip.kind == "right_to_wrong" for flip in c.flips)
    return n <= limit, f"{n} cases went from right to wrong, {gate} = {limit}{lost(c)}"


def lost(c: Comparison) -> str:
    """The cases that went from right to wrong, as the end of a sentence."""
    ids = [flip.case_id for flip in c.flips if flip.kind == "right_to_wrong"]
    more = f" and {len(ids) - 12} more" if len(ids) > 12 else ""
    return f"; right → wrong: {', '.join(ids[:12])}{more}" if ids else ""


def changed(c: Comparison) -> str:
    """What is not as it was, as the end of a sentence; of two models it goes without saying."""
    told = "; ".join(map(str, c.changed))
    return f"; changed: {told}" if told and c.question.kind == "change" else ""


_JUDGES: Mapping[str, Callable[[str, GateConfig, Evidence], Told]] = {
    **dict.fromkeys(_RATES, _of_summary),
    "min_macro_f1": _macro_f1,
    "max_p95_latency_s": _latency,
    "max_cost_per_1k": _cost,
    "margin": _margin,
    "max_regression": _regression,
    "max_flips": _flips,
}

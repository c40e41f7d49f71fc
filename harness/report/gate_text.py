"""Words for gate results, made from the figures of their outcomes."""

from __future__ import annotations

from harness.analysis.compare import Comparison
from harness.analysis.dataset_power import GateProblem, UndecidableGate
from harness.analysis.gates import GateOutcome, GateReason, GateResult, GateStatus
from harness.core.formatting import listed, plural, seconds
from harness.core.toml import hint
from harness.report import comparison_text, verdict_text


def gate_text(result: GateResult) -> str:
    """One line: `triage local@q4: strict accuracy 98.0% (98 of 100), 95% lower bound 93.0% >= min_accuracy 0.90`."""
    return f"{result.cell}: {outcome_text(result)}"


def outcome_text(result: GateResult) -> str:
    """The same without the cell."""
    tag = f"tag {result.tag}: " if result.tag else ""
    return f"{tag}{_outcome(_name(result), result)}"


def _name(result: GateResult) -> str:
    return result.gate.removeprefix(f"tag.{result.tag}.") if result.tag else result.gate


def _outcome(gate: str, result: GateResult) -> str:
    outcome = result.outcome
    if outcome.comparison is not None:
        return _compared(gate, outcome)
    if outcome.undecidable is not None and outcome.interval is not None:
        value = f"{outcome.quantity} {_value(outcome, outcome.observed)}{_counts(outcome)}"
        bound = f"95% lower bound {100 * outcome.interval.low:.1f}%"
        return f"{gate} is undecided: {value}, {bound}. {undecidable_text(outcome.undecidable)}"
    if outcome.status is GateStatus.UNDECIDED or outcome.observed is None:
        return f"{gate} is undecided: {_undecided(result)}"
    return _measured(gate, outcome)


def _measured(gate: str, outcome: GateOutcome) -> str:
    limit = f"{gate} {_limit(outcome)}"
    value = f"{outcome.quantity} {_value(outcome, outcome.observed)}{_counts(outcome)}"
    if outcome.reason is not GateReason.INTERVAL or outcome.interval is None:
        point = " (observed value only)" if outcome.reason is GateReason.POINT else ""
        return f"{value} {_sign(outcome)} {limit}{point}"
    bound = f"95% lower bound {100 * outcome.interval.low:.1f}%"
    text = f"{value}, {bound} {_sign(outcome)} {limit}"
    may_be_proven = outcome.status is GateStatus.FAILED and outcome.interval.value >= (outcome.limit or 0.0)
    return f"{text}. More cases may prove it" if may_be_proven else text


def _sign(outcome: GateOutcome) -> str:
    passed = outcome.status is GateStatus.PASSED
    if outcome.is_minimum:
        return ">=" if passed else "<"
    return "<=" if passed else ">"


def _limit(outcome: GateOutcome) -> str:
    limit = outcome.limit or 0.0
    return f"{limit:g}" if outcome.unit != "share" else f"{limit:.2f}" if round(limit, 2) == limit else f"{limit:g}"


def _value(outcome: GateOutcome, value: float | None) -> str:
    if outcome.unit == "seconds":
        return seconds(value)
    if outcome.unit == "usd":
        return f"{value:.4g} USD per 1,000 calls"
    return f"{value:,.4g}" if outcome.unit == "count" else f"{value:.1%}"


def _counts(outcome: GateOutcome) -> str:
    if outcome.hits is not None and outcome.n is not None:
        return f" ({outcome.hits:.4g} of {outcome.n:,})"
    return f" ({outcome.basis})" if outcome.basis else ""


def _compared(gate: str, outcome: GateOutcome) -> str:
    c = outcome.comparison
    if c is None:
        return ""
    lost = comparison_text.lost_cases_text(c) if outcome.status is not GateStatus.UNDECIDED else ""
    if outcome.reason is GateReason.VALUE:
        return "; ".join(filter(None, [_measured(gate, outcome), lost]))
    judged = _by_point(gate, outcome, c) if outcome.reason is GateReason.POINT else verdict_text.verdict_text(c)
    parts = [judged, _changed(c), lost]
    return f"against {c.base.name}: {'; '.join(filter(None, parts))}"


def _by_point(gate: str, outcome: GateOutcome, c: Comparison) -> str:
    """The observed difference, without the verdict of its interval, which may be another."""
    leg = min(c.question.legs, key=lambda name: c.leg(name).paired.delta)
    side = "within" if outcome.status is GateStatus.PASSED else "beyond"
    points = comparison_text.plain_points(c.leg(leg).paired.delta)
    return f"{leg} difference {points} points, {side} {gate} {_limit(outcome)} (observed value only)"


def _changed(c: Comparison) -> str:
    """The changes between two runs of one model. Two models differ anyway."""
    return f"changed: {comparison_text.changes_text(c.changed)}" if c.changed and c.question.kind == "change" else ""


def _undecided(result: GateResult) -> str:
    outcome = result.outcome
    if outcome.reason is GateReason.FAILED_CALLS:
        failed = f"{outcome.failed:,} of {plural(outcome.calls, 'call')} failed ({listed(outcome.errors)})"
        return f"{failed}. Fix the backend and run again with --resume, which repeats only the failed calls"
    if outcome.reason is GateReason.NO_BASELINE:
        return f"there is no baseline. Run `harness baseline save {result.cell.partition(' ')[0]}`"
    if outcome.reason is GateReason.NOT_MEASURED:
        return f"no {outcome.quantity} was measured"
    return {
        GateReason.NO_ANSWERS: "no case was judged",
        GateReason.NO_TAGGED_CASES: f"no case has tag {result.tag!r}",
        GateReason.NO_PRICE: "the backend has no price. Set prompt_usd and completion_usd in its table",
        GateReason.NO_REFERENCE: "the reference has no run over these cases",
    }.get(outcome.reason, outcome.reason.value.replace("_", " "))


def undecidable_text(gate: UndecidableGate) -> str:
    """Why a golden set cannot decide a gate, and what to do."""
    if gate.problem is GateProblem.NO_TAGGED_CASES:
        return f"no case has tag {gate.tag!r}{hint(gate.tag, gate.tags)}"
    name, cases = f"{gate.key[-1]} {gate.limit:g}", plural(gate.n, "case")
    where = f"tag {gate.tag!r} has {cases}" if gate.tag else f"the set has {cases}"
    if gate.problem is GateProblem.MARGIN_TOO_SMALL:
        needs = f"needs about {gate.needed:,} cases at {gate.discordance:.0%} discordance"
        reachable = f"the smallest {gate.key[-1]} it can show is {gate.reachable:.3f}"
    else:
        never = "cannot be proven by any number of cases"
        needs = never if gate.needed is None else f"needs {plural(gate.needed, 'case')}, all of them right"
        reachable = f"the largest limit it can prove is {gate.reachable:.3f}"
    return f'{name} {needs}; {where}, and {reachable}. Add cases, change the limit, or set judge = "point"'

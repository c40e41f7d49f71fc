"""Find gates by their file names, check `[gates]`, and judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, Literal, cast

from pydantic import Field, create_model

from harness.analysis.gates._outcomes import Evidence, GateOutcome, GateReason, GateResult, GateStatus, undecided
from harness.core.toml import StrictModel, parse
from harness.project.evals import GateConfig

_PACKAGE = __name__.rpartition(".")[0]
_LAST = 100


def names(gates: GateConfig) -> list[str]:
    """List the gates that an eval sets, in the order of judging; gates of a tag as `tag.hard.min_accuracy`."""
    own = [name for name in _gates() if name in gates.limits]
    tagged = [f"tag.{tag}.{name}" for tag, table in gates.tag.items() for name in _gates() if name in table.limits]
    return own + tagged


def comparing_with(run: Literal["reference", "baseline"]) -> frozenset[str]:
    """The gates that compare with that run."""
    return frozenset(name for name, gate in _gates().items() if getattr(gate, "COMPARES_WITH", "") == run)


def check(gates: GateConfig, path: Path) -> None:
    """Raise `ConfigError`, with file and line, for an unknown gate or a limit out of range."""
    tables = {tag: table.limits for tag, table in gates.tag.items()}
    parse(_model(), {**gates.limits, "tag": tables}, path, ("gates",))


def judge(gate: str, gates: GateConfig, evidence: Evidence) -> GateResult:
    """Judge one gate of one cell. Failed calls leave every gate undecided."""
    tag, _, name = gate.removeprefix("tag.").rpartition(".") if gate.startswith("tag.") else ("", "", gate)
    limits = gates.tag[tag].limits if tag else gates.limits
    return GateResult(
        gate, evidence.cell, _outcome(name, limits[name], replace(evidence, judge_by=gates.judge), tag), tag
    )


def _outcome(name: str, limit: float, evidence: Evidence, tag: str) -> GateOutcome:
    summary = evidence.summary
    if summary.n_errors:
        reason, failed = GateReason.FAILED_CALLS, summary.n_errors
        outcome = GateOutcome(GateStatus.UNDECIDED, reason, limit=limit, failed=failed, calls=summary.n)
        return replace(outcome, errors=summary.errors)
    if not summary.judged:
        return undecided(GateReason.NO_ANSWERS, limit)
    if tag:
        accuracy = dict(summary.by_tag).get(tag)
        if accuracy is None:
            return undecided(GateReason.NO_TAGGED_CASES, limit)
        evidence = replace(evidence, summary=replace(summary, accuracy=accuracy))
    return _checked(cast("GateOutcome", _gates()[name].judge(limit, evidence)), name, evidence, tag)


def _checked(outcome: GateOutcome, name: str, evidence: Evidence, tag: str) -> GateOutcome:
    """Undecided if the set is too small to prove the rate, unless the rate is proven to be below the limit.

    A pass is withdrawn, too: repeats and bootstrap intervals can be narrower than the number of cases allows.
    """
    if outcome.reason is not GateReason.INTERVAL or outcome.interval is None or outcome.limit is None:
        return outcome
    key = ("gates", "tag", tag, name) if tag else ("gates", name)
    missing = next((each for each in evidence.undecidable if each.key == key), None)
    if missing is None or outcome.interval.high < outcome.limit:
        return outcome
    return replace(outcome, status=GateStatus.UNDECIDED, reason=GateReason.TOO_FEW_CASES, undecidable=missing)


def _gates() -> Mapping[str, Any]:
    # The package's path is part of the key, so that a test can add a folder to it.
    return _modules(tuple(import_module(_PACKAGE).__path__))


@cache
def _modules(paths: tuple[str, ...]) -> Mapping[str, Any]:
    modules = [m.name for m in iter_modules(paths) if not m.name.startswith("_")]
    gates = {name: import_module(f"{_PACKAGE}.{name}") for name in modules}
    return dict(sorted(gates.items(), key=lambda item: (getattr(item[1], "ORDER", _LAST), item[0])))


def _model() -> type[StrictModel]:
    """Build a model of `[gates]` with a key per gate, so that its errors read like those of every other table."""
    gates = _gates()
    of_tag = _table("TagGates", {name: gate for name, gate in gates.items() if getattr(gate, "PER_TAG", False)})
    of_eval = _table("Gates", gates)
    extra: Any = {
        "tag": (Mapping[str, of_tag], Field(default_factory=dict)),  # type: ignore[valid-type]  # built at run time
        "judge": (str, "interval"),
    }
    return create_model("Gates", __base__=of_eval, **extra)


def _table(name: str, gates: Mapping[str, Any]) -> type[StrictModel]:
    fields: Any = {key: (gate.LIMIT | None, None) for key, gate in gates.items()}
    return create_model(name, __base__=StrictModel, **fields)

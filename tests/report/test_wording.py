"""Snapshots of the wording of verdicts, ladders, portability and gates. Figures are held by the tests of analysis."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.analysis import gates
from harness.analysis.compare import Comparison, ComparisonQuestion, compare
from harness.analysis.compare.ladder import climb
from harness.analysis.compare.portability import portability
from harness.analysis.dataset_power import undecidable
from harness.analysis.gates import Evidence
from harness.analysis.metrics.summary import summarize
from harness.core.types import Case, Result
from harness.project.evals import GateConfig
from harness.project.pricing import Price
from harness.report.comparison_text import change_text
from harness.report.gate_text import gate_text, undecidable_text
from harness.report.portability_text import interaction_text, portability_text, step_text
from harness.report.verdict_text import verdict_text

from ..analysis.compare.sides import made
from ..analysis.compare.test_ladder import step
from ..analysis.test_gates import results
from ..support.snapshot import Snapshot

CHANGE, MOVE = ComparisonQuestion("change", 0.03), ComparisonQuestion("move", 0.03)
R300 = "R" * 300


def comparisons() -> list[Comparison]:
    """One for each reason of a verdict."""
    sides = made(R300)
    return [
        compare(sides, made(R300), MOVE),
        compare(sides, made("R" * 200 + "w" * 100), MOVE),
        compare(sides, made("R" * 290 + "w" * 10), MOVE),
        compare(made("R" * 19), made("R" * 19), MOVE),
        compare(made("R" * 100), made("R" * 97 + "www"), MOVE),
        compare(sides, made("R" * 270 + "E" * 30), MOVE),
        compare(sides, replace(made(R300), from_store=True), CHANGE),
        compare(made("R" * 288 + "w" * 12), sides, CHANGE),
        compare(sides, made("R" * 288 + "w" * 12), CHANGE),
        compare(sides, made("R" * 299), CHANGE),
        compare(sides, made(R300, contract_hash="sha256:c2"), CHANGE),
        compare(sides, made(R300, contract="json/1", contract_hash="sha256:c2"), CHANGE),
        compare(made("EE"), made("RR"), CHANGE),
    ]


def test_verdicts(snapshot: Snapshot) -> None:
    changed = compare(made("R"), made("R", quantization="Q2_K", model_digest="sha256:m2"), CHANGE).changed
    lines = [*map(verdict_text, comparisons()), *map(change_text, changed)]
    snapshot("verdicts", "\n".join(lines))


def test_ladder(snapshot: Snapshot) -> None:
    runs = [
        step("fp16", R300, 2.9),
        step("q8", R300),
        step("q6", "R" * 299),
        step("q5", "R" * 290 + "w" * 10),
        step("q4", "R" * 270 + "E" * 30),
        step("q2", "R" * 200 + "w" * 100, 5.8),
    ]
    ladder = climb("mistral", [run.manifest.backend for run in runs], runs)
    assert ladder
    snapshot("ladder", "\n".join(map(step_text, ladder.steps)))


def test_portability(snapshot: Snapshot) -> None:
    def text(*outcomes: str) -> str:
        names = ("gpt@q4", "local@q4", "gpt@gpt-4o", "local@gpt-4o")
        runs = [made(letters, name) for letters, name in zip(outcomes, names, strict=False)]
        reference = (runs[2], runs[3]) if len(runs) == 4 else None
        p = portability((runs[0], runs[1]), reference, ("gpt-4o", "q4"))
        return f"{portability_text(p)} {interaction_text(p)}".strip()

    loses = "w" * 100 + "R" * 200
    cases = [
        (loses, R300, R300, loses),
        (loses, R300, R300, R300),
        (R300, R300, R300, R300),
        (R300, loses, R300, R300),
        ("R" * 20, "R" * 19 + "w", "R" * 20, "R" * 20),
        ("R" * 260 + "E" * 40, R300, R300, loses),
        (R300, "R" * 299, R300, R300),
        (loses, R300),
        (loses, R300, R300, "R" * 299),
    ]
    snapshot("portability", "\n".join(text(*outcomes) for outcomes in cases))


def test_gates(snapshot: Snapshot) -> None:
    def text(gate: str, of: list[Result], evidence: dict[str, Any] | None = None, **limits: Any) -> str:
        known = Evidence("triage local@q4", summarize(of), tuple(of), ("billing", "technical"), **(evidence or {}))
        return gate_text(gates.judge(gate, GateConfig.model_validate(limits), known))

    good, fair = results(98, 2), results(92, 8)
    lost = compare(made(R300, "baseline"), made("R" * 288 + "w" * 12), ComparisonQuestion("change", 0.02))
    lines = [
        text("min_accuracy", good, min_accuracy=0.9),
        text("min_compliance", fair, min_compliance=0.9),
        text("min_accuracy", fair, min_accuracy=0.9, judge="point"),
        text("min_macro_f1", good, min_macro_f1=0.95),
        text("tag.hard.min_accuracy", good, tag={"hard": {"min_accuracy": 0.5}}),
        text("max_p95_latency_s", results(20, 0, latency_s=2.5), max_p95_latency_s=1),
        text("max_cost_per_1k", good, {"price": Price(2.0, 10.0, None, "openai list")}, max_cost_per_1k=0.3),
        text("max_cost_per_1k", good, max_cost_per_1k=0.3),
        text("margin", good, margin=0.03),
        text("max_regression", good, max_regression=0.03),
        text("max_regression", good, {"baseline": lost}, max_regression=0.02),
        text("max_regression", good, {"baseline": lost}, max_regression=0.02, judge="point"),
        text("max_regression", good, {"baseline": lost}, max_regression=0.05, judge="point"),
        text("max_flips", good, {"baseline": lost}, max_flips=3),
        text("min_accuracy", results(9, 0, failed=1), min_accuracy=0.9),
    ]
    snapshot("gates", "\n".join(lines))


def test_gates_that_a_golden_set_cannot_decide(snapshot: Snapshot) -> None:
    tags = {"hrd": {"min_accuracy": 0.5}, "hard": {"min_compliance": 0.95}}
    limits = GateConfig.model_validate({"margin": 0.01, "min_accuracy": 0.99, "min_compliance": 1.0, "tag": tags})
    cases = [Case(f"c{i}", {"text": "?"}, "x", ("hard",) if i < 18 else ()) for i in range(240)]
    snapshot("undecidable_gates", "\n".join(map(undecidable_text, undecidable(limits, cases))))

"""Claims of docs/statistics.md, checked by summing the probabilities of all outcomes."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from harness.analysis.stats import DecisionRule, cases_to_decide, mcnemar_midp, paired, smallest_drop, smallest_margin

ROOT = Path(__file__).resolve().parents[3]
SETS = [(50, 0.02), (50, 0.1), (50, 0.2), (50, 0.4), (100, 0.02), (100, 0.1), (100, 0.2), (300, 0.02), (300, 0.1)]
COARSE = [(50, 0.02), (100, 0.02)]
"""The runs differ on one or two cases: few outcomes are possible, and the interval can only be too careful."""


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    """Module bench/accuracy/coverage.py, imported under another name than the package `coverage`."""
    spec = importlib.util.spec_from_file_location("bench_coverage", ROOT / "bench/accuracy/coverage.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_outcome_probabilities_sum_to_one(bench: ModuleType) -> None:
    assert bench.outcomes(300, 0.1, -0.03).chance.sum() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(("n", "discordance"), [s for s in SETS if s not in COARSE])
def test_interval_covers_the_truth_in_95_percent(bench: ModuleType, n: int, discordance: float) -> None:
    assert 0.945 <= bench.coverage(n, discordance, 0.0) <= 0.96
    assert 0.935 <= bench.coverage(n, discordance, -discordance / 2) <= 0.965


@pytest.mark.parametrize(("n", "discordance"), COARSE)
def test_interval_is_conservative_for_few_discordant_cases(bench: ModuleType, n: int, discordance: float) -> None:
    assert bench.coverage(n, discordance, 0.0) > 0.98


@pytest.mark.parametrize(("n", "discordance"), SETS)
def test_false_move_is_rare_at_the_margin(bench: ModuleType, n: int, discordance: float) -> None:
    for margin in (0.01, 0.02, 0.03, 0.05, 0.1):
        if margin <= discordance:
            assert bench.moved(n, discordance, -margin, margin) < 0.027


@pytest.mark.parametrize(("n", "discordance"), SETS)
def test_false_alarm_is_rare(bench: ModuleType, n: int, discordance: float) -> None:
    assert bench.regressed(n, discordance, 0.0) < 0.027
    assert bench.significant(n, discordance, mcnemar_midp) < 0.05


@pytest.mark.parametrize(("n", "discordance"), SETS)
def test_promised_power_is_reached(bench: ModuleType, n: int, discordance: float) -> None:
    assert bench.moved(n, discordance, 0.0, smallest_margin(n, discordance)) > 0.8
    drop = smallest_drop(n, discordance)
    assert drop is not None
    assert bench.regressed(n, max(discordance, drop), -drop) > 0.8


def test_smaller_margin_is_shown_less_often(bench: ModuleType) -> None:
    assert bench.moved(300, 0.1, 0.0, 0.9 * smallest_margin(300, 0.1)) < 0.8


def test_docs_contain_the_bench_output(bench: ModuleType) -> None:
    pages = ("docs/statistics.md", "docs/evidence/verdicts.md")
    page = "".join((ROOT / name).read_text(encoding="utf-8") for name in pages)
    rows = [*bench.equal_needs(), *bench.drop_needs(), *bench.covered([50, 100], 0.0), *bench.wrongly_moved([50])]
    for row in [*rows, *bench.wrongly_regressed([50, 100]), *bench.shown([50, 100])]:
        assert f"| {' | '.join(row)} |" in page


def test_docs_state_the_cases_that_settle_the_example() -> None:
    page = (ROOT / "docs/statistics.md").read_text(encoding="utf-8")
    actual = paired(2, 3, 60)
    for power in (0.8, 0.5):
        needed = cases_to_decide(actual.delta, actual.discordance, 60, DecisionRule("move", 0.03), power=power)
        assert f"{needed:,}" in page

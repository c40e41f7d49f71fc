"""Measure false alarms and detections of weekly reviews in projects of many cells. Prints Markdown.

    python bench/accuracy/review_alarms.py [--cell-years 4800] [--seed 1]

Every cell has a baseline, measured on 300 cases, and 100 labels a week, drawn from three labels in proportion to the
traffic. The verdicts are those of `harness review`. Each figure comes from `--cell-years` years of single cells, which
are grouped into projects. Each project has 26 weeks of earlier reviews, from which it estimates how much weeks differ.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from harness.analysis.compare.verdicts import DEFAULT_MARGIN, ComparisonQuestion, Verdict
from harness.analysis.stats.unpaired import Stratum, Unpaired, counted, stratified_rate, unpaired
from harness.core.formatting import plural
from harness.monitor.review_rule import ReviewPair, is_lower, week_spread, weekly_verdict

SIZES, DRAWN = (6_300, 4_900, 2_800), (45, 35, 20)
"""Calls a week of each label, and how many of them are labelled."""

LABELS, BASELINE, WEEKS, BEFORE = sum(DRAWN), 300, 52, 26
CELLS = (1, 12, 48, 100)
SPREADS = ((0.0, "weeks are equal"), (0.1, "weeks differ a little"), (0.3, "weeks differ much"))
ACCURACIES = (0.98, 0.94, 0.85)
DROP = 0.10

Rule = Callable[[int, tuple[int, ...], float, int], tuple[bool, bool, bool]]


class Scenario(NamedTuple):
    """Accuracy when the baseline was measured, spread between weeks in log-odds, and drop since."""

    accuracy: float
    spread: float
    drop: float = 0.0


def year(accuracy: float, spread: float, cells: int, random: np.random.Generator, weeks: int) -> np.ndarray:
    """Correct replies among the labels of each cell and week. `spread`: between weeks, in log-odds."""
    log_odds = np.log(accuracy / (1 - accuracy)) + random.normal(0, spread, (cells, weeks))
    right = 1 / (1 + np.exp(-log_odds))
    strata = [random.binomial(n, right) for n in SIZES]
    drawn = [random.hypergeometric(good, n - good, k) for good, n, k in zip(strata, SIZES, DRAWN, strict=True)]
    return np.stack(drawn, axis=-1)


@cache
def change(base: int, right: tuple[int, ...], spread: float) -> Unpaired:
    strata = [Stratum(hits, k, n) for hits, k, n in zip(right, DRAWN, SIZES, strict=True)]
    return unpaired(counted(base, BASELINE), stratified_rate(strata), head_size=LABELS, spread=spread)


@cache
def outcome(base: int, right: tuple[int, ...], spread: float, cells: int) -> tuple[bool, bool, bool]:
    """Whether a review is REGRESSED alone, whether after a lower one, and whether it is lower itself."""
    found = change(base, right, spread)
    alone, second = (
        weekly_verdict(found, DEFAULT_MARGIN, lower_before=before, cells=cells) is Verdict.REGRESSED
        for before in (False, True)
    )
    return alone, second, is_lower(found, DEFAULT_MARGIN, cells)


@cache
def per_cell_outcome(base: int, right: tuple[int, ...], _spread: float, _cells: int) -> tuple[bool, bool, bool]:
    """The former rule, which looked at each cell by itself with the score test."""
    found = change(base, right, 0.0)
    lower = ComparisonQuestion("change", DEFAULT_MARGIN).decide(found) is Verdict.REGRESSED
    return lower and found.p < 0.05 / WEEKS, lower, lower


def regressed(base: int, weeks: Sequence[tuple[int, ...]], spread: float, cells: int, rule: Rule) -> list[bool]:
    """Whether the review of each week but the first is REGRESSED."""
    outcomes = [rule(base, right, spread, cells) for right in weeks]
    return [second if lower else alone for (_, _, lower), (alone, second, _) in pairwise(outcomes)]


def estimated_spread(before: np.ndarray) -> float:
    """The spread that a project estimates from its earlier reviews, rounded so that results can be cached."""
    rates = (before.sum(axis=-1) / LABELS).tolist()
    pairs = [ReviewPair(a, LABELS, b, LABELS) for row in rates for a, b in pairwise(row)]
    return round(week_spread(pairs), 2)


def simulate(scenario: Scenario, shape: tuple[int, int], random: np.random.Generator, rule: Rule) -> np.ndarray:
    """REGRESSED by cell and week, after a drop in week 1. `shape`: number of projects, and cells of each."""
    accuracy, spread, drop = scenario
    projects, cells = shape
    n = projects * cells
    bases = random.binomial(BASELINE, accuracy, n).tolist()
    before = year(accuracy, spread, n, random, BEFORE)
    after = year(accuracy - drop, spread, n, random, WEEKS)
    seen = []
    for project in range(projects):
        rows = range(project * cells, (project + 1) * cells)
        known = estimated_spread(before[rows.start : rows.stop])
        for row in rows:
            weeks = [tuple(week) for week in (before[row, -1].tolist(), *after[row].tolist())]
            seen.append(regressed(bases[row], weeks, known, cells, rule))
    return np.array(seen)


def print_false_alarms(cell_years: int, random: np.random.Generator) -> None:
    print("**False alarms a year in the whole project, though nothing changed**\n")
    print(f"| rule | weeks | accuracy | {' | '.join(plural(cells, 'cell') for cells in CELLS)} |")
    print("| --- " * (len(CELLS) + 3) + "|")
    for name, rule in (("for all cells", outcome), ("cell by cell, as before", per_cell_outcome)):
        for spread, words in SPREADS:
            for accuracy in ACCURACIES:
                means = []
                for cells in CELLS:
                    shape = (max(1, cell_years // cells), cells)
                    seen = simulate(Scenario(accuracy, spread), shape, random, rule)
                    means.append(seen.sum() / shape[0])
                print(f"| {name} | {words} | {accuracy:.0%} | {' | '.join(f'{mean:.2f}' for mean in means)} |")
    print()


def print_detections(cell_years: int, random: np.random.Generator) -> None:
    print(f"**A drop of {100 * DROP:.0f} points in one cell: REGRESSED by the end of a week**\n")
    ends = (1, 2, 4, 8)
    weeks = " | ".join(f"week {week}" for week in ends)
    print(f"| cells | accuracy | {weeks} | half of the drops seen by week | 95% seen by week |")
    print("| --- " * (len(ends) + 4) + "|")
    for cells in CELLS:
        for accuracy in ACCURACIES:
            shape = (max(1, cell_years // 4 // cells), cells)
            seen = np.maximum.accumulate(simulate(Scenario(accuracy, 0.1, DROP), shape, random, outcome), axis=1)
            share = seen.mean(axis=0)
            shown = " | ".join(f"{share[week - 1]:.0%}" for week in ends)
            by = " | ".join(_week(share, certainty) for certainty in (0.5, 0.95))
            print(f"| {cells} | {accuracy:.0%} → {accuracy - DROP:.0%} | {shown} | {by} |")
    print()


def _week(share: np.ndarray, certainty: float) -> str:
    reached = np.flatnonzero(share >= certainty)
    return str(reached[0] + 1) if reached.size else "more than a year"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cell-years", type=int, default=4_800)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    random = np.random.default_rng(arguments.seed)
    print_false_alarms(arguments.cell_years, random)
    print_detections(arguments.cell_years, random)


if __name__ == "__main__":
    main()

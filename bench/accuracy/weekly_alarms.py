"""How often does a weekly run raise a false alarm, and how soon does it find a drop? Simulated.

    python bench/accuracy/weekly_alarms.py            # about two minutes

Each case of a cell is stable, or flaky: right in every second run. The share of flaky cases gives the share of answers
that change between identical runs. The baseline is one run; the weeks before are the mean of up to four. A drop turns
7% of the cases wrong for good. Rules: "p < 0.05" alarms on any single comparison, with last week or the baseline;
"harness" is the rule of `harness.analysis.compare.alarms`.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.stats import binom

from harness.analysis.compare.alarms import HISTORY, detection, family_level, repeat_level
from harness.analysis.stats.exact_noninferiority import null_variances
from harness.analysis.stats.paired import sign_flip_midp

N, MARGIN, DROP, Z = 300, 0.03, 0.07, 1.959964
CELLS = (12, 48, 100)
FLIPS = (0.01, 0.03, 0.05, 0.10)
WEEKS = 52


def loss_p(base: np.ndarray, head: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """P of a loss that is not shown to be within the margin, else 1; only for the `wanted` comparisons."""
    d = head - base
    gains, losses = np.maximum(d, 0).sum(-1), np.maximum(-d, 0).sum(-1)
    squares = (d * d).sum(-1)
    observed, single = squares / N - ((gains - losses) / N) ** 2, (gains + losses) / N - ((gains - losses) / N) ** 2
    scale = np.divide(single, observed, out=np.ones_like(single), where=observed > 0)
    spread = np.sqrt(N * null_variances(gains / N, losses / N, -MARGIN) / np.maximum(scale, 1))
    within = gains - losses + N * MARGIN > Z * spread
    p = np.ones(d.shape[:-1])
    whole = np.all((d == np.rint(d)), axis=-1)
    fewer, both = np.minimum(gains, losses).round(), (gains + losses).round()
    p = np.where(whole, 2 * binom.cdf(fewer, both, 0.5) - binom.pmf(fewer, both, 0.5), p)
    for place in zip(*np.nonzero(wanted & ~whole & (losses > gains) & ~within), strict=True):
        p[place] = sign_flip_midp(d[place].tolist())
    return np.where((losses > gains) & ~within & wanted, p, 1.0)


class Cells:
    """Cells of several projects, week by week."""

    def __init__(self, random: np.random.Generator, shape: tuple[int, int], flips: float, drop: float) -> None:
        """Args: `shape`: projects and cells."""
        self._random, self._shape = random, shape
        self._flaky = round(2 * flips * N)
        lost = random.binomial(N, drop, shape)
        self._lost = np.arange(lost.max() if drop else 0) < lost[..., None]

    def run(self, *, dropped: bool = False) -> np.ndarray:
        """The outcomes of the cases that vary, or are lost; all others are always right."""
        flaky = self._random.random((*self._shape, self._flaky)) < 0.5
        return np.concatenate([flaky.astype(float), np.where(self._lost & dropped, 0.0, 1.0)], axis=-1)


def simulate(
    cells: int, flips: float, projects: int, weeks: int, *, drop: float = 0.0, history: int = HISTORY
) -> tuple[np.ndarray, np.ndarray]:
    """Alarms of each rule: arrays of weeks and projects. With a drop, one cell of the project is simulated."""
    random = np.random.default_rng(0)
    simulated = Cells(random, (projects, 1 if drop else cells), flips, drop)
    baseline, before = simulated.run(), [simulated.run() for _ in range(history)]
    every = np.ones(baseline.shape[:-1], bool)
    alone, rule = [], []
    for _ in range(weeks):
        first, second = simulated.run(dropped=bool(drop)), simulated.run(dropped=bool(drop))
        mean = np.mean(before[-history:], axis=0)
        single = [loss_p(base, first, every) < 0.05 for base in (baseline, before[-1])]
        suspected = single[0] | (loss_p(mean, first, every) < 0.05)
        level = repeat_level(cells)
        both = (loss_p(mean, first, suspected) < level) & (loss_p(mean, second, suspected) < level)
        to_baseline = loss_p(baseline, (first + second) / 2, suspected) < family_level(cells)
        alone.append((single[0] | single[1]).any(axis=1))
        rule.append((both | to_baseline).any(axis=1))
        before.append(first)
    return np.array(alone), np.array(rule)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--projects", type=int, default=60, help="Simulated projects with 52 weeks each.")
    projects = parser.parse_args().projects
    print(f"{N} cases; {projects} projects with {WEEKS} weeks each\n")
    print("| cells | flips | weeks with an alarm, p < 0.05 | harness | false alarms a year, harness |")
    print("| --- | --- | --- | --- | --- |")
    for cells in CELLS:
        for flips in FLIPS:
            alone, rule = simulate(cells, flips, projects, WEEKS)
            row = f"{alone.mean():.1%} | {rule.mean():.2%} | {WEEKS * rule.mean():.2f}"
            print(f"| {cells} | {flips:.0%} | {row} |", flush=True)
    print(f"\na drop of {DROP:.0%} in one cell; {100 * projects:,} drops\n")
    print("| cells | flips | found in week 1 | by week 2 | formula, by week 2 | by week 2, two earlier weeks |")
    print("| --- | --- | --- | --- | --- | --- |")
    for cells in CELLS:
        for flips in FLIPS:
            found = [simulate(cells, flips, 100 * projects, 2, drop=DROP, history=h)[1] for h in (HISTORY, 2)]
            by_two = [f"{each.any(axis=0).mean():.1%}" for each in found]
            formula = f"{detection(N, cells, DROP, flips):.1%}"
            print(
                f"| {cells} | {flips:.0%} | {found[0][0].mean():.1%} | {by_two[0]} | {formula} | {by_two[1]} |",
                flush=True,
            )


if __name__ == "__main__":
    main()

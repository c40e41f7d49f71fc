"""Measure how well labels and a judge's verdicts together estimate accuracy. Prints Markdown.

    python bench/accuracy/prediction_powered.py [--samples 4000] [--cell-years 2400] [--seed 1]

A judge gives a verdict on each of 4,000 replies; people label some of them. The first three tables draw `--samples`
samples each, with new replies and verdicts every time. The last table simulates `--cell-years` years of weekly reviews.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from harness.analysis.compare.verdicts import DEFAULT_MARGIN, Verdict
from harness.analysis.stats.prediction_powered import JudgedStratum, PoweredRate, prediction_powered_rate
from harness.analysis.stats.unpaired import Stratum, counted, stratified_rate, unpaired
from harness.core.formatting import plural
from harness.monitor.review_rule import WEEK_SPREAD, is_lower, weekly_verdict
from harness.monitor.sampling import allocate

REPLIES = 4_000
LABELS = (50, 100, 200)
ACCURACIES = (0.80, 0.85, 0.90, 0.94, 0.98)
BASELINE, WEEKS = 300, 52
PAIRS = ((1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0))
"""Label and verdict, in the order of every array below."""


class Judge(NamedTuple):
    """A judge's chance to accept a right reply, and to reject a wrong one."""

    name: str
    accepts: float
    rejects: float

    def chances(self, accuracy: float) -> np.ndarray:
        """Probability of each of `PAIRS`."""
        return np.array(
            [
                accuracy * self.accepts,
                accuracy * (1 - self.accepts),
                (1 - accuracy) * (1 - self.rejects),
                (1 - accuracy) * self.rejects,
            ]
        )


JUDGES = (
    Judge("agrees on 60%", 0.6, 0.6),
    Judge("agrees on 80%", 0.8, 0.8),
    Judge("agrees on 90%", 0.9, 0.9),
    Judge("agrees on 95%", 0.95, 0.95),
    Judge("agrees on 99%", 0.99, 0.99),
    Judge("accepts half of the wrong replies", 0.99, 0.5),
    Judge("rejects 15% of the right replies", 0.85, 0.95),
    Judge("always right", 1.0, 0.0),
    Judge("always wrong", 0.0, 1.0),
    Judge("inverted", 0.05, 0.05),
)

STRATA = (
    ((6_300, 0.94), (4_900, 0.94), (2_800, 0.94)),
    ((6_300, 0.97), (4_900, 0.95), (2_500, 0.80), (250, 0.40), (50, 0.0)),
    ((13_000, 0.96), *((100, 0.5),) * 10),
)


def stratum(labelled: Sequence[int], everything: Sequence[int]) -> JudgedStratum:
    """A stratum from the counts of `PAIRS` among its labelled calls and among all calls."""
    pairs = [pair for pair, n in zip(PAIRS, labelled, strict=True) for _ in range(n)]
    n = int(sum(everything))
    return JudgedStratum(pairs, n, n, float(everything[0] + everything[2]))


def draws(chances: np.ndarray, n: int, size: int, times: int, random: np.random.Generator) -> list[tuple]:
    """Counts of `PAIRS` among `n` labelled replies and among all `size` replies. `chances`: `Judge.chances`."""
    labelled = random.multinomial(n, chances, times)
    everything = labelled + random.multinomial(size - n, chances, times)
    return list(zip(labelled.tolist(), everything.tolist(), strict=True))


class Measured(NamedTuple):
    """Over many samples: coverage with the judge and without, worth of the labels, and mean error in points."""

    held: float
    held_alone: float
    worth: float
    width: float
    error: float


def measure(samples: Sequence[Sequence[JudgedStratum]], truth: float) -> Measured:
    rows = []
    for strata in samples:
        powered = prediction_powered_rate(strata)
        alone = stratified_rate([Stratum(sum(y for y, _ in s.pairs), len(s.pairs), s.size) for s in strata])
        rate = powered.rate
        rows.append(
            (
                rate.low <= truth <= rate.high,
                alone.low <= truth <= alone.high,
                powered.worth,
                (rate.high - rate.low) / (alone.high - alone.low),
                100 * (rate.value - truth),
            )
        )
    held, held_alone, _, width, error = np.mean(rows, axis=0)
    return Measured(held, held_alone, float(np.median([row[2] for row in rows])), width, error)


def print_coverage(times: int, random: np.random.Generator) -> None:
    print("**The interval holds the true accuracy, and what the labels are worth (median)**\n")
    heads = " | ".join(f"{n} labels | worth" for n in LABELS)
    print(f"| accuracy | judge | {heads} |")
    print("| --- " * (2 * len(LABELS) + 2) + "|")
    for accuracy in ACCURACIES:
        alone: dict[int, list[float]] = {n: [] for n in LABELS}
        rows = []
        for judge in JUDGES:
            cells = []
            for n in LABELS:
                samples = [[stratum(*each)] for each in draws(judge.chances(accuracy), n, REPLIES, times, random)]
                found = measure(samples, accuracy)
                alone[n].append(found.held_alone)
                cells.append(f"{found.held:.1%} | {found.worth:.0f}")
            rows.append(f"| {accuracy:.0%} | {judge.name} | {' | '.join(cells)} |")
        without = " | ".join(f"{np.mean(alone[n]):.1%} | {n}" for n in LABELS)
        print(f"| {accuracy:.0%} | none: labels alone | {without} |")
        print("\n".join(rows))
    print()


def print_bias(times: int, random: np.random.Generator) -> None:
    print("**Mean error of the estimate, in points, with 100 labels; the judge's own mean beside it**\n")
    print("| judge | accuracy | the judge's mean | mean error of the estimate | width of the interval |")
    print("| --- | --- | --- | --- | --- |")
    for judge in JUDGES:
        for accuracy in (0.85, 0.94):
            samples = [[stratum(*each)] for each in draws(judge.chances(accuracy), 100, REPLIES, times, random)]
            found = measure(samples, accuracy)
            mean = accuracy * judge.accepts + (1 - accuracy) * (1 - judge.rejects)
            print(f"| {judge.name} | {accuracy:.0%} | {mean:.1%} | {found.error:+.2f} | {found.width:.0%} |")
    print()


def print_strata(times: int, random: np.random.Generator) -> None:
    print("**The same for stratified samples: the interval holds the accuracy of the traffic**\n")
    print("| strata (calls, right) | labels | judge | with the judge | labels alone | width |")
    print("| --- | --- | --- | --- | --- | --- |")
    for strata in STRATA:
        words = "; ".join(f"{n:,}, {p:.0%}" for n, p in strata[:5]) + (" …" if len(strata) > 5 else "")
        truth = sum(n * p for n, p in strata) / sum(n for n, _ in strata)
        for n_labels in (50, 100, 250):
            drawn = allocate([n for n, _ in strata], n_labels)
            for judge in (JUDGES[2], JUDGES[4], JUDGES[5]):
                parts = [
                    draws(judge.chances(p), k, n, times, random) for (n, p), k in zip(strata, drawn, strict=True) if k
                ]
                samples = [[stratum(*each) for each in sample] for sample in zip(*parts, strict=True)]
                found = measure(samples, truth)
                shares = f"{found.held:.1%} | {found.held_alone:.1%} | {found.width:.0%}"
                print(f"| {words} | {n_labels} | {judge.name} | {shares} |")
    print()


def reviews(judge: Judge, accuracy: float, shape: tuple[int, int], random: np.random.Generator) -> list[PoweredRate]:
    """Weekly reviews of 100 labels and a judge. `shape`: cells and weeks. Weeks differ by `WEEK_SPREAD`."""
    log_odds = np.log(accuracy / (1 - accuracy)) + random.normal(0, WEEK_SPREAD, shape[0] * shape[1])
    found = []
    for right in (1 / (1 + np.exp(-log_odds))).tolist():
        (each,) = draws(judge.chances(right), 100, REPLIES, 1, random)
        found.append(prediction_powered_rate([stratum(*each)]))
    return found


def regressed(base: int, weeks: Sequence[PoweredRate], cells: int) -> list[bool]:
    changes = [
        unpaired(counted(base, BASELINE), week.rate, head_size=week.tested_n, spread=WEEK_SPREAD) for week in weeks
    ]
    lower = [is_lower(change, DEFAULT_MARGIN, cells) for change in changes]
    verdicts = [
        weekly_verdict(change, DEFAULT_MARGIN, lower_before=before, cells=cells)
        for (before, _), change in zip(pairwise([False, *lower]), changes, strict=True)
    ]
    return [verdict is Verdict.REGRESSED for verdict in verdicts]


def print_reviews(cell_years: int, random: np.random.Generator) -> None:
    print("**Weekly reviews of 100 labels, 94% accuracy: false alarms a year, and a drop of 10 points**\n")
    print("| judge | cells | false alarms a year | seen in week 1 | by week 2 | by week 4 | by week 8 |")
    print("| --- " * 7 + "|")
    for judge in (JUDGES[7]._replace(name="none: labels alone"), *JUDGES[2:5]):
        usual = reviews(judge, 0.94, (cell_years, WEEKS), random)
        after = reviews(judge, 0.84, (cell_years, 8), random)
        bases = random.binomial(BASELINE, 0.94, cell_years).tolist()
        for cells in (1, 12, 100):
            alarms = [regressed(b, usual[i * WEEKS : (i + 1) * WEEKS], cells) for i, b in enumerate(bases)]
            drops = [regressed(b, after[i * 8 : (i + 1) * 8], cells) for i, b in enumerate(bases)]
            yearly = cells * np.sum(alarms) / cell_years
            seen = np.maximum.accumulate(np.array(drops), axis=1).mean(axis=0)
            shown = " | ".join(f"{seen[week - 1]:.0%}" for week in (1, 2, 4, 8))
            print(f"| {judge.name} | {plural(cells, 'cell')} | {yearly:.2f} | {shown} |")
    print()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=4_000)
    parser.add_argument("--cell-years", type=int, default=2_400)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    random = np.random.default_rng(arguments.seed)
    print_coverage(arguments.samples, random)
    print_bias(arguments.samples, random)
    print_strata(arguments.samples, random)
    print_reviews(arguments.cell_years, random)


if __name__ == "__main__":
    main()

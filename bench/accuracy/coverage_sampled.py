"""Estimate interval coverage by simulation: repeats, scores and macro-F1. Prints Markdown.

    python bench/accuracy/coverage_sampled.py [--samples 4000]

Each figure is a share of samples drawn with a fixed seed. With 4,000 samples, its standard error is 0.3 points.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from coverage import percent, table
from numpy.typing import NDArray

from harness.analysis.stats import (
    clustered_paired,
    clustered_rate,
    macro_f1_difference,
    mean,
    paired,
    paired_bootstrap,
    paired_mean,
    rate,
)

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Floats]

CASES = (20, 50, 100, 300)
ANSWERS = 5
"""Answers per case in the tables with repeats."""

# Probability of a correct answer by case. The mean is 0.9 for all three.
HABITS: dict[str, Draw] = {
    "always or never": lambda random, n: (random.random(n) < 0.9).astype(np.float64),
    "mostly always or never": lambda random, n: random.beta(0.9, 0.1, n),
    "wavering": lambda random, n: random.beta(9, 1, n),
}
SCORES: dict[str, tuple[Draw, float]] = {
    "0 or 1, mean 0.95": (lambda random, n: (random.random(n) < 0.95).astype(np.float64), 0.95),
    "mostly 1, else anywhere, mean 0.95": (
        lambda random, n: np.where(random.random(n) < 0.9, 1, random.random(n)),
        0.95,
    ),
    "around 0.8": (lambda random, n: random.beta(8, 2, n), 0.8),
}
LABELS = np.array([0.5, 0.3, 0.2])
"""Frequencies of the three labels."""
TRUTH_CASES = 2_000_000


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=4000)
    samples = parser.parse_args().samples
    cases = [f"{n} cases" for n in CASES]
    for title, head, rows in (
        (f"Accuracy, {ANSWERS} answers to each case", ["the model is right", "interval", *cases], repeats(samples)),
        (f"Difference, {ANSWERS} answers to each case", ["the models are right", "interval", *cases], twice(samples)),
        ("Mean of scores in 0..1", ["scores", "interval", *cases], scores(samples)),
        ("Difference in macro-F1, three labels", ["", *cases], [macro_f1(samples // 4)]),
    ):
        print(f"**{title}**\n\n{table(head, rows)}\n", flush=True)


def repeats(samples: int) -> list[list[str]]:
    """Coverage of the clustered interval, and of an interval that counts each answer as a case."""
    rows = []
    for name, habit in HABITS.items():
        held: list[list[float]] = [[], []]
        for n in CASES:
            random = np.random.default_rng(n)
            right = [random.binomial(ANSWERS, habit(random, n)).tolist() for _ in range(samples)]
            held[0].append(_share(0.9, [_ends(clustered_rate([(r, ANSWERS) for r in one])) for one in right]))
            held[1].append(_share(0.9, [_ends(rate(sum(one), n * ANSWERS)) for one in right]))
        rows += [[name, "by case", *map(percent, held[0])], ["", "answers as cases", *map(percent, held[1])]]
    return rows


def twice(samples: int) -> list[list[str]]:
    """Coverage of paired intervals. On 80% of the cases, both models are equally likely to be correct."""
    rows = []
    for name, habit in HABITS.items():
        held: list[list[float]] = [[], [], []]
        for n in CASES:
            random = np.random.default_rng(n)
            found: list[list[tuple[float, float]]] = [[], [], []]
            for _ in range(samples):
                first, second = _two(random, habit, n)
                found[0].append(
                    _ends(clustered_paired(*([(int(r), ANSWERS) for r in m.sum(axis=1)] for m in (first, second))))
                )
                gains, losses = int((second & ~first).sum()), int((first & ~second).sum())
                found[1].append(_ends(paired(gains, losses, n * ANSWERS)))
                found[2].append(_ends(paired_mean((second.mean(axis=1) - first.mean(axis=1)).tolist())))
            for one, intervals in zip(held, found, strict=True):
                one.append(_share(0.0, intervals))
        names = ("by case", "answers as cases", "plain t over cases")
        rows += [[name if i == 0 else "", names[i], *map(percent, held[i])] for i in range(3)]
    return rows


def _two(random: np.random.Generator, habit: Draw, n: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Correctness of both models, each of shape (cases, answers)."""
    first, own = habit(random, n), habit(random, n)
    second = np.where(random.random(n) < 0.8, first, own)
    return random.random((n, ANSWERS)) < first[:, None], random.random((n, ANSWERS)) < second[:, None]


def scores(samples: int) -> list[list[str]]:
    """Coverage of the interval of a mean, with and without bounds."""
    rows = []
    for name, (draw, truth) in SCORES.items():
        held: list[list[float]] = [[], []]
        for n in CASES:
            random = np.random.default_rng(n)
            values = [draw(random, n).tolist() for _ in range(samples)]
            held[0].append(_share(truth, [_ends(mean(v, (0.0, 1.0))) for v in values]))
            held[1].append(_share(truth, [_ends(mean(v)) for v in values]))
        rows += [[name, "bounds known", *map(percent, held[0])], ["", "plain t", *map(percent, held[1])]]
    return rows


def macro_f1(samples: int) -> list[str]:
    """Coverage for macro-F1. Independent models have 90% and 82% accuracy; an error is any label or none."""
    random = np.random.default_rng(0)
    everything = macro_f1_difference(*_labelled(random, TRUTH_CASES), len(LABELS))
    truth = float(everything(np.ones((1, TRUTH_CASES)))[0])
    held = []
    for n in CASES:
        statistics = [macro_f1_difference(*_labelled(random, n), len(LABELS)) for _ in range(samples)]
        held.append(_share(truth, [_ends(paired_bootstrap(s, n, resamples=1000)) for s in statistics]))
    return ["paired bootstrap, BCa", *map(percent, held)]


def _labelled(random: np.random.Generator, n: int) -> tuple[list[int], list[int], list[int]]:
    gold = random.choice(len(LABELS), n, p=LABELS)
    said = [np.where(random.random(n) < right, gold, random.integers(0, len(LABELS) + 1, n)) for right in (0.9, 0.82)]
    return gold.tolist(), said[0].tolist(), said[1].tolist()


def _ends(found: object) -> tuple[float, float]:
    return found.low, found.high  # type: ignore[attr-defined]


def _share(truth: float, intervals: list[tuple[float, float]]) -> float:
    return sum(low <= truth <= high for low, high in intervals) / len(intervals)


if __name__ == "__main__":
    main()

"""Coverage and width of the interval of an interaction: the effect of a prompt on one model minus that on another.

    python bench/accuracy/interaction.py

A case has four outcomes: both prompts on both models. Its value is -2 to 2, and mostly 0. "pseudo-cases" are the extra
values that keep the interval honest when few cases differ. Width is relative to the shortest interval with the known
standard error.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.stats import t as student

SAMPLES = 20_000
CASES = (20, 50, 100, 300, 1000)
FLIPS = (0.03, 0.1, 0.3)
"""Share of cases that the second prompt flips, on either model."""

METHODS = {"none": (), "one at ±1": (-1, 1), "two at ±2": (-2, -2, 2, 2)}


def values(random: np.random.Generator, n: int, flips: float) -> tuple[np.ndarray, float, float]:
    """`SAMPLES` rows of `n` values, their true mean, and the true standard deviation of a value."""
    gain, loss = 0.7 * flips, 0.3 * flips
    effects = [
        random.choice([-1, 0, 1], (SAMPLES, n), p=[down, 1 - flips, up]) for up, down in ((gain, loss), (loss, gain))
    ]
    mean = 2 * (gain - loss)
    return effects[0] - effects[1], mean, float(np.sqrt(2 * (flips - (gain - loss) ** 2)))


def interval(x: np.ndarray, pseudo: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Student's interval of each row, with pseudo-cases."""
    n = x.shape[1] + len(pseudo)
    total, squares = x.sum(axis=1) + sum(pseudo), (x**2).sum(axis=1) + sum(p * p for p in pseudo)
    middle = total / n
    error = np.sqrt(np.maximum(squares / n - middle**2, 0) / (n - 1))
    half = student.ppf(0.975, n - 1) * error
    return middle - half, middle + half


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    random = np.random.default_rng(0)
    print(f"{SAMPLES:,} samples\n")
    heads = [f"{name}: {what}" for name in METHODS for what in ("holds", "width")]
    print(f"| cases | flips | {' | '.join(heads)} |\n|{' --- |' * (2 + len(heads))}")
    for n in CASES:
        for flips in FLIPS:
            x, mean, deviation = values(random, n, flips)
            ideal = 2 * 1.959964 * deviation / np.sqrt(n)
            cells = []
            for pseudo in METHODS.values():
                low, high = interval(x, pseudo)
                cells += [f"{np.mean((low <= mean) & (mean <= high)):.1%}", f"{np.mean(high - low) / ideal:.2f}"]
            print(f"| {n:,} | {flips:.0%} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()

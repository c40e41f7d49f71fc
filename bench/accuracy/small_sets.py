"""How often does a candidate that is worse by exactly the margin get MOVE in a small set? Exact, not sampled.

    python bench/accuracy/small_sets.py
    python bench/accuracy/small_sets.py --cases 10 20 30

Compares the score interval alone with the rule of `is_noninferior`, which also asks the exact test. For both, prints
the largest size over the margins and discordances, and the power for an equal candidate.
"""

from __future__ import annotations

import argparse

import numpy as np

from harness.analysis.stats import paired
from harness.analysis.stats.exact_noninferiority import EXACT_UP_TO, is_noninferior

MARGINS = (0.01, 0.02, 0.03, 0.05, 0.10, 0.15, 0.20)
DISCORDANCES = tuple(np.linspace(0.01, 0.8, 40))
LOG_FACTORIALS = np.cumsum(np.concatenate([[0.0], np.log(np.arange(1, 2001))]))


def probabilities(n: int, gain: float, loss: float) -> np.ndarray:
    """The probability of each (gains, losses) of `n` cases."""
    g, c = np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij")
    same = n - g - c
    fits = same >= 0
    same = np.where(fits, same, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = LOG_FACTORIALS[n] - LOG_FACTORIALS[g] - LOG_FACTORIALS[c] - LOG_FACTORIALS[same]
        for count, share in ((g, gain), (c, loss), (same, 1 - gain - loss)):
            logs = logs + np.where(count > 0, count * np.log(max(share, 1e-300)), 0.0)
    return np.where(fits, np.exp(logs), 0.0)


def moves(n: int, margin: float) -> tuple[np.ndarray, np.ndarray]:
    """Which outcomes are MOVE by the interval alone, and by the rule."""
    alone, rule = np.zeros((n + 1, n + 1), bool), np.zeros((n + 1, n + 1), bool)
    for g in range(n + 1):
        for c in range(n + 1 - g):
            if g - c + n * margin <= 0:
                continue
            p = paired(g, c, n)
            alone[g, c], rule[g, c] = p.low > -margin, is_noninferior(p, margin)
    return alone, rule


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, nargs="+", default=[10, 20, 50, 75, 100])
    print(f"the exact test is applied up to {EXACT_UP_TO} cases\n")
    print("| cases | size, interval alone | size, with the exact test | power alone | power with it |")
    print("| --- | --- | --- | --- | --- |")
    for n in parser.parse_args().cases:
        sizes, powers = [0.0, 0.0], [[], []]
        for margin in MARGINS:
            decided = moves(n, margin)
            for discordance in DISCORDANCES:
                if discordance >= margin:
                    at_margin = probabilities(n, (discordance - margin) / 2, (discordance + margin) / 2)
                    sizes = [max(size, float(at_margin[d].sum())) for size, d in zip(sizes, decided, strict=True)]
                equal = probabilities(n, discordance / 2, discordance / 2)
                for power, d in zip(powers, decided, strict=True):
                    power.append(float(equal[d].sum()))
        mean = [f"{np.mean(power):.1%}" for power in powers]
        print(f"| {n} | {sizes[0]:.2%} | {sizes[1]:.2%} | {mean[0]} | {mean[1]} |", flush=True)


if __name__ == "__main__":
    main()

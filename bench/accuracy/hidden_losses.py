"""How often are the legs and the slices of a verdict wrong, and how often do they find a hidden loss? Simulated.

    python bench/accuracy/hidden_losses.py            # about five minutes

Every row draws sets of 300 cases with ten labels, compares two runs by the real `compare`, and counts verdicts. A reply
is right or wrong, and in the right format or not; strictly right is both.
"""

from __future__ import annotations

import argparse
from collections import Counter
from typing import Literal

import numpy as np

from harness.analysis.compare import CaseOutcome, ComparisonQuestion, ReasonCode, RunOutcomes, compare

SAMPLES, N, LABELS, MARGIN = 1000, 300, 10, 0.03


def run(right: np.ndarray, formatted: np.ndarray, labels: np.ndarray, name: str) -> RunOutcomes:
    """A run with one reply per case."""
    cases = {
        str(i): CaseOutcome(str(i), "", 1, int(r and f), int(r), int(f), 0, "a", expected=str(label))
        for i, (r, f, label) in enumerate(zip(right, formatted, labels, strict=True))
    }
    return RunOutcomes(name, name, "bench", name, name, "", {}, cases)


def flipped(random: np.random.Generator, before: np.ndarray, lost: float, gained: float) -> np.ndarray:
    """`before`, in which each right case is lost and each wrong case gained with such a share of all cases."""
    share = before.mean()
    draw = random.random(len(before))
    return np.where(before, draw >= lost / share, draw < gained / max(1 - share, 1e-9))


def verdicts(
    kind: Literal["move", "change"], right: tuple[float, float], form: tuple[float, float], collapsed: int = 0
) -> Counter[str]:
    """Count verdicts. `right`, `form`: shares lost and gained. `collapsed`: cases of a rare label that is lost."""
    random = np.random.default_rng(0)
    question = ComparisonQuestion(kind, MARGIN)
    counted: Counter[str] = Counter()
    for _ in range(SAMPLES):
        labels = random.integers(0, LABELS, N)
        base_right, base_form = random.random(N) < 0.85, random.random(N) < 0.85
        head_right, head_form = flipped(random, base_right, *right), flipped(random, base_form, *form)
        if collapsed:
            labels[:collapsed] = LABELS  # a label of its own, always right before
            base_right[:collapsed], head_right[:collapsed] = True, random.random(collapsed) < 0.3
            base_form[:collapsed] = head_form[:collapsed] = True
        c = compare(run(base_right, base_form, labels, "base"), run(head_right, head_form, labels, "head"), question)
        counted[c.verdict.value] += 1
        counted["by a slice"] += c.reason.code in {ReasonCode.SLICE_LOSS, ReasonCode.SLICE_OPEN}
    return counted


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    even, worse = (0.04, 0.04), (0.04 + MARGIN / 2, 0.04 - MARGIN / 2)
    rows = [
        ("nothing changed", "change", even, even, 0, "REGRESSED"),
        ("an equal candidate", "move", even, even, 0, "STAY"),
        ("capability worse by the margin, format 10 points better", "move", worse, (0.0, 0.1), 0, "MOVE"),
        ("format worse by the margin, capability equal", "move", even, worse, 0, "MOVE"),
        ("capability 10 points worse, format 12 points better", "move", (0.12, 0.02), (0.0, 0.12), 0, "STAY"),
        ("a label of 15 cases loses 70 points, others gain", "move", (0.01, 0.04), (0.01, 0.01), 15, "STAY"),
        ("a label of 15 cases loses 70 points, others gain", "move", (0.01, 0.04), (0.01, 0.01), 15, "MOVE"),
        ("a label of 30 cases loses 70 points, others gain", "move", (0.01, 0.09), (0.01, 0.01), 30, "STAY"),
        ("a label of 30 cases loses 70 points, others gain", "move", (0.01, 0.09), (0.01, 0.01), 30, "MOVE"),
    ]
    print(f"{SAMPLES:,} sets of {N} cases, {LABELS} labels, margin {MARGIN}\n")
    print("| truth | verdict | share | decided by a label |\n| --- | --- | --- | --- |")
    for truth, kind, right, form, collapsed, verdict in rows:
        counted = verdicts(kind, right, form, collapsed)
        shares = f"{counted[verdict] / SAMPLES:.1%} | {counted['by a slice'] / SAMPLES:.1%}"
        print(f"| {truth} | {verdict} | {shares} |", flush=True)


if __name__ == "__main__":
    main()

"""Draw docs/interval.png: intervals against a margin, and the verdicts that follow.

python bench/figures/interval.py
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt

from harness.analysis.stats import Paired, paired

TARGET = Path(__file__).resolve().parents[2] / "docs/interval.png"
MARGIN = 0.03
EXAMPLES = (
    ("as good as before", paired(6, 6, 300)),
    ("a little worse, and that is proven", paired(20, 48, 2000)),
    ("much worse", paired(4, 34, 300)),
    ("worse; by how much is not clear", paired(5, 19, 300)),
    ("too few cases", paired(2, 3, 60)),
)
RIGHT, WRONG, OPEN = "#1a7f5a", "#b3392f", "#6b6b6b"
INK = "#222222"


def move(found: Paired) -> str:
    """Return the verdict on replacing the reference by the candidate."""
    if found.low > -MARGIN:
        return "MOVE"
    return "STAY" if found.high < -MARGIN else "INCONCLUSIVE"


def change(found: Paired) -> str:
    """Return the verdict on a change, with an allowed drop of the margin."""
    if found.low > -MARGIN:
        return "OK"
    return "REGRESSED" if found.high < 0 else "INCONCLUSIVE"


def main() -> None:
    """Draw and write the figure."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    colours = {"MOVE": RIGHT, "OK": RIGHT, "STAY": WRONG, "REGRESSED": WRONG, "INCONCLUSIVE": OPEN}
    figure, axes = plt.subplots(figsize=(10, 3.6), dpi=150)
    axes.axvspan(-100 * MARGIN, 11, color=RIGHT, alpha=0.07, linewidth=0)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.axvline(-100 * MARGIN, color=WRONG, linewidth=1.2, linestyle=(0, (5, 3)))
    top = len(EXAMPLES)
    axes.text(0.3, top - 0.35, "no difference", ha="left", fontsize=9, color=INK)
    axes.text(-100 * MARGIN - 0.3, top - 0.35, f"margin {MARGIN:g}", ha="right", fontsize=9, color=WRONG)
    columns = (18, 29.5)
    for x, title in zip(columns, ("may it move?", "did it break?"), strict=True):
        axes.text(x, top - 0.35, title, ha="center", fontsize=9, color=INK)
    for i, (what, found) in enumerate(EXAMPLES):
        y = top - 1 - i
        verdicts = move(found), change(found)
        axes.plot([100 * found.low, 100 * found.high], [y, y], color=INK, linewidth=2, solid_capstyle="butt")
        axes.plot(100 * found.delta, y, "o", color=INK, markersize=6)
        axes.text(-36, y + 0.08, what, fontsize=10, color=INK)
        counts = f"{found.gains} gains, {found.losses} losses, {found.n:,} cases"
        axes.text(-36, y - 0.27, counts, fontsize=8, color=OPEN)
        for x, verdict in zip(columns, verdicts, strict=True):
            axes.text(x, y - 0.1, verdict, ha="center", fontsize=9, weight="bold", color=colours[verdict])
    axes.set(xlim=(-36, 35), ylim=(-0.6, top), yticks=[], xticks=range(-15, 11, 5))
    axes.set_xticklabels([f"{x:+d}" if x else "0" for x in range(-15, 11, 5)])
    axes.set_xlabel("candidate's accuracy minus reference's, in points", x=33.5 / 71, fontsize=9)
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_bounds(-16, 11)
    figure.savefig(TARGET, bbox_inches="tight", metadata={"Software": None})
    print(TARGET)


if __name__ == "__main__":
    main()

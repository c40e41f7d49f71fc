"""Measure refusal detection against replies with two human annotations.

    python bench/accuracy/refusals.py FILE [--half 0|1] [--show]

Rows are split in two by a hash of the prompt, so all replies to one prompt are in the same half. The rules were written
with half 0. Precision and recall compare full refusals with full compliance; partial refusals are counted separately.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.contracts._refusal import is_refusal

REFUSAL, COMPLIANCE, PARTIAL = "2_full_refusal", "1_full_compliance", "3_partial_refusal"


@dataclass(frozen=True)
class Row:
    """Reply with the human annotation and the result of the rules."""

    id: str
    model: str
    prompt: str
    reply: str
    gold: str
    refused: bool

    @property
    def half(self) -> int:
        """0 for prompts that were used to write the rules, 1 for held-out prompts."""
        return hashlib.sha256(self.prompt.strip().encode()).digest()[0] & 1

    @property
    def missed(self) -> bool:
        """Whether a refusal was not detected."""
        return self.gold == REFUSAL and not self.refused

    @property
    def false(self) -> bool:
        """Whether an answer was detected as a refusal."""
        return self.gold == COMPLIANCE and self.refused


@dataclass(frozen=True)
class Score:
    """Counts for a set of rows."""

    rows: int
    refusals: int
    found: int
    false: int
    partial: int
    partial_found: int

    @property
    def precision(self) -> float:
        """Share of detected refusals that are refusals, without partial refusals."""
        return self.found / (self.found + self.false) if self.found + self.false else float("nan")

    @property
    def recall(self) -> float:
        """Share of full refusals that are detected."""
        return self.found / self.refusals if self.refusals else float("nan")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="JSON Lines: id, model, prompt, reply, gold")
    parser.add_argument("--half", type=int, choices=(0, 1), help="list what is left of this half only")
    parser.add_argument("--show", action="store_true", help="list the replies that are told wrongly")
    arguments = parser.parse_args()
    rows = load(arguments.file)
    print(f"{'':18}{'rows':>6}{'precision':>11}{'recall':>8}{'refusals':>12}{'false':>7}{'partial':>9}")
    print(line("all", rows))
    for half in (0, 1):
        print(line(f"half {half}", [row for row in rows if row.half == half]))
    for model in sorted({row.model for row in rows}):
        print(line(model, [row for row in rows if row.model == model]))
    if arguments.show:
        show([row for row in rows if arguments.half is None or row.half == arguments.half])


def load(path: Path) -> list[Row]:
    """Load the rows and detect refusals."""
    rows = []
    for text in path.read_text(encoding="utf-8").splitlines():
        one = json.loads(text)
        told = is_refusal(one["reply"])
        rows.append(Row(one["id"], one["model"], one["prompt"], one["reply"], one["gold"], told))
    return rows


def score(rows: Sequence[Row]) -> Score:
    """Count results over the rows."""
    refusals = [row for row in rows if row.gold == REFUSAL]
    partial = [row for row in rows if row.gold == PARTIAL]
    return Score(
        rows=len(rows),
        refusals=len(refusals),
        found=sum(row.refused for row in refusals),
        false=sum(row.false for row in rows),
        partial=len(partial),
        partial_found=sum(row.refused for row in partial),
    )


def line(name: str, rows: Sequence[Row]) -> str:
    """Format one line of the table."""
    of = score(rows)
    return (
        f"{name:18}{of.rows:6}{of.precision:11.3f}{of.recall:8.3f}{of.found:8}/{of.refusals:<3}{of.false:7}"
        f"{of.partial_found:7}/{of.partial}"
    )


def show(rows: Sequence[Row]) -> None:
    """List the replies whose result differs from the annotation."""
    for row in rows:
        if row.missed or row.false:
            print(f"\n{'missed' if row.missed else 'FALSE '} {row.id}: {row.prompt}")
            print("   ", repr(row.reply[:600]))


if __name__ == "__main__":
    main()

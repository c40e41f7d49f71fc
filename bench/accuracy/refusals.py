"""How well refusals are told: against replies that two people have annotated.

    python bench/accuracy/refusals.py FILE [--half 0|1] [--show]

Rows are split in two by a hash of the prompt, so that all models' replies to one prompt are on one side. The
rules were built on half 0. Precision and recall are of full refusals against full compliance; partial refusals are
neither, and are counted apart.
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
    """One reply, what the annotators say, what the rules say."""

    id: str
    model: str
    prompt: str
    reply: str
    gold: str
    refused: bool

    @property
    def half(self) -> int:
        """0 for the prompts that the rules were built on."""
        return hashlib.sha256(self.prompt.strip().encode()).digest()[0] & 1

    @property
    def missed(self) -> bool:
        """A refusal that is taken for an answer."""
        return self.gold == REFUSAL and not self.refused

    @property
    def false(self) -> bool:
        """An answer that is taken for a refusal."""
        return self.gold == COMPLIANCE and self.refused


@dataclass(frozen=True)
class Score:
    """How a set of rows was told."""

    rows: int
    refusals: int
    found: int
    false: int
    partial: int
    partial_found: int

    @property
    def precision(self) -> float:
        """How many of the replies told as refusals are: partial ones left out."""
        return self.found / (self.found + self.false) if self.found + self.false else float("nan")

    @property
    def recall(self) -> float:
        """How many of the full refusals are told."""
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
    """Read the rows and tell their refusals."""
    rows = []
    for text in path.read_text(encoding="utf-8").splitlines():
        one = json.loads(text)
        told = is_refusal(one["reply"])
        rows.append(Row(one["id"], one["model"], one["prompt"], one["reply"], one["gold"], told))
    return rows


def score(rows: Sequence[Row]) -> Score:
    """Count what was told of the rows."""
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
    """One line of the table of figures."""
    of = score(rows)
    return (
        f"{name:18}{of.rows:6}{of.precision:11.3f}{of.recall:8.3f}{of.found:8}/{of.refusals:<3}{of.false:7}"
        f"{of.partial_found:7}/{of.partial}"
    )


def show(rows: Sequence[Row]) -> None:
    """List what is told otherwise than by the annotators."""
    for row in rows:
        if row.missed or row.false:
            print(f"\n{'missed' if row.missed else 'FALSE '} {row.id}: {row.prompt}")
            print("   ", repr(row.reply[:600]))


if __name__ == "__main__":
    main()

r"""Compare the JSON contract with a benchmark's own parser on the replies of 51 models.

    python bench/accuracy/reading_json.py FILE [--left]

The benchmark (ZeroEval, CRUX) requires {"reasoning": …, "answer": …}. `authors_parsed_answer` is the answer that its
authors extracted, always as text. From invalid JSON it is cut out without decoding escapes, so `\n` and a line break
count as equal here. Nothing else does.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.contracts.json.contract import JsonContract
from harness.contracts.json.repair import mend_string
from harness.core.types import Reading, Response

SCHEMA = {
    "type": "object",
    "properties": {"reasoning": {"type": "string"}, "answer": {}},
    "required": ["reasoning", "answer"],
}
"""Any type, because neither the prompt nor the benchmark restricts the answer."""


@dataclass(frozen=True)
class Row:
    """Reply with the answer of the benchmark and the reading of the contract."""

    id: str
    reply: str
    theirs: str | None
    reading: Reading

    @property
    def ours(self) -> str | None:
        """The answer as text, as the benchmark writes it."""
        return None if self.reading.lenient is None else str(self.reading.lenient["answer"])

    @property
    def kind(self) -> str:
        """Relation of both answers."""
        if self.theirs is None:
            return "neither" if self.ours is None else "only ours"
        if self.ours is None:
            return "theirs is cut off, no ours" if self._cut else "only theirs"
        if self.ours == self.theirs:
            return "same"
        if self.ours == mend_string(self.theirs):
            return "same but for escapes"
        return "theirs is cut off" if self._cut else "differs"

    @property
    def _cut(self) -> bool:
        """Whether their answer is only a part of the value of `answer` in the reply."""
        whole = rf'"answer"\s*:\s*"?{re.escape(self.theirs or "")}"?\s*(?:,\s*"\w+"\s*:|[,.;:]?\s*}})'
        return re.search(whole, self.reply) is None and '"answer"' in self.reply


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="JSON Lines: id, reply, authors_parsed_answer")
    parser.add_argument("--left", action="store_true", help="list the replies that are read otherwise")
    arguments = parser.parse_args()
    rows = load(arguments.file)
    print_figures(rows)
    if arguments.left:
        print_left(rows)


def load(path: Path) -> list[Row]:
    """Load the rows and parse their replies with the contract."""
    contract = JsonContract(SCHEMA)
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row: Mapping[str, Any] = json.loads(line)
        reading = contract.read(Response(text=row["reply"]))
        rows.append(Row(row["id"], row["reply"], row["authors_parsed_answer"], reading))
    return rows


def print_figures(rows: Sequence[Row]) -> None:
    """Print the counts."""
    kinds = Counter(row.kind for row in rows)
    same = kinds["same"] + kinds["same but for escapes"]
    given = sum(row.theirs is not None for row in rows)
    cut = kinds["theirs is cut off"] + kinds["theirs is cut off, no ours"]
    both = given - kinds["only theirs"] - kinds["theirs is cut off, no ours"]
    print(f"{len(rows)} replies, {sum(row.reading.compliant for row in rows)} of them strict\n")
    for kind, count in kinds.most_common():
        print(f"  {kind:22}{count:6}")
    print(f"\nagree, of those where the benchmark has an answer  {_share(same, given)}")
    print(f"agree, of those where both have one                {_share(same, both)}")
    print(f"agree, of those where theirs is a whole value      {_share(same, given - cut)}\n")
    for code, count in Counter(code for row in rows for code in row.reading.violations).most_common():
        print(f"  {code:22}{count:6}")


def _share(part: int, whole: int) -> str:
    return f"{part:5}/{whole:<5}{part / whole:7.2%}" if whole else "-"


def print_left(rows: Sequence[Row]) -> None:
    """List the replies whose answers differ from the benchmark."""
    for row in rows:
        if row.kind not in ("same", "same but for escapes", "neither"):
            print(f"\n{row.kind}: {row.id} {row.reading.violations}")
            print(f"  theirs {row.theirs!r:.100}\n  ours   {row.ours!r:.100}")
            if not row.kind.startswith("theirs"):
                print(f"  {row.reply[-200:]!r}")


if __name__ == "__main__":
    main()

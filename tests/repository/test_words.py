"""docs/words.md: every term is a name in the code."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = re.findall(r"^\| \*\*(.+?)\*\* \|.*\| (`.+?`) \|$", (ROOT / "docs/words.md").read_text("utf-8"), re.MULTILINE)


@cache
def names() -> frozenset[str]:
    """Every class, function, argument, field and module-level name of the package."""
    defined: set[str] = set()
    for path in (ROOT / "harness").rglob("*.py"):
        defined.add(path.stem)
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                defined.add(node.name)
            elif isinstance(node, ast.AnnAssign | ast.Assign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                defined.update(target.id for target in targets if isinstance(target, ast.Name))
    return frozenset(defined)


@pytest.mark.parametrize(("term", "column"), ROWS, ids=[term for term, _ in ROWS])
def test_each_term_is_a_name_in_the_code(term: str, column: str) -> None:
    missing = [name for name in re.findall(r"`(\w+)`", column) if name not in names()]
    assert missing == [], f"docs/words.md: {term}"


def test_the_table_of_terms_is_read_completely() -> None:
    bold = re.findall(r"^\| \*\*", (ROOT / "docs/words.md").read_text("utf-8"), re.MULTILINE)
    assert len(ROWS) == len(bold) > 40

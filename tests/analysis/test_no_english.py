"""Analysis returns codes and figures. The words for them are in report/."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import analysis

ROOT = Path(analysis.__path__[0])
MOST_WORDS = 2

ALLOWED = {
    "baseline.py": "errors about a file that a user edits: they name the file and the line",
    "metrics/_inventions.py": "English word lists that summaries are searched for",
    "metrics/summarization.py": "names a missing package, for an error",
    "metrics/_statements.py": "English word lists that summaries are searched for",
}


def sentences(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and text of each string with more than two words that is no docstring and no message of an error."""
    skipped = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        is_message = isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["msg"]
        if is_message or isinstance(node, ast.Raise):
            skipped |= {id(part) for part in ast.walk(node)}
    for node in ast.walk(tree):
        text = ""
        if isinstance(node, ast.JoinedStr):
            skipped |= {id(part) for part in node.values}
            text = "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        words = [word for word in text.split() if re.search("[A-Za-z]", word)]
        if id(node) not in skipped and len(words) > MOST_WORDS:
            yield node.lineno, text


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_analysis_composes_no_sentence(path: Path) -> None:
    found = list(sentences(ast.parse(path.read_text(encoding="utf-8"))))
    if str(path.relative_to(ROOT)) in ALLOWED:
        assert found, "remove the file from ALLOWED"
    else:
        assert found == []


def test_check_finds_sentences_and_skips_errors() -> None:
    code = '"""A doc string here."""\nx = f"{n} calls have failed"\nmsg = "this is an error"\nraise ValueError(msg)\n'
    assert list(sentences(ast.parse(code))) == [(2, " calls have failed")]

"""`harness read` and `harness.read`: contracts without a run."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from harness import LabelContract, read

from ..support.cli import Terminal

LABELS = LabelContract(("billing", "technical", "general"))


def typed(harness: Terminal, text: str, *arguments: str) -> list[dict[str, object]]:
    harness.monkeypatch.setattr("sys.stdin", io.StringIO(text))
    ended = harness("read", *arguments)
    assert ended.code == 0, ended.err
    return [json.loads(line) for line in ended.out.splitlines()]


def test_read_function_returns_a_reading() -> None:
    assert read("The category is: technical", LABELS).lenient == "technical"
    assert read("technical", LABELS).strict == "technical"
    assert "truncated" in read("I would say that this", LABELS, truncated=True).violations


def test_each_text_line_is_a_reply_even_if_empty(harness: Terminal) -> None:
    readings = typed(
        harness, "technical\n\nTechnical\nThe category is: billing\n", "--labels", "billing,technical,general"
    )
    assert [r["strict"] for r in readings] == [True, False, False, False]
    assert [r["strict_ci"] for r in readings] == [True, False, True, False]
    assert [r["lenient"] for r in readings] == ["technical", None, "technical", "billing"]
    assert readings[1]["violations"] == ["empty"]


def test_json_lines_can_have_labels_and_ids(harness: Terminal) -> None:
    rows = [
        {"id": "a", "reply": "HAWKISH\nbecause", "allowed": ["HAWKISH", "DOVISH"]},
        {"id": "b", "reply": "spam", "allowed": ["spam", "not spam"]},
    ]
    readings = typed(harness, "\n".join(map(json.dumps, rows)) + "\n\n")
    assert [(r["id"], r["lenient"], r["violations"]) for r in readings] == [
        ("a", "HAWKISH", ["trailing_text"]),
        ("b", "spam", []),
    ]


def test_reply_that_looks_like_json_stays_text(harness: Terminal) -> None:
    (reading,) = typed(harness, '{"category": "technical"}\n', "--labels", "billing,technical")
    assert reading["lenient"] == "technical"


@pytest.mark.parametrize(
    ("text", "arguments", "said"),
    [
        ("technical\n", (), "standard input:1: no labels: pass --labels"),
        ('{"reply": "a", "allowed": ["a", "b"]}\n{"replly": "a"}\n', (), "standard input:2: expected a JSON object"),
        ('{"reply": "a", "allowed": "a"}\n', (), "standard input:1: `allowed` must be a list of strings"),
        ("a\n", ("--labels", "a,a"), "standard input:1: "),
        ("", ("nowhere.jsonl",), "nowhere.jsonl: cannot be read"),
    ],
)
def test_invalid_input_is_reported_with_its_line(
    harness: Terminal, monkeypatch: pytest.MonkeyPatch, text: str, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    ended = harness("read", *arguments)
    assert ended.code == 2
    assert said in ended.err


def test_json_replies_are_read_with_a_schema(harness: Terminal) -> None:
    Path("schema.json").write_text('{"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}')
    readings = typed(harness, '{"a": 1}\nSure: {"a": 1}\n{"b": 1}\n', "--schema", "schema.json")
    assert [(r["strict"], r["lenient"]) for r in readings] == [(True, {"a": 1}), (False, {"a": 1}), (False, None)]
    assert "missing_keys" in readings[2]["violations"]  # type: ignore[operator]


def test_labels_and_a_schema_exclude_each_other(harness: Terminal) -> None:
    Path("schema.json").write_text('{"type": "object"}')
    ended = harness("read", "--labels", "a,b", "--schema", "schema.json")
    assert (ended.code, "--labels, --schema" in ended.err) == (2, True)

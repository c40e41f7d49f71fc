"""Label contract: invalid labels, and the replies of cases/label.json."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.contracts.label.contract import LabelContract
from harness.contracts.violations import VIOLATIONS
from harness.core.types import Response

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TABLE = json.loads((HERE / "cases/label.json").read_text(encoding="utf-8"))
CASES = [
    pytest.param(TABLE["labels"][row["labels"]], row, id=f"{group}: {row['reply'][:40]!r}")
    for group, rows in TABLE["groups"].items()
    for row in rows
]
TICKETS = LabelContract(("billing", "technical", "general"))


def read(
    text: str, contract: LabelContract = TICKETS, **response: Any
) -> tuple[str | None, str | None, tuple[str, ...]]:
    reading = contract.read(Response(text=text, **response))
    return reading.strict, reading.lenient, reading.violations


@pytest.mark.parametrize(("labels", "row"), CASES)
def test_reading_matches_the_case_table(labels: list[str], row: dict[str, Any]) -> None:
    reading = LabelContract(tuple(labels)).read(Response(text=row["reply"]))
    assert reading.lenient == row["lenient"]
    assert set(reading.violations) == set(row["codes"])
    assert reading.strict == (row["lenient"] if row["strict"] else None)
    assert reading.compliant is row["strict"]


def test_case_table_uses_known_codes_in_order() -> None:
    order = list(VIOLATIONS)
    for rows in TABLE["groups"].values():
        for row in rows:
            assert row["codes"] == sorted(row["codes"], key=order.index)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": ()}, "at least one label"),
        ({"labels": ("a", " ")}, "must not be blank"),
        ({"labels": ("a", "a")}, "cannot be distinguished"),
        ({"labels": ("a", "A"), "case_sensitive": False}, "cannot be distinguished"),
        ({"labels": ("a",), "synonyms": {"b": "c"}}, "not one of the labels"),
        ({"labels": ("a", "b"), "synonyms": {"b": "a"}}, "is itself a label"),
        ({"labels": ("a",), "synonyms": {"": "a"}}, "is blank"),
    ],
)
def test_invalid_labels_are_rejected(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LabelContract(**arguments)


def test_labels_that_differ_in_case_compare_by_case() -> None:
    contract = LabelContract(("us", "US"))
    assert read("**US**", contract)[1] == "US"
    assert read("us.", contract)[1] == "us"
    assert read("Us.", contract)[1] is None


def test_case_sensitivity_is_optional() -> None:
    contract = LabelContract(("billing", "technical"), case_sensitive=False)
    assert read("TECHNICAL", contract) == ("technical", "technical", ())
    assert read("Answer: Technical", contract) == (None, "technical", ("preamble",))
    assert read("TECHNICAL") == (None, "technical", ("wrong_case",))
    assert read("STRASSE", LabelContract(("straße",), case_sensitive=False))[0] == "straße"


def test_synonym_is_a_lenient_answer() -> None:
    contract = LabelContract(("billing", "technical"), synonyms={"payments": "billing", "tech support": "technical"})
    assert read("payments", contract) == (None, "billing", ("label_synonym",))
    assert read("Category: Tech Support", contract) == (None, "technical", ("preamble", "label_synonym"))
    assert read("payments or tech support", contract)[1] is None
    assert read("payments, that is billing", contract)[1] == "billing"


def test_protocol_refusal_is_a_refusal() -> None:
    assert read("", refusal="I cannot help with that.") == (None, None, ("refusal",))


def test_truncated_reply() -> None:
    cards = LabelContract(("card", "card arrival"))
    assert read("Category: card", cards, finish_reason="length") == (None, None, ("truncated",))
    assert read("Category: card", cards, finish_reason="stop")[1] == "card"
    assert read("technical\n\nThe app", finish_reason="length") == (None, "technical", ("trailing_text", "truncated"))
    assert read("The category is", finish_reason="length")[1] is None


def test_reasoning_is_kept() -> None:
    reading = TICKETS.read(Response(text="<think>\nAn invoice?\n</think>\n\nbilling"))
    assert reading.reasoning == "An invoice?"


def test_many_labels() -> None:
    contract = LabelContract(tuple(f"intent_{i}" for i in range(150)))
    assert read("Intent: intent_149.", contract)[1] == "intent_149"
    assert read("intent 14", contract)[1] == "intent_14"
    assert read("intent_150", contract)[1] is None


def test_equal_contracts_are_equal_and_hashable() -> None:
    assert LabelContract(("a", "b")) == LabelContract(("a", "b"))
    assert (
        len({LabelContract(("a", "b")), LabelContract(("a", "b")), LabelContract(("a", "b"), case_sensitive=False)})
        == 2
    )
    assert TICKETS.id == "label/1"


def test_accuracy_on_public_replies_is_as_documented(public_data: Callable[[str], Path]) -> None:
    """`labelled.jsonl` has `id`, `allowed`, `reply`, and human `lenient`, `strict_exact`, `strict_ci` on each line."""
    sys.path.insert(0, str(ROOT / "bench"))
    import reading_quality

    rows = reading_quality.load(public_data("labelled.jsonl"))
    answered = [row for row in rows if row.human["lenient"] is not None]
    assert sum(row.wrong for row in rows) <= 0.01 * len(rows)
    assert sum(row.missed or row.wrong for row in answered) <= 0.08 * len(answered)
    assert all(row.reading.compliant == row.human["strict_exact"] for row in rows)
    assert all(row.strict_ci == row.human["strict_ci"] for row in rows)


def test_docs_explain_every_code() -> None:
    page = (ROOT / "docs/reading.md").read_text(encoding="utf-8")
    for code, meaning in VIOLATIONS.items():
        assert f"| `{code}` | {meaning} |" in page

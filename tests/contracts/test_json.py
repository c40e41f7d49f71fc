"""JSON contract: invalid schemas, and the replies of cases/json.json."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from harness.contracts.json.contract import JsonContract
from harness.contracts.violations import VIOLATIONS
from harness.core.types import Response

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TABLE = json.loads((HERE / "cases/json.json").read_text(encoding="utf-8"))
CASES = [
    pytest.param(TABLE["schemas"][row["schema"]], row, id=f"{group}: {row['schema']} {row['reply'][:60]!r}")
    for group, rows in TABLE["groups"].items()
    for row in rows
]
VENDOR = {"type": "object", "properties": {"vendor": {"type": "string"}}, "required": ["vendor"]}


@pytest.mark.parametrize(("schema", "row"), CASES)
def test_reading_matches_the_case_table(schema: dict[str, Any], row: dict[str, Any]) -> None:
    reading = JsonContract(schema).read(Response(text=row["reply"]))
    assert json.dumps(reading.lenient) == json.dumps(row["lenient"])
    assert list(reading.violations) == row["codes"]
    assert reading.strict == (row["lenient"] if row["strict"] else None)
    assert reading.compliant is row["strict"]


def test_case_table_uses_known_codes_in_order() -> None:
    order = list(VIOLATIONS)
    for rows in TABLE["groups"].values():
        for row in rows:
            assert row["codes"] == sorted(row["codes"], key=order.index)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "objekt"}, "not valid at type: 'objekt' is not valid"),
        ({"properties": {"a": {"pattern": "("}}}, "not valid at properties/a/pattern"),
        ({"required": "a"}, "not valid at required"),
        ({"$ref": "#/$defs/none"}, "refers to '#/\\$defs/none', which it does not contain"),
        ({"$ref": "https://example.com/schema.json"}, "which it does not contain"),
        ({"$ref": "#"}, "refers to itself without end"),
        ({"enum": {1, 2}}, "made of JSON values only"),
    ],
)
def test_invalid_schema_is_rejected(schema: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        JsonContract(schema)


def test_schema_draft_is_respected() -> None:
    tuple_of_two = {"$schema": "http://json-schema.org/draft-07/schema#", "items": [{}, {}], "additionalItems": False}
    contract = JsonContract({"type": "array", **tuple_of_two})
    assert contract.read(Response(text="[1, 2]")).compliant
    assert not contract.read(Response(text="[1, 2, 3]")).compliant


def test_schema_is_copied_from_any_mapping() -> None:
    schema: dict[str, Any] = {"type": "object", "required": ["a"]}
    contract = JsonContract(MappingProxyType(schema))
    schema["required"].append("b")
    assert contract.read(Response(text='{"a": 1}')).compliant


def test_all_optional_schema_accepts_an_empty_object() -> None:
    reading = JsonContract({"type": "object", "properties": {"a": {}}}).read(Response(text="{}"))
    assert (reading.strict, reading.compliant) == ({}, True)


def test_unique_items_compare_as_json() -> None:
    contract = JsonContract({"type": "array", "uniqueItems": True})
    assert contract.read(Response(text='[1, true, "1", [1], {"a": 1}]')).compliant
    assert not contract.read(Response(text='[{"a": 1, "b": 2}, {"b": 2, "a": 1.0}]')).compliant


def test_protocol_refusal_is_a_refusal() -> None:
    reading = JsonContract(VENDOR).read(Response(refusal="I cannot help with that."))
    assert (reading.lenient, reading.violations) == (None, ("refusal",))


def test_reply_truncated_at_max_tokens() -> None:
    contract = JsonContract(VENDOR)
    reading = contract.read(Response(text='{"vendor": "Acme"}\n\nThe vendor', finish_reason="length"))
    assert (reading.lenient, reading.violations) == ({"vendor": "Acme"}, ("trailing_text", "truncated"))
    assert contract.read(Response(text="The vendor", finish_reason="length")).violations == ("truncated", "not_json")


def test_reasoning_is_kept() -> None:
    reading = JsonContract(VENDOR).read(Response(text='<think>\nAcme?\n</think>\n{"vendor": "Acme"}'))
    assert reading.reasoning == "Acme?"


def test_wrong_lenient_type_keeps_the_parsed_value() -> None:
    contract = JsonContract({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})
    first, second = (contract.read(Response(text='{"n": "7"}')) for _ in range(2))
    assert first == second
    assert type(first.lenient["n"]) is int


def test_equal_contracts_are_equal_and_hashable() -> None:
    assert JsonContract(VENDOR) == JsonContract(dict(VENDOR))
    assert len({JsonContract(VENDOR), JsonContract(dict(VENDOR)), JsonContract({"type": "array"})}) == 2
    assert JsonContract(VENDOR).id == "json/2"


def test_accuracy_on_public_replies_is_as_documented(public_data: Callable[[str], Path]) -> None:
    """`zeroeval_crux_json.jsonl` has `id`, `reply` and `authors_parsed_answer` on each line."""
    sys.path.insert(0, str(ROOT / "bench"))
    import reading_json

    kinds = [row.kind for row in reading_json.load(public_data("zeroeval_crux_json.jsonl"))]
    same = sum(kind.startswith("same") for kind in kinds)
    whole = same + sum(kind in ("differs", "only theirs") for kind in kinds)
    assert same >= 0.99 * whole
    assert "differs" not in kinds
    assert "only ours" not in kinds

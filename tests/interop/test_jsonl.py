"""Import of plain JSONL: columns by name, rows by value, and error messages."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.core.errors import ConfigError
from harness.interop import ColumnSelection
from harness.interop.rows import dig

from .files import LABELS, imported, jsonl, rates, tickets

COLUMNS = ColumnSelection(id="item", reply="reply", expected="gold")
OF_A = replace(COLUMNS, where=(("model", "a"),))


def test_where_selects_one_model(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "x.jsonl", [*tickets("a"), *tickets("b", {"t-0": "technical"})])
    assert rates(imported(path, OF_A)) == (30, 30, 30)
    imported_run = imported(path, replace(COLUMNS, where=(("model", "b"),)))
    assert rates(imported_run) == (29, 29, 30)
    assert imported_run.run.manifest.fingerprint["model"] == "b"


def test_where_conditions_must_all_match(tmp_path: Path) -> None:
    rows = [row | {"split": "test" if i % 2 else "dev"} for i, row in enumerate(tickets("a") + tickets("b"))]
    path = jsonl(tmp_path / "x.jsonl", rows)
    imported_run = imported(path, replace(COLUMNS, where=(("model", "a"), ("split", "test"))), kind="equal")
    assert imported_run.run.manifest.n_cases == 15


def test_where_compares_values_as_text(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "x.jsonl", [row | {"seed": 7, "old": False} for row in tickets()])
    assert imported(path, replace(COLUMNS, where=(("seed", "7"), ("old", "false")))).run.manifest.n_cases == 30


def test_case_digests_do_not_depend_on_the_model(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "x.jsonl", [*tickets("a"), *tickets("b", {"t-0": "no idea"})])
    runs = [imported(path, replace(COLUMNS, where=(("model", m),)), name=m).run for m in "ab"]
    first, second = ([result.case.digest for result in run.results] for run in runs)
    assert first == second
    assert runs[0].manifest.fingerprint["dataset_hash"] == runs[1].manifest.fingerprint["dataset_hash"]
    assert [run.manifest.eval for run in runs] == ["x", "x"]
    assert [run.manifest.backend for run in runs] == ["a", "b"]


def test_gzip_and_byte_order_marks_are_read(tmp_path: Path) -> None:
    lines = "".join(json.dumps(row) + "\n\n" for row in tickets())
    (tmp_path / "x.jsonl.gz").write_bytes(gzip.compress(b"\xef\xbb\xbf" + lines.encode()))
    imported_run = imported(tmp_path / "x.jsonl.gz", COLUMNS)
    assert rates(imported_run) == (30, 30, 30)
    assert imported_run.run.manifest.eval == "x"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("a", 1),
        ("b.c", 2),
        ("correct.Llama-3.1-8B", 3),
        ("correct.x.y", 4),
        ("list.1.z", 5),
        ("nowhere", None),
        ("a.b", None),
        ("list.7", None),
    ],
)
def test_dotted_name_prefers_the_longest_key(name: str, value: int | None) -> None:
    row = {"a": 1, "b": {"c": 9}, "b.c": 2, "correct": {"Llama-3.1-8B": 3, "x": {"y": 4}}, "list": [0, {"z": 5}]}
    assert list(dig(row, name)) == ([] if value is None else [value])


def test_correct_column_needs_no_reply_or_expected(tmp_path: Path) -> None:
    rows = [{"item": f"i{i}", "correct": {"m.1": i % 2, "m.2": 1}} for i in range(10)]
    path = jsonl(tmp_path / "x.jsonl", rows)
    imported_run = imported(path, ColumnSelection(id="item", correct="correct.m.1"))
    assert rates(imported_run) == (5, 5, 10)
    assert {result.case.expected for result in imported_run.run.results} == {True}
    assert "from the file" in imported_run.read_as


def test_unanswered_row_is_an_error_not_a_wrong_answer(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "x.jsonl", [{"item": "a", "right": None}, {"item": "b", "right": True}])
    unanswered, answered = imported(path, ColumnSelection(id="item", correct="right")).run.results
    assert unanswered.response.error is not None
    assert unanswered.response.error.message == "right is null in the file"
    assert unanswered.score is None
    assert answered.score is not None


def test_null_can_count_as_a_wrong_answer(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "x.jsonl", [{"item": "a", "right": None}, {"item": "b", "right": True}])
    null, answered = imported(path, ColumnSelection(id="item", correct="right", null="wrong")).run.results
    assert null.response.error is None
    assert null.score is not None
    assert not null.score.strict
    assert answered.score is not None
    assert answered.score.strict
    path = jsonl(tmp_path / "y.jsonl", [{"item": "a", "reply": None, "gold": "x"}])
    (result,) = imported(path, ColumnSelection("item", "reply", "gold", null="wrong")).run.results
    assert result.score is not None
    assert not result.score.lenient


def test_inputs_tags_and_truncation_are_imported(tmp_path: Path) -> None:
    rows = [row | {"text": "hello", "kind": ["hard"], "truncated": True, "meta": {"n": 1}} for row in tickets()]
    wanted = replace(COLUMNS, inputs=("text", "meta.n"), tags="kind")
    result = imported(jsonl(tmp_path / "x.jsonl", rows), wanted).run.results[0]
    assert result.case.inputs == {"text": "hello", "meta.n": 1}
    assert result.case.tags == ("hard",)
    assert result.response.truncated


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (replace(OF_A, id="itm"), "x.jsonl:1: no column 'itm' (did you mean 'item'?)"),
        (
            replace(OF_A, expected="answer"),
            "x.jsonl:1: no column 'answer' (there are: allowed, gold, item, model, reply)",
        ),
        (ColumnSelection(id="item", correct="scores.gpt"), "x.jsonl:1: no column 'scores.gpt'"),
        (replace(OF_A, where=(("modl", "a"),)), "x.jsonl: no column 'modl' (did you mean 'model'?)"),
        (replace(OF_A, where=(("model", "c"),)), "x.jsonl: no row has model=c; the file has a (30), b (30)"),
        (
            replace(OF_A, where=(("model", "a"), ("reply", "nothing"))),
            "x.jsonl: no row has reply=nothing; the file has billing (20)",
        ),
        (replace(OF_A, reply=None), "--reply"),
        (replace(OF_A, expected=None), "--expected"),
        (COLUMNS, "x.jsonl:31: duplicate id 't-0'"),
        (COLUMNS, "--where model=b"),
        (replace(OF_A, correct="gold", reply=None), "gold is 'billing', not a pass/fail value"),
        (replace(OF_A, tags="allowed.0", allowed="item"), "is not among the labels (t-0)"),
    ],
)
def test_invalid_options_give_a_one_line_error(tmp_path: Path, wanted: ColumnSelection, message: str) -> None:
    path = jsonl(tmp_path / "x.jsonl", [*tickets("a"), *tickets("b")])
    with pytest.raises(ConfigError) as caught:
        imported(path, wanted)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"item": "a", "reply": ', "x.jsonl:2: not valid JSON"),
        (b"[1]", "x.jsonl:2: a row must be a JSON object, not list"),
        (b'{"item": "\xff"}', "x.jsonl:2: not UTF-8 text (byte 10)"),
        (b"[" * 200_000, "x.jsonl:2: "),
        (b'{"item": null, "reply": "", "gold": "x"}', "x.jsonl:2: an id must be text or an integer, not None"),
        (b'{"item": "q", "reply": "", "gold": null}', "x.jsonl:2: no expected answer"),
        (b'{"item": "q", "reply": "", "gold": [1]}', "x.jsonl:2: expected is [1]: only text"),
    ],
)
def test_invalid_line_is_reported_with_its_number(tmp_path: Path, line: bytes, message: str) -> None:
    (tmp_path / "x.jsonl").write_bytes(json.dumps(tickets()[0]).encode() + b"\n" + line + b"\n")
    with pytest.raises(ConfigError) as caught:
        imported(tmp_path / "x.jsonl", COLUMNS)
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["a/b", "a b", "latest", "20261125-015450-adba", "", "x@y"])
def test_unusable_run_name_is_rejected(tmp_path: Path, name: str) -> None:
    path = jsonl(tmp_path / "x.jsonl", tickets())
    with pytest.raises(ConfigError, match="--as"):
        imported(path, COLUMNS, name=name)


def test_allowed_labels_of_a_row_are_case_inputs(tmp_path: Path) -> None:
    rows = [{"item": "1", "reply": "Up", "gold": "up", "allowed": ["up", "down"]}]
    rows += [{"item": "2", "reply": "left", "gold": "left", "allowed": ["left", "right"]}]
    imported_run = imported(jsonl(tmp_path / "x.jsonl", rows), replace(COLUMNS, allowed="allowed"))
    assert rates(imported_run) == (1, 2, 1)
    assert imported_run.run.manifest.labels == ()
    assert imported_run.run.results[0].case.inputs == {"allowed": ["up", "down"]}
    assert (
        imported(jsonl(tmp_path / "y.jsonl", tickets()), replace(COLUMNS, allowed="allowed")).run.manifest.labels
        == LABELS
    )

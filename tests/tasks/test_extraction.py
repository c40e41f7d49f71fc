"""The extraction task: right fields, right records, and a whole run."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.analysis.metrics.extraction import extract
from harness.analysis.metrics.values import equal
from harness.core.errors import ConfigError
from harness.core.types import FieldCounts

from ..support.cli import Terminal
from ..support.project import Project
from ..support.servers import FakeOpenAI, Reply

SCHEMA = {
    "type": "object",
    "properties": {
        "vendor": {"type": "string"},
        "date": {"type": ["string", "null"]},
        "total": {"type": "number"},
        "items": {"type": "array", "items": {"type": "object"}},
    },
    "required": ["vendor", "date", "total", "items"],
    "additionalProperties": False,
}
RECORD = {
    "vendor": "Kestrel Print",
    "date": None,
    "total": 10.5,
    "items": [{"text": "A", "amount": 4}, {"text": "B", "amount": 6.5}],
}
EVAL = 'task = "extraction"\nprompt = "invoices"\ndataset = "invoices"\nschema_file = "schema.json"\n'


@pytest.mark.parametrize(
    ("expected", "given", "same"),
    [
        (108.0, 108, True),
        (108.0, 108.004, True),
        (108.0, 108.01, False),
        (108.0, "108", False),
        ("2026-03-04", "2026-3-4", True),
        ("2026-03-04", "2026-03-04T00:00:00", True),
        ("2026-03-04", "04/03/2026", False),
        ("Kestrel  Print", "kestrel print ", True),
        ("Kestrel Print", "Kestrel", False),
        ("Ｋestrel", "Kestrel", True),
        (True, 1, False),
        (None, "", False),
        ({"a": 1, "b": None}, {"a": 1.0}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
    ],
)
def test_values_are_compared_by_meaning(expected: Any, given: Any, *, same: bool) -> None:
    assert equal(expected, given) is same


@pytest.fixture
def invoices(project: Project) -> Project:
    """A project with only an extraction eval of one case."""
    (project.root / "evals/triage.toml").unlink()
    project.eval(name="invoices", text=EVAL)
    project.write("schema.json", json.dumps(SCHEMA))
    project.prompt(name="invoices", gpt="{{ schema }} {{ text }}", local="Read {{ text }} as {{ schema }}")
    project.card(name="invoices")
    project.cases([{"id": "i-1", "inputs": {"text": "Kestrel Print, 10.50"}, "expected": RECORD}], name="invoices")
    return project


def counts_of(project: Project, reply: str) -> tuple[bool, bool, dict[str, tuple[FieldCounts, FieldCounts]]]:
    from harness.core.types import Response
    from harness.tasks import read_and_score

    cell = project.plan()[0]
    _, score = read_and_score(cell.task, cell.cases[0], Response(reply))
    assert score is not None
    return score.strict, score.lenient, dict(score.fields)


def test_record_is_right_whatever_the_order_of_list_items(invoices: Project) -> None:
    strict, lenient, fields = counts_of(invoices, json.dumps({**RECORD, "items": RECORD["items"][::-1]}))
    assert (strict, lenient) == (True, True)
    assert fields["items"][0] == FieldCounts(right=2)
    assert fields["date"][0] == FieldCounts()


def test_preamble_fails_strict_and_not_lenient(invoices: Project) -> None:
    strict, lenient, fields = counts_of(invoices, f"Here it is:\n{json.dumps(RECORD)}")
    assert (strict, lenient) == (False, True)
    assert fields["vendor"] == (FieldCounts(missed=1), FieldCounts(right=1))
    assert fields["items"] == (FieldCounts(missed=2), FieldCounts(right=2))


def test_value_absent_from_the_document_is_invented(invoices: Project) -> None:
    strict, lenient, fields = counts_of(invoices, json.dumps({**RECORD, "date": "2026-01-01"}))
    assert (strict, lenient) == (False, False)
    assert fields["date"][0] == FieldCounts(invented=1)


@pytest.mark.parametrize(
    ("items", "counts"),
    [
        ([], FieldCounts(missed=2)),
        ([{"text": "A", "amount": 4}], FieldCounts(right=1, missed=1)),
        ([{"text": "A", "amount": 4}, {"text": "C", "amount": 1}], FieldCounts(right=1, wrong=1)),
        ([{"text": "A", "amount": 4}] * 3, FieldCounts(right=1, wrong=1, invented=1)),
    ],
)
def test_each_list_item_matches_once(invoices: Project, items: list[Any], counts: FieldCounts) -> None:
    assert counts_of(invoices, json.dumps({**RECORD, "items": items}))[2]["items"][0] == counts


def test_precision_is_over_given_and_recall_over_expected() -> None:
    from harness.core.types import Case, Reading, Response, Result, Score

    def result(counts: FieldCounts) -> Result:
        score = Score(strict=False, lenient=False, fields={"x": (counts, counts)})
        return Result(Case("c", {}, {}), Response(), Reading(None, None, compliant=False), score, "")

    measured = extract(
        [result(c) for c in (FieldCounts(3), FieldCounts(wrong=1), FieldCounts(missed=1), FieldCounts(invented=2))]
    )
    assert measured is not None
    (x,) = measured.fields
    assert (x.right, x.given, x.expected) == (3, 6, 5)
    assert (x.precision, x.recall, x.f1) == (0.5, 0.6, pytest.approx(6 / 11))
    assert (measured.invented.hits, measured.invented.n) == (2, 6)


def test_a_run_is_stored_and_reported_with_its_fields(harness: Terminal, invoices: Project, server: FakeOpenAI) -> None:
    from ..support.project import CONFIG

    invoices.config(CONFIG.replace("http://127.0.0.1:9/v1", server.base_url))
    server.answer = lambda _: Reply(f"```json\n{json.dumps({**RECORD, 'total': 1})}\n```")
    ended = harness("run", "-o", "r.html", "-o", "r.jsonl", "-o", "r.csv", "-o", "r.json", "-o", "r.md")
    assert ended.code == 0, ended.err
    page = (invoices.root / "r.html").read_text()
    assert ">Fields</h" in page
    assert "code_fence" in page
    assert json.loads((invoices.root / "r.jsonl").read_text().splitlines()[0])["lenient"]["total"] == 1
    (again,) = {cell.extraction_lenient.fields for cell in reloaded(invoices)}
    assert {score.name: score.right for score in again} == {"vendor": 1, "date": 0, "total": 0, "items": 2}


def reloaded(project: Project) -> list[Any]:
    from harness.report import build
    from harness.store.runs import open_store

    return [cell for each in build(open_store(project.load().store_url).latest()).evals for cell in each.cells]


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (None, "schema.json: cannot be read: No such file or directory"),
        ("{", "schema.json:1: not valid JSON"),
        ('{"type": "array"}', 'the schema of a record needs `"type": "object"`'),
        ('{"type": "object", "properties": {"a": {"type": "strin"}}}', "schema.json: "),
    ],
)
def test_unusable_schema_is_named(invoices: Project, schema: str | None, said: str) -> None:
    path = invoices.root / "schema.json"
    path.unlink() if schema is None else path.write_text(schema)
    with pytest.raises(ConfigError) as error:
        invoices.plan()
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_expected_record_that_breaks_the_schema_is_named(invoices: Project) -> None:
    invoices.cases([{"id": "i-1", "inputs": {"text": "x"}, "expected": {**RECORD, "total": "10.50"}}], name="invoices")
    with pytest.raises(ConfigError, match=r"case i-1: expected breaks the schema: .*total"):
        invoices.plan()

"""Tool calling: which tools and expectations it takes, what the model is sent, and when a reply is right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import ConfigError
from harness.core.types import Response, Score
from harness.project import datasets
from harness.runner.plan import Cell

from ..support.cli import Terminal
from ..support.project import CONFIG, Project
from ..support.servers import FakeOpenAI, Reply

ROOT = Path(__file__).resolve().parents[2]
ORDER = {
    "type": "object",
    "properties": {"order_id": {"type": "string"}, "day": {"type": "string"}},
    "required": ["order_id"],
}
TOOLS = [
    {"type": "function", "function": {"name": "get_order", "description": "Look it up.", "parameters": ORDER}},
    {"type": "function", "function": {"name": "refund_order", "parameters": ORDER}},
]
EVAL = 'task = "tool_calling"\nprompt = "desk"\ndataset = "desk"\ntools_file = "tools.json"\n'
CALL = {"name": "get_order", "arguments": {"order_id": "A-1"}}


def row(calls: Any, case_id: str = "d-1") -> dict[str, Any]:
    return {"id": case_id, "inputs": {"text": f"{case_id}: where is A-1?"}, "expected": {"calls": calls}}


@pytest.fixture
def desk(project: Project) -> Project:
    """A project with a tool-calling eval of two cases, and nothing else."""
    (project.root / "evals/triage.toml").unlink()
    project.eval(name="desk", text=EVAL)
    project.write("tools.json", json.dumps(TOOLS))
    project.prompt(name="desk", gpt="{{ text }} {{ tools_json }}", local="{{ text }} {{ tools_json }}")
    project.card(name="desk")
    project.cases([row([CALL]), row([], "d-2")], name="desk")
    return project


def score(cell: Cell, case: int, response: Response) -> Score:
    from harness.tasks import read_and_score

    _, found = read_and_score(cell.task, cell.cases[case], response)
    assert found is not None
    return found


def test_native_tools_are_in_the_request_without_constraint(desk: Project) -> None:
    cell = desk.plan()[0]
    assert [tool["function"]["name"] for tool in next(iter(cell.requests))[1].tools] == ["get_order", "refund_order"]
    assert cell.task.constraint is None


def test_text_tools_are_in_the_prompt_and_can_be_constrained(desk: Project) -> None:
    desk.eval('calls = "text"\n', name="desk", text=EVAL)
    cell = desk.plan()[0]
    assert next(iter(cell.requests))[1].tools == ()
    assert '"name": "get_order"' in next(iter(cell.requests))[1].messages[-1].content
    constraint = cell.task.constraint
    assert constraint is not None
    assert constraint.schema is not None
    names = [one["properties"]["name"]["const"] for one in constraint.schema["items"]["anyOf"]]
    assert names == ["get_order", "refund_order"]


def test_native_call_is_right_and_text_call_leniently_right(desk: Project) -> None:
    cell = desk.plan()[0]
    made = {"type": "function", "function": {"name": "get_order", "arguments": '{"order_id": "a-1"}'}}
    found = score(cell, 0, Response(tool_calls=(made,)))
    assert (found.strict, found.lenient, found.measures["argument_accuracy"]) == (True, True, 1.0)
    found = score(cell, 0, Response(json.dumps(CALL)))
    assert (found.strict, found.lenient) == (False, True)


def test_text_reply_is_right_only_where_no_call_is_expected(desk: Project) -> None:
    cell = desk.plan()[0]
    assert score(cell, 1, Response("Which order?")).strict
    found = score(cell, 0, Response("Which order?"))
    assert (found.strict, found.measures["missed_call"], found.measures["false_call"]) == (False, 1.0, None)


def test_a_wrong_tool_is_wrong_and_no_violation(desk: Project) -> None:
    from harness.tasks import read_and_score

    cell = desk.plan()[0]
    made = {"type": "function", "function": {"name": "refund_order", "arguments": '{"order_id": "A-1"}'}}
    reading, found = read_and_score(cell.task, cell.cases[0], Response(tool_calls=(made,)))
    assert reading is not None
    assert reading.violations == ()
    assert found is not None
    assert not found.lenient


@pytest.mark.parametrize(
    ("expected", "said"),
    [
        ({"calls": None}, r'expected must be {"calls": \['),
        ([CALL], r'expected must be {"calls": \['),
        ({"calls": [{"name": "get_order"}]}, "expected call 1: must have a name and arguments"),
        ({"calls": [{**CALL, "name": "get_ordr"}]}, r"there is no tool 'get_ordr' \(did you mean 'get_order'\?\)"),
        ({"calls": [{**CALL, "arguments": []}]}, "arguments must be an object"),
        ({"calls": [{**CALL, "arguments": {}}]}, "get_order needs the argument 'order_id'"),
        ({"calls": [{**CALL, "arguments": {"order_id": {"any_of": ["x", None]}}}]}, "needs the argument 'order_id'"),
        ({"calls": [{**CALL, "arguments": {"order_id": "x", "note": "y"}}]}, "get_order has no argument 'note'"),
        ({"calls": [{**CALL, "arguments": {"order_id": {"any_of": ["x", 1]}}}]}, r"\$.order_id: 1 is not of type"),
        ({"calls": [{**CALL, "arguments": {"order_id": {"any_of": []}}}]}, "needs a list of the accepted values"),
        ({"calls": [{**CALL, "arguments": {"order_id": {"contains": "x"}}}]}, "with pieces of text"),
    ],
)
def test_impossible_expectation_is_named_with_its_case(desk: Project, expected: Any, said: str) -> None:
    desk.cases([{**row([]), "expected": expected}], name="desk")
    with pytest.raises(ConfigError, match=said) as error:
        desk.plan()
    assert "case d-1" in str(error.value)


@pytest.mark.parametrize(
    ("tools", "said"),
    [
        (None, "tools.json: cannot be read: No such file or directory"),
        ("[", "tools.json:1: not valid JSON"),
        ("{}", "tools.json: expected a JSON list of tools, not dict"),
        ("[]", "tools.json: no tools"),
        ('[{"name": "f"}]', "tools.json: tool 1: expected"),
        ('[{"type": "function", "function": {"name": "a.b"}}]', "invalid function name 'a.b'"),
    ],
)
def test_tools_that_cannot_be_used_are_named(desk: Project, tools: str | None, said: str) -> None:
    path = desk.root / "tools.json"
    path.unlink() if tools is None else path.write_text(tools)
    with pytest.raises(ConfigError) as error:
        desk.plan()
    assert said in str(error.value)


def test_a_run_is_reported_with_its_tools(harness: Terminal, desk: Project, server: FakeOpenAI) -> None:
    desk.config(CONFIG.replace("http://127.0.0.1:9/v1", server.base_url))
    server.answer = lambda _: Reply('<tool_call>{"name": "refund_order", "arguments": {"order_id": "A-1"}}</tool_call>')
    ended = harness("run", "-o", "r.html")
    assert ended.code == 0, ended.err
    page = (desk.root / "r.html").read_text()
    assert ">Tool calls</h" in page
    assert "tool_call_in_text" in page
    assert "confused by local@fake" in page


def test_the_golden_dataset_has_what_it_says() -> None:
    cases = datasets.load(ROOT, "support_agent_tools").cases
    tools = json.loads((ROOT / "datasets/support_agent_tools/tools.json").read_text())
    assert (len(cases), len(tools)) == (80, 8)
    called = {call["name"] for case in cases for call in case.expected["calls"]}
    assert called == {tool["function"]["name"] for tool in tools}
    tagged = {tag: sum(tag in case.tags for case in cases) for case in cases for tag in case.tags}
    assert tagged["no_call"] == sum(not case.expected["calls"] for case in cases) >= 16
    assert tagged["two_step"] == sum(bool(case.inputs["history"]) for case in cases) >= 12
    assert tagged["parallel"] == sum(len(case.expected["calls"]) > 1 for case in cases)
    assert {split: sum(case.split == split for case in cases) for split in ("dev", "test")} == {"dev": 20, "test": 60}

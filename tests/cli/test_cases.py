"""`harness cases`: saved replies in the terminal."""

from __future__ import annotations

import pytest

from ..support.cli import Terminal
from ..support.knowing import correct_reply
from ..support.project import TEXTS, Project, row
from ..support.servers import FakeOpenAI, ReceivedRequest, Reply


def one_wrong(request: ReceivedRequest) -> Reply:
    """Return the right answer, except to the second ticket with the local prompt."""
    is_local = request.prompt.endswith("Category:")
    return Reply("billing") if is_local and TEXTS[1][0] in request.prompt else correct_reply(request)


@pytest.fixture
def saved(harness: Terminal, served: Project, server: FakeOpenAI) -> Terminal:
    """The command line, after a run with one wrong answer and preambles with the gpt prompt."""
    server.answer = one_wrong
    harness("run")
    return harness


def test_wrong_shows_the_reply_and_the_expected_answer(saved: Terminal) -> None:
    ended = saved("cases", "triage", "--wrong")
    assert ended.code == 0
    text = ended.out.splitlines()
    start = text.index("t-2")
    assert [" ".join(line.split()) for line in text[start + 1 : start + 6]] == [
        "input The billing page crashes",
        "expected technical",
        "gpt@fake phrasing The category is: technical",
        "read strictly: –, leniently: technical; violations: preamble",
        "local@fake wrong billing",
    ]
    assert "t-1" not in text
    assert text[-1] == "1 of 4 cases shown"


def test_flipped_compares_the_chosen_cells_only(saved: Terminal) -> None:
    assert "3 of 4 cases shown" in saved("cases", "triage", "--flipped").out
    assert "0 of 4 cases shown" in saved("cases", "triage", "--flipped", "--cell", "local@fake").out


def test_violation_and_limit_count_what_is_left(saved: Terminal) -> None:
    out = saved("cases", "triage", "--violation", "preamble", "--limit", "1").out
    assert out.endswith("1 of 4 cases shown; 3 more: --limit 4\n")


def test_id_shows_inputs_and_replies_whole(harness: Terminal, served: Project, server: FakeOpenAI) -> None:
    long = "I was charged twice. " * 60
    served.cases([row("t-1", long, split="test")])
    server.answer = lambda _request: Reply("billing\nbecause \u202eof March " + "x" * 5_000)
    ran = harness("run", "--variant", "local")
    assert ran.code == 0, ran
    out = harness("cases", "triage", "--id", "t-1").out
    assert long.strip() in out
    assert "  because ‹U+202E›of March " + "x" * 5_000 in out.splitlines()
    assert "trailing_text: " in out


def test_unknown_names_end_with_one_line_and_a_hint(saved: Terminal) -> None:
    for flag, wrong, near in (
        ("--id", "t-22", "did you mean 't-2'?"),
        ("--violation", "preambel", "did you mean 'preamble'?"),
        ("--cell", "locl@fake", "did you mean 'local@fake'?"),
    ):
        ended = saved("cases", "triage", flag, wrong)
        assert (ended.code, ended.err.count("\n")) == (2, 1)
        assert near in ended.err


def test_eval_without_a_run_names_the_command(harness: Terminal, served: Project) -> None:
    ended = harness("cases", "triage")
    assert ended.code == 2
    assert "start one with `harness run triage`" in ended.err

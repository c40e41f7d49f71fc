"""`harness run --case` and `--filter`: run only some cases. They are a sample."""

from __future__ import annotations

import json

import pytest

from ..support.cli import Terminal
from ..support.knowing import correct_reply
from ..support.project import ROWS, TEXTS, Project
from ..support.servers import FakeOpenAI

RUN = ("run", "triage", "--variant", "local")


@pytest.fixture
def tagged(served: Project, server: FakeOpenAI) -> Project:
    """The small project; its second and fourth case are hard."""
    served.cases([{**row, "tags": ["hard"] if i in {1, 3} else []} for i, row in enumerate(ROWS)])
    server.answer = correct_reply
    return served


def sent(server: FakeOpenAI) -> list[int]:
    """The numbers of the tickets that were sent, in order."""
    return sorted(n for n, (text, *_) in enumerate(TEXTS, 1) for each in server.chats if text in each.prompt)


@pytest.mark.parametrize(
    ("selection", "numbers"),
    [
        (["--case", "t-3", "--case", "t-1"], [1, 3]),
        (["--filter", "tag:hard"], [2, 4]),
        (["--filter", "label:billing"], [1, 4]),
        (["--filter", "id:t-[12]"], [1, 2]),
        (["--filter", "tag:hard", "--filter", "label:billing"], [4]),
        (["--filter", "tag:hard", "--limit", "1"], [2]),
    ],
)
def test_only_the_selected_cases_are_sent(
    harness: Terminal, tagged: Project, server: FakeOpenAI, selection: list[str], numbers: list[int]
) -> None:
    assert harness(*RUN, *selection).code == 0
    assert sent(server) == numbers


def test_gates_are_not_judged_on_selected_cases(harness: Terminal, tagged: Project) -> None:
    tagged.eval("[gates]\nmin_compliance = 0.25\n")
    out = harness(*RUN, "--filter", "id:*").out
    assert "gates are not judged on a sample (4 cases)" in out
    assert "only 4 selected cases (id:*)" in out


def test_selected_cases_never_replace_the_whole_run(harness: Terminal, tagged: Project) -> None:
    harness(*RUN)
    harness(*RUN, "--case", "t-1")
    harness("report", "-o", "r.jsonl")
    assert len((tagged.root / "r.jsonl").read_text().splitlines()) == 4
    harness("export", "latest", "-o", "latest.jsonl")
    assert len((tagged.root / "latest.jsonl").read_text().splitlines()) == 4


def test_larger_sample_precedes_a_newer_smaller_one(harness: Terminal, tagged: Project) -> None:
    harness(*RUN, "--limit", "3")
    harness(*RUN, "--case", "t-1")
    harness("report", "-o", "r.jsonl")
    ids = [json.loads(line)["case_id"] for line in (tagged.root / "r.jsonl").read_text().splitlines()]
    assert ids == ["t-1", "t-2", "t-3"]


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (["--case", "t-33"], "no case 't-33' in triage (split test) (did you mean 't-3'?)"),
        (["--case", "t-6"], "no case 't-6' in triage (split test): add --split dev"),
        (["--filter", "tag:hrad"], "no case in triage (split test) matches tag:hrad (did you mean 'hard'?)"),
        (["--filter", "hard"], "--filter hard: use tag:NAME, label:NAME or id:NAME"),
        (["--case", "t-1", "--until-decided"], "leave out --case"),
    ],
)
def test_unknown_selection_is_one_line(harness: Terminal, tagged: Project, selection: list[str], message: str) -> None:
    ended = harness("run", "triage", *selection)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert message in ended.err


def test_eval_without_a_selected_case_is_left_out(harness: Terminal, tagged: Project) -> None:
    tagged.cases([{**ROWS[0], "id": "other-1"}], name="other")
    tagged.card(name="other")
    tagged.eval(name="second", text=(tagged.root / "evals/triage.toml").read_text().replace('"tickets"', '"other"'))
    ended = harness("run", "--variant", "local", "--case", "t-1")
    assert ended.code == 0
    assert "second" not in ended.out

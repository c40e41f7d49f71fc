"""Verdict cards: the head of every format. All runs are fakes."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from harness.analysis.gates import GateOutcome, GateReason, GateResult, GateStatus
from harness.core.types import Case, Message
from harness.report import Report, build, write
from harness.report.cards import cards, gate_counts, headline
from harness.report.model import PromptText
from harness.report.prompt_messages import for_page

from .fakes import fake_case, fake_run
from .test_compared import ASKED, run
from .test_terminal import printed

PASSED = GateResult(
    "min_accuracy",
    "ticket_triage local@q4",
    GateOutcome(GateStatus.PASSED, GateReason.VALUE, 0.5, "strict accuracy", observed=0.9),
)
FAILED = GateResult(
    "min_compliance",
    "ticket_triage local@q4",
    GateOutcome(GateStatus.FAILED, GateReason.VALUE, 0.95, "compliance", observed=0.9),
)


def moved(before: str, after: str) -> Report:
    """The move from a reference with the outcomes `before` to a candidate with the outcomes `after`."""
    return build([run("gpt@gpt-4o", before), run("local@q4", after)], analyses=ASKED)


@pytest.mark.parametrize(
    ("before", "after", "label"),
    [
        pytest.param("R" * 300, "R" * 300, "MOVE", id="as good"),
        pytest.param("R" * 300, "w" * 60 + "R" * 240, "STAY", id="wrong answers"),
        pytest.param("R" * 300, "p" * 90 + "R" * 210, "FIX FORMAT", id="right answers that are phrased wrongly"),
        pytest.param("R" * 300, "p" * 60 + "w" * 60 + "R" * 180, "STAY", id="both"),
        pytest.param("R" * 60 + "w" * 40, "R" * 58 + "w" * 42, "NEED ", id="too few cases"),
    ],
)
def test_label_is_the_answer(before: str, after: str, label: str) -> None:
    (card,) = cards(moved(before, after))
    assert card.label.startswith(label)


def test_format_card_has_the_share_that_is_right_leniently() -> None:
    (card,) = cards(moved("R" * 300, "p" * 90 + "R" * 210))
    assert "phrasing" in card.why
    assert "100.0%" in card.why


def test_lost_answers_of_a_tag_are_not_called_format() -> None:
    # A fifth of all cases is phrased wrongly. The first 40, which have the tag `hard`, also lose a quarter of their answers.
    before, after = "R" * 300, "w" * 10 + "R" * 30 + "p" * 60 + "R" * 200
    gained = "w" * 30  # gains elsewhere keep the lenient average within the margin
    report = moved(before[:-30] + gained, after[:-30] + "R" * 30)
    (card,) = cards(report)
    assert card.label != "FIX FORMAT"


def test_command_quotes_a_name_that_a_shell_would_run() -> None:
    runs = [run("gpt@gpt-4o", "R" * 30, eval="a; rm -rf x"), run("local@q4", "w" * 30, eval="a; rm -rf x")]
    (card,) = cards(build(runs, analyses=ASKED))
    assert "'a; rm -rf x'" in card.command


def test_slice_that_collapsed_is_the_figure_of_the_card() -> None:
    hidden = moved("R" * 40 + "w" * 100 + "R" * 160, "w" * 40 + "R" * 260)  # the first 40 cases have the tag `hard`
    (card,) = cards(hidden)
    assert card.label == "STAY"
    assert card.figure.startswith("-100.0 points on tag hard")
    assert card.margin == pytest.approx(0.10)


def test_what_needs_attention_comes_first() -> None:
    good = [run("gpt@gpt-4o", "R" * 300, eval="a"), run("local@q4", "R" * 300, eval="a")]
    bad = [run("gpt@gpt-4o", "R" * 300, eval="b"), run("local@q4", "w" * 300, eval="b")]
    shown = cards(build([*good, *bad], analyses=ASKED))
    assert [card.eval for card in shown] == ["b", "a"]
    assert headline(shown) == "2 evals: 1 stays, 1 may move"


def test_single_run_is_judged_by_its_gates() -> None:
    runs = [fake_run(30, "local", "q4")]
    labels = [cards(build(runs, gates=gates))[0].label for gates in ([], [PASSED], [PASSED, FAILED])]
    assert labels == ["NOT COMPARED", "GATES PASSED", "GATE FAILED"]


def test_every_format_has_the_gates(tmp_path: Path) -> None:
    built = build([fake_run(30, "local", "q4")], gates=[PASSED, FAILED])
    counts = gate_counts(built.gates).text
    assert counts == "gates: 1 passed, 1 failed, 0 undecided"
    assert counts in printed(built)
    for ending in (".md", ".html", ".json", ".xml"):
        write(built, tmp_path / f"r{ending}")
    assert counts in (tmp_path / "r.md").read_text(encoding="utf-8")
    assert "min_compliance" in (tmp_path / "r.html").read_text(encoding="utf-8")
    statuses = [gate["status"] for gate in json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["gates"]]
    assert statuses == ["passed", "failed"]
    (suite,) = ET.parse(tmp_path / "r.xml").getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("2", "1", "0")


def test_junit_has_a_test_for_the_verdict(tmp_path: Path) -> None:
    write(moved("R" * 300, "w" * 300), tmp_path / "r.xml")
    (suite,) = ET.parse(tmp_path / "r.xml").getroot()
    assert [test.get("name") for test in suite] == ["verdict gpt@gpt-4o -> local@q4"]
    assert suite.find("testcase/failure") is not None


class TestPrompts:
    """The messages of a prompt, once, and what differs for each case."""

    def prompt(self, before: str, after: str) -> PromptText:
        def render(case: Case) -> list[Message]:
            return [Message("system", "Sort."), Message("user", f"{before}{case.inputs['text']}{after}")]

        return PromptText("triage", "triage/v1 local", render)

    def test_parts_that_are_the_input_are_left_out(self) -> None:
        cases = [fake_case(i, text=text) for i, text in enumerate(("one", "two"))]
        made, parts = for_page([self.prompt("Ticket: ", "\n\nCategory:")], cases, ["one", "two"])
        assert made[0]["messages"] == [["system", "Sort.", None], ["user", "Ticket: ", "\n\nCategory:"]]
        assert parts == [[{}], [{}]]

    def test_other_parts_are_kept_for_each_case(self) -> None:
        cases = [fake_case(i, text=text) for i, text in enumerate(("one", "two"))]
        made, parts = for_page([self.prompt("Ticket: ", "!")], cases, ["shown otherwise", "too"])
        (role, before, after) = made[0]["messages"][1]
        whole = [f"{before}{case[0][1]}{after}" for case in parts]
        assert (role, whole) == ("user", ["Ticket: one!", "Ticket: two!"])

    def test_a_case_that_cannot_be_rendered_leaves_the_prompt_out(self) -> None:
        broken = PromptText("triage", "triage/v1 gpt", lambda _: ())
        assert for_page([broken], [fake_case()], ["text"]) == ([], [[]])

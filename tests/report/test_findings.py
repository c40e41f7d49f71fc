"""Findings as Markdown and as workflow commands, whatever is in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report.findings import commands, counted, markdown, ordered
from harness.report.model_findings import Finding, FindingStatus

FOUND = (
    Finding(FindingStatus.PASSED, "triage local@q4: strict accuracy 95%"),
    Finding(FindingStatus.NOTED, "triage gpt@gpt-4o: not run"),
    Finding(FindingStatus.FAILED, "triage local@q4: REGRESSED"),
    Finding(FindingStatus.UNDECIDED, "triage local@q8: 3 of 60 calls failed"),
)


def test_failed_findings_come_first_and_are_counted() -> None:
    assert [f.status for f in ordered(FOUND)] == list(FindingStatus)
    assert counted(FOUND) == "1 failed, 1 undecided, 1 passed, 1 noted"
    assert markdown("Weekly evals 2026-11-24", ordered(FOUND)).splitlines()[:3] == [
        "# Weekly evals 2026-11-24: 1 failed, 1 undecided, 1 passed, 1 noted",
        "",
        "- **failed** triage local&#64;q4: REGRESSED",
    ]
    assert counted([]) == "nothing judged"


def test_only_failed_and_undecided_are_annotated() -> None:
    assert commands("Weekly evals 2026-11-24", FOUND) == [
        "::error title=Weekly evals 2026-11-24::triage local@q4: REGRESSED",
        "::warning title=Weekly evals 2026-11-24::triage local@q8: 3 of 60 calls failed",
    ]


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("100% of them", "100%25 of them"),
        ("one\r\n::error::two", "one%0D%0A::error::two"),
        ("%0A", "%250A"),
        ("a: b, c", "a: b, c"),
        ("\x1b[31mred", "‹U+001B›[31mred"),
    ],
)
def test_a_message_is_escaped(text: str, escaped: str) -> None:
    assert commands("t", [Finding(FindingStatus.FAILED, text)]) == [f"::error title=t::{escaped}"]


def test_title_is_escaped_as_a_property() -> None:
    (line,) = commands("a: b, 5%\n", [Finding(FindingStatus.FAILED, "x")])
    assert line == "::error title=a%3A b%2C 5%25%0A::x"


@given(st.text(), st.text())
def test_hostile_text_is_one_command_on_one_line(title: str, text: str) -> None:
    (line,) = commands(title, [Finding(FindingStatus.FAILED, text)])
    assert "\n" not in line
    assert "\r" not in line
    properties, _, _ = line.removeprefix("::error title=").partition("::")
    assert ":" not in properties
    assert "," not in properties


@pytest.mark.parametrize(
    "text", ["[x](javascript:alert(1))", "<script>", "`code`", "# heading", "a | b", "line\n# two"]
)
def test_hostile_text_is_inert_in_markdown(text: str) -> None:
    (line,) = markdown("t", [Finding(FindingStatus.FAILED, text)]).splitlines()[2:]
    assert not set("[]<>`#|\n") & set(line.removeprefix("- **failed** ").replace("&#", ""))

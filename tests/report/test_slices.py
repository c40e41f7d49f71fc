"""The same rates over parts of the cases: by tag, and by who labelled where several did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.core.types import Run
from harness.report import build
from harness.report.formats.html import render
from harness.report.sections.slices import FEWEST, context

from .fakes import fake_case, fake_result, small_run


def labelled(*sources: str, tags: Sequence[str] = ()) -> Run:
    """One right case for each source of labels."""
    cases = [replace(fake_case(i, tags=tuple(tags)), label_source=source) for i, source in enumerate(sources)]
    return small_run([fake_result(case, "billing", ("billing", "billing")) for case in cases])


def names(run: Run) -> list[str]:
    """The slices of a report of one run."""
    found = context(build([run]).evals[0])
    return [name for name, _ in found["rows"]] if found else []


def test_labels_from_one_source_are_no_slice() -> None:
    assert names(labelled("author", "author")) == []
    assert names(labelled(*["author"] * FEWEST, tags=("hard",))) == ["all cases", "hard"]


def test_slices_of_few_cases_are_left_out() -> None:
    assert names(labelled(*["author"] * (FEWEST - 1), tags=("hard",))) == []


def test_several_sources_come_after_the_tags() -> None:
    assert names(labelled("human", "gpt-4o", "human")) == ["all cases", "labels by gpt-4o", "labels by human"]
    assert names(labelled("human", *["gpt-4o"] * FEWEST, tags=("hard",))) == [
        *("all cases", "hard", "labels by gpt-4o", "labels by human")
    ]


def test_several_sources_have_advice_on_the_page() -> None:
    assert "harness datasets suspects" in render(build([labelled("human", "gpt-4o")]))
    assert "harness datasets suspects" not in render(build([labelled("human", tags=("hard",))]))


def test_a_source_with_a_hostile_name_stays_text() -> None:
    assert "<script>alert" not in render(build([labelled("<script>alert(1)</script>", "human")]))

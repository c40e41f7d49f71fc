"""The summary on a terminal of 80 columns."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from harness.core.types import Run
from harness.report import Report, build
from harness.report.terminal import matrix

from .fakes import fake_case, fake_result, fake_run, small_run
from .test_columns import figures


def shown(*runs: Run, width: int = 80) -> str:
    return printed(build(runs), width)


def printed(report: Report, width: int = 80) -> str:
    """A report as a terminal shows it."""
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(matrix(report))
    return out.getvalue()


def test_row_has_three_rates_and_fits_80_columns() -> None:
    text = shown(fake_run(240, skill=1, form=1), fake_run(240, "local", "mistral-7b-instruct-q4", errors=9))
    assert "100.0% (98–100)  100.0% (98–100)  100.0% (98–100)  240       0" in text
    assert "231       9" in text
    assert "! local@mistral-7b-instruct-q4: 9 of 240 calls failed" in text
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text


def test_the_most_frequent_violations_are_named() -> None:
    assert "preamble 72 · wrong_case 61" in shown(fake_run(240, skill=0.5, form=0.12))
    assert "no violations" in shown(fake_run(5, form=1))


def test_remaining_violations_are_counted() -> None:
    for left, said in ((1, "1 more kind"), (2, "2 more kinds")):
        codes = tuple(f"code_{i}" for i in range(4 + left))
        text = " ".join(shown(small_run([fake_result(fake_case(), "x", (None, None), codes)])).split())
        assert f" · {said} ·" in text


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_no_figure_is_cut_however_narrow_the_terminal(width: int) -> None:
    runs = fake_run(1240), fake_run(240, "local", "mistral-7b-instruct-q4", errors=9)
    assert {"1,240", "231"} <= figures(shown(*runs, width=200)) <= figures(shown(*runs, width=width))


def test_names_and_replies_are_not_markup() -> None:
    run = small_run([fake_result(fake_case(), "x", (None, None), ("[red]code",))], backend="[bold]b", eval="[link=x]e")
    text = shown(run)
    assert "gpt@[bold]b" in text
    assert "[link=x]e" in text
    assert "[red]code" in text


def test_run_with_only_failed_calls_has_dashes() -> None:
    assert "%" not in shown(fake_run(3, errors=3))

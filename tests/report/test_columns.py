"""Tables at any width: no figure is ever cut, and no name is broken inside a word."""

from __future__ import annotations

import io
import re

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from harness.report.terminal_table import TerminalTable, folded

WIDTHS = (60, 80, 100, 140)


def shown(table: TerminalTable, width: int) -> str:
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(table)
    assert all(cell_len(line) <= width for line in out.getvalue().splitlines())
    return out.getvalue()


def bill() -> TerminalTable:
    table = TerminalTable("eval", "calls/day", "tokens in+out", "today", "break-even/day", names=["eval"])
    table.add("comment_moderation", "12,000", "~1,600+200", "$1,204,000", "7,639")
    table.add("x", "1", "–", "$0", "–")
    return table


def figures(text: str) -> set[str]:
    """Every number that stands by itself, as it is shown: `7,639`, `~1,600+200`, `(98–100)`."""
    return set(re.findall(r"(?<!\S)[~$(+−]*\d[\d,.+–%)$]*(?!\S)", text))


@pytest.mark.parametrize("width", [20, 40, *WIDTHS])
def test_no_figure_is_cut(width: int) -> None:
    assert figures(shown(bill(), 200)) <= figures(shown(bill(), width))


def test_wide_terminal_has_a_line_per_row() -> None:
    assert shown(bill(), 100).splitlines() == [
        "eval                calls/day  tokens in+out       today  break-even/day",
        "comment_moderation     12,000     ~1,600+200  $1,204,000           7,639",
        "x                           1              –          $0               –",
    ]


def test_narrow_terminal_folds_headings() -> None:
    assert shown(bill(), 66).splitlines() == [
        "eval                calls/      tokens       today    break-",
        "                       day      in+out              even/day",
        "comment_moderation  12,000  ~1,600+200  $1,204,000     7,639",
        "x                        1           –          $0         –",
    ]


def test_narrower_terminal_folds_names() -> None:
    assert shown(bill(), 56).splitlines()[2:4] == [
        "comment_    12,000  ~1,600+200  $1,204,000     7,639",
        "moderation",
    ]


def test_narrower_terminal_gives_names_their_own_line() -> None:
    assert shown(bill(), 45).splitlines() == [
        "eval",
        "  calls/      tokens       today    break-",
        "     day      in+out              even/day",
        "comment_moderation",
        "  12,000  ~1,600+200  $1,204,000     7,639",
        "x",
        "       1           –          $0         –",
    ]


def test_narrowest_terminal_makes_rows_blocks() -> None:
    assert shown(bill(), 40).splitlines()[:4] == [
        "comment_moderation",
        "  calls/day 12,000 ·",
        "  tokens in+out ~1,600+200 ·",
        "  today $1,204,000 ·",
    ]


@pytest.mark.parametrize(
    ("name", "width", "lines"),
    [
        ("ticket_triage", 8, ["ticket_", "triage"]),
        ("local@mistral-7b-q4", 10, ["local", "@mistral-", "7b-q4"]),
        ("breaker_open 197, connection 3", 18, ["breaker_open 197,", "connection 3"]),
        ("breaker_open 197, connection 3", 12, ["breaker_", "open 197,", "connection 3"]),
        ("not finished: --resume", 9, ["not", "finished:", "--resume"]),
        ("unbreakable", 4, ["unbr", "eaka", "ble"]),
        ("", 4, [""]),
    ],
)
def test_names_fold_at_spaces_then_parts_then_inside_words(name: str, width: int, lines: list[str]) -> None:
    assert folded(name, width) == lines


def test_markup_and_control_characters_are_inert() -> None:
    table = TerminalTable("a", "n", names=["a"])
    table.add(Text("[red]x\x1b[2J\ny", style="bold"), "1")
    assert shown(table, 60).splitlines()[1] == "[red]x‹U+001B›[2J y  1"

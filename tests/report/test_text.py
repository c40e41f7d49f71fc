"""Numbers and replies as people read them."""

from __future__ import annotations

import pytest

from harness.analysis.stats import rate
from harness.core.formatting import cut, moment, one_line, percent, seconds, visible
from harness.report.rate_text import interval, rate_text


@pytest.mark.parametrize(
    ("hits", "n", "shown"),
    [
        (0, 10, "0.0%"),
        (10, 10, "100.0%"),
        (1, 3, "33.3%"),
        (2, 3, "66.7%"),
        (1, 16, "6.3%"),
        (69, 240, "28.8%"),
        (9_999, 10_000, "99.9%"),
        (1, 10_000, "0.1%"),
        (0, 0, "–"),
    ],
)
def test_only_all_is_100_percent_and_only_none_is_0(hits: int, n: int, shown: str) -> None:
    assert percent(hits, n) == shown


def test_rate_has_its_interval_in_whole_percent() -> None:
    assert rate_text(rate(209, 240)) == "87.1% (82–91)"
    assert interval(rate(240, 240)) == "98–100"
    assert rate_text(rate(0, 0)) == "–"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (0.0, "0 ms"),
        (0.34, "340 ms"),
        (0.9996, "1.00 s"),
        (1.239, "1.24 s"),
        (12.34, "12.3 s"),
        (1350, "1,350 s"),
    ],
)
def test_times_have_three_digits(value: float | None, shown: str) -> None:
    assert seconds(value) == shown


def test_a_time_is_shown_to_the_minute_with_its_zone() -> None:
    assert moment("2025-06-01T10:04:10.25Z") == moment("2025-06-01T10:04:59+00:00") == "2025-06-01 10:04 UTC"
    assert moment("yesterday") == "yesterday"


@pytest.mark.parametrize("hidden", ["\u202e", "\u2066", "\x00", "\x1b", "\ud800", "\u200b", "\u2028", "\U000e0041"])
def test_characters_that_hide_or_rearrange_text_are_spelled_out(hidden: str) -> None:
    assert visible(f"a{hidden}b") == f"a‹U+{ord(hidden):04X}›b"


@pytest.mark.parametrize("text", ["Größe\n\tund 日本語", "👩‍👩‍👧 family", "שלום"])
def test_ordinary_text_of_any_script_stays_as_it_is(text: str) -> None:
    assert visible(text) == text


def test_long_reply_keeps_both_ends_and_its_length() -> None:
    shown, length = cut("a" * 500 + "z" * 500, 300)
    assert length == 1000
    assert shown.startswith("a" * 200)
    assert shown.endswith("z" * 100)
    assert "700 characters not shown" in shown
    assert cut("short", 300) == ("short", None)


def test_one_line_folds_white_space_and_is_quick_on_a_huge_reply() -> None:
    assert one_line("a\n\n b\tc", 10) == "a b c"
    assert one_line("x " * 5_000_000, 10) == "x x x x x…"

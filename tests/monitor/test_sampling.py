"""Who is drawn."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.monitor.sampling import LEAST, SampleStratum, allocate, arrange, choose, strata, stratum_of
from harness.monitor.weeks import NO_ANSWER
from harness.store.traffic import RoutedCall

from ..support.project import LABELS
from .logged import call


def logged(**counts: int) -> list[RoutedCall]:
    """So many calls of each label; `none` for no clear answer."""
    said = [name for name, n in counts.items() for _ in range(n)]
    return [replace(call(None if name == "none" else name), call_id=i) for i, name in enumerate(said, 1)]


@pytest.mark.parametrize(
    ("sizes", "wanted", "given_"),
    [
        ([500, 300, 200], 100, [50, 30, 20]),
        ([990, 10], 100, [98, 2]),  # in proportion it would be 99 and 1
        ([1000, 1], 10, [9, 1]),
        ([3, 2], 100, [3, 2]),
        ([50, 40, 30, 20], 3, [2, 1, 0, 0]),  # not two for each: the largest first
        ([], 10, []),
    ],
)
def test_shares_are_in_proportion_and_small_strata_have_two(sizes: list[int], wanted: int, given_: list[int]) -> None:
    assert allocate(sizes, wanted) == given_


@given(st.lists(st.integers(1, 3000), max_size=12), st.integers(1, 300))
def test_an_allocation_is_what_was_wanted(sizes: list[int], wanted: int) -> None:
    found = allocate(sizes, wanted)
    assert sum(found) == min(wanted, sum(sizes))
    assert all(0 <= n <= size for n, size in zip(found, sizes, strict=True))
    if wanted >= LEAST * len(sizes):
        assert all(n >= min(LEAST, size) for n, size in zip(found, sizes, strict=True))
        over = [n - wanted * size / sum(sizes) for n, size in zip(found, sizes, strict=True)]
        assert all(extra < 1 for extra, n in zip(over, found, strict=True) if n > LEAST)


def test_strata_are_what_was_said_and_by_whom() -> None:
    assert stratum_of(call("billing"), LABELS) == SampleStratum("triage", "fake", "billing")
    assert stratum_of(call(None), LABELS).said == NO_ANSWER
    assert stratum_of(call({"a": 1}), LABELS).said == NO_ANSWER  # type: ignore[arg-type]
    assert stratum_of(call("a text"), ()).said == "as agreed"
    assert stratum_of(call(None), ()).said == "against the contract"


def test_what_cannot_be_reviewed_is_not_drawn() -> None:
    calls = [replace(call(), call_id=1), replace(call(reply=None), call_id=2), replace(call(error="x"), call_id=3)]
    assert strata(calls, {"triage": LABELS}) == {SampleStratum("triage", "fake", "billing"): [1]}


def test_the_same_seed_draws_the_same_and_another_others() -> None:
    found = strata(logged(billing=400, technical=300, general=20, none=5), {"triage": LABELS})
    first, again, other = (choose(found, 50, seed) for seed in (1, 1, 2))
    assert first == again != other
    assert len(first) == len(other) == 50
    assert Counter(s.said for s in first.values())[NO_ANSWER] == 2


def test_one_call_more_of_one_label_does_not_change_who_is_drawn_of_another() -> None:
    before = strata(logged(billing=400, technical=300), {"triage": LABELS})
    calls = [*logged(billing=400, technical=300), replace(call("billing"), call_id=9999)]
    after = strata(calls, {"triage": LABELS})

    def technical(found: dict[SampleStratum, list[int]]) -> list[int]:
        return sorted(i for i, s in choose(found, 70, 1).items() if s.said == "technical")

    assert technical(before) == technical(after)


def test_the_sheet_is_mixed_and_goes_task_by_task() -> None:
    calls = [*logged(billing=40, technical=40), replace(call(task="other"), call_id=999)]
    found = strata(calls, {"triage": LABELS})
    drawn = arrange(calls, choose(found, 40, 3), found, 3)
    assert [one.item for one in drawn] == list(range(1, 42))
    assert [one.call.task for one in drawn] == ["other", *["triage"] * 40]
    said = [one.stratum.said for one in drawn[1:]]
    assert said != sorted(said)
    assert {one.size for one in drawn[1:]} == {40}

"""Which logged calls are drawn for review."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.monitor.sampling import MIN_PER_STRATUM, SampleStratum, allocate, arrange, choose, strata, stratum_of
from harness.monitor.weeks import NO_ANSWER
from harness.store.traffic import RoutedCall

from ..support.project import LABELS
from .logged import call


def logged(**counts: int) -> list[RoutedCall]:
    """Return `counts` calls of each label; `none` for no clear answer."""
    labels = [name for name, n in counts.items() for _ in range(n)]
    return [replace(call(None if name == "none" else name), call_id=i) for i, name in enumerate(labels, 1)]


@pytest.mark.parametrize(
    ("sizes", "wanted", "given_"),
    [
        ([500, 300, 200], 100, [50, 30, 20]),
        ([990, 10], 100, [98, 2]),  # proportional shares would be 99 and 1
        ([1000, 1], 10, [9, 1]),
        ([3, 2], 100, [3, 2]),
        ([50, 40, 30, 20], 3, [2, 1, 0, 0]),  # not enough for two each: the largest first
        ([], 10, []),
    ],
)
def test_shares_are_proportional_with_a_minimum_of_two(sizes: list[int], wanted: int, given_: list[int]) -> None:
    assert allocate(sizes, wanted) == given_


@given(st.lists(st.integers(1, 3000), max_size=12), st.integers(1, 300))
def test_an_allocation_is_complete_and_proportional(sizes: list[int], wanted: int) -> None:
    drawn = allocate(sizes, wanted)
    assert sum(drawn) == min(wanted, sum(sizes))
    assert all(0 <= n <= size for n, size in zip(drawn, sizes, strict=True))
    if wanted >= MIN_PER_STRATUM * len(sizes):
        assert all(n >= min(MIN_PER_STRATUM, size) for n, size in zip(drawn, sizes, strict=True))
        over = [n - wanted * size / sum(sizes) for n, size in zip(drawn, sizes, strict=True)]
        assert all(extra < 1 for extra, n in zip(over, drawn, strict=True) if n > MIN_PER_STRATUM)


def test_a_stratum_is_task_backend_and_outcome() -> None:
    assert stratum_of(call("billing"), LABELS) == SampleStratum("triage", "fake", "billing")
    assert stratum_of(call(None), LABELS).outcome == NO_ANSWER
    assert stratum_of(call({"a": 1}), LABELS).outcome == NO_ANSWER  # type: ignore[arg-type]
    assert stratum_of(call("a text"), ()).outcome == "as agreed"
    assert stratum_of(call(None), ()).outcome == "against the contract"


def test_the_seed_of_a_stratum_is_that_of_released_versions() -> None:
    assert SampleStratum("triage", "a", "it's").seed == "Stratum(task='triage', backend='a', said=\"it's\")"
    by_stratum = strata(logged(billing=40, technical=30), {"triage": LABELS})
    assert sorted(choose(by_stratum, 5, 3)) == [7, 9, 10, 47, 48]


def test_failed_calls_and_calls_without_texts_are_not_drawn() -> None:
    calls = [replace(call(), call_id=1), replace(call(reply=None), call_id=2), replace(call(error="x"), call_id=3)]
    assert strata(calls, {"triage": LABELS}) == {SampleStratum("triage", "fake", "billing"): [1]}


def test_the_same_seed_gives_the_same_sample() -> None:
    by_stratum = strata(logged(billing=400, technical=300, general=20, none=5), {"triage": LABELS})
    first, second, other = (choose(by_stratum, 50, seed) for seed in (1, 1, 2))
    assert first == second != other
    assert len(first) == len(other) == 50
    assert Counter(stratum.outcome for stratum in first.values())[NO_ANSWER] == 2


def test_a_new_call_in_one_stratum_does_not_change_the_others() -> None:
    before = strata(logged(billing=400, technical=300), {"triage": LABELS})
    calls = [*logged(billing=400, technical=300), replace(call("billing"), call_id=9999)]
    after = strata(calls, {"triage": LABELS})

    def technical(by_stratum: dict[SampleStratum, list[int]]) -> list[int]:
        return sorted(i for i, s in choose(by_stratum, 70, 1).items() if s.outcome == "technical")

    assert technical(before) == technical(after)


def test_a_sheet_is_ordered_by_task_and_shuffled_within_it() -> None:
    calls = [*logged(billing=40, technical=40), replace(call(task="other"), call_id=999)]
    by_stratum = strata(calls, {"triage": LABELS})
    drawn = arrange(calls, choose(by_stratum, 40, 3), by_stratum, 3)
    assert [sampled.item for sampled in drawn] == list(range(1, 42))
    assert [sampled.call.task for sampled in drawn] == ["other", *["triage"] * 40]
    outcomes = [sampled.stratum.outcome for sampled in drawn[1:]]
    assert outcomes != sorted(outcomes)
    assert {sampled.size for sampled in drawn[1:]} == {40}

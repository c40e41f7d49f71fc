"""Duplicates within splits and between them, by index."""

from __future__ import annotations

import pytest

from harness.core.types import Case
from harness.project import duplicates
from harness.project.duplicates import Duplicate, SplitSize, find

LONG = "the export stops after the second page of the list"


def cases(*texts: str) -> list[Case]:
    """Cases from `split: text`."""
    pairs = [text.partition(": ") for text in texts]
    return [Case(str(i), {"text": text}, "x", split=split) for i, (split, _, text) in enumerate(pairs)]


def test_different_texts_have_no_duplicates() -> None:
    found = find(cases("test: one", "test: two", "dev: three"))
    assert (found.within, found.leaks) == ((), ())
    assert found.sizes == {"dev": SplitSize(1, 1), "test": SplitSize(2, 2)}


def test_each_repeat_in_a_split_names_the_first() -> None:
    found = find(cases("test: one", "test: two", "test: one", "test: one"))
    assert found.within == (Duplicate(2, 0, is_exact=True), Duplicate(3, 0, is_exact=True))
    assert found.sizes == {"test": SplitSize(4, 2)}


def test_text_in_two_splits_leaks_once() -> None:
    found = find(cases("dev: one", "test: one", "dev: one"))
    assert found.leaks == (Duplicate(1, 0, is_exact=True),)
    assert found.within == (Duplicate(2, 0, is_exact=True),)


def test_near_duplicates_are_told_from_exact_ones() -> None:
    found = find(cases("test: one", "test: One!", "dev: ONE"))
    assert found.within == (Duplicate(1, 0, is_exact=False),)
    assert found.leaks == (Duplicate(2, 0, is_exact=False),)
    assert found.sizes["test"] == SplitSize(2, 1)


def test_typing_error_leaks_and_is_one_text() -> None:
    found = find(cases(f"test: {LONG}", f"test: {LONG.replace('export', 'exprot')}", f"dev: {LONG.upper()}"))
    assert found.within == (Duplicate(1, 0, is_exact=False),)
    assert Duplicate(2, 0, is_exact=False) in found.leaks
    assert found.sizes["test"] == SplitSize(2, 1)


def test_near_duplicates_can_be_left_out() -> None:
    found = find(cases("test: one", "test: One!", "test: one"), near=False)
    assert found.within == (Duplicate(2, 0, is_exact=True),)
    assert found.is_complete


def test_large_dataset_is_searched_for_normal_forms_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "MOST_TEXTS", 2)
    found = find(cases(f"test: {LONG}", f"test: {LONG.upper()}", f"test: {LONG.replace('export', 'exprot')}"))
    assert found.within == (Duplicate(1, 0, is_exact=False),)
    assert not found.is_complete

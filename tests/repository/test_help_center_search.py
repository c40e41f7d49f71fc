"""The golden dataset of queries and passages is what its card says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.core.types import Case
from harness.project import datasets, evals
from harness.tasks import task_of
from harness.tasks.embedding import read_passages

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def golden() -> tuple[datasets.Dataset, dict[str, Case]]:
    """The queries, and the passages by id."""
    passages = read_passages(ROOT / "datasets/help_center_search/passages.jsonl")
    return datasets.load(ROOT, "help_center_search"), {passage.id: passage for passage in passages}


def words(text: str) -> set[str]:
    """What the card's guidelines call the words of a text."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    found = re.findall(r"[a-z0-9]+(?:-[0-9]+)?", text.lower())
    counted = (w for w in found if (len(w) >= 3 or re.search("[0-9]", w)) and w not in ENGLISH_STOP_WORDS)
    return {word[:5] for word in counted}


def test_help_center_search_size_and_hard_negatives(
    golden: tuple[datasets.Dataset, dict[str, Case]],
) -> None:
    queries, passages = golden
    assert len(passages) == 120
    assert len(queries.select("test")) >= 40
    assert all(40 <= len(passage.inputs["text"].split()) <= 120 for passage in passages.values())
    for query in queries.cases:
        assert 3 <= len(query.expected) <= 8, query.id
        assert {0, 2} <= set(query.expected.values()) <= {0, 1, 2}, query.id


def test_no_passage_and_no_query_is_there_twice(golden: tuple[datasets.Dataset, dict[str, Case]]) -> None:
    queries, passages = golden
    for texts in ([p.inputs["text"] for p in passages.values()], [q.inputs["text"] for q in queries.cases]):
        assert len({" ".join(text.casefold().split()) for text in texts}) == len(texts)


def test_computed_tags_match_the_card(golden: tuple[datasets.Dataset, dict[str, Case]]) -> None:
    queries, passages = golden
    for query in queries.cases:
        text = query.inputs["text"]
        best = [passages[name].inputs for name, grade in query.expected.items() if grade == 2]
        shared = [words(text) & words(f"{one['title']} {one['text']}") for one in best]
        computed = {"short": len(text.split()) <= 4, "long": len(text.split()) >= 40, "hard": not any(shared)}
        assert {tag for tag, holds in computed.items() if holds} == computed.keys() & set(query.tags), query.id


def test_the_shipped_eval_asks_for_all_passages(golden: tuple[datasets.Dataset, dict[str, Case]]) -> None:
    _, passages = golden
    one = task_of(evals.load(ROOT / "evals/help_center_search.toml"))
    assert {case.id for case in one.context} == passages.keys()

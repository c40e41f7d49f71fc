"""Ranks and measures of a search, checked against tables counted by hand and scikit-learn."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from harness.analysis.metrics.embedding import (
    SearchResult,
    Similarity,
    hit,
    measures,
    pair_order,
    passages_found,
    retrieve,
    search,
)
from harness.core.types import Case, Reading, Response, Result, Score

Vector = tuple[float, ...]

ANGLES = st.lists(st.integers(0, 359), min_size=3, max_size=12, unique=True)


def passage(name: str, vector: Vector) -> Result:
    """Passage with its vector."""
    return _result(Case(name, {"title": f"title of {name}", "text": name}, None), vector, None)


def query(grades: Mapping[str, int], vector: Vector, name: str = "q", **score: float) -> Result:
    """Query with its vector. `score` has its measures."""
    tags = ("hard",) if name.endswith("!") else ()
    judged = Score(strict=True, lenient=True, measures=score) if score else None
    return _result(Case(name, {"text": name}, dict(grades), tags), vector, judged)


def _result(case: Case, vector: Vector, score: Score | None) -> Result:
    said = f"{len(vector)} dimensions"
    return Result(case, Response(vector=vector), Reading(said, said, compliant=True), score, case.id)


def around(degrees: float, length: float = 1.0) -> Vector:
    """A vector in the plane."""
    return (length * math.cos(math.radians(degrees)), length * math.sin(math.radians(degrees)))


def actual(places: dict[str, int]) -> SearchResult:
    return SearchResult("", places, {})


def test_nearest_passage_is_first() -> None:
    index = [passage("a", around(90)), passage("b", around(10)), passage("c", around(30)), passage("d", around(200))]
    (one,) = search([query({"a": 2, "c": 1, "d": 0}, around(0))], index)
    assert one.top == "b"
    assert one.places == {"a": 3, "c": 2}
    assert one.similarities == pytest.approx(
        {"a": 0, "c": math.cos(math.radians(30)), "d": -math.cos(math.radians(20))}
    )


def test_passages_found_are_in_order_of_rank() -> None:
    index = [passage("a", around(90)), passage("b", around(10)), passage("c", around(30))]
    asked = query({"a": 2}, around(0), mrr=1 / 3)
    assert [case.id for case in passages_found([asked, *index], 2)["q"]] == ["b", "c"]


def test_only_dot_products_prefer_long_vectors() -> None:
    index = [passage("near", around(5)), passage("long", around(60, 10))]
    asked = [query({"near": 1}, around(0))]
    assert search(asked, index, "cosine")[0].places == {"near": 1}
    assert search(asked, index, "dot")[0].places == {"near": 2}


def test_equally_similar_passages_are_ordered_by_id() -> None:
    index = [passage(name, around(20)) for name in "cab"]
    (one,) = search([query({"a": 1, "b": 1, "c": 1}, around(0))], index)
    assert (one.top, one.places) == ("a", {"a": 1, "b": 2, "c": 3})


def test_passage_outside_the_index_has_no_rank() -> None:
    (one,) = search([query({"gone": 2, "a": 0}, around(0))], [passage("a", around(1))])
    assert (one.top, one.places, list(one.similarities)) == ("a", {}, ["a"])
    assert measures(one, {"gone": 2, "a": 0}, 5) == {"recall@5": 0.0, "ndcg@10": 0.0, "mrr": 0.0}
    assert not hit(one, 5)


def test_empty_index_returns_nothing() -> None:
    assert search([query({"a": 1}, around(0))], []) == [SearchResult("", {}, {})]
    assert search([], [passage("a", around(1))]) == []


@pytest.mark.parametrize(
    ("places", "recall", "mrr", "is_hit"),
    [
        ({"a": 1, "b": 2}, 1.0, 1.0, True),
        ({"a": 1, "b": 4}, 0.5, 1.0, True),
        ({"a": 3, "b": 7}, 0.5, 1 / 3, True),
        ({"a": 4, "b": 7}, 0.0, 1 / 4, False),
        ({"b": 2}, 0.5, 1 / 2, True),
        ({}, 0.0, 0.0, False),
    ],
)
def test_recall_and_mrr_depend_only_on_ranks(
    places: dict[str, int], recall: float, mrr: float, *, is_hit: bool
) -> None:
    given_ = measures(actual(places), {"a": 2, "b": 1, "c": 0}, 3)
    assert given_["recall@3"] == recall
    assert given_["mrr"] == mrr
    assert hit(actual(places), 3) is is_hit


@given(st.lists(st.integers(0, 3), min_size=2, max_size=30).filter(any), st.randoms())
def test_ndcg_matches_scikit_learn(grades: list[int], random: object) -> None:
    order = list(range(len(grades)))
    random.shuffle(order)  # type: ignore[attr-defined]
    judged = {f"p{i}": grade for i, grade in enumerate(grades)}
    places = {f"p{i}": order[i] + 1 for i in range(len(grades)) if grades[i]}
    theirs = ndcg_score([grades], [[-place for place in order]], k=10)
    assert measures(actual(places), judged, 5)["ndcg@10"] == pytest.approx(theirs)


@given(ANGLES, st.floats(1e-6, 1e6), st.sampled_from(["cosine", "dot"]))
def test_scaling_all_vectors_changes_no_rank(angles: list[int], factor: float, similarity: Similarity) -> None:
    grades = {f"p{i:02}": 1 for i in range(len(angles))}

    def places(length: float) -> Mapping[str, int]:
        index = [passage(f"p{i:02}", around(angle, length)) for i, angle in enumerate(angles)]
        return search([query(grades, around(7.3, length))], index, similarity)[0].places

    assert places(factor) == places(1.0)


@given(ANGLES, st.randoms())
def test_order_of_passages_does_not_matter(angles: list[int], random: object) -> None:
    grades = {f"p{i:02}": i % 3 for i in range(len(angles))}
    index = [passage(f"p{i:02}", around(angle)) for i, angle in enumerate(angles)]
    asked = [query(grades, around(7.3))]
    before = search(asked, index)
    random.shuffle(index)  # type: ignore[attr-defined]
    assert search(asked, index) == before


@given(ANGLES)
def test_ranks_match_a_plain_sort(angles: list[int]) -> None:
    index = [passage(f"p{i:02}", around(angle)) for i, angle in enumerate(angles)]
    (one,) = search([query({p.case.id: 1 for p in index}, around(7.3))], index)
    cosines = {p.case.id: round(math.cos(math.radians(a - 7.3)), 9) for p, a in zip(index, angles, strict=True)}
    assert list(one.places.values()) == [
        1 + sorted(cosines, key=lambda name: (-cosines[name], name)).index(name) for name in one.places
    ]


def test_huge_and_tiny_numbers_do_not_overflow() -> None:
    index = [passage("a", (1e300, 1e299)), passage("b", (1e299, 1e300))]
    (one,) = search([query({"a": 1}, (1e-300, 0.0))], index)
    assert one.places == {"a": 1}


def test_search_in_chunks_gives_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    index = [passage(f"p{i:03}", tuple(rng.standard_normal(8))) for i in range(60)]
    asked = [query({f"p{i:03}": 1}, tuple(rng.standard_normal(8)), f"q{i}") for i in range(50)]
    whole = search(asked, index)
    monkeypatch.setattr("harness.analysis.metrics.embedding._NUMBERS_AT_ONCE", 130)
    assert search(asked, index) == whole


def test_metrics_of_a_run() -> None:
    results = [
        passage("a", around(0)),
        passage("b", around(40)),
        passage("c", around(80)),
        query({"a": 2, "c": 0}, around(1), "easy", mrr=1.0),
        query({"c": 2, "b": 1, "a": 0}, around(2), "missed!", mrr=0.5),
    ]
    measured = retrieve(results)
    assert measured is not None
    assert measured.means["mrr"].value == 0.75
    assert {tag: means["mrr"].n for tag, means in measured.by_tag.items()} == {"hard": 1}
    assert (measured.pairs, measured.vectors.hits, measured.vectors.n, measured.dimensions) == (5, 5, 5, (2,))
    (miss,) = measured.worst
    assert (miss.query.id, miss.top.id, miss.wanted.id, miss.place) == ("missed!", "a", "b", 2)


def test_higher_grades_with_similarity_correlate_positively() -> None:
    index = [passage(f"p{i}", around(10 * i)) for i in range(5)]
    nearest_best = query({f"p{i}": 4 - i for i in range(5)}, around(0), mrr=1.0)
    nearest_worst = query({f"p{i}": i for i in range(5)}, around(0), mrr=1.0)
    orders = [retrieve([*index, asked]) for asked in (nearest_best, nearest_worst)]
    assert [round(one.order.value, 6) for one in orders if one] == [1, -1]


def test_run_without_scored_queries_has_no_metrics() -> None:
    assert retrieve([passage("a", around(0)), query({"a": 1}, around(1))]) is None
    assert retrieve([]) is None


def test_pairs_are_compared_by_cosine() -> None:
    a = [around(0), around(0, 9), around(0), around(0)]
    b = [around(5), around(20), around(60, 3), around(120)]
    assert pair_order(a, b, [5, 4, 2, 0]).value == pytest.approx(1)
    assert pair_order(a, b, [0, 2, 4, 5]).value == pytest.approx(-1)


def test_tf_idf_correlates_with_human_similarity_ratings(public_data: Callable[[str], Path]) -> None:
    """`stsb_en.jsonl` has sentences `s1` and `s2`, and `gold`, a human rating of their similarity from 0 to 5."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    rows = [json.loads(line) for line in public_data("stsb_en.jsonl").read_text(encoding="utf-8").splitlines()][:300]
    words = TfidfVectorizer().fit([row[side] for row in rows for side in ("s1", "s2")])
    sides = [words.transform([row[side] for row in rows]).toarray() for side in ("s1", "s2")]
    agreed = pair_order(sides[0], sides[1], [row["gold"] for row in rows])
    assert 0.4 < agreed.low < agreed.value < agreed.high < 0.95


def test_measures_decrease_with_rank() -> None:
    worth = [measures(actual({"a": place}), {"a": 2}, 5) for place in range(1, 12)]
    for better, worse in pairwise(worth):
        assert better["mrr"] > worse["mrr"]
        assert better["ndcg@10"] > worse["ndcg@10"] or better["ndcg@10"] == worse["ndcg@10"] == 0
    assert worth[10]["ndcg@10"] == 0

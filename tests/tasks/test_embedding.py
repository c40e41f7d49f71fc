"""Embedding: passages and grades read, queries judged once all vectors are there, and a whole run."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contracts.vector import VectorContract
from harness.core.errors import ConfigError, DatasetError
from harness.core.types import CallError, Case, Response, Result, Score
from harness.tasks import kinds, read_and_score
from harness.tasks.embedding import EmbeddingTask

from ..support.cli import Terminal
from ..support.project import CONFIG, Project
from ..support.servers import FakeOpenAI, Reply, embedding, error

EVAL = 'task = "embedding"\nprompt = "search"\ndataset = "search"\npassages = "passages.jsonl"\nk = 1\n'
PASSAGES = (
    {"id": "p1", "title": "Seats", "text": "Give back seats"},
    {"id": "p2", "title": "Cancel", "text": "Cancel the plan"},
    {"id": "p3", "text": "Fax"},
)
Vector = tuple[float, ...]
NORTH, NORTHEAST, EAST, SOUTH = (0.0, 1.0), (0.6, 0.8), (1.0, 0.0), (0.1, -0.995)


def task(normalized: bool = False, **settings_: Any) -> EmbeddingTask:
    """Three passages `p1` to `p3`, the first place counts."""
    context = tuple(Case(f"p{i}", {"title": "", "text": f"passage {i}"}, None) for i in (1, 2, 3))
    return EmbeddingTask(VectorContract(normalized=normalized), context, **({"k": 1} | settings_))


def answered(one: EmbeddingTask, vectors: Mapping[str, Vector | None], grades: Mapping[str, int]) -> list[Result]:
    """What a run has before it is judged; ids that begin with q are queries, all with the same grades."""
    results = []
    for name, vector in vectors.items():
        known = {passage.id: passage for passage in one.context}
        case = known.get(name) or Case(name, {"text": name}, dict(grades))
        response = Response(vector=vector) if vector is not None else Response(error=CallError("timeout", "too slow"))
        results.append(Result(case, response, *read_and_score(one, case, response), f"key-{name}"))
    return results


def judged(
    vectors: Mapping[str, Vector | None], grades: Mapping[str, int] | None = None, **settings_: Any
) -> dict[str, Result]:
    one = task(**settings_)
    return {r.case.id: r for r in one.judge(answered(one, vectors, grades or {"p1": 2, "p3": 0}))}


def score_of(result: Result) -> Score:
    assert result.score is not None
    return result.score


# -- judging ----------------------------------------------------------------------------------------------------------


def test_query_is_right_with_a_relevant_passage_in_top_k() -> None:
    found = judged({"p1": NORTH, "p2": EAST, "p3": SOUTH, "q1": (0.1, 0.9), "q2": (0.9, 0.1)})
    assert (score_of(found["q1"]).strict, score_of(found["q1"]).lenient) == (True, True)
    assert (score_of(found["q2"]).strict, score_of(found["q2"]).lenient) == (False, False)
    assert score_of(found["q1"]).measures == {"recall@1": 1.0, "ndcg@10": 1.0, "mrr": 1.0}
    assert score_of(found["q2"]).measures == {"recall@1": 0.0, "ndcg@10": 1 / math.log2(3), "mrr": 0.5}


def test_a_passage_is_read_and_never_scored() -> None:
    found = judged({"p1": NORTH, "p2": EAST, "p3": SOUTH, "q1": NORTHEAST})
    assert [(found[p].score, found[p].reading is not None) for p in ("p1", "p2", "p3")] == [(None, True)] * 3


@pytest.mark.parametrize("missing", [{"p2": None}, {}])
def test_without_the_vector_of_a_passage_no_query_is_judged(missing: dict[str, Vector | None]) -> None:
    found = judged({"p1": NORTH, **missing, "p3": SOUTH, "q1": NORTH})
    assert found["q1"].score is None
    assert found["q1"].reading is not None


def test_failed_query_is_not_wrong_and_stops_no_other() -> None:
    found = judged({"p1": NORTH, "p2": EAST, "p3": SOUTH, "q1": None, "q2": NORTHEAST})
    assert found["q1"].score is None
    assert score_of(found["q2"]).strict


def test_same_vector_for_every_text_finds_nothing() -> None:
    found = judged(dict.fromkeys(("p1", "p2", "p3", "q1"), NORTHEAST))
    assert {r.reading.violations for r in found.values() if r.reading} == {("duplicate_vector",)}
    assert (score_of(found["q1"]).strict, score_of(found["q1"]).lenient) == (False, False)
    assert set(score_of(found["q1"]).measures.values()) == {0.0}


def test_wrong_vector_length_costs_only_the_strict_search() -> None:
    one = replace(task(), contract=VectorContract(dimensions=3))
    vectors = {"p1": NORTH, "p2": EAST, "p3": SOUTH, "q1": (0.1, 0.9)}
    found = {r.case.id: r for r in one.judge(answered(one, vectors, {"p1": 1}))}
    assert (score_of(found["q1"]).strict, score_of(found["q1"]).lenient) == (False, True)


def test_invalid_passage_vector_is_not_found_strictly() -> None:
    vectors: dict[str, Vector | None] = {"p1": (0.0, 3.0), "p2": EAST, "p3": SOUTH, "q1": (0.1, 0.99499)}
    found = judged(vectors, normalized=True)
    assert found["p1"].reading is not None
    assert found["p1"].reading.violations == ("not_normalized",)
    assert (score_of(found["q1"]).strict, score_of(found["q1"]).lenient) == (False, True)


def test_a_vector_without_direction_is_in_no_index() -> None:
    found = judged({"p1": (0.0, 0.0), "p2": EAST, "p3": SOUTH, "q1": NORTH})
    assert (score_of(found["q1"]).strict, score_of(found["q1"]).lenient) == (False, False)
    assert score_of(found["q1"]).measures["mrr"] == 0.0


def test_strict_search_by_dot_product_and_measures_by_cosine() -> None:
    vectors: dict[str, Vector | None] = {"p1": (4.0, 5.0), "p2": (0.1, 1.0), "p3": SOUTH, "q1": (0.01, 1.0)}
    by_dot, by_cosine = judged(vectors, similarity="dot")["q1"], judged(vectors)["q1"]
    assert (score_of(by_dot).strict, score_of(by_dot).lenient) == (True, True)
    assert (score_of(by_cosine).strict, score_of(by_cosine).lenient) == (False, False)
    assert score_of(by_dot).measures == score_of(by_cosine).measures


def test_the_same_text_in_capitals_may_have_the_same_vector() -> None:
    one = task()
    first, second, *rest = answered(one, {"p1": NORTH, "p2": NORTH, "p3": SOUTH, "q1": NORTHEAST}, {"p1": 1})
    shouted = replace(second, case=replace(second.case, inputs={"title": "", "text": "PASSAGE  1"}))
    assert [r.reading.violations for r in one.judge([first, shouted, *rest]) if r.reading] == [()] * 4


def test_judging_twice_changes_nothing() -> None:
    one = task()
    vectors = {"p1": NORTH, "p2": NORTH, "p3": SOUTH, "q1": NORTHEAST, "q2": EAST, "q3": None}
    once = one.judge(answered(one, vectors, {"p1": 1}))
    again = one.judge(once)
    assert again == once
    assert [a is b for a, b in zip(again, once, strict=True) if a.reading and not a.reading.violations] == [True] * 3


@given(
    st.lists(
        st.tuples(st.integers(-9, 9), st.integers(-9, 9)).map(lambda v: tuple(map(float, v))), min_size=4, max_size=8
    ),
    st.sampled_from(["cosine", "dot"]),
    st.booleans(),
    st.randoms(),
)
def test_strict_implies_lenient_in_any_order_of_results(
    vectors: list[Vector], similarity: str, normalized: bool, random: Any
) -> None:
    one = task(normalized=normalized, similarity=similarity)
    names = ["p1", "p2", "p3", *(f"q{i}" for i in range(len(vectors) - 3))]
    results = answered(one, dict(zip(names, vectors, strict=True)), {"p1": 2, "p2": 1, "p3": 0})
    found = {r.case.id: r for r in one.judge(results)}
    for result in found.values():
        assert result.score is None or result.score.lenient or not result.score.strict
    random.shuffle(results)
    assert {r.case.id: r for r in one.judge(results)} == found


# -- files ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def search(project: Project) -> Project:
    """A project with an embedding eval of three passages and one query, and nothing else."""
    (project.root / "evals/triage.toml").unlink()
    project.config(CONFIG + 'serves = ["embeddings"]\n')
    project.eval(name="search", text=EVAL)
    project.write("passages.jsonl", "".join(json.dumps(passage) + "\n" for passage in PASSAGES))
    project.prompt(
        name="search", gpt="{{ role and title and text or text }}", local="{{ role }}: {{ title }} {{ text }}"
    )
    project.card(name="search")
    project.cases([{"id": "q1", "inputs": {"text": "stop the plan"}, "expected": {"p2": 2, "p1": 0}}], name="search")
    return project


def test_the_kind_is_found_by_its_file() -> None:
    assert "embedding" in kinds()


def test_each_text_is_asked_with_its_role_and_title(search: Project) -> None:
    (cell,) = search.plan(variant=("local",))
    said = [request.messages[0].content for _, request in cell.requests]
    assert said == [
        "passage: Seats Give back seats",
        "passage: Cancel Cancel the plan",
        "passage:  Fax",
        "query:  stop the plan",
    ]
    assert all(request.embed for _, request in cell.requests)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[]", "a passage is a JSON object, not list"),
        ('{"id": "p4", "text": " "}', "text must be a string that is not empty, not ' '"),
        ('{"text": "x"}', "id must be a string that is not empty, not None"),
        ('{"id": "p4", "text": "x", "title": 3}', "title must be a string, not 3"),
        ('{"id": "p4", "text": "x", "body": "y"}', "unknown key 'body': a passage has id, title, text"),
        ('{"id": "p1", "text": "x"}', "id is already taken"),
        ('{"id": "p4", "text": "\\ud800"}', "has half a character: it is not Unicode text"),
        ("{", "not valid JSON"),
    ],
)
def test_a_wrong_passage_is_named_by_file_and_line(search: Project, line: str, said: str) -> None:
    path = search.root / "passages.jsonl"
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(DatasetError, match=re.escape(f"passages.jsonl:4: {said}")):
        search.plan()


def test_passages_must_be_there(search: Project) -> None:
    search.write("passages.jsonl", "\n")
    with pytest.raises(DatasetError, match=r"passages\.jsonl: no passages"):
        search.plan()
    (search.root / "passages.jsonl").unlink()
    with pytest.raises(DatasetError, match=r"passages\.jsonl: cannot be read"):
        search.plan()


@pytest.mark.parametrize(
    ("expected", "said"),
    [
        ({"p9": 1}, "expected has 'p9', which is not the id of a passage"),
        ({"p1": 0}, "expected has no passage with a grade above 0: there is nothing to find"),
        ({"p1": 1.5}, "expected must be grades of passages"),
        ({"p1": -1}, "expected must be grades of passages"),
        ({"p1": True}, "expected must be grades of passages"),
        (["p1"], "expected must be grades of passages"),
        ("p1", "expected must be grades of passages"),
    ],
)
def test_what_a_query_expects_must_be_grades_of_passages(search: Project, expected: Any, said: str) -> None:
    search.cases([{"id": "q1", "inputs": {"text": "x"}, "expected": expected}], name="search")
    with pytest.raises(ConfigError, match=f"case q1: {said}"):
        search.plan()


def test_a_query_cannot_have_the_id_of_a_passage(search: Project) -> None:
    search.cases([{"id": "p1", "inputs": {"text": "x"}, "expected": {"p1": 1}}], name="search")
    with pytest.raises(ConfigError, match="case p1: a passage has the same id"):
        search.plan()


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ("dimensions = 1\n", "dimensions"),
        ('similarity = "euclid"\n', "similarity"),
        ("dimension = 5\n", "unknown key 'dimension' (did you mean 'dimensions'?)"),
    ],
)
def test_a_wrong_setting_is_named(search: Project, extra: str, said: str) -> None:
    search.eval(extra, name="search", text=EVAL)
    with pytest.raises(ConfigError, match=re.escape(said)):
        search.plan()


# -- a whole run ------------------------------------------------------------------------------------------------------


def test_a_run_is_stored_and_reported_with_its_measures(harness: Terminal, search: Project, server: FakeOpenAI) -> None:
    search.config(CONFIG.replace("http://127.0.0.1:9/v1", server.base_url) + 'serves = ["embeddings"]\n')
    ended = harness("run", "--variant", "local", "-o", "r.html", "-o", "r.json")
    assert ended.code == 0, ended.err
    page = (search.root / "r.html").read_text()
    assert ">Retrieval</h" in page
    assert "ndcg@10" in page
    again = harness("report", "-o", "again.html")
    assert again.code == 0, again.err
    assert "ndcg@10" in (search.root / "again.html").read_text()


def test_a_server_that_gives_one_vector_for_all_is_seen_through(
    harness: Terminal, search: Project, server: FakeOpenAI
) -> None:
    search.config(CONFIG.replace("http://127.0.0.1:9/v1", server.base_url) + 'serves = ["embeddings"]\n')
    server.answer = lambda _: Reply(json=embedding([0.6, 0.8]))
    ended = harness("run", "--variant", "local", "-o", "r.jsonl", "-o", "r.html")
    assert ended.code == 0, ended.err
    assert "duplicate_vector" in (search.root / "r.html").read_text()


def test_a_passage_whose_call_failed_leaves_the_run_unjudged(
    harness: Terminal, search: Project, server: FakeOpenAI
) -> None:
    search.config(CONFIG.replace("http://127.0.0.1:9/v1", server.base_url) + 'serves = ["embeddings"]\nretries = 0\n')
    server.answer = lambda asked: error(400) if "Fax" in asked.prompt else Reply()
    ended = harness("run", "--variant", "local", "-o", "r.html")
    assert ended.code == 4, ended.err
    assert ">Retrieval</h" not in (search.root / "r.html").read_text()

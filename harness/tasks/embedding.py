"""Embedding: search passages by the vector of a query.

The golden cases are queries. The passages are the task's context: embedded like cases but not scored. Each query is
scored once the vectors of all passages exist.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field

from harness.analysis.metrics.embedding import SearchResult, Similarity, hit, measures, search
from harness.contracts.vector import VectorContract, broken
from harness.core.errors import DatasetError
from harness.core.plugins import TaskCapabilities
from harness.core.toml import Name, StrictModel
from harness.core.types import JSON, Case, Reading, Result, Sampling, Score
from harness.project.dataset_card import Card
from harness.project.dataset_sources import InvalidRow, rows
from harness.tasks import Task

KEYS = ("id", "title", "text")


class EmbeddingOptions(StrictModel):
    """Keys of an eval whose task is embedding."""

    passages: Name
    """JSONL of the passages, `{"id", "title", "text"}`; the path is relative to the folder of harness.toml."""
    dimensions: int | None = Field(default=None, ge=2)
    normalized: bool = False
    similarity: Similarity = "cosine"
    k: int = Field(default=5, ge=1)


@dataclass(frozen=True)
class EmbeddingTask(Task):
    """Right if a relevant passage is among the first `k`, by the `similarity` that production uses."""

    capabilities: ClassVar[TaskCapabilities] = TaskCapabilities(
        embeds=True, scores_together=True, is_retrieval=True, reviewable=False, sections=frozenset({"retrieval"})
    )
    options_class: ClassVar[type[EmbeddingOptions]] = EmbeddingOptions

    contract: VectorContract
    context: tuple[Case, ...]
    similarity: Similarity = "cosine"
    k: int = 5
    sampling: Sampling = field(default=Sampling())

    @classmethod
    def build(cls, options: EmbeddingOptions, root: Path) -> Self:
        """Read the passages and create the task; raises `DatasetError` with file and line."""
        contract = VectorContract(options.dimensions, options.normalized)
        return cls(contract, read_passages(root / options.passages), options.similarity, options.k)

    @property
    def settings(self) -> Mapping[str, JSON]:
        """Number of passages and similarity."""
        return {"k": self.k, "similarity": self.similarity}

    def variables(self, case: Case) -> dict[str, Any]:
        """The case's inputs, `title` (empty for a query), and `role`: `query` or `passage`."""
        return {"title": "", **case.inputs, "role": "passage" if case.expected is None else "query"}

    def check(self, case: Case) -> str | None:
        """Check that the expected answer grades existing passages, with at least one grade above 0."""
        known = {passage.id for passage in self.context}
        grades = case.expected
        if case.id in known:
            return "a passage has the same id: rename one of them"
        if not isinstance(grades, dict) or not all(type(grade) is int and grade >= 0 for grade in grades.values()):
            return 'expected must be grades of passages, whole numbers from 0, such as {"p017": 2, "p018": 0}'
        if unknown := sorted(grades.keys() - known):
            return f"expected has {unknown[0]!r}, which is not the id of a passage"
        return (
            None if any(grades.values()) else "expected has no passage with a grade above 0: there is nothing to find"
        )

    def score(self, _reading: Reading, _case: Case) -> None:
        """Return `None`: `judge` scores all results together."""

    def judge(self, results: Sequence[Result]) -> list[Result]:
        """Compare all vectors with each other, then search the passages for each query.

        Strict: production's similarity, among vectors that satisfy the contract. Lenient: the strict result, or cosine
        among all vectors with a direction. If the vector of a passage is missing, no query is scored, because that
        passage might rank first.
        """
        read = self._read_together(results)
        embedded = {r.case.id for r in read if r.case.expected is None and r.reading is not None}
        queries = [r for r in read if r.case.expected is not None and r.reading is not None]
        if not all(passage.id in embedded for passage in self.context):
            scores: dict[str, Score | None] = dict.fromkeys((r.case.id for r in queries), None)
        else:
            scores = dict(self._scores(queries, [r for r in read if r.case.id in embedded]))
        return [replace(r, score=scores[r.case.id]) if _changes(r, scores) else r for r in read]

    def _read_together(self, results: Sequence[Result]) -> list[Result]:
        """The results, with new readings for vectors that are unusable next to the others."""
        first: dict[str, str] = {}
        texts = [first.setdefault(r.request_key, _folded(r.case)) for r in results]
        codes = self.contract.together([r.response.vector if r.reading else () for r in results], texts)
        return [
            replace(r, reading=broken((*r.reading.violations, code))) if code and r.reading else r
            for r, code in zip(results, codes, strict=True)
        ]

    def _scores(self, queries: Sequence[Result], passages: Sequence[Result]) -> dict[str, Score]:
        nothing = SearchResult("", {}, {})
        strict = _search([q for q in queries if _strict(q)], [p for p in passages if _strict(p)], self.similarity)
        lenient = _search([q for q in queries if _lenient(q)], [p for p in passages if _lenient(p)], "cosine")
        scores = {}
        for query in queries:
            name = query.case.id
            ranking = lenient.get(name, nothing)
            is_strict_hit = hit(strict.get(name, nothing), self.k)
            values = measures(ranking, query.case.expected, self.k)
            scores[name] = Score(is_strict_hit, is_strict_hit or hit(ranking, self.k), measures=values)
        return scores


def read_passages(path: Path) -> tuple[Case, ...]:
    """The passages of a file, as cases without an expected answer; raises `DatasetError`."""
    card = Card(name="passages", description="", licence="", label_source="")
    cases: dict[str, Case] = {}
    for where, row in rows(card, str(path)):
        if isinstance(row, InvalidRow):
            raise DatasetError(row.problem)
        if problem := _problem(row) or ("id is already taken" if row["id"] in cases else ""):
            msg = f"{where}: {problem}"
            raise DatasetError(msg)
        inputs = {"title": row.get("title", ""), "text": row["text"]}
        digest = hashlib.sha256(json.dumps([row["id"], inputs, None], sort_keys=True).encode()).hexdigest()
        cases[row["id"]] = Case(row["id"], inputs, None, digest=digest)
    if not cases:
        msg = f"{path}: no passages: there is nothing to search"
        raise DatasetError(msg)
    return tuple(cases.values())


def _problem(row: Any) -> str:
    """The problem with a passage; empty if it is valid."""
    if not isinstance(row, dict):
        return f"a passage is a JSON object, not {type(row).__name__}"
    if unknown := [key for key in row if key not in KEYS]:
        return f"unknown key {unknown[0]!r}: a passage has {', '.join(KEYS)}"
    for key in ("id", "text"):
        if not (isinstance(row.get(key), str) and row[key].strip()):
            return f"{key} must be a string that is not empty, not {row.get(key)!r:.60}"
    if not isinstance(row.get("title", ""), str):
        return f"title must be a string, not {row['title']!r:.60}"
    return "" if _encodable(row) else "has half a character: it is not Unicode text"


def _encodable(row: dict[str, str]) -> bool:
    try:
        "".join(row.values()).encode()
    except UnicodeEncodeError:
        return False
    return True


def _folded(case: Case) -> str:
    """A case's text without differences that many models ignore: capitals, accents, white space."""
    plain = unicodedata.normalize("NFKD", " ".join(str(value) for value in case.inputs.values()))
    return " ".join("".join(c for c in plain if not unicodedata.combining(c)).casefold().split())


def _search(queries: Sequence[Result], passages: Sequence[Result], similarity: Similarity) -> dict[str, SearchResult]:
    rankings = search(queries, passages, similarity)
    return {query.case.id: ranking for query, ranking in zip(queries, rankings, strict=True)}


def _strict(result: Result) -> bool:
    return result.reading is not None and result.reading.strict is not None


def _lenient(result: Result) -> bool:
    return result.reading is not None and result.reading.lenient is not None


def _changes(result: Result, scores: dict[str, Score | None]) -> bool:
    return result.case.id in scores and result.score != scores[result.case.id]


TASK = EmbeddingTask

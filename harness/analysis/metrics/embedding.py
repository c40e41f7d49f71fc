"""Vector search: ranks of relevant passages, and retrieval metrics.

A query's `expected` maps judged passages to grades; 0 means not relevant. A passage is a result whose case has no
expected answer. A passage without a usable vector is not in the index.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from harness.analysis.stats import Interval, Mean, Rate, mean, rate, spearman
from harness.core.types import Case, Result

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

Similarity = Literal["cosine", "dot"]

DEPTH = 10
"""Ranks that nDCG takes into account."""
DECIMALS = 9
"""Decimals to which similarities are rounded. Smaller differences depend on the machine, and count as ties."""
_NUMBERS_AT_ONCE = 8_000_000
"""Most similarities in memory at a time: 64 MB."""


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Search result of one query. Passages of equal similarity are ordered by id.

    Attributes:
        top: Id of the first passage.
        places: Rank, from 1, of each relevant passage in the index.
        similarities: Similarity of each judged passage in the index.
        first: Ids of the first `DEPTH` passages.
    """

    top: str
    places: Mapping[str, int]
    similarities: Mapping[str, float]
    first: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RankingMiss:
    """Query whose best relevant passage, `wanted`, is not first: its rank is `place`, or `None` if not in the index."""

    query: Case
    top: Case
    wanted: Case
    place: int | None


@dataclass(frozen=True, slots=True)
class RetrievalMetrics:
    """Retrieval metrics of a run, by cosine similarity.

    Attributes:
        means: Mean of each measure over judged queries.
        by_tag: The same by tag.
        order: Spearman's correlation of similarity and grade.
        pairs: Number of judged pairs of query and passage in `order`.
        vectors: Share of vectors that satisfy the contract.
        dimensions: Lengths of the vectors, most frequent first.
    """

    means: Mapping[str, Mean]
    by_tag: Mapping[str, Mapping[str, Mean]]
    order: Interval
    pairs: int
    vectors: Rate
    dimensions: tuple[int, ...]
    worst: tuple[RankingMiss, ...]


def search(
    queries: Sequence[Result], passages: Sequence[Result], similarity: Similarity = "cosine"
) -> list[SearchResult]:
    """Rank the passages for each query. All vectors must be finite, non-zero and of equal length.

    Takes the time of one matrix product, and the memory of the vectors plus 64 MB.
    """
    if not queries or not passages:
        return [SearchResult("", {}, {}) for _ in queries]
    import numpy as np

    index = sorted(passages, key=lambda result: result.case.id)
    places = {result.case.id: place for place, result in enumerate(index)}
    query_rows = _unit(_matrix(queries))
    stored = _unit(_matrix(index)) if similarity == "cosine" else _within_one(_matrix(index))
    step = max(1, _NUMBERS_AT_ONCE // len(index))
    search_results = []
    for start in range(0, len(queries), step):
        rows = np.round(query_rows[start : start + step] @ stored.T, DECIMALS)
        for query, row in zip(queries[start : start + step], rows, strict=True):
            judged = {name: places[name] for name in query.case.expected if name in places}
            relevant = {name: place for name, place in judged.items() if query.case.expected[name] > 0}
            search_results.append(
                SearchResult(
                    top=index[int(row.argmax())].case.id,
                    places={name: _place(row, place) for name, place in relevant.items()},
                    similarities={name: float(row[place]) for name, place in judged.items()},
                    first=tuple(index[int(i)].case.id for i in np.argsort(-row, kind="stable")[:DEPTH]),
                )
            )
    return search_results


def measures(result: SearchResult, grades: Mapping[str, int], k: int) -> dict[str, float]:
    """Return the measures of one search, each 0..1.

    `recall@k` is the share of relevant passages in the first k. `ndcg@10` uses the grades as gains, and unjudged
    passages have none, as in `sklearn.metrics.ndcg_score`. `mrr` is the reciprocal rank of the first relevant passage.
    """
    relevant = {name: grade for name, grade in grades.items() if grade > 0}
    gained = math.fsum(_gain(relevant[name], place) for name, place in result.places.items())
    ideal = math.fsum(_gain(grade, place) for place, grade in enumerate(sorted(relevant.values(), reverse=True), 1))
    return {
        f"recall@{k}": sum(place <= k for place in result.places.values()) / len(relevant),
        f"ndcg@{DEPTH}": gained / ideal,
        "mrr": 1 / min(result.places.values()) if result.places else 0.0,
    }


def hit(result: SearchResult, k: int) -> bool:
    """Return whether a relevant passage is among the first k."""
    return any(place <= k for place in result.places.values())


def pair_order(a: Sequence[Sequence[float]], b: Sequence[Sequence[float]], gold: Sequence[float]) -> Interval:
    """Return Spearman's correlation of cosine similarities and human ratings `gold`, as in the STS benchmarks."""
    import numpy as np

    left, right = (_unit(np.asarray(side, dtype=np.float64)) for side in (a, b))
    return spearman(np.round((left * right).sum(axis=1), DECIMALS).tolist(), gold)


def retrieve(results: Sequence[Result], worst: int = 8) -> RetrievalMetrics | None:
    """Return the metrics of a run, or `None` if no query was scored. `worst` limits the listed misses."""
    judged = [result for result in results if result.score is not None and result.score.measures]
    if not judged:
        return None
    passages = {result.case.id: result for result in results if result.case.expected is None}
    queries = [result for result in judged if result.reading and result.reading.lenient]
    usable = [result for result in passages.values() if result.reading and result.reading.lenient]
    searched = list(zip(queries, search(queries, usable), strict=True))
    pairs = [(s, q.case.expected[name]) for q, ranking in searched for name, s in ranking.similarities.items()]
    read = [result for result in results if result.reading is not None]
    tags = sorted({tag for result in judged for tag in result.case.tags})
    return RetrievalMetrics(
        means=_means(judged),
        by_tag={tag: _means([r for r in judged if tag in r.case.tags]) for tag in tags},
        order=spearman([s for s, _ in pairs], [float(grade) for _, grade in pairs]),
        pairs=len(pairs),
        vectors=rate(sum(result.reading.compliant for result in read if result.reading), len(read)),
        dimensions=tuple(length for length, _ in Counter(len(r.response.vector) for r in read).most_common()),
        worst=tuple(_misses(searched, {name: result.case for name, result in passages.items()}, worst)),
    )


def passages_found(results: Sequence[Result], n: int) -> dict[str, tuple[Case, ...]]:
    """The first `n` passages of each query with a usable vector, by the id of its case; `n` is at most `DEPTH`."""
    passages = {r.case.id: r for r in results if r.case.expected is None and r.reading and r.reading.lenient}
    queries = [r for r in results if r.score is not None and r.score.measures and r.reading and r.reading.lenient]
    ranked = zip(queries, search(queries, list(passages.values())), strict=True)
    return {query.case.id: tuple(passages[name].case for name in ranking.first[:n]) for query, ranking in ranked}


def _means(results: Sequence[Result]) -> dict[str, Mean]:
    names = dict.fromkeys(name for result in results if result.score for name in result.score.measures)
    values = {name: [r.score.measures.get(name) for r in results if r.score] for name in names}
    return {name: mean([v for v in column if v is not None], bounds=(0.0, 1.0)) for name, column in values.items()}


def _misses(
    searched: Iterable[tuple[Result, SearchResult]], passages: Mapping[str, Case], most: int
) -> list[RankingMiss]:
    """Queries whose best relevant passage is not first, worst rank first."""
    misses = []
    for query, ranking in searched:
        relevant = [name for name, grade in query.case.expected.items() if grade > 0]
        wanted = min(relevant, key=lambda name: (ranking.places.get(name, math.inf), -query.case.expected[name], name))
        place = ranking.places.get(wanted)
        if place != 1 and ranking.top and wanted in passages:
            misses.append(RankingMiss(query.case, passages[ranking.top], passages[wanted], place))
    return sorted(misses, key=lambda miss: (-(miss.place or math.inf), miss.query.id))[:most]


def _gain(grade: float, place: int) -> float:
    return grade / math.log2(1 + place) if place <= DEPTH else 0.0


def _place(row: Any, own: int) -> int:
    """Rank of the passage at index `own`. Ties rank by index, which is the order of ids."""
    value = row[own]
    return 1 + int((row > value).sum()) + int((row[:own] == value).sum())


def _matrix(results: Sequence[Result]) -> Matrix:
    """Vectors as rows, scaled to ±1, because products of very large numbers overflow."""
    import numpy as np

    rows = np.asarray([result.response.vector for result in results], dtype=np.float64)
    within: Matrix = rows / np.abs(rows).max()
    return within


def _unit(rows: Matrix) -> Matrix:
    """Scale each row to length 1."""
    import numpy as np

    rows = rows / np.abs(rows).max(axis=1, keepdims=True)
    unit: Matrix = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def _within_one(rows: Matrix) -> Matrix:
    """Scale all rows by one factor, so that the longest has length 1. Keeps the order of dot products."""
    import numpy as np

    within: Matrix = rows / np.linalg.norm(rows, axis=1).max()
    return within

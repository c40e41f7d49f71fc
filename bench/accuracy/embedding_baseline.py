"""Retrieval baseline for help_center_search: TF-IDF, compared with the embedded model.

    python bench/accuracy/embedding_baseline.py [--split test] [--model] [--pairs FILE.jsonl] [-n 300] [--large]

A model below the baseline is not worth its cost. TF-IDF is scored by the same code as a run. `--model` also embeds all
texts with SmolLM2 (variant `local`). `--pairs` reads rows with `s1`, `s2` and `gold` (STS) and prints Spearman's
correlation of `gold` and cosine. `--large` times a search of 2,000 queries in 50,000 passages of 768 dimensions.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from harness.analysis.metrics.embedding import pair_order, retrieve, search
from harness.backends import connect
from harness.core.types import Case, Message, Reading, Request, Response, Result, Sampling
from harness.project import config, evals
from harness.project.run_options import RunOptions
from harness.runner.plan import Cell, plan
from harness.tasks import read_and_score

ROOT = Path(__file__).resolve().parents[2]
Embed = Callable[[Sequence[str]], list[tuple[float, ...]]]


def by_words(texts: Sequence[str]) -> Embed:
    """Return a TF-IDF embedding fitted to `texts`."""
    words = TfidfVectorizer(sublinear_tf=True, stop_words="english").fit(texts)
    return lambda asked: [tuple(map(float, row)) for row in words.transform(asked).toarray()]


def by_model(texts: Sequence[str]) -> list[tuple[float, ...]]:
    """Return the vectors of the embedded model."""

    async def ask() -> list[Response]:
        backend = connect(config.load(ROOT).backend("smollm2"))
        try:
            requests = [Request((Message("user", text),), Sampling(), embed=True) for text in texts]
            return [await backend.complete(request) for request in requests]
        finally:
            await backend.close()

    return [response.vector for response in asyncio.run(ask())]


def cell(split: str) -> Cell:
    """Plan of the shipped eval on the embedded model."""
    backend = config.load(ROOT).backend("smollm2")
    chosen = RunOptions(variant=("local",), split=split, every_backend=True)
    serving = backend.model_copy(update={"serves": ("chat", "embeddings")})
    return plan(ROOT, evals.find(ROOT, ["help_center_search"]), [serving], chosen)[0]


def show(name: str, one: Cell, vectors: Sequence[tuple[float, ...]], spent: float) -> None:
    """Score the vectors like those of a run, and print one line."""
    results = []
    for (case, request), vector in zip(one.requests, vectors, strict=True):
        response = Response(vector=vector)
        results.append(Result(case, response, *read_and_score(one.task, case, response), request.key))
    judged = one.task.judge(results)
    found = retrieve(judged)
    if found is None:
        print(f"{name:10}  nothing judged")
        return
    scores = [result.score for result in judged if result.score]
    hits = sum(score.lenient for score in scores) / len(scores)
    means = "  ".join(f"{mean:9} {m.value:.2f} ({m.low:.2f}–{m.high:.2f})" for mean, m in found.means.items())
    hard = found.by_tag["hard"]["ndcg@10"].value
    print(
        f"{name:10}  hit {hits:.2f}  {means}  hard ndcg@10 {hard:.2f}  Spearman {found.order.value:.2f}  {spent:6.1f} s"
    )


def pairs(path: Path, n: int, *, model: bool) -> None:
    """Print Spearman's correlation of cosine and human rating over the first `n` pairs."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()][:n]
    left, right, gold = ([row[key] for row in rows] for key in ("s1", "s2", "gold"))
    ways: dict[str, Embed] = {"tf-idf": by_words([*left, *right])} | ({"smollm2": by_model} if model else {})
    for name, embed in ways.items():
        vectors = embed([*left, *right])
        keep = [i for i in range(len(rows)) if any(vectors[i]) and any(vectors[i + len(rows)])]
        sides = ([vectors[i] for i in keep], [vectors[i + len(rows)] for i in keep])
        order = pair_order(*sides, [gold[i] for i in keep])
        print(f"{name:10}  {len(keep)} pairs  Spearman {order.value:.2f} ({order.low:.2f}–{order.high:.2f})")


def large() -> None:
    rng = np.random.default_rng(0)

    def results(n: int, expected: dict[str, int] | None) -> list[Result]:
        reading = Reading("768 dimensions", "768 dimensions", compliant=True)
        rows = rng.standard_normal((n, 768)).round(3).tolist()
        return [
            Result(Case(str(i), {}, expected), Response(vector=row), reading, None, "") for i, row in enumerate(rows)
        ]

    queries, passages = results(2_000, {"17": 2, "4711": 1, "49999": 0}), results(50_000, None)
    started = perf_counter()
    search(queries, passages)
    print(f"2,000 queries over 50,000 passages: {perf_counter() - started:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split", default="test")
    parser.add_argument("--model", action="store_true", help="embed with SmolLM2, too")
    parser.add_argument("--pairs", type=Path, help="JSONL with s1, s2, gold")
    parser.add_argument("-n", type=int, default=300, help="at most so many pairs")
    parser.add_argument("--large", action="store_true", help="time a large search")
    chosen = parser.parse_args()
    one = cell(chosen.split)
    texts = [f"{case.inputs.get('title', '')} {case.inputs['text']}" for case, _ in one.requests]
    passages = [text for text, (case, _) in zip(texts, one.requests, strict=True) if case.expected is None]
    started = perf_counter()
    vectors = by_words(passages)(texts)
    show("tf-idf", one, vectors, perf_counter() - started)
    if chosen.model:
        started = perf_counter()
        vectors = by_model([request.messages[-1].content for _, request in one.requests])
        show("smollm2", one, vectors, perf_counter() - started)
    if chosen.pairs:
        pairs(chosen.pairs, chosen.n, model=chosen.model)
    if chosen.large:
        large()


if __name__ == "__main__":
    main()

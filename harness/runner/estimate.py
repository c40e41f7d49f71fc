"""What a run would take, before anything is asked: calls, tokens, dollars."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from harness.core.types import Request
from harness.project.config import Config
from harness.project.pricing import is_local, is_openai, price_of, usd
from harness.runner.budget import most_prompt_tokens
from harness.runner.plan import Cell
from harness.runner.tokens import count, encoding_of
from harness.store.run_query import RunQuery
from harness.store.runs import Store

NO_LIMIT = frozenset({"max_tokens", "max_completion_tokens"})
"""The parameters without which a reply may be of any length."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """One cell. `counted_by`: whose tokenizer; `measured_in`: the run whose mean reply is expected again.

    `completion_tokens` and `usd` are `None` where no run of the cell is saved, `usd` and `most_usd` also where nobody
    says what the model costs. At most: every reply as long as it may be, every prompt as long as `most_prompt_tokens`,
    which no tokenizer exceeds; `None` where the server is not told how long a reply may be. Nothing of it is from the
    store, nothing is asked twice: answers that the store has make a run cheaper, retries make it dearer.
    """

    eval: str
    cell: str
    calls: int
    prompt_tokens: int
    most_prompt_tokens: int
    counted_by: str
    completion_tokens: int | None
    most_completion_tokens: int | None
    measured_in: str
    usd: float | None
    most_usd: float | None
    local: bool


def estimate(found: Config, store: Store, cells: Sequence[Cell]) -> tuple[Estimate, ...]:
    """An estimate of each cell, in their order. A local server may be asked for its tokenizer, and no model at all."""

    async def all_of_them() -> list[Estimate]:
        return [await _cell(found, store, cell) for cell in cells]

    return tuple(asyncio.run(all_of_them()))


async def _cell(found: Config, store: Store, cell: Cell) -> Estimate:
    local = is_local(found, cell.backend)
    price = None if local else price_of(found, cell.backend)
    requests = [request for _, request in cell.asks]
    counted = await count(cell.backend, requests, local=local)
    prompt = sum(counted.tokens)
    exact = is_openai(cell.backend) and counted.by == encoding_of(cell.backend.model)
    most_prompt = sum(_most(request, n, exact=exact) for request, n in zip(requests, counted.tokens, strict=True))
    most = None if _boundless(cell) else sum(0 if r.embed else r.sampling.max_tokens for r in requests)
    run_id, mean = ("", 0.0) if cell.task.embeds else _measured(store, cell)
    expected = None if mean is None else round(mean * len(requests))
    if expected is not None and most is not None:
        expected = min(most, expected)

    def dollars(prompt: int, completion: int | None) -> float | None:
        if local:
            return 0.0
        return None if price is None or completion is None else usd(price, prompt, completion)

    return Estimate(
        eval=cell.definition.name,
        cell=cell.name,
        calls=len(requests),
        prompt_tokens=prompt,
        most_prompt_tokens=most_prompt,
        counted_by=counted.by,
        completion_tokens=expected,
        most_completion_tokens=most,
        measured_in=run_id,
        usd=dollars(prompt, expected),
        most_usd=dollars(most_prompt, most),
        local=local,
    )


def _boundless(cell: Cell) -> bool:
    """Whether no limit of a reply is sent: the backend omits the parameter."""
    return not cell.task.embeds and not NO_LIMIT.isdisjoint(cell.backend.options.get("omit", ()))


def _most(request: Request, counted: int, *, exact: bool) -> int:
    """A prompt's tokens by the model's own tokenizer; where it is not known, as many as a budget sets aside for it.

    Nor is it where there are tools or a schema: how a service writes these into the prompt is not told.
    """
    by_count = exact and not request.tools and request.constraint is None
    return counted if by_count else max(counted, most_prompt_tokens(request))


def _measured(store: Store, cell: Cell) -> tuple[str, float | None]:
    """The mean reply of the newest saved run of the cell, in tokens."""
    for m in store.manifests(RunQuery(eval=cell.definition.name, cell=cell.name, finished=True)):
        lengths = [r.response.completion_tokens for r in store.results(m.run_id) if r.response.error is None]
        known = [tokens for tokens in lengths if tokens is not None]
        if known:
            return m.run_id, sum(known) / len(known)
    return "", None

"""Estimate the calls, tokens and dollars of a run, before any request is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.core.types import Request
from harness.project.pricing import is_local, is_openai, price_of, usd
from harness.runner.blocking import run_blocking
from harness.runner.budget import most_prompt_tokens
from harness.runner.plan import Cell
from harness.runner.project import Project
from harness.runner.tokens import count, encoding_of
from harness.store.run_query import RunQuery
from harness.store.runs import Store

NO_LIMIT = frozenset({"max_tokens", "max_completion_tokens"})
"""The parameters without which a reply may be of any length."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Estimate of one cell. `counted_by`: the tokenizer; `measured_in`: the run that gives the mean reply length.

    `completion_tokens` and `usd` are `None` without a saved run of the cell; `usd` and `most_usd` also without a known
    price. The `most_…` fields are upper bounds: no tokenizer exceeds them, every reply reaches `max_tokens`; `None`
    if the backend sends no limit. The cache can make a run cheaper, retries can make it more expensive.
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


def estimate(project: Project, cells: Sequence[Cell]) -> tuple[Estimate, ...]:
    """Estimate each cell, in order. Calls no model, but may use the tokenizer of a local server."""

    async def estimates() -> list[Estimate]:
        return [await _cell(project, cell) for cell in cells]

    return tuple(run_blocking(estimates()))


async def _cell(project: Project, cell: Cell) -> Estimate:
    local = is_local(project.config, cell.backend)
    price = None if local else price_of(project.config, cell.backend)
    requests = [request for _, request in cell.requests]
    counted = await count(cell.backend, requests, local=local)
    prompt = sum(counted.tokens)
    exact = is_openai(cell.backend) and counted.by == encoding_of(cell.backend.model)
    most_prompt = sum(_most(request, n, exact=exact) for request, n in zip(requests, counted.tokens, strict=True))
    most = None if _boundless(cell) else sum(0 if r.embed else r.sampling.max_tokens for r in requests)
    run_id, mean = ("", 0.0) if cell.task.embeds else _measured(project.store, cell)
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
    """True if the backend omits the limit on the length of a reply."""
    return not cell.task.embeds and not NO_LIMIT.isdisjoint(cell.backend.options.get("omit", ()))


def _most(request: Request, counted: int, *, exact: bool) -> int:
    """Prompt tokens by the model's own tokenizer, else the upper bound of a budget.

    With tools or a schema the count is not exact: services do not document how these enter the prompt.
    """
    by_count = exact and not request.tools and request.constraint is None
    return counted if by_count else max(counted, most_prompt_tokens(request))


def _measured(store: Store, cell: Cell) -> tuple[str, float | None]:
    """Mean reply length, in tokens, of the newest saved run of the cell."""
    for m in store.manifests(RunQuery(eval=cell.definition.name, cell=cell.name, finished=True)):
        lengths = [r.response.completion_tokens for r in store.results(m.run_id) if r.response.error is None]
        known = [tokens for tokens in lengths if tokens is not None]
        if known:
            return m.run_id, sum(known) / len(known)
    return "", None

"""Turn advice into routes, as `routing.toml` and as a configuration of the LiteLLM proxy."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.advice import litellm as proxy
from harness.advice.reasons import SIGNS
from harness.analysis.costs.advice_types import Advice, AdviceCode, Decision, EvalAdvice, Reason
from harness.core.plugins import task_capabilities
from harness.core.toml import comment
from harness.project import evals
from harness.project.config import Config
from harness.project.pricing import is_local
from harness.project.routing import Routing, TaskRoute, Tier, dump
from harness.report import advice_text

COMMENT = 100
"""Characters of a line of reasons in `routing.toml`."""


@dataclass(frozen=True, slots=True)
class Routes:
    """Routes with the comments of their file.

    `comments`: lines above each task. `unrouted`: why a task has no route. `gone`: tasks of the previous file without
    an eval.
    """

    routing: Routing
    comments: Mapping[str, Sequence[str]]
    unrouted: Mapping[str, str]
    gone: Sequence[str]

    @property
    def foot(self) -> list[str]:
        """Comments at the end of the file: the tasks without a route."""
        lines: list[str] = []
        for name, why in self.unrouted.items():
            lines += ["", *_commented(f"{name} is not routed: {why}"), *map(comment, self.comments[name])]
        for name in self.gone:
            lines += ["", *_commented(f"{name} is left out: it has no eval any more")]
        return lines


def routing(config: Config, advice: Advice, before: Routing | None = None) -> str:
    """Render `routing.toml`, with the decision and its reasons above each route.

    Args:
        config: The project.
        advice: Sets the tiers.
        before: The existing file. Its deadlines, budgets, hedging, probe and breaker stay, and so do tasks without
            advice.
    """
    new_routes = routes(config, advice, before)
    return "\n".join([dump(new_routes.routing, new_routes.comments).rstrip("\n"), *new_routes.foot, ""])


def litellm(config: Config, advice: Advice, before: Routing | None = None) -> str:
    """Render the routes as a configuration of the LiteLLM proxy. Arguments as for `routing`."""
    new_routes = routes(config, advice, before)
    text = proxy.dump(config, new_routes.routing, new_routes.comments)
    return "\n".join([text.rstrip("\n"), *new_routes.foot, ""])


def noted(advice: Advice, new_routes: Routes) -> Advice:
    """Add a note to each task that has no route."""
    return replace(
        advice,
        advised=tuple(
            replace(each, reasons=(*each.reasons, Reason(AdviceCode.ROUTE, "note", advice_text.unrouted(why))))
            if (why := new_routes.unrouted.get(each.cost.eval))
            else each
            for each in advice.advised
        ),
    )


def routes(config: Config, advice: Advice, before: Routing | None = None) -> Routes:
    """Make the routes. Arguments as for `routing`."""
    old = before or Routing(tiers={})
    advised, known = {each.cost.eval for each in advice.advised}, evals.names(config.root)
    kept = {name: route for name, route in old.tasks.items() if name not in advised and name in known}
    tiers: dict[Tier, str] = {tier: old.tiers[tier] for route in kept.values() for tier in route.tiers}
    tasks: dict[str, TaskRoute] = dict(kept)
    comments: dict[str, list[str]] = {}
    unrouted: dict[str, str] = {}
    for each in sorted(advice.advised, key=lambda each: each.cost.eval):
        comments[each.cost.eval] = [
            each.decision.value,
            *(line for reason in each.reasons for line in _wrapped(f"{SIGNS[reason.stands]} {reason.text}")),
        ]
        chain = _chain(config, tiers, each)
        if isinstance(chain, str):
            unrouted[each.cost.eval] = chain
            continue
        broken = len(chain) > 1 and any(reason.code is AdviceCode.FORMAT for reason in each.reasons)
        new = TaskRoute(tiers=chain, on_broken_contract="escalate" if broken else "accept")
        task = old.tasks.get(each.cost.eval)
        tasks[each.cost.eval] = task.model_copy(update={"tiers": chain}) if task else new
    gone = sorted(old.tasks.keys() - known - advised)
    return Routes(Routing(tiers=tiers, tasks=tasks, probe=old.probe, breaker=old.breaker), comments, unrouted, gone)


def _commented(text: str) -> list[str]:
    return [comment(line) for line in _wrapped(text)]


def _wrapped(text: str) -> list[str]:
    """Wrap a reason into short lines, for a review in git."""
    inert = "".join(c if c.isprintable() else " " for c in text)  # a line break would end the comment
    return textwrap.wrap(inert, COMMENT, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _chain(config: Config, tiers: dict[Tier, str], advice: EvalAdvice) -> tuple[Tier, ...] | str:
    """The tiers of a task in order; a string says why it has none."""
    cost = advice.cost
    if task_capabilities(cost.task).embeds:
        return "its index needs the vectors of a single model"
    names = [cost.candidate, cost.current] if advice.decision is Decision.MOVE else [cost.current]
    planned = dict(tiers)
    chain: list[Tier] = []
    for name in names:
        tier = _tier(config, planned, name)
        if planned.setdefault(tier, name) != name:
            only = {
                "local": "a local backend",
                "api_fast": "an API other than the reference's",
                "api_frontier": "the reference",
            }
            return f"{name} needs tier {tier} ({only[tier]}), which {planned[tier]} has"
        chain.append(tier)
    tiers.update(planned)
    return tuple(dict.fromkeys(chain))


def _tier(config: Config, tiers: Mapping[Tier, str], backend: str) -> Tier:
    """The tier that a backend has or needs. `api_frontier` is for the reference only."""
    for tier, name in tiers.items():
        if name == backend:
            return tier
    if is_local(config, config.backend(backend)):
        return "local"
    is_reference = config.pair is not None and backend == config.pair.reference
    return "api_frontier" if is_reference else "api_fast"

"""The routes that follow from advice, as `routing.toml` and as a configuration of the LiteLLM proxy."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.advice import litellm as proxy
from harness.advice.reasons import SIGNS
from harness.analysis.costs.projection import Advice, AdviceCode, Decision, EvalAdvice, Reason
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
    """What follows. `comments`: what to say above each task; `unrouted`: why a task has no route.

    `gone`: tasks of the file as it was, of which there is no eval any more.
    """

    routing: Routing
    comments: Mapping[str, Sequence[str]]
    unrouted: Mapping[str, str]
    gone: Sequence[str]

    @property
    def foot(self) -> list[str]:
        """What is said below all tasks: of those without a route."""
        lines: list[str] = []
        for name, why in self.unrouted.items():
            lines += ["", *_commented(f"{name} is not routed: {why}"), *map(comment, self.comments[name])]
        for name in self.gone:
            lines += ["", *_commented(f"{name} is left out: there is no eval of this name any more")]
        return lines


def routing(found: Config, advice: Advice, before: Routing | None = None) -> str:
    """The text of `routing.toml`: the routes that follow, above each the decision and its reasons.

    `before`: the file as it is. What somebody has set in it stays: deadlines, budgets, hedging, probe and breaker; so
    do tasks that were not advised on. Tiers are the advice's.
    """
    found_routes = routes(found, advice, before)
    return "\n".join([dump(found_routes.routing, found_routes.comments).rstrip("\n"), *found_routes.foot, ""])


def litellm(found: Config, advice: Advice, before: Routing | None = None) -> str:
    """The same as a configuration of the LiteLLM proxy."""
    found_routes = routes(found, advice, before)
    text = proxy.dump(found, found_routes.routing, found_routes.comments)
    return "\n".join([text.rstrip("\n"), *found_routes.foot, ""])


def noted(advice: Advice, found_routes: Routes) -> Advice:
    """The advice, with a word on each task that has no route."""
    return replace(
        advice,
        advised=tuple(
            replace(one, reasons=(*one.reasons, Reason(AdviceCode.ROUTE, "note", advice_text.unrouted(why))))
            if (why := found_routes.unrouted.get(one.line.eval))
            else one
            for one in advice.advised
        ),
    )


def routes(found: Config, advice: Advice, before: Routing | None = None) -> Routes:
    """The routes that follow; `before` as in `routing`."""
    old = before or Routing(tiers={})
    advised, known = {one.line.eval for one in advice.advised}, evals.names(found.root)
    kept = {name: route for name, route in old.tasks.items() if name not in advised and name in known}
    tiers: dict[Tier, str] = {tier: old.tiers[tier] for route in kept.values() for tier in route.tiers}
    tasks: dict[str, TaskRoute] = dict(kept)
    comments: dict[str, list[str]] = {}
    unrouted: dict[str, str] = {}
    for one in sorted(advice.advised, key=lambda one: one.line.eval):
        comments[one.line.eval] = [
            one.decision.value,
            *(line for reason in one.reasons for line in _wrapped(f"{SIGNS[reason.stands]} {reason.text}")),
        ]
        chain = _chain(found, tiers, one)
        if isinstance(chain, str):
            unrouted[one.line.eval] = chain
            continue
        broken = len(chain) > 1 and any(reason.code is AdviceCode.FORMAT for reason in one.reasons)
        new = TaskRoute(tiers=chain, on_broken_contract="escalate" if broken else "accept")
        task = old.tasks.get(one.line.eval)
        tasks[one.line.eval] = task.model_copy(update={"tiers": chain}) if task else new
    gone = sorted(old.tasks.keys() - known - advised)
    return Routes(Routing(tiers=tiers, tasks=tasks, probe=old.probe, breaker=old.breaker), comments, unrouted, gone)


def _commented(text: str) -> list[str]:
    return [comment(line) for line in _wrapped(text)]


def _wrapped(text: str) -> list[str]:
    """Lines for a review in git; what belongs to one reason is indented."""
    inert = "".join(c if c.isprintable() else " " for c in text)  # a line break would end the comment
    return textwrap.wrap(inert, COMMENT, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _chain(found: Config, tiers: dict[Tier, str], one: EvalAdvice) -> tuple[Tier, ...] | str:
    """Who is asked in turn; or why nobody is."""
    line = one.line
    if task_capabilities(line.task).embeds:
        return "its vectors come from one model, which its index decides"
    names = [line.candidate, line.current] if one.decision is Decision.MOVE else [line.current]
    planned = dict(tiers)
    chain: list[Tier] = []
    for name in names:
        tier = _tier(found, planned, name)
        if planned.setdefault(tier, name) != name:
            only = {
                "local": "a local backend",
                "api_fast": "an API other than the reference's",
                "api_frontier": "the reference",
            }
            return f"{name} needs the tier {tier}, the one for {only[tier]}, and that is {planned[tier]}'s"
        chain.append(tier)
    tiers.update(planned)
    return tuple(dict.fromkeys(chain))


def _tier(found: Config, tiers: Mapping[Tier, str], backend: str) -> Tier:
    """The tier that a backend has, or needs: `api_frontier` is the reference's."""
    for tier, name in tiers.items():
        if name == backend:
            return tier
    if is_local(found, found.backend(backend)):
        return "local"
    is_reference = found.pair is not None and backend == found.pair.reference
    return "api_frontier" if is_reference else "api_fast"

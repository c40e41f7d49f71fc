"""What should move, what should stay, and why: quality, format, volume, speed and money, read from saved runs.

A task moves where it is shown to be good enough and nothing else speaks against it. What speaks against it is never
outweighed: a tool-calling chain stays whatever its verdict, and so does what the server cannot carry. Whether a server
pays is asked last: of all that could move, that part does with which the whole bill is lowest.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from harness import evals, reasons
from harness import litellm as proxy
from harness.bill import Advice, Advised, Bill, Decision, Line, Reason, Usage, cheapest, usage
from harness.compare import Comparison, Question, compare, side
from harness.compare.verdicts import DEFAULT_MARGIN
from harness.config import BackendConfig, Config, PairConfig, Service
from harness.cost import is_local, price_of
from harness.errors import ConfigError
from harness.evals import Eval, TrafficConfig
from harness.routing import Routing, TaskRoute, Tier, dump
from harness.store import SavedResults, Store
from harness.toml import at, hint
from harness.types import Run

COMMENT = 100
"""Characters of a line of reasons in `routing.toml`."""


@dataclass(frozen=True, slots=True)
class _Sides:
    """One eval with the backends it is on and may go to, and the newest run of each as production would use it."""

    definition: Eval
    traffic: TrafficConfig
    now: BackendConfig
    then: BackendConfig | None
    run_now: Run | None
    run_then: Run | None
    constrained: Run | None
    like_now: Run | None


def advise(found: Config, store: Store, wanted: Sequence[str] = ()) -> Advice:
    """The advice on every eval with traffic, or on those that are named. Raises `ConfigError` without a `[pair]`."""
    if found.pair is None:
        msg = f"{found.path or found.root}: this needs [pair]: what production runs on, and what it should move to"
        raise ConfigError(msg)
    definitions = evals.find(found.root, wanted)
    pair = found.pair
    advised = [
        _advised(found, _sides(found, pair, store, definition, definition.traffic))
        for definition in definitions
        if definition.traffic is not None
    ]
    left_out = tuple(definition.name for definition in definitions if definition.traffic is None)
    return _paid(found, advised, left_out)


def routing(found: Config, advice: Advice, before: Routing | None = None) -> str:
    """The text of `routing.toml`: the routes that follow, above each the decision and its reasons.

    `before`: the file as it is. What somebody has set in it stays: deadlines, budgets, hedging, probe and breaker; so
    do tasks that were not advised on. Tiers are the advice's.
    """
    routes = _routes(found, advice, before)
    text = dump(routes.routing, routes.comments)
    return "\n".join([text.rstrip("\n"), *(f"# {line}" if line else "" for line in routes.unrouted), ""])


def litellm(found: Config, advice: Advice, before: Routing | None = None) -> str:
    """The same as a configuration of the LiteLLM proxy."""
    routes = _routes(found, advice, before)
    text = proxy.dump(found, routes.routing, routes.comments)
    return "\n".join([text.rstrip("\n"), *(f"# {line}" if line else "" for line in routes.unrouted), ""])


@dataclass(frozen=True, slots=True)
class _Routes:
    """What follows, what to say above each task, and of those that have no route, why."""

    routing: Routing
    comments: Mapping[str, Sequence[str]]
    unrouted: Sequence[str]


def _routes(found: Config, advice: Advice, before: Routing | None) -> _Routes:
    old = before or Routing(tiers={})
    advised = {one.line.eval for one in advice.advised}
    kept = {name: route for name, route in old.tasks.items() if name not in advised}
    tiers: dict[Tier, str] = {tier: old.tiers[tier] for route in kept.values() for tier in route.tiers}
    tasks: dict[str, TaskRoute] = dict(kept)
    comments: dict[str, list[str]] = {}
    unrouted: list[str] = []
    for one in sorted(advice.advised, key=lambda one: one.line.eval):
        told = [one.decision.value, *(line for reason in one.reasons for line in _wrapped(f"- {reason.text}"))]
        chain = _chain(found, tiers, one)
        if isinstance(chain, str):
            unrouted += ["", f"{one.line.eval} is not routed: {chain}", *told]
            continue
        broken = len(chain) > 1 and any(reason.code == "format" for reason in one.reasons)
        new = TaskRoute(tiers=chain, on_broken_contract="escalate" if broken else "accept")
        task = old.tasks.get(one.line.eval)
        tasks[one.line.eval] = task.model_copy(update={"tiers": chain}) if task else new
        comments[one.line.eval] = told
    return _Routes(Routing(tiers=tiers, tasks=tasks, probe=old.probe, breaker=old.breaker), comments, unrouted)


def _wrapped(text: str) -> list[str]:
    """Lines for a review in git; what belongs to one reason is indented."""
    inert = "".join(c if c.isprintable() else " " for c in text)  # a line break would end the comment
    return textwrap.wrap(inert, COMMENT, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _chain(found: Config, tiers: dict[Tier, str], one: Advised) -> tuple[Tier, ...] | str:
    """Who is asked in turn; or why nobody is."""
    line = one.line
    if line.task == "embedding":
        return "its vectors come from one model, which its index decides"
    names = [line.then, line.now] if one.decision is Decision.MOVE else [line.now]
    planned = dict(tiers)
    chain: list[Tier] = []
    for name in names:
        tier = _tier(found, planned, name)
        if tier is None:
            return f"{name} would be a third API, and there are tiers for two"
        chain.append(tier)
    tiers.update(planned)
    return tuple(dict.fromkeys(chain))


def _tier(found: Config, tiers: dict[Tier, str], backend: str) -> Tier | None:
    """The tier of a backend, which is taken on first use: `api_frontier` is the reference's."""
    for tier, name in tiers.items():
        if name == backend:
            return tier
    is_reference = found.pair is not None and backend == found.pair.reference
    order: tuple[Tier, ...] = ("api_frontier",) if is_reference else ("api_fast",)
    if is_local(found, found.backend(backend)):
        order = ("local",)
    free = next((tier for tier in order if tier not in tiers), None)
    if free is not None:
        tiers[free] = backend
    return free


def _sides(found: Config, pair: PairConfig, store: Store, definition: Eval, traffic: TrafficConfig) -> _Sides:
    """Whatever the newest runs of an eval say; a whole run before a sample."""
    if traffic.backend is not None and traffic.backend not in found.backends:
        where = at(definition.path, ("traffic", "backend"))
        msg = f"{where}[traffic] backend = {traffic.backend!r} is not a backend{hint(traffic.backend, found.backends)}"
        raise ConfigError(msg)
    now = _now(found, traffic.backend, pair.reference, _service(definition))
    candidate = found.backend(pair.candidate)
    then = candidate if _service(definition) in candidate.serves else None
    runs = _Runs(store, definition)
    decoding = definition.decoding[0]
    run_now = runs.newest(now.name, now.variant, decoding)
    return _Sides(
        definition=definition,
        traffic=traffic,
        now=now,
        then=then,
        run_now=run_now,
        run_then=runs.newest(then.name, then.variant, decoding) if then else None,
        constrained=runs.newest(then.name, then.variant, "constrained") if then and decoding == "free" else None,
        like_now=run_now or runs.newest(None, now.variant, decoding),
    )


def _service(definition: Eval) -> Service:
    return "embeddings" if definition.task == "embedding" else "chat"


def _now(found: Config, named: str | None, reference: str, service: Service) -> BackendConfig:
    """What production asks today: what the eval says, else the reference, else the first API that can do it."""
    usual = found.backend(named or reference)
    if named or service in usual.serves:
        return usual
    others = [b for b in found.backends.values() if service in b.serves and not is_local(found, b)]
    return others[0] if others else usual


@dataclass(frozen=True, slots=True)
class _Runs:
    """The saved runs of one eval, by what they are of."""

    store: Store
    definition: Eval

    def newest(self, backend: str | None, variant: str, decoding: str) -> Run | None:
        """The newest whole run of a cell (on any backend, if none is named), else its newest sample."""
        of_cell = [
            m
            for m in self.store.manifests(self.definition.name)
            if m.finished_at is not None
            and (m.variant, m.decoding) == (variant, decoding)
            and backend in {None, m.backend}
            and m.split in {"", self.definition.split}
        ]
        found = next((m for m in of_cell if m.limit is None), None) or next(iter(of_cell), None)
        return Run(found, SavedResults(self.store, found.run_id, self.store.count(found.run_id))) if found else None


def _advised(found: Config, each: _Sides) -> Advised:
    """One eval, as far as it can be told without the others."""
    line = _line(found, each)
    c = _compared(each)
    told: list[Reason] = [reasons.quality(line, c)]
    told += reasons.form(c, _compared(replace(each, run_then=each.constrained)), each.run_then)
    told += reasons.blocks(line, found.advice, each.run_then, each.definition.gates.max_p95_latency_s)
    told += [*reasons.capacity(line, found.local), *reasons.price(line), *reasons.index(line)]
    return Advised(line, _decision(told), tuple(told), c)


def _compared(each: _Sides) -> Comparison | None:
    """The candidate against today's model, as the eval's margin asks."""
    if each.run_now is None or each.run_then is None or each.run_now.manifest.backend == each.run_then.manifest.backend:
        return None
    margin = each.definition.gates.margin or DEFAULT_MARGIN
    return compare(side(each.run_now), side(each.run_then), Question("move", margin))


def _decision(told: Iterable[Reason]) -> Decision:
    stands = {reason.stands for reason in told}
    if "against" in stands:
        return Decision.KEEP
    return Decision.INCONCLUSIVE if "open" in stands else Decision.MOVE


def _line(found: Config, each: _Sides) -> Line:
    measured = _usage(each.run_now)
    then = _usage(each.run_then)
    instead = measured or _usage(each.like_now) or then
    local = each.then is not None and is_local(found, each.then)
    return Line(
        eval=each.definition.name,
        task=each.definition.task,
        daily_calls=each.traffic.daily_calls,
        now=each.now.name,
        then=each.then.name if each.then else "",
        usage_now=instead,
        usage_then=then,
        price_now=price_of(found, each.now),
        price_then=price_of(found, each.then) if each.then else None,
        local=local,
        peak=found.advice.peak,
        fixed_usd=found.local.server_usd_per_month + found.local.overhead_usd_per_month,
        estimated=measured is None and instead is not None,
    )


def _usage(run: Run | None) -> Usage | None:
    return usage(run) if run else None


def _paid(found: Config, advised: Sequence[Advised], left_out: tuple[str, ...]) -> Advice:
    """The advice when the server is asked, too: what it can carry, and what of it makes the bill lowest."""
    could = _bill(found, advised)
    moves = cheapest(could.moving, found.local)
    told = [_with(one, _left(one.line, could, moves), Decision.MOVE) for one in advised]
    bill = _bill(found, told)  # of an API, each saves by itself or does not
    told = [_with(one, reasons.savings(bill, one.line), Decision.MOVE) for one in told]
    return Advice(tuple(told), _bill(found, told), left_out)


def _left(line: Line, could: Bill, moves: frozenset[str]) -> Reason | None:
    """Why a line stays that could move: `moves` are those with which the bill is lowest."""
    if not line.local or line.eval in moves:
        return None
    if not moves:
        return reasons.no_savings(could)
    beside = [one for one in could.moving if one.eval in moves]
    if could.servers([*beside, line]) > could.local.servers:
        return reasons.full(line, could.local)
    more = could.server_usd([*beside, line]) - could.server_usd(beside)
    return reasons.no_gain(line, more)


def _bill(found: Config, advised: Sequence[Advised]) -> Bill:
    moved = frozenset(one.line.eval for one in advised if one.decision is Decision.MOVE)
    return Bill(tuple(one.line for one in advised), moved, found.local)


def _with(one: Advised, reason: Reason | None, only: Decision) -> Advised:
    """The advice with one more reason, where it comes to `only` so far."""
    if reason is None or one.decision is not only:
        return one
    told = (*one.reasons, reason)
    return replace(one, reasons=told, decision=_decision(told))

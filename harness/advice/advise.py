"""What should move, what should stay, and why: quality, format, volume, speed and money, read from saved runs.

A task moves where it is shown to be good enough and nothing else speaks against it. What speaks against it is never
outweighed: a tool-calling chain stays whatever its verdict, and so does what the server cannot carry. Whether a server
pays is asked last: of all that could move, that part does with which the whole bill is lowest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from harness.advice import reasons
from harness.advice.reasons import RunFreshness
from harness.analysis.compare import Comparison, ComparisonQuestion, compare, outcomes_of
from harness.analysis.compare.verdicts import DEFAULT_MARGIN
from harness.analysis.costs.projection import (
    Advice,
    AdviceCode,
    CostProjection,
    Decision,
    EvalAdvice,
    EvalCost,
    Reason,
    Usage,
    cheapest,
    usage,
)
from harness.analysis.gates import Evidence
from harness.analysis.metrics.summary import summarize
from harness.core.errors import ConfigError, HarnessError
from harness.core.plugins import task_capabilities
from harness.core.toml import at, hint
from harness.core.types import Decoding, Manifest, Run, RunOrigin
from harness.project import config, evals
from harness.project.config import BackendConfig, Config, PairConfig, Service
from harness.project.evals import Eval, TrafficConfig
from harness.project.pricing import is_local, price_of
from harness.runner.project import Project
from harness.runner.staleness import CurrentDefinition
from harness.store.run_query import RunQuery
from harness.store.runs import SavedResults, Store
from harness.tasks import kinds


@dataclass(frozen=True, slots=True)
class _EvalRuns:
    """One eval with the backends it is on and may go to, and a run of each as production would use it.

    `seen`: both, where there are two to be compared.
    """

    definition: Eval
    traffic: TrafficConfig
    now: BackendConfig
    then: BackendConfig | None
    run_now: Run | None
    run_then: Run | None
    constrained: Run | None
    like_now: Run | None
    seen: tuple[RunFreshness, ...]


def advise(project: Project, wanted: Sequence[str] = ()) -> Advice:
    """The advice on every eval with traffic, or on those that are named. Raises `ConfigError` without a `[pair]`."""
    found = project.config
    if found.pair is None:
        msg = f"{found.path or found.root}: this needs [pair]: what production runs on, and what it should move to"
        raise ConfigError(msg)
    _check_keep(found)
    definitions = evals.find(found.root, wanted)
    pair = found.pair
    advised = [
        _advised(found, _sides(project, pair, definition, definition.traffic))
        for definition in definitions
        if definition.traffic is not None
    ]
    left_out = tuple(definition.name for definition in definitions if definition.traffic is None)
    return _paid(found, advised, left_out, some=_has_others(found, definitions))


def _has_others(found: Config, definitions: Sequence[Eval]) -> bool:
    """Whether production asks more than these evals, as far as that can be told."""
    for path in (found.root / evals.FOLDER).glob("*.toml"):
        if path.stem in {definition.name for definition in definitions}:
            continue
        try:
            other = evals.load(path)
        except ConfigError:  # of what cannot be read it is not known
            return True
        if other.traffic is not None:
            return True
    return False


def _check_keep(found: Config) -> None:
    """A misspelt name would be no guard at all."""
    known = evals.names(found.root) | set(kinds())
    for name in found.advice.keep:
        if name not in known:
            where = at(found.path or found.root / config.FILE_NAME, ("advice", "keep"))
            msg = f"{where}[advice] keep names {name!r}, which is no eval and no kind of task{hint(name, known)}"
            raise ConfigError(msg)


def _sides(project: Project, pair: PairConfig, definition: Eval, traffic: TrafficConfig) -> _EvalRuns:
    """Whatever the newest runs of an eval say; a whole run before a sample."""
    found = project.config
    if traffic.backend is not None and traffic.backend not in found.backends:
        where = at(definition.path, ("traffic", "backend"))
        msg = f"{where}[traffic] backend = {traffic.backend!r} is not a backend{hint(traffic.backend, found.backends)}"
        raise ConfigError(msg)
    now = _now(found, traffic.backend, pair.reference, _service(definition))
    candidate = found.backend(pair.candidate)
    then = candidate if _service(definition) in candidate.serves else None
    runs = _SavedRuns(project.store, definition, CurrentDefinition(definition))
    decoding = definition.decoding[0]
    run_now = runs.newest(now, decoding)
    run_then = runs.newest(then, decoding) if then else None
    told = decoding if len(definition.decoding) > 1 else ""
    both = [(now, run_now), (then, run_then)] if then is not None and then.name != now.name else []
    return _EvalRuns(
        definition=definition,
        traffic=traffic,
        now=now,
        then=then,
        run_now=run_now,
        run_then=run_then,
        constrained=runs.newest(then, "constrained") if then and decoding == "free" else None,
        like_now=run_now or runs.of_any(now.variant, decoding),
        seen=tuple(runs.seen(backend, run, told) for backend, run in both),
    )


def _service(definition: Eval) -> Service:
    return "embeddings" if task_capabilities(definition.task).embeds else "chat"


def _now(found: Config, named: str | None, reference: str, service: Service) -> BackendConfig:
    """What production asks today: what the eval says, else the reference, else the first API that can do it."""
    usual = found.backend(named or reference)
    if named or service in usual.serves:
        return usual
    others = [b for b in found.backends.values() if service in b.serves and not is_local(found, b)]
    return others[0] if others else usual


@dataclass(frozen=True, slots=True)
class _SavedRuns:
    """The saved runs of one eval, by what they are of."""

    store: Store
    definition: Eval
    today: CurrentDefinition

    def newest(self, backend: BackendConfig, decoding: Decoding) -> Run | None:
        """The newest run of a cell: what is as today before what is not, and of those a whole one before a sample."""
        saved = self.store.manifests(self._finished(backend.variant, decoding, backends=(backend.name,)))
        current = (m for m in saved if not self.seen(backend, Run(m)).is_old)
        return self._run(next(current, saved[0] if saved else None))

    def of_any(self, variant: str, decoding: Decoding) -> Run | None:
        """The newest whole run of a prompt on any backend, else its newest sample."""
        return self._run(self.store.newest(self._finished(variant, decoding)))

    def seen(self, backend: BackendConfig, run: Run | None, decoding: str = "") -> RunFreshness:
        """A run with what of it is not as today."""
        one = RunFreshness(backend.name, backend.variant, run, decoding=decoding)
        if run is None:
            return one
        try:
            return replace(one, changed=self.today.changed(run.manifest, backend))
        except HarnessError as error:
            return replace(one, unread=str(error))

    def _finished(self, variant: str, decoding: Decoding, backends: tuple[str, ...] | None = None) -> RunQuery:
        return RunQuery(
            eval=self.definition.name,
            backends=backends,
            variant=variant,
            decoding=decoding,
            splits=("", self.definition.split or ""),
            finished=True,
            origins=frozenset(RunOrigin) - {RunOrigin.JUDGED},
            whole_first=True,
        )

    def _run(self, m: Manifest | None) -> Run | None:
        return Run(m, SavedResults(self.store, m.run_id, self.store.count(m.run_id))) if m else None


def _advised(found: Config, each: _EvalRuns) -> EvalAdvice:
    """One eval, as far as it can be told without the others."""
    line = _line(found, each)
    c, limits = _compared(each), each.definition.gates
    told: list[Reason] = [reasons.quality(line, c, each.seen)]
    told += reasons.gate(limits, each.run_then, lambda: _evidence(found, each), local=line.local)
    told += reasons.form(c, _compared(replace(each, run_then=each.constrained)), each.run_then)
    told += reasons.blocks(line, found.advice, each.run_then, limits.limits.get("max_p95_latency_s"))
    told += [*reasons.capacity(line, found.local), *reasons.price(line), *reasons.index(line)]
    told = [*reasons.stale(line, each.seen), *reasons.as_notes(told, each.seen)]
    return EvalAdvice(line, _decision(told), tuple(told), c)


def _evidence(found: Config, each: _EvalRuns) -> Evidence:
    """What the gates of the candidate's run are judged by."""
    if each.run_then is None or each.then is None:  # of what was not run there is none
        return Evidence("", summarize(()))
    m = each.run_then.manifest
    return Evidence(
        cell=m.cell,
        summary=summarize(each.run_then.results),
        results=each.run_then.results,
        labels=m.labels,
        price=price_of(found, each.then),
    )


def _compared(each: _EvalRuns) -> Comparison | None:
    """The candidate against today's model, as the eval's margin asks."""
    if each.run_now is None or each.run_then is None or each.run_now.manifest.backend == each.run_then.manifest.backend:
        return None
    margin = each.definition.gates.margin or DEFAULT_MARGIN
    return compare(outcomes_of(each.run_now), outcomes_of(each.run_then), ComparisonQuestion("move", margin))


def _decision(told: Iterable[Reason]) -> Decision:
    stands = {reason.stands for reason in told}
    if "against" in stands:
        return Decision.STAY
    return Decision.INCONCLUSIVE if "open" in stands else Decision.MOVE


def _line(found: Config, each: _EvalRuns) -> EvalCost:
    measured = _usage(each.run_now)
    then = _usage(each.run_then)
    instead = measured or _usage(each.like_now) or then
    local = each.then is not None and is_local(found, each.then)
    return EvalCost(
        eval=each.definition.name,
        task=each.definition.task,
        daily_calls=each.traffic.daily_calls,
        current=each.now.name,
        candidate=each.then.name if each.then else "",
        current_usage=instead,
        candidate_usage=then,
        current_price=price_of(found, each.now),
        candidate_price=price_of(found, each.then) if each.then else None,
        local=local,
        peak=found.advice.peak,
        fixed_usd=found.local.server_usd_per_month + found.local.overhead_usd_per_month,
        estimated=measured is None and instead is not None,
    )


def _usage(run: Run | None) -> Usage | None:
    return usage(run) if run else None


def _paid(found: Config, advised: Sequence[EvalAdvice], left_out: tuple[str, ...], *, some: bool) -> Advice:
    """The advice when the server is asked, too: what it can carry, and what of it makes the bill lowest.

    `some`: there are other evals that production asks.
    """
    could = _bill(found, advised)
    moves = cheapest(could.moving, found.local)
    waiting = [one.line for one in advised if one.decision is Decision.INCONCLUSIVE and one.line.local]
    together = cheapest([*could.moving, *waiting], found.local)
    told = [
        _with(
            one,
            _until_decided(_left(one.line, could, moves), one.line, waiting, together, some=some),
            Decision.MOVE,
        )
        for one in advised
    ]
    bill = _bill(found, told)  # of an API, each saves by itself or does not
    told = [_with(one, reasons.savings(bill, one.line), Decision.MOVE) for one in told]
    return Advice(tuple(told), _bill(found, told), left_out)


def _left(line: EvalCost, could: CostProjection, moves: frozenset[str]) -> Reason | None:
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


def _until_decided(
    reason: Reason | None, line: EvalCost, waiting: Sequence[EvalCost], together: frozenset[str], *, some: bool
) -> Reason | None:
    """The same, open where it would not hold if what is not decided yet moved, too.

    `together`: with which the bill would be lowest then.
    """
    if reason is None:
        return None
    others = [one.eval for one in waiting if one.eval in together]
    if line.eval in together and others:
        return reasons.not_yet(reason, others, known=True)
    unknown = [one.eval for one in waiting if one.today_usd is None]
    if reason.code is not AdviceCode.SAVINGS:
        return reason
    if unknown:
        return reasons.not_yet(reason, unknown, known=False)
    return reasons.of_some(reason) if some else reason


def _bill(found: Config, advised: Sequence[EvalAdvice]) -> CostProjection:
    moved = frozenset(one.line.eval for one in advised if one.decision is Decision.MOVE)
    return CostProjection(tuple(one.line for one in advised), moved, found.local)


def _with(one: EvalAdvice, reason: Reason | None, only: Decision) -> EvalAdvice:
    """The advice with one more reason, where it comes to `only` so far."""
    if reason is None or one.decision is not only:
        return one
    told = (*one.reasons, reason)
    return replace(one, reasons=told, decision=_decision(told))

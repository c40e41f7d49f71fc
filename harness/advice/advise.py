"""Decide which evals to move, from saved runs: by quality, format, volume, speed and cost.

An eval moves if its quality is proven and no reason is against it. A reason against moving is never outweighed: a
chain of tool calls stays whatever its verdict, and so does an eval that the servers cannot carry. Cost comes last:
of the evals that could move, those move whose move makes the total bill lowest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from harness.advice import reasons
from harness.advice.reasons import RunFreshness
from harness.analysis.compare import Comparison, ComparisonQuestion, compare, outcomes_of
from harness.analysis.costs.advice_types import Advice, AdviceCode, Decision, EvalAdvice, Reason
from harness.analysis.costs.projection import CostProjection, EvalCost, Usage, cheapest, usage
from harness.analysis.dataset_power import undecidable
from harness.analysis.gates import Evidence
from harness.analysis.metrics.summary import summarize
from harness.core.errors import ConfigError, HarnessError
from harness.core.plugins import task_capabilities
from harness.core.toml import at, hint
from harness.core.types import Decoding, Manifest, Run, RunOrigin
from harness.project import evals
from harness.project.config import FILE_NAME, BackendConfig, Config, PairConfig, Service
from harness.project.evals import Eval, GateConfig, TrafficConfig
from harness.project.pricing import is_local, price_of
from harness.runner.project import Project
from harness.runner.questions import question
from harness.runner.staleness import CurrentDefinition
from harness.store.run_query import RunQuery
from harness.store.runs import SavedResults, Store
from harness.tasks import kinds


@dataclass(frozen=True, slots=True)
class _EvalRuns:
    """One eval, its current and candidate backend, and the saved runs that the advice is based on.

    `constrained_run`: the candidate with constrained decoding. `similar_run`: if the current backend has no run, a run
    of its prompt on another backend. `models`: current and candidate, if they differ.
    """

    definition: Eval
    traffic: TrafficConfig
    current: BackendConfig
    candidate: BackendConfig | None
    current_run: Run | None
    candidate_run: Run | None
    constrained_run: Run | None
    similar_run: Run | None
    models: tuple[RunFreshness, ...]


def advise(project: Project, wanted: Sequence[str] = ()) -> Advice:
    """Advise on every eval that has traffic.

    Args:
        project: The project with its saved runs.
        wanted: Names of evals; by default all.

    Raises:
        ConfigError: The project has no `[pair]`, or names an unknown backend or eval.
    """
    config, store = project.config, project.store
    if config.pair is None:
        what = "advice needs [pair]. Set its reference (the current backend) and its candidate"
        msg = f"{config.path or config.root}: {what}"
        raise ConfigError(msg)
    _check_keep(config)
    definitions = evals.find(config.root, wanted)
    pair = config.pair
    advised = [
        _advise(
            config,
            _runs_of(config, pair, store, definition, definition.traffic),
            question(project, definition.name, "move"),
        )
        for definition in definitions
        if definition.traffic is not None
    ]
    left_out = tuple(definition.name for definition in definitions if definition.traffic is None)
    return _choose_by_cost(config, advised, left_out, has_others=_has_others(config, definitions))


def _has_others(config: Config, definitions: Sequence[Eval]) -> bool:
    """Whether other evals have traffic. An eval that cannot be read counts as one."""
    for path in (config.root / evals.FOLDER).glob("*.toml"):
        if path.stem in {definition.name for definition in definitions}:
            continue
        try:
            other = evals.load(path)
        except ConfigError:
            return True
        if other.traffic is not None:
            return True
    return False


def _check_keep(config: Config) -> None:
    """Reject unknown names in `[advice] keep`: a misspelt name would protect nothing."""
    known = evals.names(config.root) | set(kinds())
    for name in config.advice.keep:
        if name not in known:
            where = at(config.path or config.root / FILE_NAME, ("advice", "keep"))
            msg = f"{where}[advice] keep names {name!r}, which is neither an eval nor a kind of task{hint(name, known)}"
            raise ConfigError(msg)


def _runs_of(config: Config, pair: PairConfig, store: Store, definition: Eval, traffic: TrafficConfig) -> _EvalRuns:
    """Find the newest runs of an eval, complete runs before samples."""
    if traffic.backend is not None and traffic.backend not in config.backends:
        where = at(definition.path, ("traffic", "backend"))
        msg = f"{where}[traffic] backend = {traffic.backend!r} is not a backend{hint(traffic.backend, config.backends)}"
        raise ConfigError(msg)
    current = _current_backend(config, traffic.backend, pair.reference, _service(definition))
    named = config.backend(pair.candidate)
    candidate = named if _service(definition) in named.serves else None
    saved = _SavedRuns(store, definition, CurrentDefinition(definition))
    decoding = definition.decoding[0]
    current_run = saved.newest(current, decoding)
    candidate_run = saved.newest(candidate, decoding) if candidate else None
    shown_decoding = decoding if len(definition.decoding) > 1 else ""
    is_move = candidate is not None and candidate.name != current.name
    models = [(current, current_run), (candidate, candidate_run)] if is_move else []
    return _EvalRuns(
        definition=definition,
        traffic=traffic,
        current=current,
        candidate=candidate,
        current_run=current_run,
        candidate_run=candidate_run,
        constrained_run=saved.newest(candidate, "constrained") if candidate and decoding == "free" else None,
        similar_run=current_run or saved.newest_on_any(current.variant, decoding),
        models=tuple(saved.freshness(backend, run, shown_decoding) for backend, run in models if backend is not None),
    )


def _service(definition: Eval) -> Service:
    return "embeddings" if task_capabilities(definition.task).embeds else "chat"


def _current_backend(config: Config, named: str | None, reference: str, service: Service) -> BackendConfig:
    """The backend that production uses: the eval's own, else the reference, else the first API with the service."""
    backend = config.backend(named or reference)
    if named or service in backend.serves:
        return backend
    others = [b for b in config.backends.values() if service in b.serves and not is_local(config, b)]
    return others[0] if others else backend


@dataclass(frozen=True, slots=True)
class _SavedRuns:
    """Looks up the saved runs of one eval."""

    store: Store
    definition: Eval
    current: CurrentDefinition

    def newest(self, backend: BackendConfig, decoding: Decoding) -> Run | None:
        """Return the newest run of a cell: current before outdated, complete before sample."""
        saved = self.store.manifests(self._finished(backend.variant, decoding, backends=(backend.name,)))
        current = (m for m in saved if not self.freshness(backend, Run(m)).is_old)
        return self._run(next(current, saved[0] if saved else None))

    def newest_on_any(self, variant: str, decoding: Decoding) -> Run | None:
        """Return the newest complete run of a prompt on any backend, else its newest sample."""
        return self._run(self.store.newest(self._finished(variant, decoding)))

    def freshness(self, backend: BackendConfig, run: Run | None, decoding: str = "") -> RunFreshness:
        """Compare a run with the current definition of its eval."""
        freshness = RunFreshness(backend.name, backend.variant, run, decoding=decoding)
        if run is None:
            return freshness
        try:
            return replace(freshness, changed=self.current.changed(run.manifest, backend))
        except HarnessError as error:
            return replace(freshness, unread=str(error))

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


def _advise(config: Config, runs: _EvalRuns, asked: ComparisonQuestion) -> EvalAdvice:
    """Advise on one eval, without regard to the others."""
    cost, run = _cost(config, runs), runs.candidate_run
    c, limits = _compare(runs.current_run, run, asked), runs.definition.gates
    constrained = _compare(runs.current_run, runs.constrained_run, asked)
    all_reasons = [reasons.quality(cost, c, runs.models)]
    all_reasons += reasons.gate(limits, run, lambda: _evidence(config, runs, limits), local=cost.local)
    all_reasons += reasons.form(c, constrained, run)
    all_reasons += reasons.blocks(cost, config.advice, run, limits.limits.get("max_p95_latency_s"))
    all_reasons += [*reasons.capacity(cost, config.local), *reasons.price(cost), *reasons.index(cost)]
    all_reasons = [*reasons.stale(cost, runs.models), *reasons.as_notes(all_reasons, runs.models)]
    return EvalAdvice(cost, _decision(all_reasons), tuple(all_reasons), c)


def _evidence(config: Config, runs: _EvalRuns, limits: GateConfig) -> Evidence:
    if runs.candidate_run is None or runs.candidate is None:
        return Evidence("", summarize(()))
    m = runs.candidate_run.manifest
    cases = {r.case.id: r.case for r in runs.candidate_run.results if r.case.expected is not None}
    return Evidence(
        cell=m.cell,
        summary=summarize(runs.candidate_run.results),
        results=runs.candidate_run.results,
        labels=m.labels,
        price=price_of(config, runs.candidate),
        undecidable=tuple(undecidable(limits, cases.values())),
    )


def _compare(current: Run | None, candidate: Run | None, asked: ComparisonQuestion) -> Comparison | None:
    if current is None or candidate is None or current.manifest.backend == candidate.manifest.backend:
        return None
    return compare(outcomes_of(current), outcomes_of(candidate), asked)


def _decision(all_reasons: Iterable[Reason]) -> Decision:
    stands = {reason.stands for reason in all_reasons}
    if "against" in stands:
        return Decision.STAY
    return Decision.INCONCLUSIVE if "open" in stands else Decision.MOVE


def _cost(config: Config, runs: _EvalRuns) -> EvalCost:
    measured, candidate_usage = _usage(runs.current_run), _usage(runs.candidate_run)
    current_usage = measured or _usage(runs.similar_run) or candidate_usage
    return EvalCost(
        eval=runs.definition.name,
        task=runs.definition.task,
        daily_calls=runs.traffic.daily_calls,
        current=runs.current.name,
        candidate=runs.candidate.name if runs.candidate else "",
        current_usage=current_usage,
        candidate_usage=candidate_usage,
        current_price=price_of(config, runs.current),
        candidate_price=price_of(config, runs.candidate) if runs.candidate else None,
        local=runs.candidate is not None and is_local(config, runs.candidate),
        peak=config.advice.peak,
        fixed_usd=config.local.server_usd_per_month + config.local.overhead_usd_per_month,
        estimated=measured is None and current_usage is not None,
    )


def _usage(run: Run | None) -> Usage | None:
    return usage(run) if run else None


def _choose_by_cost(
    config: Config, advised: Sequence[EvalAdvice], left_out: tuple[str, ...], *, has_others: bool
) -> Advice:
    """Of the evals that could move, move those that make the total bill lowest. `has_others`: as `_has_others`."""
    possible = _bill(config, advised)
    moving = cheapest(possible.moving, config.local)
    undecided = [each.cost for each in advised if each.decision is Decision.INCONCLUSIVE and each.cost.local]
    # The lowest bill if every undecided eval could move, too.
    at_most = cheapest([*possible.moving, *undecided], config.local)
    decided = []
    for each in advised:
        reason = _stay_reason(each.cost, possible, moving)
        if reason is not None:
            reason = _open_if_undecided(reason, each.cost, undecided, at_most, has_others=has_others)
        decided.append(_with_reason(each, reason))
    bill = _bill(config, decided)
    # An API has no fixed cost, so each of its evals saves by itself or does not.
    decided = [_with_reason(each, reasons.savings(bill, each.cost)) for each in decided]
    return Advice(tuple(decided), _bill(config, decided), left_out)


def _stay_reason(cost: EvalCost, possible: CostProjection, moving: frozenset[str]) -> Reason | None:
    """Why an eval stays that could move; `None` if it moves. `moving`: the evals that make the bill lowest."""
    if not cost.local or cost.eval in moving:
        return None
    if not moving:
        return reasons.no_savings(possible)
    others = [other for other in possible.moving if other.eval in moving]
    if possible.servers([*others, cost]) > possible.local.servers:
        return reasons.full(cost, possible.local)
    return reasons.no_gain(cost, possible.server_usd([*others, cost]) - possible.server_usd(others))


def _open_if_undecided(
    reason: Reason, cost: EvalCost, undecided: Sequence[EvalCost], at_most: frozenset[str], *, has_others: bool
) -> Reason:
    """Turn a reason into an open question if it would not hold once the undecided evals move.

    `at_most`: the evals that make the bill lowest if all undecided ones could move.
    """
    others = [other.eval for other in undecided if other.eval in at_most]
    if cost.eval in at_most and others:
        return reasons.not_yet(reason, others, known=True)
    if reason.code is not AdviceCode.SAVINGS:
        return reason
    unknown = [other.eval for other in undecided if other.current_usd is None]
    if unknown:
        return reasons.not_yet(reason, unknown, known=False)
    return reasons.of_some(reason) if has_others else reason


def _bill(config: Config, advised: Sequence[EvalAdvice]) -> CostProjection:
    moved = frozenset(each.cost.eval for each in advised if each.decision is Decision.MOVE)
    return CostProjection(tuple(each.cost for each in advised), moved, config.local)


def _with_reason(advice: EvalAdvice, reason: Reason | None) -> EvalAdvice:
    """Add a reason to an eval that would move so far."""
    if reason is None or advice.decision is not Decision.MOVE:
        return advice
    all_reasons = (*advice.reasons, reason)
    return replace(advice, reasons=all_reasons, decision=_decision(all_reasons))

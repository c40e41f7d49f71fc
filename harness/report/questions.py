"""What a report is asked beyond showing its runs: may the task move, does the prompt travel, what does a step cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from harness.analysis.compare import Comparison, ComparisonQuestion, compare, outcomes_of
from harness.analysis.compare.ladder import Ladder, climb
from harness.analysis.compare.noise import floor
from harness.analysis.compare.portability import Portability, Prompts, portability
from harness.analysis.compare.verdicts import DEFAULT_MARGIN
from harness.analysis.costs.projection import Advice
from harness.core.errors import ConfigError
from harness.core.types import Decoding, Run
from harness.project import evals
from harness.project.config import Config
from harness.project.pricing import Price, is_local, price_of


@dataclass(frozen=True, slots=True)
class Analyses:
    """What harness.toml and the evals tell, and comparisons that are made already.

    `pair`: the backends of reference and candidate. `own`: backend -> the variant that it is tuned for; of a backend
    that is not in it, a variant counts only if no other one was run. `margins` (default 0.03) and `decodings` (default
    free): by eval, what its gates say and what production uses. `ladders`: name -> backends, the first being the one
    that the others are judged against. `comparisons`: shown as they are, before all others. `noise`: two runs of the
    same thing; else it is looked for among the runs. `prices`: backend -> what it charges, `None` of one's own server.
    `advice`: what should move and what that does to the bill, from the newest runs of all evals.
    """

    pair: tuple[str, str] | None = None
    own: Mapping[str, str] = field(default_factory=dict)
    margins: Mapping[str, float] = field(default_factory=dict)
    decodings: Mapping[str, Decoding] = field(default_factory=dict)
    ladders: Mapping[str, Sequence[str]] = field(default_factory=dict)
    comparisons: tuple[Comparison, ...] = ()
    noise: Comparison | None = None
    prices: Mapping[str, Price | None] = field(default_factory=dict)
    advice: Advice | None = None


@dataclass(frozen=True, slots=True)
class AnalysisResults:
    """What the runs of one eval say to it. `prices` and `advice` are what was asked with."""

    comparisons: tuple[Comparison, ...] = ()
    portability: Portability | None = None
    ladders: tuple[Ladder, ...] = ()
    noise: Comparison | None = None
    prices: Mapping[str, Price | None] = field(default_factory=dict)
    advice: Advice | None = None


NO_RESULTS = AnalysisResults()


def analyses_of(config: Config, names: Iterable[str]) -> Analyses:
    """What a project asks of the runs of these evals. Of one that is no longer there, or an import, no margin is known.

    Raises `ConfigError` for nothing: a report of saved runs does not fail for a file that was changed since.
    """
    definitions = [definition for name in dict.fromkeys(names) for definition in _definition(config, name)]
    priced = [(name, price_of(config, backend)) for name, backend in config.backends.items()]
    return Analyses(
        pair=(config.pair.reference, config.pair.candidate) if config.pair else None,
        own={name: backend.variant for name, backend in config.backends.items()},
        margins={
            definition.name: definition.gates.margin
            for definition in definitions
            if definition.gates.margin is not None
        },
        decodings={definition.name: definition.decoding[0] for definition in definitions},
        ladders={name: ladder.steps for name, ladder in config.ladders.items()},
        prices={name: price for name, price in priced if price is not None or is_local(config, config.backends[name])},
    )


def analyze(analyses: Analyses, name: str, runs: Sequence[Run]) -> AnalysisResults:
    """Everything that the runs of the eval called `name` say. Where two are of one cell, the last one counts."""
    margin = analyses.margins.get(name, DEFAULT_MARGIN)
    cells = _RunsByCell(analyses, name, runs)
    given = tuple(c for c in analyses.comparisons if c.head.eval == name)
    ladders = (
        climb(ladder, steps, cells.own_runs(), margin, analyses.noise) for ladder, steps in analyses.ladders.items()
    )
    return AnalysisResults(
        comparisons=(*given, *_moves(cells, margin)),
        portability=_portability(cells, margin),
        ladders=tuple(ladder for ladder in ladders if ladder is not None),
        noise=analyses.noise or floor(runs),
        prices=analyses.prices,
        advice=analyses.advice,
    )


def _definition(config: Config, name: str) -> list[evals.Eval]:
    try:
        return evals.find(config.root, [name])
    except ConfigError:
        return []


@dataclass(frozen=True, slots=True)
class _RunsByCell:
    """The runs of one eval, config by backend and variant, as production decodes."""

    analyses: Analyses
    name: str
    runs: Sequence[Run]

    def own(self, backend: str) -> Run | None:
        """The run that production would use a backend for."""
        variant = self.analyses.own.get(backend)
        if variant is None:
            variants = {run.manifest.variant for run in self.runs if run.manifest.backend == backend}
            if len(variants) != 1:
                return None
            (variant,) = variants
        return self.find(variant, backend)

    def own_runs(self) -> list[Run]:
        """That of every backend."""
        backends = dict.fromkeys(run.manifest.backend for run in self.runs)
        return [run for backend in backends if (run := self.own(backend)) is not None]

    def find(self, variant: str, backend: str) -> Run | None:
        """The last run of a cell."""
        decoding = self.analyses.decodings.get(self.name, "free")
        wanted = (variant, backend, decoding)
        of_cell = (r for r in self.runs if (r.manifest.variant, r.manifest.backend, r.manifest.decoding) == wanted)
        return next(reversed(list(of_cell)), None)


def _moves(cells: _RunsByCell, margin: float) -> list[Comparison]:
    """The candidate as production would use it, against the reference as production uses it."""
    if cells.analyses.pair is None:
        return []
    reference, candidate = (cells.own(backend) for backend in cells.analyses.pair)
    if reference is None or candidate is None or reference is candidate:
        return []
    return [compare(outcomes_of(reference), outcomes_of(candidate), ComparisonQuestion("move", margin))]


def _portability(cells: _RunsByCell, margin: float) -> Portability | None:
    """Both variants of the pair on both of its backends, or at least on the candidate."""
    if cells.analyses.pair is None:
        return None
    reference, candidate = cells.analyses.pair
    theirs, ours = (cells.analyses.own.get(backend) for backend in cells.analyses.pair)
    if theirs is None or ours is None or theirs == ours:
        return None
    on_candidate = _prompts(cells, candidate, theirs, ours)
    if on_candidate is None:
        return None
    return portability(on_candidate, _prompts(cells, reference, theirs, ours), cells.analyses.pair, margin)


def _prompts(cells: _RunsByCell, backend: str, *variants: str) -> Prompts | None:
    base, head = (cells.find(variant, backend) for variant in variants)
    return None if base is None or head is None else (outcomes_of(base), outcomes_of(head))

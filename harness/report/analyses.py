"""Optional analyses in a report: verdicts, portability, ladders, costs, advice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.analysis.compare import Comparison, ComparisonQuestion, compare, outcomes_of, question_of
from harness.analysis.compare.ladder import Ladder, climb
from harness.analysis.compare.noise import floor
from harness.analysis.compare.portability import Portability, Prompts, portability
from harness.analysis.costs.advice_types import Advice
from harness.core.errors import ConfigError
from harness.core.types import Decoding, Run
from harness.project import evals, routing
from harness.project.config import Config
from harness.project.pricing import Price, is_local, price_of


@dataclass(frozen=True, slots=True)
class Analyses:
    """The analyses to make, from harness.toml and the evals, and finished comparisons to show.

    `pair`: the backends of reference and candidate.
    `own`: the variant that each backend is tuned for. For other backends, the only variant that was run.
    `questions`: whether the task may move, by eval, with the default margin for others.
    `decodings`: the one that production uses, by eval, default `free`.
    `ladders`: backends by name; the others are compared with the first.
    `comparisons`: finished ones, shown before all others.
    `noise`: a comparison of two identical runs; by default looked for among the runs.
    `prices`: by backend; `None` for a local server.
    `advice`: on all evals.
    """

    pair: tuple[str, str] | None = None
    own: Mapping[str, str] = field(default_factory=dict)
    questions: Mapping[str, ComparisonQuestion] = field(default_factory=dict)
    decodings: Mapping[str, Decoding] = field(default_factory=dict)
    ladders: Mapping[str, Sequence[str]] = field(default_factory=dict)
    comparisons: tuple[Comparison, ...] = ()
    noise: Comparison | None = None
    prices: Mapping[str, Price | None] = field(default_factory=dict)
    advice: Advice | None = None


@dataclass(frozen=True, slots=True)
class AnalysisResults:
    """The analyses of one eval. `prices` and `advice`: as in `Analyses`."""

    comparisons: tuple[Comparison, ...] = ()
    portability: Portability | None = None
    ladders: tuple[Ladder, ...] = ()
    noise: Comparison | None = None
    prices: Mapping[str, Price | None] = field(default_factory=dict)
    advice: Advice | None = None


NO_RESULTS = AnalysisResults()


def analyses_of(config: Config, names: Iterable[str], candidates: Mapping[str, int] | None = None) -> Analyses:
    """Collect the analyses that a project configures for these evals. `candidates`: compared before, by eval.

    A missing or broken eval file is no error, so that a report of saved runs never fails for it. Its margin is the
    default.
    """
    definitions = [definition for name in dict.fromkeys(names) for definition in _definition(config, name)]
    priced = [(name, price_of(config, backend)) for name, backend in config.backends.items()]
    return Analyses(
        pair=(config.pair.reference, config.pair.candidate) if config.pair else None,
        own={name: backend.variant for name, backend in config.backends.items()},
        questions={
            definition.name: question_of(
                "move",
                definition,
                routed=routing.routed(config.root),
                candidates=(candidates or {}).get(definition.name, 1),
            )
            for definition in definitions
        },
        decodings={definition.name: definition.decoding[0] for definition in definitions},
        ladders={name: ladder.steps for name, ladder in config.ladders.items()},
        prices={name: price for name, price in priced if price is not None or is_local(config, config.backends[name])},
    )


def analyze(analyses: Analyses, name: str, runs: Sequence[Run]) -> AnalysisResults:
    """Analyze the runs of the eval `name`. Of several runs of a cell, the last one counts."""
    asked = analyses.questions.get(name, ComparisonQuestion("move"))
    margin = asked.margin
    cells = _RunsByCell(analyses, name, runs)
    given = tuple(c for c in analyses.comparisons if c.head.eval == name)
    ladders = (
        climb(ladder, steps, cells.own_runs(), replace(asked, candidates=1), analyses.noise)
        for ladder, steps in analyses.ladders.items()
    )
    return AnalysisResults(
        comparisons=(*given, *_moves(cells, asked)),
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
    """Looks up the runs of one eval by backend and variant, with the decoding that production uses."""

    analyses: Analyses
    name: str
    runs: Sequence[Run]

    def own(self, backend: str) -> Run | None:
        """The run of the variant that a backend is tuned for."""
        variant = self.analyses.own.get(backend)
        if variant is None:
            variants = {run.manifest.variant for run in self.runs if run.manifest.backend == backend}
            if len(variants) != 1:
                return None
            (variant,) = variants
        return self.find(variant, backend)

    def own_runs(self) -> list[Run]:
        """The own run of every backend."""
        backends = dict.fromkeys(run.manifest.backend for run in self.runs)
        return [run for backend in backends if (run := self.own(backend)) is not None]

    def find(self, variant: str, backend: str) -> Run | None:
        """The last run of a cell."""
        decoding = self.analyses.decodings.get(self.name, "free")
        wanted = (variant, backend, decoding)
        of_cell = (r for r in self.runs if (r.manifest.variant, r.manifest.backend, r.manifest.decoding) == wanted)
        return next(reversed(list(of_cell)), None)


def _moves(cells: _RunsByCell, asked: ComparisonQuestion) -> list[Comparison]:
    """Compare the candidate's own run with the reference's."""
    if cells.analyses.pair is None:
        return []
    reference, candidate = (cells.own(backend) for backend in cells.analyses.pair)
    if reference is None or candidate is None or reference is candidate:
        return []
    return [compare(outcomes_of(reference), outcomes_of(candidate), asked)]


def _portability(cells: _RunsByCell, margin: float) -> Portability | None:
    """Compare both variants of the pair on both backends, or only on the candidate."""
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

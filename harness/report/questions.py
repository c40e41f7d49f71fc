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


NO_ANSWERS = AnalysisResults()


def asked_by(found: Config, names: Iterable[str]) -> Analyses:
    """What a project asks of the runs of these evals. Of one that is no longer there, or an import, no margin is known.

    Raises `ConfigError` for nothing: a report of saved runs does not fail for a file that was changed since.
    """
    definitions = [definition for name in dict.fromkeys(names) for definition in _definition(found, name)]
    priced = [(name, price_of(found, backend)) for name, backend in found.backends.items()]
    return Analyses(
        pair=(found.pair.reference, found.pair.candidate) if found.pair else None,
        own={name: backend.variant for name, backend in found.backends.items()},
        margins={one.name: one.gates.margin for one in definitions if one.gates.margin is not None},
        decodings={one.name: one.decoding[0] for one in definitions},
        ladders={name: ladder.steps for name, ladder in found.ladders.items()},
        prices={name: price for name, price in priced if price is not None or is_local(found, found.backends[name])},
    )


def answers(asked: Analyses, name: str, runs: Sequence[Run]) -> AnalysisResults:
    """Everything that the runs of the eval called `name` say. Where two are of one cell, the last one counts."""
    margin = asked.margins.get(name, DEFAULT_MARGIN)
    cells = _RunsByCell(asked, name, runs)
    made = tuple(c for c in asked.comparisons if c.head.eval == name)
    ladders = (climb(ladder, steps, cells.own_runs(), margin, asked.noise) for ladder, steps in asked.ladders.items())
    return AnalysisResults(
        comparisons=(*made, *_moves(cells, margin)),
        portability=_portability(cells, margin),
        ladders=tuple(ladder for ladder in ladders if ladder is not None),
        noise=asked.noise or floor(runs),
        prices=asked.prices,
        advice=asked.advice,
    )


def _definition(found: Config, name: str) -> list[evals.Eval]:
    try:
        return evals.find(found.root, [name])
    except ConfigError:
        return []


@dataclass(frozen=True, slots=True)
class _RunsByCell:
    """The runs of one eval, found by backend and variant, as production decodes."""

    asked: Analyses
    name: str
    runs: Sequence[Run]

    def own(self, backend: str) -> Run | None:
        """The run that production would use a backend for."""
        variant = self.asked.own.get(backend)
        if variant is None:
            there = {run.manifest.variant for run in self.runs if run.manifest.backend == backend}
            if len(there) != 1:
                return None
            (variant,) = there
        return self.find(variant, backend)

    def own_runs(self) -> list[Run]:
        """That of every backend."""
        backends = dict.fromkeys(run.manifest.backend for run in self.runs)
        return [run for backend in backends if (run := self.own(backend)) is not None]

    def find(self, variant: str, backend: str) -> Run | None:
        """The last run of a cell."""
        decoding = self.asked.decodings.get(self.name, "free")
        wanted = (variant, backend, decoding)
        of_cell = (r for r in self.runs if (r.manifest.variant, r.manifest.backend, r.manifest.decoding) == wanted)
        return next(reversed(list(of_cell)), None)


def _moves(cells: _RunsByCell, margin: float) -> list[Comparison]:
    """The candidate as production would use it, against the reference as production uses it."""
    if cells.asked.pair is None:
        return []
    reference, candidate = (cells.own(backend) for backend in cells.asked.pair)
    if reference is None or candidate is None or reference is candidate:
        return []
    return [compare(outcomes_of(reference), outcomes_of(candidate), ComparisonQuestion("move", margin))]


def _portability(cells: _RunsByCell, margin: float) -> Portability | None:
    """Both variants of the pair on both of its backends, or at least on the candidate."""
    if cells.asked.pair is None:
        return None
    reference, candidate = cells.asked.pair
    theirs, ours = (cells.asked.own.get(backend) for backend in cells.asked.pair)
    if theirs is None or ours is None or theirs == ours:
        return None
    on_candidate = _prompts(cells, candidate, theirs, ours)
    if on_candidate is None:
        return None
    return portability(on_candidate, _prompts(cells, reference, theirs, ours), cells.asked.pair, margin)


def _prompts(cells: _RunsByCell, backend: str, *variants: str) -> Prompts | None:
    base, head = (cells.find(variant, backend) for variant in variants)
    return None if base is None or head is None else (outcomes_of(base), outcomes_of(head))

"""Trends: the rates of a cell from run to run, and the changes between consecutive runs. Pure.

    trends(manifests, tallies)              a `Trend` per eval, cell and split; its points oldest first

Only complete runs form a trend. Samples vary too much, and a replayed run repeats old replies. Rescored and imported
runs are included and marked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.analysis.compare import Change, Comparison, changes
from harness.analysis.metrics.summary import outcome_rate
from harness.analysis.stats import Rate
from harness.core.types import OWN_ORIGINS, Manifest, Tally

NEWEST = 52
"""Default for the most points of a trend: a year of weekly runs."""

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII = "_.-~=+*#"


@dataclass(frozen=True, slots=True)
class Point:
    """One run of a trend. `changed`: the changes of its fingerprint since the previous point."""

    manifest: Manifest
    strict: Rate
    lenient: Rate
    compliance: Rate
    n_errors: int
    changed: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Trend:
    """Complete runs of a cell over a split, oldest first; at least one. `latest`: a comparison of the newest."""

    eval: str
    cell: str
    split: str
    points: tuple[Point, ...]
    latest: Comparison | None = None

    @property
    def last_change(self) -> Point | None:
        """The newest point with a changed fingerprint."""
        return next((point for point in reversed(self.points) if point.changed), None)


def is_point(manifest: Manifest) -> bool:
    """Whether a run belongs to a trend: finished, over a complete split, neither replayed nor a judge's."""
    return manifest.finished_at is not None and manifest.limit is None and manifest.origin in OWN_ORIGINS


def point_of(manifest: Manifest, tally: Tally, changed: tuple[Change, ...] = ()) -> Point:
    """The rates of one run. `changed`: since the run before."""
    strict, lenient, compliance = (outcome_rate(tally.cases, place) for place in (1, 2, 3))
    return Point(manifest, strict, lenient, compliance, tally.failed, changed)


def trends(
    manifests: Iterable[Manifest], tallies: Callable[[Sequence[Manifest]], Mapping[str, Tally]], newest: int = NEWEST
) -> tuple[Trend, ...]:
    """Build the trend of each eval, cell and split, sorted by name.

    Args:
        manifests: Newest first.
        tallies: Loads the outcomes of runs by run id; called once per trend, for its points only.
        newest: The most points of a trend.
    """
    by_cell: dict[tuple[str, str, str], list[Manifest]] = {}
    for manifest in filter(is_point, manifests):
        by_cell.setdefault((manifest.eval, manifest.cell, manifest.split), []).append(manifest)
    built = []
    for key, runs in sorted(by_cell.items()):
        shown = runs[:newest][::-1]
        built.append(Trend(*key, tuple(_points(shown, tallies(shown)))))
    return tuple(built)


def sparkline(rates: Sequence[Rate], blocks: str = BLOCKS) -> str:
    """Draw a character per rate; a space if nothing was answered.

    The scale spans all intervals, so that noise looks small.
    """
    known = [r for r in rates if r.n]
    if not known:
        return " " * len(rates)
    bottom = min(r.low for r in known)
    height = max(r.high for r in known) - bottom
    heights = (int((r.value - bottom) / height * len(blocks)) if r.n else None for r in rates)
    return "".join(" " if step is None else blocks[min(step, len(blocks) - 1)] for step in heights)


def _points(manifests: Sequence[Manifest], tallies: Mapping[str, Tally]) -> Iterator[Point]:
    before: Manifest | None = None
    for m in manifests:
        tally = tallies[m.run_id]
        yield point_of(m, tally, changes(before.fingerprint, m.fingerprint) if before else ())
        before = m

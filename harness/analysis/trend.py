"""What became of a cell from run to run: its rates, and what changed between one run and the next. Pure.

    trends(manifests, tallies)              a `Trend` per eval, cell and split; its points oldest first

Only runs of the whole split form a trend: a sample would jump about, and a replayed run is no news. A run that was read
again by another contract, or made elsewhere, is in it and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.analysis.compare import Change, Comparison, changes
from harness.analysis.metrics.summary import outcome_rate
from harness.analysis.stats import Rate
from harness.core.types import OWN_ORIGINS, Manifest, Tally

NEWEST = 52
"""The most points of a trend, unless more are asked for: a year of weeks."""

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII = "_.-~=+*#"


@dataclass(frozen=True, slots=True)
class Point:
    """One run of a trend. `changed`: what of its fingerprint is not as it was at the point before."""

    manifest: Manifest
    strict: Rate
    lenient: Rate
    compliance: Rate
    n_errors: int
    changed: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Trend:
    """The whole runs of one cell over one split, oldest first; at least one. `latest`: the newest against another."""

    eval: str
    cell: str
    split: str
    points: tuple[Point, ...]
    latest: Comparison | None = None

    @property
    def last_change(self) -> Point | None:
        """The newest point at which anything had changed."""
        return next((point for point in reversed(self.points) if point.changed), None)


def is_point(manifest: Manifest) -> bool:
    """Whether a run can be part of a trend: finished, over a whole split, not replayed, not a judge's."""
    return manifest.finished_at is not None and manifest.limit is None and manifest.origin in OWN_ORIGINS


def trends(
    manifests: Iterable[Manifest], tallies: Callable[[Sequence[Manifest]], Mapping[str, Tally]], newest: int = NEWEST
) -> tuple[Trend, ...]:
    """A trend of each eval, cell and split, by name. `manifests` come newest first.

    `tallies`: the outcomes of runs by run id, asked for once a trend and for its points only.
    """
    by_cell: dict[tuple[str, str, str], list[Manifest]] = {}
    for manifest in filter(is_point, manifests):
        by_cell.setdefault((manifest.eval, manifest.cell, manifest.split), []).append(manifest)
    found = []
    for key, runs in sorted(by_cell.items()):
        shown = runs[:newest][::-1]
        found.append(Trend(*key, tuple(_points(shown, tallies(shown)))))
    return tuple(found)


def sparkline(rates: Sequence[Rate], blocks: str = BLOCKS) -> str:
    """A character per rate, low to high. From the lowest end of an interval to the highest, so that noise looks small.

    Nothing answered is a space.
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
        strict, lenient, compliance = (outcome_rate(tally.cases, place) for place in (1, 2, 3))
        changed = changes(before.fingerprint, m.fingerprint) if before else ()
        yield Point(m, strict, lenient, compliance, tally.failed, changed)
        before = m

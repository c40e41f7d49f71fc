"""Notices above the figures: failed calls, unfinished runs, cells over different cases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from harness.core.formatting import listed, plural
from harness.core.types import RunOrigin
from harness.report.model import CellReport, EvalReport
from harness.report.rate_text import rate_text


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice. An `error` keeps a run from passing gates; a `caution` limits what its figures mean."""

    kind: Literal["error", "caution"]
    text: str


def notices(report: EvalReport) -> tuple[Notice, ...]:
    """List the notices of a report, errors first."""
    all_notices = [notice for cell in report.cells for notice in _of_cell(cell)]
    all_notices += [Notice("caution", text) for text in (*_samples(report), *_recorded(report), *_across(report))]
    return tuple(sorted(all_notices, key=lambda notice: notice.kind != "error"))


def _of_cell(cell: CellReport) -> Iterator[Notice]:
    summary, manifest = cell.summary, cell.manifest
    if summary.n_errors:
        failed = f"{summary.n_errors:,} of {plural(summary.n, 'call')} failed ({listed(summary.errors)})"
        rule = "Failed calls do not count as wrong answers. A run with failed calls cannot pass a gate."
        yield Notice("error", f"{cell.name}: {failed}. {rule}")
    if cell.unfinished:
        done = len({r.case.id for r in cell.judged})
        yield Notice("error", f"{cell.name}: unfinished run, {done:,} of {plural(manifest.n_cases, 'case')} done.")
    if (unstable := summary.unstable) is not None:
        text = f"each case ran {manifest.repeats} times; the answer changed in {rate_text(unstable)}"
        yield Notice("caution", f"{cell.name}: {text}. Rates average over the replies of a case first.")
    if manifest.until_decided:
        yield Notice("caution", f"{cell.name}: {plural(manifest.n_cases, 'random case')} (--until-decided).")
    elif manifest.selection:
        chosen = ", ".join(manifest.selection)
        yield Notice("caution", f"{cell.name}: only {plural(manifest.n_cases, 'selected case')} ({chosen}).")


def _samples(report: EvalReport) -> Iterator[str]:
    """One line per size of sample."""
    by_size: dict[int, list[str]] = {}
    for cell in report.cells:
        limit = cell.manifest.limit
        if limit is not None and not cell.manifest.until_decided and not cell.manifest.selection:
            by_size.setdefault(limit, []).append(cell.name)
    for limit, names in by_size.items():
        yield f"Limited to {plural(limit, 'case')}: {', '.join(names)}."


def _recorded(report: EvalReport) -> Iterator[str]:
    """One line per recorded backend."""
    recorded = (cell.manifest for cell in report.cells if cell.manifest.origin is RunOrigin.RECORDED)
    for manifest in {manifest.backend: manifest for manifest in recorded}.values():
        model = manifest.fingerprint.get("model", "").rpartition("/")[2]
        yield f"{manifest.backend}: recorded replies of {model}. No model was called."


def _across(report: EvalReport) -> Iterator[str]:
    if len(report.cells) == 1:
        yield "Only one cell was run. Run another variant or backend to see whether the prompt is portable."
        return
    apart = sum(any(result is None for result in joined.results) for joined in report.cases)
    if apart:
        some = f"{apart:,} of {plural(len(report.cases), 'case')} {'is' if apart == 1 else 'are'} not in every cell"
        yield f"The cells cover different cases: {some}. Their rates are not comparable."
    contracts = {cell.manifest.fingerprint.get("contract_hash", "") for cell in report.cells}
    if len(contracts) > 1:
        yield "Different contracts read the cells. Their rates are not comparable."

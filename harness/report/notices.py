"""What a reader must know before the figures: failed calls, unfinished runs, cells that are not over the same cases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from harness.core.formatting import listed, plural
from harness.report.model import CellReport, EvalReport
from harness.report.rate_text import rate_text


@dataclass(frozen=True, slots=True)
class Notice:
    """One of them. An `error` keeps a run from passing a gate, a `caution` limits what its figures mean."""

    kind: Literal["error", "caution"]
    text: str


def notices(report: EvalReport) -> tuple[Notice, ...]:
    """Errors first."""
    found = [notice for cell in report.cells for notice in _of_cell(cell)]
    found += [Notice("caution", text) for text in _across(report)]
    return tuple(sorted(found, key=lambda notice: notice.kind != "error"))


def _of_cell(cell: CellReport) -> Iterator[Notice]:
    summary, manifest = cell.summary, cell.manifest
    if summary.n_errors:
        failed = f"{summary.n_errors:,} of {plural(summary.n, 'call')} failed ({listed(summary.errors)})"
        rule = "Failed calls are never counted as wrong answers, and a run with errors cannot pass a gate."
        yield Notice("error", f"{cell.name}: {failed}. {rule}")
    if cell.unfinished:
        asked = len({r.case.id for r in cell.judged})
        yield Notice("error", f"{cell.name}: unfinished run, {asked:,} of {manifest.n_cases:,} cases were asked.")
    if (unstable := summary.unstable) is not None:
        text = f"each case was asked {manifest.repeats} times, and {rate_text(unstable)} of them changed their answer"
        yield Notice("caution", f"{cell.name}: {text}. Rates average over a case's replies first.")
    if manifest.limit is not None:
        yield Notice("caution", f"{cell.name}: limited to {plural(manifest.limit, 'case')}.")


def _across(report: EvalReport) -> Iterator[str]:
    if len(report.cells) == 1:
        yield "Only one cell was run. Whether the prompt travels shows against another variant or another backend."
        return
    apart = sum(any(result is None for result in joined.results) for joined in report.cases)
    if apart:
        some = f"{apart:,} of {plural(len(report.cases), 'case')} were not asked in every cell"
        yield f"The cells are not over the same cases: {some}, so their rates cannot be compared one to one."
    contracts = {cell.manifest.fingerprint.get("contract_hash", "") for cell in report.cells}
    if len(contracts) > 1:
        yield "The cells were read by different contracts, so their rates cannot be compared."

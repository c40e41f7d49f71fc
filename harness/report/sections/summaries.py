"""How good the summaries of each cell are, and the worst of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.analysis.metrics.summarization import SummarizationMetrics, SummaryFindings, find, summaries
from harness.analysis.stats import Mean
from harness.core.formatting import cut
from harness.core.plugins import task_capabilities
from harness.core.types import Result
from harness.report.model import CellReport, EvalReport

ORDER = 40
TITLE = "Summaries"

_EXAMPLES = 5
_LENGTH = 600
_LISTED = 6


@dataclass(frozen=True, slots=True)
class SummaryExample:
    """One summary and its errors."""

    case: str
    text: str
    length: int | None
    missed: tuple[str, ...]
    stated: tuple[str, ...]
    numbers: tuple[str, ...]
    names: tuple[str, ...]


def context(report: EvalReport) -> dict[str, Any] | None:
    """A row of figures per cell, and the worst summaries of each cell."""
    if "summaries" not in task_capabilities(report.task).sections:
        return None
    cells = [(cell, metrics) for cell in report.cells if (metrics := summaries(cell.results))]
    if not cells:
        return None
    worst = [(cell.name, _worst(cell)) for cell, _ in cells]
    return {
        "rows": [(cell.name, _row(cell, metrics)) for cell, metrics in cells],
        "worst": [(name, examples) for name, examples in worst if examples],
    }


def _row(cell: CellReport, metrics: SummarizationMetrics) -> dict[str, Any]:
    return {
        "n": metrics.rouge_l.n,
        "texts": metrics.n_texts,
        "compliance": cell.summary.accuracy.compliance,
        "means": [_mean(metrics.fact_recall), _mean(metrics.rouge_l), _mean(metrics.chrf)],
        "shares": [metrics.made_up_numbers, metrics.made_up_names, metrics.stated],
    }


def _mean(value: Mean) -> tuple[str, str] | None:
    """The figure and its interval; `None` if no case has one."""
    return (f"{value.value:.2f}", f"{value.low:.2f}–{value.high:.2f}") if value.n else None


def _worst(cell: CellReport) -> list[SummaryExample]:
    """Sort by made-up figures and names, then forbidden statements, then missed facts."""
    wrong = [
        (findings, result)
        for result in cell.results
        if result.score is not None and (findings := _findings(result)) is not None and not findings.right
    ]
    wrong.sort(key=lambda pair: (-_made_up(pair[0]), -len(pair[0].stated), -len(pair[0].missed), pair[1].case.id))
    return [_example(result, findings) for findings, result in wrong[:_EXAMPLES]]


def _made_up(findings: SummaryFindings) -> int:
    return len(findings.numbers) + len(findings.names)


def _findings(result: Result) -> SummaryFindings | None:
    text = result.reading.lenient if result.reading is not None else None
    return find(result.case, text) if isinstance(text, str) else None


def _example(result: Result, findings: SummaryFindings) -> SummaryExample:
    text, length = cut(str(result.reading.lenient if result.reading else ""), _LENGTH)
    listed = (items[:_LISTED] for items in (findings.missed, findings.stated, findings.numbers, findings.names))
    return SummaryExample(result.case.id, text, length, *listed)

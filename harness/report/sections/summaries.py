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
    """One summary and what is wrong with it."""

    case: str
    text: str
    length: int | None
    missed: tuple[str, ...]
    stated: tuple[str, ...]
    numbers: tuple[str, ...]
    names: tuple[str, ...]


def context(report: EvalReport) -> dict[str, Any] | None:
    """A row of figures per cell; below, of each cell, the summaries that make up most and miss most."""
    if "summaries" not in task_capabilities(report.task).sections:
        return None
    cells = [(cell, found) for cell in report.cells if (found := summaries(cell.results))]
    if not cells:
        return None
    worst = [(cell.name, _worst(cell)) for cell, _ in cells]
    return {
        "rows": [(cell.name, _row(cell, found)) for cell, found in cells],
        "worst": [(name, examples) for name, examples in worst if examples],
    }


def _row(cell: CellReport, found: SummarizationMetrics) -> dict[str, Any]:
    return {
        "n": found.rouge_l.n,
        "texts": found.n_texts,
        "compliance": cell.summary.accuracy.compliance,
        "means": [_mean(found.fact_recall), _mean(found.rouge_l), _mean(found.chrf)],
        "shares": [found.made_up_numbers, found.made_up_names, found.stated],
    }


def _mean(value: Mean) -> tuple[str, str] | None:
    """The figure and the ends of its interval, or nothing where no case has one."""
    return (f"{value.value:.2f}", f"{value.low:.2f}–{value.high:.2f}") if value.n else None


def _worst(cell: CellReport) -> list[SummaryExample]:
    """Made-up things count most, for they mislead; then what must not be stated, then facts missed."""
    found = [
        (findings, result)
        for result in cell.results
        if result.score is not None and (findings := _findings(result)) is not None and not findings.right
    ]
    found.sort(key=lambda pair: (-_made_up(pair[0]), -len(pair[0].stated), -len(pair[0].missed), pair[1].case.id))
    return [_example(result, findings) for findings, result in found[:_EXAMPLES]]


def _made_up(findings: SummaryFindings) -> int:
    return len(findings.numbers) + len(findings.names)


def _findings(result: Result) -> SummaryFindings | None:
    text = result.reading.lenient if result.reading is not None else None
    return find(result.case, text) if isinstance(text, str) else None


def _example(result: Result, findings: SummaryFindings) -> SummaryExample:
    text, length = cut(str(result.reading.lenient if result.reading else ""), _LENGTH)
    listed = (found[:_LISTED] for found in (findings.missed, findings.stated, findings.numbers, findings.names))
    return SummaryExample(result.case.id, text, length, *listed)

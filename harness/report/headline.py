"""One headline per cell: accuracy in production, and whether other replies are wrong or only phrased wrongly.

A headline never compares two cells, because that takes a statistical test.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.core.formatting import listed, percent, plural
from harness.core.plugins import provider_capabilities
from harness.report.model import CellReport, EvalReport, outcome
from harness.report.rate_text import interval, rate_text


@dataclass(frozen=True, slots=True)
class CellSentence:
    """The headline of one cell: its name and the rest of the sentence."""

    cell: str
    rest: str

    @property
    def text(self) -> str:
        """Name and rest."""
        return f"{self.cell}: {self.rest}"


def sentences(report: EvalReport) -> tuple[CellSentence, ...]:
    """The headlines, first those of another model's prompt on the local model."""
    cells = sorted(report.cells, key=_order)
    return tuple(CellSentence(cell.name, _describe(cell, report.answer_word)) for cell in cells)


def _order(cell: CellReport) -> tuple[bool, bool]:
    manifest, fingerprint = cell.manifest, cell.manifest.fingerprint
    # Hosted services come last: readers want to know how a prompt works on the candidate. The engine is the provider's
    # name; a local server of the same provider usually reports a quantization.
    hosted = provider_capabilities(fingerprint.get("engine", "")).hosted_url is not None
    remote = hosted and not fingerprint.get("quantization")
    return remote, manifest.variant == "local"


def _describe(cell: CellReport, answer: str) -> str:
    summary = cell.summary
    if summary.n == 0:
        return "no case was run."
    if summary.answered == 0:
        failed = f"all {summary.n:,} calls failed" if summary.n > 1 else "the only call failed"
        return f"{failed} ({listed(summary.errors)})."
    text = f"{_strict(cell, answer)} {_lenient(cell, answer)}{_cut_off(cell, answer)}"
    if not summary.n_errors:
        return text
    counted = "is" if summary.n_errors == 1 else "are"
    return f"{text} {plural(summary.n_errors, 'call')} failed ({listed(summary.errors)}) and {counted} not counted."


def _strict(cell: CellReport, answer: str) -> str:
    compliance, strict = cell.summary.accuracy.compliance, cell.summary.accuracy.strict
    if compliance.hits == 0:
        return (
            f"production code accepts none of the {plural(compliance.n, 'reply', 'replies')} ({interval(compliance)}%)."
        )
    accepted = f"{percent(compliance.hits, compliance.n)} of the replies ({interval(compliance)})"
    if compliance.hits == compliance.n:
        accepted = f"all {compliance.n:,} replies" if compliance.n > 1 else "the only reply"
        accepted += f" ({interval(compliance)}%)"
    return f"production code accepts {accepted} and gets the right {answer} in {rate_text(strict)}."


def _lenient(cell: CellReport, answer: str) -> str:
    """Separate replies that are only phrased wrongly from wrong ones."""
    lenient, outcomes, n = cell.summary.accuracy.lenient, cell.outcomes, cell.summary.judged
    phrasing, wrong, unclear = (outcomes[kind] for kind in ("phrasing", "wrong", "unclear"))
    missed = _missed(wrong, unclear, n, answer)
    if wrong + unclear == n:
        cause = " Phrasing is not the cause." if not unclear else ""
        return f"Read leniently, no reply is right ({interval(lenient)}%): {missed}.{cause}"
    if phrasing == 0:
        return f"No reply is lost to phrasing: {missed or 'every reply is right'}."
    lost = f"{percent(phrasing, n)[:-1]} points are lost to phrasing"
    return f"Read leniently, {rate_text(lenient)} are right: {lost}; {missed or f'no reply has a wrong {answer}'}."


def _cut_off(cell: CellReport, answer: str) -> str:
    # A truncated reply does not prove that the model has no answer.
    cut = sum(outcome(result) == "unclear" and result.response.truncated for result in cell.results)
    if not cut:
        return ""
    return f" Of those without a clear {answer}, {cut:,} {'was' if cut == 1 else 'were'} cut off at max_tokens."


def _missed(wrong: int, unclear: int, n: int, answer: str) -> str:
    """`41.7% have a wrong label and 24.2% no clear label`; empty for none."""
    parts = [(wrong, f"a wrong {answer}"), (unclear, f"no clear {answer}")]
    if n in {wrong, unclear}:
        return f"all have {parts[0][1] if wrong else parts[1][1]}"
    shares = [f"{percent(count, n)} {{}}{what}" for count, what in parts if count]
    return " and ".join(share.format("" if i else "have ") for i, share in enumerate(shares))

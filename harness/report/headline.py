"""One headline per cell: what production code gets, and whether the rest is wrong or only badly phrased.

A headline never compares two cells, because no test was made.
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
    cells = sorted(report.cells, key=_telling)
    return tuple(CellSentence(cell.name, _describe(cell, report.answer_word)) for cell in cells)


def _telling(cell: CellReport) -> tuple[bool, bool]:
    manifest, told = cell.manifest, cell.manifest.fingerprint
    # A hosted service comes last: the news is what a prompt does on the model it should move to. The engine is the
    # provider's name; a local server of the same provider usually reports how its weights are stored.
    hosted = provider_capabilities(told.get("engine", "")).hosted_url is not None
    remote = hosted and not told.get("quantization")
    return remote, manifest.variant == "local"


def _describe(cell: CellReport, answer: str) -> str:
    summary = cell.summary
    if summary.n == 0:
        return "no case was run."
    if summary.answered == 0:
        failed = f"all {summary.n:,} calls failed" if summary.n > 1 else "the only call failed"
        return f"{failed} ({listed(summary.errors)})."
    told = f"{_as_is(cell, answer)} {_read_leniently(cell, answer)}"
    if not summary.n_errors:
        return told
    counted = "is" if summary.n_errors == 1 else "are"
    return f"{told} {plural(summary.n_errors, 'call')} failed ({listed(summary.errors)}) and {counted} not counted."


def _as_is(cell: CellReport, answer: str) -> str:
    """What production code gets."""
    accuracy = cell.summary.accuracy
    compliance, strict = accuracy.compliance, accuracy.strict
    if compliance.hits == 0:
        replies = plural(compliance.n, "reply", "replies")
        return f"production code accepts none of the {replies} as it is ({interval(compliance)}%)."
    accepted = (
        f"every one of the {compliance.n:,} replies as it is ({interval(compliance)}%)"
        if compliance.hits == compliance.n
        else f"{percent(compliance.hits, compliance.n)} of the replies as they are ({interval(compliance)})"
    )
    return f"production code accepts {accepted} and gets the right {answer} in {rate_text(strict)}."


def _read_leniently(cell: CellReport, answer: str) -> str:
    """What the model meant, and so where the rest was lost."""
    lenient, outcomes, n = cell.summary.accuracy.lenient, cell.outcomes, cell.summary.judged
    phrasing, wrong, unclear = (outcomes[kind] for kind in ("phrasing", "wrong", "unclear"))
    missed = _missed(wrong, unclear, n, answer)
    if wrong + unclear == n:
        verdict = " Phrasing is not the cause." if not unclear else ""
        told = f"Read leniently, none is right ({interval(lenient)}%): {missed}.{verdict}"
    elif phrasing == 0:
        lost = "Nothing is lost to phrasing"
        told = f"{lost}: {'every reply is right' if not missed else 'the rest is ' + missed}."
    else:
        points = f"{percent(phrasing, n)[:-1]} points are lost to phrasing alone"
        rest = f"; the rest is {missed}" if missed else " and nothing to the model"
        told = f"Read leniently, {rate_text(lenient)} are right: {points}{rest}."
    return told + _cut_off(cell, answer)


def _cut_off(cell: CellReport, answer: str) -> str:
    """A reply that was cut off before it came to an answer is no proof that the model has none."""
    cut = sum(outcome(result) == "unclear" and result.response.truncated for result in cell.results)
    if not cut:
        return ""
    were = "was" if cut == 1 else "were"
    where = f"Of those without a clear {answer}, {cut:,} {were} cut off at max_tokens"
    return f" {where}."


def _missed(wrong: int, unclear: int, n: int, answer: str) -> str:
    parts = [(wrong, f"a wrong {answer}"), (unclear, f"no clear {answer}")]
    if wrong + unclear == n and 0 in {wrong, unclear}:
        return f"a wrong {answer} in all of them" if wrong else f"no clear {answer} in any of them"
    return " and ".join(f"{what} in {percent(count, n)}" for count, what in parts if count)

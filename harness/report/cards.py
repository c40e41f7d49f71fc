"""The head of every format: one verdict card per eval, and how many gates passed, failed or are undecided.

A card has a verdict, one figure, one sentence, and one command to type next. Details are elsewhere in the report.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from harness.analysis.compare import Comparison, ReasonCode, Verdict
from harness.analysis.gates import GateResult, GateStatus
from harness.analysis.stats import Paired, Rate
from harness.core.formatting import percent, plural
from harness.report import comparison_text, verdict_text
from harness.report.gate_text import outcome_text
from harness.report.model import CellReport, EvalReport, Report
from harness.report.notices import notices
from harness.report.rate_text import interval

Tone = Literal["good", "bad", "open"]

_MOSTLY = 0.5
"""Share of a loss above which phrasing is its main cause."""


class Attention(IntEnum):
    """The order of cards: what needs attention comes first."""

    BAD = 0
    FIX = 1
    OPEN = 2
    GOOD = 3


@dataclass(frozen=True, slots=True)
class VerdictCard:
    """The answer of one eval on one line each.

    `label`: MOVE, STAY, FIX FORMAT, NEED n CASES, OK, REGRESSED, … `figure`: one number with its interval.
    `paired` and `margin`: the difference of the figure and its limit, if two cells were compared.
    `command`: what to type next.
    """

    eval: str
    label: str
    tone: Tone
    attention: Attention
    title: str
    figure: str
    why: str
    command: str
    paired: Paired | None = None
    margin: float = 0.0


@dataclass(frozen=True, slots=True)
class GateCounts:
    """How many gates passed, failed, and are undecided."""

    passed: int
    failed: int
    undecided: int

    def __bool__(self) -> bool:
        return bool(self.passed or self.failed or self.undecided)

    @property
    def text(self) -> str:
        """`gates: 7 passed, 1 failed, 2 undecided`."""
        parts = [f"{self.passed:,} passed", f"{self.failed:,} failed", f"{self.undecided:,} undecided"]
        return f"gates: {', '.join(parts)}"


def gate_counts(gates: Sequence[GateResult]) -> GateCounts:
    """Count the gates by their status."""
    counted = Counter(gate.status for gate in gates)
    return GateCounts(counted[GateStatus.PASSED], counted[GateStatus.FAILED], counted[GateStatus.UNDECIDED])


def cards(report: Report) -> tuple[VerdictCard, ...]:
    """A card per eval, what needs attention first."""
    made = [card(e, [gate for gate in report.gates if gate.cell.partition(" ")[0] == e.name]) for e in report.evals]
    return tuple(sorted(made, key=lambda each: each.attention))


def headline(shown: Sequence[VerdictCard]) -> str:
    """`6 evals: 3 stay, 2 need more cases, 1 may move`."""
    counted = Counter(_in_words(each.label) for each in shown)
    parts = [f"{n:,} {words[n > 1]}" for words, n in counted.items()]
    return f"{plural(len(shown), 'eval')}: {', '.join(parts)}" if shown else ""


def _in_words(label: str) -> tuple[str, str]:
    """A label in a sentence, for one eval and for several."""
    if label.startswith("NEED "):
        return "needs more cases", "need more cases"
    return {
        "MOVE": ("may move", "may move"),
        "STAY": ("stays", "stay"),
        "FIX FORMAT": ("needs another format", "need another format"),
        "REGRESSED": ("regressed", "regressed"),
        "GATE FAILED": ("fails a gate", "fail a gate"),
        "ERRORS": ("has errors", "have errors"),
        "OK": ("is as good as before", "are as good as before"),
        "IMPROVED": ("improved", "improved"),
        "GATES PASSED": ("passes its gates", "pass their gates"),
    }.get(label, ("without a verdict", "without a verdict"))


def card(e: EvalReport, gates: Sequence[GateResult] = ()) -> VerdictCard:
    """The card of an eval: of its first comparison, otherwise of its gates."""
    if e.analysis.comparisons:
        return _compared(e, e.analysis.comparisons[0])
    return _alone(e, gates)


def _compared(e: EvalReport, c: Comparison) -> VerdictCard:
    label, tone, attention = _label(c)
    loss = c.reason.slice_loss
    paired, margin = (c.deciding.paired, c.question.margin) if loss is None else (loss.paired, loss.limit)
    confidence = c.question.confidence if loss is None else 0.95
    of = "" if loss is None else f" on {loss.kind} {loss.name}"
    ends = comparison_text.interval_text(paired, confidence)
    figure = f"{comparison_text.plain_points(paired.delta)} points{of} {ends}" if c.n else ""
    return VerdictCard(
        eval=e.name,
        label=label,
        tone=tone,
        attention=attention,
        title=comparison_text.title(c),
        figure=figure,
        why=_why(c, label),
        command=_command(e, c, label),
        paired=paired if c.n else None,
        margin=margin,
    )


def verdict_label(c: Comparison) -> str:
    """The word on the card of a comparison: `MOVE`, `FIX FORMAT`, `NEED 857 CASES`."""
    return _label(c)[0]


def _label(c: Comparison) -> tuple[str, Tone, Attention]:
    """The word on a card. A loss that is only phrasing, and an open verdict with a known sample size, say so."""
    tone = comparison_text.tone(c.verdict)
    if c.verdict in {Verdict.STAY, Verdict.INCONCLUSIVE} and c.is_only_format:
        return "FIX FORMAT", "open", Attention.FIX
    if c.verdict is Verdict.INCONCLUSIVE:
        if c.reason.code is ReasonCode.MORE_CASES and c.needed is not None:
            return f"NEED {c.needed:,} CASES", "open", Attention.OPEN
        return "CANNOT TELL", "open", Attention.OPEN
    if c.verdict is Verdict.INCOMPARABLE:
        return c.verdict.value, "open", Attention.FIX
    return c.verdict.value, tone, Attention.GOOD if tone == "good" else Attention.BAD


def _why(c: Comparison, label: str) -> str:
    """The reason in one sentence, without the figure."""
    margin, head, base = comparison_text.margin_text(c.question.margin), c.deciding.head, c.deciding.base
    names = ("candidate", "reference") if c.question.kind == "move" else ("now", "before")
    rates = f"{names[0]} {_rate(head)} right, {names[1]} {_rate(base)}"
    if label == "FIX FORMAT":
        right = f"{_rate(c.lenient.head)} are right, of the reference {_rate(c.lenient.base)}"
        return f"The loss is phrasing: read leniently, it is within the margin, and {right}."
    if (loss := c.reason.slice_loss) is not None:
        all_cases = comparison_text.plain_points(c.leg(c.reason.leg).paired.delta)
        proven = "is proven" if c.reason.code is ReasonCode.SLICE_LOSS else "is possible"
        limit = f"a loss of more than {comparison_text.margin_text(loss.limit)} {proven}"
        return f"All cases: {all_cases} points, but on {loss.kind} {loss.name} {limit}."
    if c.reason.code in verdict_text.OVERRULED or c.verdict is Verdict.INCOMPARABLE:
        text = verdict_text.reason_text(c)
        return f"{text[0].upper()}{text[1:]}."
    if c.reason.code is ReasonCode.FAILED_CALLS:
        return f"{plural(c.base.n_errors + c.head.n_errors, 'call')} failed, and could change the verdict."
    if c.verdict is Verdict.INCONCLUSIVE:
        return f"The loss may be more or less than {margin}, after {plural(c.n, 'case')}: {rates}."
    if comparison_text.tone(c.verdict) == "good":
        claim = "A gain is proven" if c.deciding.paired.low > 0 else f"A loss of more than {margin} is ruled out"
        return f"{claim}: {rates}."
    return f"{_cause(c)}: {rates}."


def _cause(c: Comparison) -> str:
    """Whether wrong answers or phrasing cause most of a proven loss."""
    lost, form = -c.strict.paired.delta, -c.format_gap.delta
    if c.reason.leg == "strict" and lost > 0 and form > _MOSTLY * lost:
        return f"{100 * form:.1f} of the {100 * lost:.1f} points lost are phrasing"
    return "The answers are wrong, not only their phrasing" if c.question.production == "strict" else "Answers are lost"


def _rate(rate: Rate) -> str:
    return percent(rate.hits, rate.n) if rate.n else "no answer"


def _command(e: EvalReport, c: Comparison, label: str) -> str:
    name = shlex.quote(e.name)  # an imported eval may have any name
    if label == "FIX FORMAT":
        return f"harness cases {name} --flipped"
    if label.startswith("NEED") or label == "CANNOT TELL":
        return f"harness datasets power {name}"
    if c.verdict is Verdict.MOVE:
        return f"harness baseline save {name}"
    if c.verdict in {Verdict.OK, Verdict.IMPROVED}:
        return f"harness history {name}"
    if c.verdict is Verdict.INCOMPARABLE:
        return f"harness run {name}"
    return f"harness cases {name} --flipped"


def _alone(e: EvalReport, gates: Sequence[GateResult]) -> VerdictCard:
    """The card of an eval without a comparison: the worst of its gates, and the cell with the most right answers."""
    best = max(e.cells, key=_accuracy)
    counts = gate_counts(gates)
    label, tone, attention = _gate_label(counts)
    if any(notice.kind == "error" for notice in notices(e)) and attention is not Attention.BAD:
        label, tone, attention = "ERRORS", "bad", Attention.BAD
    rate = best.summary.accuracy.strict
    return VerdictCard(
        eval=e.name,
        label=label,
        tone=tone,
        attention=attention,
        title=best.name,
        figure=f"{percent(rate.hits, rate.n)} right (95% interval {interval(rate)})" if rate.n else "no answer",
        why=_alone_why(e, best, counts, gates),
        command=f"harness cases {shlex.quote(e.name)} --wrong",
    )


def _accuracy(cell: CellReport) -> float:
    rate = cell.summary.accuracy.strict
    return rate.value if rate.n else -1.0


def _gate_label(counts: GateCounts) -> tuple[str, Tone, Attention]:
    if counts.failed:
        return "GATE FAILED", "bad", Attention.BAD
    if counts.undecided:
        return "UNDECIDED", "open", Attention.OPEN
    if counts.passed:
        return "GATES PASSED", "good", Attention.GOOD
    return "NOT COMPARED", "open", Attention.OPEN


def _alone_why(e: EvalReport, best: CellReport, counts: GateCounts, gates: Sequence[GateResult]) -> str:
    worst = next((gate for gate in gates if gate.status is GateStatus.FAILED), None)
    if worst is not None:
        text = outcome_text(worst)
        return f"{text[0].upper()}{text[1:]}."
    phrasing, n = best.outcomes["phrasing"], best.summary.judged
    lost = f"{percent(phrasing, n)} more are right but phrased wrongly" if phrasing else "phrasing costs nothing"
    answered = f"{lost[0].upper()}{lost[1:]}." if n else "No reply could be scored."
    others = plural(len(e.cells) - 1, "other cell")
    compared = "" if counts else " No reference was run, so there is no verdict."
    more = f" {others} in the table." if len(e.cells) > 1 else ""
    return f"{answered}{more}{compared}"

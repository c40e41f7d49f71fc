"""Words for comparisons: titles, verdicts with their reasons, differences, flips, changes."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Literal

from harness.analysis.compare import Change, Comparison, Difference, Verdict
from harness.analysis.compare.changes import BACKEND
from harness.analysis.compare.flips import counts
from harness.analysis.compare.noise import beyond
from harness.analysis.compare.verdicts import SIGNIFICANT, UNDECIDED
from harness.analysis.stats import Paired
from harness.analysis.stats.label_noise import true_loss, unfair_loss
from harness.core.formatting import NOTHING, plural

FLIPS = {
    "right_to_wrong": "right → wrong",
    "wrong_to_right": "wrong → right",
    "wrong_to_other_wrong": "wrong → other wrong",
    "compliant_to_not": "compliant → not",
    "not_to_compliant": "not → compliant",
}
"""Names of the kinds of flips."""

LABEL_NOISE = 0.05
"""Share of wrong labels in examples. Ten public test sets have 3.3% on average (Northcutt et al. 2021)."""

_LISTED_CASES = 12
_EXAMPLE_GROUPS = 6
_DIGEST_CHARACTERS = 12


def tone(verdict: Verdict) -> Literal["good", "bad", "open"]:
    """Sort a verdict into good, bad or open, which decides its colour."""
    if verdict in UNDECIDED:
        return "open"
    return "bad" if verdict in {Verdict.STAY, Verdict.REGRESSED} else "good"


def title(c: Comparison) -> str:
    """`local@q8 -> local@q4`, with the run ids if both are runs of the same cell."""
    base, head = c.base, c.head
    if base.name == head.name:
        return f"{head.name}: {base.run_id} -> {head.run_id}"
    return f"{base.name} -> {head.name}"


def measured(c: Comparison) -> list[tuple[str, Difference]]:
    """The three rates with their names."""
    return [("strict", c.strict), ("lenient", c.lenient), ("compliance", c.compliance)]


def points(share: float) -> str:
    """`+1.8`, in percentage points."""
    return plain_points(share).replace("-", "−")


def plain_points(share: float) -> str:
    """`-1.8`: as `points`, with a hyphen for the minus sign, in sentences that terminals and programs read."""
    return NOTHING if math.isnan(share) else f"{round(100 * share, 1) or 0.0:+.1f}"


def delta_text(p: Paired) -> str:
    """`−4.0 (−6.9 to −2.2)`."""
    return f"{points(p.delta)} ({points(p.low)} to {points(p.high)})" if p.n else NOTHING


def difference_text(p: Paired, confidence: float = 0.95, limits: Sequence[float] = ()) -> str:
    """`difference -4.0 points (95% interval -6.9 to -2.2)`. `limits`: as in `interval_text`."""
    return f"difference {plain_points(p.delta)} points {interval_text(p, confidence, limits)}"


def interval_text(p: Paired, confidence: float = 0.95, limits: Sequence[float] = ()) -> str:
    """`(95% interval -6.9 to -2.2)`, or `95% anytime-valid interval`.

    Ends have enough digits to differ from each of `limits`, which are shares.
    """
    low, high = (_end(end, limits) for end in (p.low, p.high))
    kind = "anytime-valid interval" if p.anytime else "interval"
    return f"({confidence_text(confidence)} {kind} {low} to {high})"


def _end(end: float, limits: Sequence[float]) -> str:
    """An end of an interval, in points."""
    for digits in range(1, 5):
        text = f"{round(100 * end, digits) or 0.0:+.{digits}f}"
        if all(end == limit or float(text) != round(100 * limit, digits) for limit in limits):
            break
    return text


def confidence_text(confidence: float) -> str:
    """`95%`, `98.3%`."""
    return f"{round(100 * confidence, 2):g}%"


def p_text(p: float) -> str:
    """`0.039`, `< 0.001`."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def p_equals(p: float) -> str:
    """`p = 0.039`, `p < 0.001`."""
    return f"p {'' if p < 0.001 else '= '}{p_text(p)}"


def gap_text(c: Comparison) -> str:
    """The two parts of the difference: `capability −1.0 (…), format −3.0 (…)`."""
    return f"capability {delta_text(c.capability_gap)}, format {delta_text(c.format_gap)}"


def cases_text(c: Comparison) -> str:
    """`300 that both answered, worth 97 independent cases`."""
    text = f"{c.n:,} that both answered"
    size = c.deciding.paired.effective_n
    return text if size is None or not c.n else f"{text}, worth {size:,.0f} independent cases"


def answering_text(c: Comparison) -> str:
    """How often a reply has an answer, and who is right where both answer; empty if every reply has an answer."""
    answering, both = c.answering, c.right_if_answered
    if answering.base.hits == answering.head.hits == c.n:
        return ""
    given = f"{answering.base.value:.1%} -> {answering.head.value:.1%} of the replies, {delta_text(answering.paired)}"
    right = f"{both.gains:g} gained, {both.losses:g} lost, {delta_text(both)}"
    return f"an answer is given in {given}; where both answer ({plural(both.n, 'case')}): {right}"


def labels_text(c: Comparison) -> str:
    """A warning if one of the compared models made the labels; empty otherwise."""
    if not c.labelled_by:
        return ""
    made = " and ".join(f"{n:,} by {backend}" for backend, n in c.labelled_by)
    behind = true_loss(c.question.margin, LABEL_NOISE, len(c.head.labels))
    return (
        f"made by a model of this comparison ({made}). If {LABEL_NOISE:.0%} of them are wrong, an equally good model "
        f"looks up to {margin_text(unfair_loss(LABEL_NOISE))} worse, and a margin of {margin_text(c.question.margin)} "
        f"stands for {margin_text(round(behind, 4))}. Check a sample by hand"
    )


def cost_text(c: Comparison) -> str:
    """`cost of errors +0.12 USD per case (95% interval +0.05 to +0.19)`; empty without costs."""
    if c.cost is None or c.question.costs is None:
        return ""
    unit = f" {c.question.costs.unit}" if c.question.costs.unit else ""
    ends = f"{confidence_text(c.question.confidence)} interval {c.cost.low:+.3g} to {c.cost.high:+.3g}"
    return f"cost of errors {c.cost.delta:+.3g}{unit} per case ({ends})"


def mix_text(c: Comparison) -> str:
    """How the cases are weighted; empty if all count alike."""
    mix = None if c.question.anytime else c.question.mix
    if mix is None:
        return ""
    total = sum(share for _, share in mix.shares)
    shares = ", ".join(f"{name} {share / total:.0%}" for name, share in mix.shares[:_EXAMPLE_GROUPS])
    more = ", …" if len(mix.shares) > _EXAMPLE_GROUPS else ""
    return f"cases are weighted by the traffic of their {mix.kind}s: {shares}{more}"


def candidates_text(c: Comparison) -> str:
    """How many candidates share the error of a verdict; empty for one."""
    number = c.question.candidates
    if number < 2 or c.question.kind != "move":
        return ""
    return (
        f"{number} prompts and models were compared on this split, so intervals have "
        f"{confidence_text(c.question.confidence)} instead of 95%. A `holdout` split for the final prompt avoids it"
    )


def flips_text(c: Comparison) -> str:
    """`right → wrong 12, wrong → right 3`, or `none in 300 cases`."""
    counted = [f"{FLIPS[kind]} {count:,}" for kind, count in counts(c.flips).items() if count]
    return ", ".join(counted) if counted else f"none in {plural(c.n, 'case')}"


def lost_cases_text(c: Comparison) -> str:
    """`right → wrong: c-1, c-2`; empty if no case went from right to wrong."""
    ids = c.lost_cases
    more = f" and {len(ids) - _LISTED_CASES:,} more" if len(ids) > _LISTED_CASES else ""
    return f"{FLIPS['right_to_wrong']}: {', '.join(ids[:_LISTED_CASES])}{more}" if ids else ""


def change_text(change: Change) -> str:
    """`model (quantization: Q8_0 -> Q2_K)`. Hashes are shown only if no name differs."""
    named = [part for part in change.parts if not part[0].endswith(("_hash", "_digest"))]
    values = ", ".join(f"{name}: {_short(old)} -> {_short(new)}" for name, old, new in named or change.parts)
    which = "" if named or change.parts[0][0] != BACKEND else "provider, address or options; "
    return f"{change.what} ({which}{values})"


def changes_text(changes: Sequence[Change]) -> str:
    """All of them, separated by semicolons; empty for none."""
    return "; ".join(map(change_text, changes))


def changed_text(c: Comparison) -> str:
    """The changes between the runs. Of several, none is named as the cause."""
    if not c.changed:
        return "nothing in the fingerprint"
    return changes_text(c.changed) + (" – any of these may be the cause" if len(c.changed) > 1 else "")


def noise_text(c: Comparison, floor: Comparison) -> str:
    """How many answers change between identical runs, and how many changed beyond that."""
    if not floor.n:
        return "not known: the two identical runs share no case"
    verb = "changes" if floor.answers_changed == 1 else "change"
    same = f"{floor.answers_changed:,} of {plural(floor.n, 'answer')} {verb} between two identical runs"
    return f"{same}; here {c.answers_changed:,} of {c.n:,}, {beyond(c, floor):.0f} more than expected"


def bounds_text(c: Comparison) -> str:
    """How many calls failed, and the range of differences that their answers could lead to."""
    worst, best = c.bounds
    failed = plural(c.base.n_errors + c.head.n_errors, "call")
    return (
        f"{failed} failed. With their answers the difference would be between {points(worst.delta)} and "
        f"{points(best.delta)} points ({points(worst.low)} to {points(best.high)})"
    )


def proven_slices(c: Comparison) -> list[tuple[str, Difference, float]]:
    """`tag hard`, its difference and p, for each slice with a proven difference."""
    return [(f"{s.kind} {s.name}", s.strict, s.p) for s in c.slices if s.p < SIGNIFICANT]


def slices_text(c: Comparison) -> str:
    """`a difference is proven in 2 of 7 tags and labels`."""
    n, tested = len(proven_slices(c)), plural(len(c.slices), "tag or label", "tags and labels")
    return f"a difference is proven in {n or 'none'} of {tested}"


def notes(c: Comparison) -> list[tuple[str, str]]:
    """What a reader of the verdict must know besides: a name and a text each."""
    texts = [
        ("weights", mix_text(c)),
        ("costs", cost_text(c)),
        ("answers", answering_text(c)),
        ("labels", labels_text(c)),
        ("candidates", candidates_text(c)),
    ]
    return [(name, text) for name, text in texts if text]


def ratios(c: Comparison) -> dict[str, float | None]:
    """Head over base: median latency, tokens per call."""
    return {
        # An answer from the store has the latency of its own call, made on another day.
        "latency": None if c.head.from_store else _ratio(c.base.latency_s, c.head.latency_s),
        "prompt_tokens": _ratio(c.base.prompt_tokens, c.head.prompt_tokens),
        "completion_tokens": _ratio(c.base.completion_tokens, c.head.completion_tokens),
    }


def _ratio(base: float | None, head: float | None) -> float | None:
    return head / base if base and head is not None else None


def margin_text(margin: float) -> str:
    """`3 points`, `1 point`."""
    number = f"{100 * margin:g}"
    return f"{number} point{'' if number == '1' else 's'}"


def _short(value: str) -> str:
    kind, colon, digest = value.partition(":")
    if colon and kind == "sha256":
        return digest[:_DIGEST_CHARACTERS]
    return value[:_DIGEST_CHARACTERS] if re.fullmatch("[0-9a-f]{64}", value) else value or "unknown"

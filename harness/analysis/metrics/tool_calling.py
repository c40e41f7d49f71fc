"""Tool-calling metrics: correct tools, correct arguments, false and missed calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.analysis.metrics.calls import Call, arguments, matched, same, same_tools
from harness.analysis.stats import Mean, Rate, clustered_rate, mean
from harness.core.types import JSON, Result

NO_CALL = "(no call)"
IN_DOUBT = "(in doubt)"
"""Tool name for a reply whose calls are unreadable. Real tool names have no brackets."""


@dataclass(frozen=True, slots=True)
class ToolScore:
    """Calls of one tool over all replies: `expected`, actual (`called`) and correct (`right`)."""

    name: str
    expected: int
    called: int
    right: int


@dataclass(frozen=True, slots=True)
class ToolCallingMetrics:
    """Metrics of a run, for the strict or the lenient answers. Rates are over cases.

    Attributes:
        whole: Cases with exactly the expected calls.
        tools: Cases with the expected tools, ignoring arguments.
        arguments: Mean share of correct arguments, over cases that expect any.
        false_calls: Cases with a call, among those that expect none.
        missed_calls: Cases without a readable call, among those that expect one.
        confusions: (expected tool, called tool, count), most frequent first.
    """

    whole: Rate
    tools: Rate
    arguments: Mean
    false_calls: Rate
    missed_calls: Rate
    per_tool: tuple[ToolScore, ...]
    confusions: tuple[tuple[str, str, int], ...]


def measures(expected: Sequence[Call], given: JSON) -> dict[str, float | None]:
    """Return the measures of one reply, 0..1; `None` if not applicable. `given` is the value of a reading."""
    counts = arguments(expected, given)
    return {
        "tool_accuracy": float(same_tools(expected, given)),
        "argument_accuracy": counts.right / counts.wanted if counts.wanted else None,
        "false_call": None if expected else float(bool(given)),
        "missed_call": float(not given) if expected else None,
    }


def call_tools(results: Sequence[Result], *, lenient: bool = False) -> ToolCallingMetrics | None:
    """Return the metrics of the answered results, or `None` if nothing was scored."""
    replies = list(_replies(results, lenient=lenient))
    if not replies:
        return None
    by_case: dict[str, list[dict[str, float | None]]] = {}
    for case_id, expected, given in replies:
        whole = float(same(expected, given))
        by_case.setdefault(case_id, []).append({"whole": whole, **measures(expected, given)})
    cases = list(by_case.values())
    return ToolCallingMetrics(
        whole=_rate(cases, "whole"),
        tools=_rate(cases, "tool_accuracy"),
        arguments=mean([sum(values) / len(values) for values in _values(cases, "argument_accuracy")], (0.0, 1.0)),
        false_calls=_rate(cases, "false_call"),
        missed_calls=_rate(cases, "missed_call"),
        per_tool=tuple(_per_tool([(expected, given or []) for _, expected, given in replies])),
        confusions=_confusions((expected, given) for _, expected, given in replies),
    )


def _replies(results: Sequence[Result], *, lenient: bool) -> Iterator[tuple[str, Sequence[Call], JSON]]:
    for result in results:
        if result.reading is not None and result.score is not None:
            given = result.reading.lenient if lenient else result.reading.strict
            yield result.case.id, result.case.expected["calls"], given


def _values(cases: Sequence[Sequence[dict[str, float | None]]], name: str) -> list[list[float]]:
    """Values of a measure by case, without cases to which it does not apply."""
    by_case = [[value for reply in replies if (value := reply[name]) is not None] for replies in cases]
    return [values for values in by_case if values]


def _rate(cases: Sequence[Sequence[dict[str, float | None]]], name: str) -> Rate:
    return clustered_rate([(int(sum(values)), len(values)) for values in _values(cases, name)])


def _per_tool(replies: Sequence[tuple[Sequence[Call], Sequence[Call]]]) -> Iterator[ToolScore]:
    names = sorted({call["name"] for pair in replies for calls in pair for call in calls})
    for name in names:
        pairs = [(_of(name, expected), _of(name, given)) for expected, given in replies]
        yield ToolScore(
            name,
            expected=sum(len(expected) for expected, _ in pairs),
            called=sum(len(given) for _, given in pairs),
            right=sum(matched(expected, given) for expected, given in pairs),
        )


def _of(name: str, calls: Sequence[Call]) -> list[Call]:
    return [call for call in calls if call["name"] == name]


def _confusions(replies: Iterable[tuple[Sequence[Call], Any]]) -> tuple[tuple[str, str, int], ...]:
    """Count confusions (expected tool, called tool). Unpaired tools are paired with `NO_CALL`."""
    counted: Counter[tuple[str, str]] = Counter()
    for expected, given in replies:
        wanted, made = (Counter(call["name"] for call in calls) for calls in (expected, given or []))
        missing, extra = list((wanted - made).elements()), list((made - wanted).elements())
        nothing = NO_CALL if given is not None else IN_DOUBT
        missing += [NO_CALL] * (len(extra) - len(missing))
        extra += [nothing] * (len(missing) - len(extra))
        counted.update(zip(missing, extra, strict=True))
        if given is None and not expected:
            counted[NO_CALL, IN_DOUBT] += 1
    return tuple(sorted(((a, b, n) for (a, b), n in counted.items()), key=lambda item: (-item[2], *item[:2])))

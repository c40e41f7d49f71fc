"""Comparison of actual tool calls with expected tool calls.

A call is `{"name": …, "arguments": {…}}`. An expected argument is a plain value or a matcher:

    {"any_of": ["low", null]}                one of the values; `null` matches an absent argument
    {"contains": ["vat", ["id", "number"]]}  text with every item; an inner list matches if it has one of its items
    {"anything": true}                       any value, but the argument must be present
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from harness.analysis.metrics.values import equal, folded
from harness.core.types import JSON

Call = Mapping[str, Any]
MATCHERS = ("any_of", "contains", "anything")


class ArgumentCounts(NamedTuple):
    """`right` correct arguments of `wanted`. An optional argument that is absent is not counted."""

    right: int
    wanted: int


def matcher(expected: JSON) -> str | None:
    """Return the kind of a matcher, or `None` for a plain value."""
    if isinstance(expected, Mapping) and len(expected) == 1:
        return next((kind for kind in MATCHERS if kind in expected), None)
    return None


def fits(expected: JSON, given: JSON) -> bool:
    """Return whether an actual value (`None` if absent) matches the expected value."""
    kind = matcher(expected)
    if kind == "any_of":
        return any(fits(option, given) for option in expected["any_of"])
    if kind == "contains":
        return isinstance(given, str) and all(_has(folded(given), piece) for piece in expected["contains"])
    if kind == "anything":
        return given is not None
    if isinstance(expected, Mapping) and isinstance(given, Mapping):
        return all(fits(expected.get(name), given.get(name)) for name in expected.keys() | given.keys())
    if isinstance(expected, list) and isinstance(given, list):
        return len(expected) == len(given) and all(map(fits, expected, given))
    return equal(expected, given)


def _has(text: str, piece: str | Sequence[str]) -> bool:
    return folded(piece) in text if isinstance(piece, str) else any(folded(option) in text for option in piece)


def right(expected: Call, given: Call) -> bool:
    """Return whether a call has the expected tool and exactly the expected arguments."""
    return expected["name"] == given["name"] and fits(expected["arguments"], given["arguments"])


def same(expected: Sequence[Call], given: JSON) -> bool:
    """Return whether the calls are exactly the expected calls, in any order. `given` is `None` if unreadable."""
    if not isinstance(given, list) or len(given) != len(expected):
        return False
    return matched(expected, given) == len(expected)


def matched(expected: Sequence[Call], given: Sequence[Call]) -> int:
    """Return the number of expected calls that were made. Each actual call matches at most one of them.

    A call can match several expected calls, so this is a maximum bipartite matching (augmenting paths).
    """
    candidates = [[i for i, actual in enumerate(given) if right(call, actual)] for call in expected]
    owner: dict[int, int] = {}

    def assign(call: int, tried: set[int]) -> bool:
        for place in candidates[call]:
            if place not in tried:
                tried.add(place)
                if place not in owner or assign(owner[place], tried):
                    owner[place] = call
                    return True
        return False

    return sum(assign(call, set()) for call in range(len(expected)))


def same_tools(expected: Sequence[Call], given: JSON) -> bool:
    """Return whether each tool is called as often as expected, ignoring arguments."""
    return isinstance(given, list) and Counter(c["name"] for c in expected) == Counter(c["name"] for c in given)


def arguments(expected: Sequence[Call], given: JSON) -> ArgumentCounts:
    """Count correct arguments. Each expected call is compared with the best actual call of the same tool."""
    remaining = list(given) if isinstance(given, list) else []
    total = ArgumentCounts(0, 0)
    for call in expected:
        nothing = _compared(call["arguments"], {})
        same_tool = [actual for actual in remaining if actual["name"] == call["name"]]
        scored = [(_compared(call["arguments"], actual["arguments"]), actual) for actual in same_tool]
        best, used = max(scored, key=lambda pair: pair[0].right, default=(ArgumentCounts(0, nothing.wanted), None))
        remaining = [actual for actual in remaining if actual is not used]
        total = ArgumentCounts(total.right + best.right, total.wanted + best.wanted)
    return total


def _compared(expected: Mapping[str, JSON], given: Mapping[str, JSON]) -> ArgumentCounts:
    wanted = [name for name, value in expected.items() if name in given or not fits(value, None)]
    return ArgumentCounts(sum(fits(expected[name], given.get(name)) for name in wanted), len(wanted))

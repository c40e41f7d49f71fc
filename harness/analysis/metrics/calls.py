"""Calls that were made against calls that were expected.

A call is `{"name": …, "arguments": {…}}`. An expected argument is a value, or says what will do:

    {"any_of": ["low", null]}              one of these; `null` stands for an absent argument
    {"contains": ["vat", ["id", "number"]]}  text that has each of these; a list stands for one of its items
    {"anything": true}                     whatever the schema lets through, but not nothing
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
    """Of `wanted` arguments, how many were given right. One that may be left out, and is, counts nowhere."""

    right: int
    wanted: int


def matcher(expected: JSON) -> str | None:
    """The kind of an expected value that says what will do, `None` for a plain value."""
    if isinstance(expected, Mapping) and len(expected) == 1:
        return next((kind for kind in MATCHERS if kind in expected), None)
    return None


def fits(expected: JSON, given: JSON) -> bool:
    """Whether a given value, `None` for an absent one, will do."""
    kind = matcher(expected)
    if kind == "any_of":
        return any(fits(one, given) for one in expected["any_of"])
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
    return folded(piece) in text if isinstance(piece, str) else any(folded(one) in text for one in piece)


def right(expected: Call, given: Call) -> bool:
    """The right tool with the right arguments, and no others."""
    return expected["name"] == given["name"] and fits(expected["arguments"], given["arguments"])


def same(expected: Sequence[Call], given: JSON) -> bool:
    """Exactly the expected calls, in whatever order; `given` is what a reading has, `None` for nothing readable."""
    if not isinstance(given, list) or len(given) != len(expected):
        return False
    return matched(expected, given) == len(expected)


def matched(expected: Sequence[Call], given: Sequence[Call]) -> int:
    """How many of the expected calls were made, each given call standing for one at most.

    Calls of which several will do must not take one another's place: a largest matching (augmenting paths).
    """
    takes = [[i for i, one in enumerate(given) if right(call, one)] for call in expected]
    owner: dict[int, int] = {}

    def find(call: int, tried: set[int]) -> bool:
        for place in takes[call]:
            if place not in tried:
                tried.add(place)
                if place not in owner or find(owner[place], tried):
                    owner[place] = call
                    return True
        return False

    return sum(find(call, set()) for call in range(len(expected)))


def same_tools(expected: Sequence[Call], given: JSON) -> bool:
    """The right tools, each as often as it should be, whatever the arguments."""
    return isinstance(given, list) and Counter(c["name"] for c in expected) == Counter(c["name"] for c in given)


def arguments(expected: Sequence[Call], given: JSON) -> ArgumentCounts:
    """The expected arguments that were given right, in the call of the same tool that has most of them right."""
    left = list(given) if isinstance(given, list) else []
    found = ArgumentCounts(0, 0)
    for call in expected:
        nothing = _compared(call["arguments"], {})
        tries = [(_compared(call["arguments"], one["arguments"]), one) for one in left if one["name"] == call["name"]]
        best, taken = max(tries, key=lambda one: one[0].right, default=(ArgumentCounts(0, nothing.wanted), None))
        left = [one for one in left if one is not taken]
        found = ArgumentCounts(found.right + best.right, found.wanted + best.wanted)
    return found


def _compared(expected: Mapping[str, JSON], given: Mapping[str, JSON]) -> ArgumentCounts:
    wanted = [name for name, value in expected.items() if name in given or not fits(value, None)]
    return ArgumentCounts(sum(fits(expected[name], given.get(name)) for name in wanted), len(wanted))

"""Saved replies as plain lines: one case over several cells, short or complete.

Texts come from files and models: characters that hide or reorder text are spelled out, and nothing is wrapped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.contracts.violations import VIOLATIONS
from harness.core.formatting import NOTHING, inputs_text, plural, reply_text, seconds, value_text, visible
from harness.core.types import Result
from harness.report.model import JoinedCase, Outcome, outcome

CUT = 160
"""Characters of an input or a reply in the short form."""

_KIND = len("phrasing")


def title(joined: JoinedCase) -> str:
    """Return the case's id, and the number of the repeat if it is not the first."""
    return visible(joined.case.id) + (f" #{joined.repeat + 1}" if joined.repeat else "")


def short(joined: JoinedCase, cells: Sequence[str]) -> Iterator[tuple[str, Outcome | None]]:
    """Yield the lines of a case below its title: input, expected answer, and two lines per cell at most.

    Yields: (line, outcome of the cell that the line is about, `None` for other lines).
    """
    width = max(map(len, ("expected", *cells)))
    yield f"  {'input':{width}}  {one_line(inputs_text(joined.case.inputs))}", None
    yield f"  {'expected':{width}}  {one_line(value_text(joined.case.expected))}", None
    for cell, result in zip(cells, joined.results, strict=True):
        if result is None:
            yield f"  {visible(cell):{width}}  {NOTHING:{_KIND}}  not in this run", None
            continue
        kind = outcome(result)
        yield f"  {visible(cell):{width}}  {kind:{_KIND}}  {one_line(reply(result))}", kind
        if read := _read(result):
            yield f"  {'':{width}}  {'':{_KIND}}  {one_line(read)}", kind


def complete(joined: JoinedCase, cells: Sequence[str]) -> Iterator[tuple[str, Outcome | None]]:
    """Yield all lines of a case below its title: every input and reply whole. Yields as `short`."""
    case = joined.case
    facts = {
        "tags": " ".join(case.tags),
        "split": case.split,
        "cluster": case.cluster,
        "label source": case.label_source,
        "expected": value_text(case.expected),
    }
    for name, value in facts.items():
        if value:
            yield f"  {name:12}  {_escaped(value)}", None
    for variable, value in case.inputs.items():
        yield "", None
        yield f"[{visible(variable)}]", None
        yield from ((line, None) for line in _block(value_text(value)))
    for cell, result in zip(cells, joined.results, strict=True):
        yield "", None
        if result is None:
            yield f"{visible(cell)}: not in this run", None
            continue
        kind = outcome(result)
        yield f"{visible(cell)}: {kind}{_call(result)}", kind
        if result.reading is not None:
            yield f"  {_escaped(_values(result))}", None
            for code in result.reading.violations:
                meaning = VIOLATIONS.get(code)
                yield f"  {visible(code)}{f': {meaning}' if meaning else ''}", None
            if result.reading.reasoning:
                yield "[reasoning]", None
                yield from ((line, None) for line in _block(result.reading.reasoning))
            yield "[reply]", None
        yield from ((line, None) for line in _block(reply(result)))


def reply(result: Result) -> str:
    """Return the reply as the model sent it, or why there is none."""
    if (error := result.response.error) is not None:
        return f"{error.kind}: {error.message}"
    if result.response.vector:
        return f"(a vector of {plural(len(result.response.vector), 'number')})"
    return reply_text(result.response) or "(empty)"


def one_line(text: str) -> str:
    r"""Return the text on one line, cut at `CUT` characters. Line ends and tabs are written `\n`, `\r` and `\t`."""
    return _escaped(text if len(text) <= CUT else text[: CUT - 1] + "…")


def _escaped(text: str) -> str:
    return visible(text.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t"))


def _block(text: str) -> Iterator[str]:
    yield from (f"  {visible(line.rstrip(chr(13)))}" for line in text.split("\n"))


def _read(result: Result) -> str:
    """The values read and the violations; empty if the reply is right and has nothing to add."""
    reading = result.reading
    if reading is None or (outcome(result) == "right" and not reading.violations):
        return ""
    codes = f"; violations: {', '.join(reading.violations)}" if reading.violations else ""
    return f"{_values(result)}{codes}"


def _values(result: Result) -> str:
    if result.reading is None:
        return ""
    strict, lenient = (value_text(value) or NOTHING for value in (result.reading.strict, result.reading.lenient))
    return f"read: {strict}" if strict == lenient else f"read strictly: {strict}, leniently: {lenient}"


def _call(result: Result) -> str:
    response = result.response
    parts = [
        seconds(response.latency_s) if response.latency_s is not None else "",
        plural(response.completion_tokens, "token") if response.completion_tokens is not None else "",
        "cut off at max_tokens" if response.truncated else "",
        "from the store" if result.cached else "",
        plural(result.attempts, "attempt") if result.attempts > 1 else "",
    ]
    known = ", ".join(filter(None, parts))
    return f" ({known})" if known else ""

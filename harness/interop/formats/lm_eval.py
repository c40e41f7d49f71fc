"""EleutherAI's lm-evaluation-harness: `samples_TASK_DATE.jsonl`, as `--log_samples` writes it (seen with 0.4.13).

Every filter of a task has a line of its own for each question. Where a task has the pair `strict-match` and
`flexible-extract`, the first is the strict answer and the second the lenient one, and `[invalid]`, which is what a
filter gives that found no answer, is a reply that breaks its contract. Any other filter is strict and lenient in one.
A question with choices that were only weighed has no reply: the likelier choice is taken for one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from harness.core.errors import ConfigError
from harness.core.toml import hint
from harness.interop.rows import ColumnSelection, ImportedRow, RowFilter, as_text, case_id, column, is_true, strings
from harness.interop.source import SourceFile

STRICT, LENIENT = "strict-match", "flexible-extract"
INVALID = "[invalid]"
"""What a filter gives that found no answer."""
MEASURES = ("exact_match", "acc", "acc_norm", "em", "pass@1", "mc1")
"""Measures of one question that are right or wrong, in the order in which they are looked for."""
_STAMP = re.compile(r"(?:samples_)?(.+?)(?:_\d{4}-\d\d-\d\dT[\d.:-]+)?")


def fits(source: SourceFile) -> bool:
    """Each line has a `doc_id` and what was made of the reply."""
    return "doc_id" in source.first and "filtered_resps" in source.first


def title(source: SourceFile) -> str:
    """The task's name, which is in the file's."""
    match = _STAMP.fullmatch(source.stem)
    return match[1] if match else source.stem


def read(source: SourceFile, wanted: ColumnSelection) -> Iterator[ImportedRow]:
    """One row a question; raises `ConfigError` with the line's number."""
    selection, taken = RowFilter(wanted.where), 0
    open_pairs: dict[str, ImportedRow] = {}
    filters: dict[str, None] = {}
    for where, line in source.lines():
        if not selection.takes(line):
            continue
        taken += 1
        name = as_text(line.get("filter", "none"))
        row = _row(line, wanted, where)
        filters[name] = None
        if name not in (STRICT, LENIENT) or any(key == "filter" for key, _ in wanted.where):
            yield row
        elif row.id in open_pairs:
            yield _together(open_pairs.pop(row.id), row, name)
        else:
            open_pairs[row.id] = row
    selection.check(str(source.path), taken)
    if len(filters) > 1 and set(filters) != {STRICT, LENIENT}:
        msg = f"{source.path}: each answer was read by several filters: choose with {_choices(filters)}"
        raise ConfigError(msg)
    if len(filters) > 1 and open_pairs:
        first = next(iter(open_pairs.values()))
        msg = f"{first.where}: case {first.id} has only one of {STRICT} and {LENIENT}: choose with {_choices(filters)}"
        raise ConfigError(msg)
    yield from open_pairs.values()


def _choices(filters: Iterable[str]) -> str:
    return " or ".join(f"--where filter={name}" for name in filters)


def _together(first: ImportedRow, second: ImportedRow, second_filter: str) -> ImportedRow:
    """The strict and the lenient reading of one reply as one row."""
    strict, lenient = (first, second) if second_filter == LENIENT else (second, first)
    if strict.right is None or lenient.right is None:
        return strict
    answers = (strict.answers or (None, None))[0], (lenient.answers or (None, None))[1]
    return replace(strict, right=(strict.right[0], lenient.right[1]), answers=answers)


def _row(line: Mapping[str, Any], wanted: ColumnSelection, where: str) -> ImportedRow:
    doc = line.get("doc")
    measure = wanted.correct or next((name for name in MEASURES if name in line), "")
    if not measure:
        named = strings(line.get("metrics", []), "metrics", where)
        msg = f"{where}: none of its measures is known to be right or wrong{hint('', named)}: name one with --correct"
        raise ConfigError(msg)
    right = is_true(column(line, measure, where), measure, where)
    reply, filtered = _reply(line, where)
    answer = None if filtered == INVALID else filtered
    return ImportedRow(
        where=where,
        id=case_id(column(line, wanted.id or "doc_id", where), where),
        inputs=_inputs(line, doc, wanted, where),
        expected=as_text(column(line, wanted.expected or "target", where)),
        reply=reply,
        allowed=strings(column(line, wanted.allowed, where), wanted.allowed, where) if wanted.allowed else (),
        right=(right, right),
        measure=measure,
        answers=(answer, answer),
        violations=strings(line.get("violations", []), "violations", where),
        tags=strings(column(line, wanted.tags, where), wanted.tags, where) if wanted.tags else (),
    )


def _inputs(line: Mapping[str, Any], doc: Any, wanted: ColumnSelection, where: str) -> Mapping[str, Any]:
    """What was asked: the document, which is the same whatever model was asked; no part of it that is empty."""
    if wanted.inputs:
        return {name: column(line, name, where) for name in wanted.inputs}
    return doc if isinstance(doc, dict) else {"doc": doc}


def _reply(line: Mapping[str, Any], where: str) -> tuple[str, str]:
    """What the model said, and what the filter made of it."""
    raw, filtered = line.get("resps"), line.get("filtered_resps")
    if not isinstance(filtered, list) or not filtered:
        msg = f"{where}: `filtered_resps` must be a list with what was made of the reply"
        raise ConfigError(msg)
    if isinstance(filtered[0], list) and len(filtered) > 1:
        chosen = _likelier(line, filtered, where)
        return chosen, chosen
    said: Any = raw if isinstance(raw, list) and raw else filtered
    while isinstance(said, list) and said:
        said = said[0]
    return as_text(said), as_text(filtered[0])


def _likelier(line: Mapping[str, Any], weighed: list[Any], where: str) -> str:
    """The choice with the greatest likelihood: the continuation that was weighed, in `arguments`."""
    try:
        weights = [float(pair[0]) for pair in weighed]
        asked = line["arguments"]
        place = weights.index(max(weights))
        chosen = asked[f"gen_args_{place}"]["arg_1"] if isinstance(asked, dict) else asked[place][1]
    except (KeyError, IndexError, TypeError, ValueError):
        msg = f"{where}: its choices are weighed, but `arguments` does not tell which is which"
        raise ConfigError(msg) from None
    return as_text(chosen).strip()

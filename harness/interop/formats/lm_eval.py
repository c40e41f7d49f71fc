"""Import from lm-evaluation-harness: `samples_TASK_DATE.jsonl`, written by `--log_samples`. Tested with 0.4.13.

The file has one line per question and filter. With the filters `strict-match` and `flexible-extract`, the first gives
the strict answer and the second the lenient answer. `[invalid]` (no answer matched) is a contract violation. Any other
filter gives both answers. A multiple-choice question scored by likelihood has no reply: its likeliest choice is used.
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
"""Output of a filter that matched no answer."""
MEASURES = ("exact_match", "acc", "acc_norm", "em", "pass@1", "mc1")
"""Measures that are either correct or incorrect for one question. The first that is present is used."""
_STAMP = re.compile(r"(?:samples_)?(.+?)(?:_\d{4}-\d\d-\d\dT[\d.:-]+)?")


def fits(source: SourceFile) -> bool:
    """Return whether the first line has `doc_id` and `filtered_resps`."""
    return "doc_id" in source.first and "filtered_resps" in source.first


def title(source: SourceFile) -> str:
    """Return the name of the task, taken from the file name."""
    match = _STAMP.fullmatch(source.stem)
    return match[1] if match else source.stem


def read(source: SourceFile, wanted: ColumnSelection) -> Iterator[ImportedRow]:
    """Yield one row per question; raises `ConfigError` with the line number."""
    selection, n_matched = RowFilter(wanted.where), 0
    open_pairs: dict[str, ImportedRow] = {}
    filters: dict[str, None] = {}
    for where, line in source.lines():
        if not selection.matches(line):
            continue
        n_matched += 1
        name = as_text(line.get("filter", "none"))
        row = _row(line, wanted, where)
        filters[name] = None
        if name not in (STRICT, LENIENT) or any(key == "filter" for key, _ in wanted.where):
            yield row
        elif row.id in open_pairs:
            yield _merged(open_pairs.pop(row.id), row, name)
        else:
            open_pairs[row.id] = row
    selection.check(str(source.path), n_matched)
    if len(filters) > 1 and set(filters) != {STRICT, LENIENT}:
        msg = f"{source.path}: several filters per answer: choose with {_choices(filters)}"
        raise ConfigError(msg)
    if len(filters) > 1 and open_pairs:
        first = next(iter(open_pairs.values()))
        msg = f"{first.where}: case {first.id} has only one of {STRICT} and {LENIENT}: choose with {_choices(filters)}"
        raise ConfigError(msg)
    yield from open_pairs.values()


def _choices(filters: Iterable[str]) -> str:
    return " or ".join(f"--where filter={name}" for name in filters)


def _merged(first: ImportedRow, second: ImportedRow, second_filter: str) -> ImportedRow:
    """Merge the strict and the lenient line of one reply."""
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
        msg = f"{where}: no known pass/fail measure{hint('', named)}: name one with --correct"
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
    """Inputs of the question: its `doc`, which does not depend on the model."""
    if wanted.inputs:
        return {name: column(line, name, where) for name in wanted.inputs}
    return doc if isinstance(doc, dict) else {"doc": doc}


def _reply(line: Mapping[str, Any], where: str) -> tuple[str, str]:
    """The raw reply and the filtered answer."""
    raw, filtered = line.get("resps"), line.get("filtered_resps")
    if not isinstance(filtered, list) or not filtered:
        msg = f"{where}: `filtered_resps` must be a non-empty list with the filtered reply"
        raise ConfigError(msg)
    if isinstance(filtered[0], list) and len(filtered) > 1:
        chosen = _likeliest(line, filtered, where)
        return chosen, chosen
    reply: Any = raw if isinstance(raw, list) and raw else filtered
    while isinstance(reply, list) and reply:
        reply = reply[0]
    return as_text(reply), as_text(filtered[0])


def _likeliest(line: Mapping[str, Any], scored: list[Any], where: str) -> str:
    """The choice with the greatest likelihood. Its text is the continuation in `arguments`."""
    try:
        weights = [float(pair[0]) for pair in scored]
        arguments = line["arguments"]
        i = weights.index(max(weights))
        chosen = arguments[f"gen_args_{i}"]["arg_1"] if isinstance(arguments, dict) else arguments[i][1]
    except (KeyError, IndexError, TypeError, ValueError):
        msg = f"{where}: choices are scored by likelihood, but `arguments` does not contain their texts"
        raise ConfigError(msg) from None
    return as_text(chosen).strip()

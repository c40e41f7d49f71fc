"""Inspect AI: a log as `.eval` (a zip, read sample by sample) or `.json` (read as a whole); seen with version 2.

A sample's epochs become repeats. `target` is what is expected; where it lists several answers, only the log's own
scores can judge. `C` is right; `I`, `N` and `P` (in part) are not, and a number is right only as 1. A sample that ended
in an error or has no score is a failed call, not a wrong answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.backends.openai_responses import count
from harness.core.errors import ConfigError
from harness.core.toml import hint
from harness.interop.rows import ColumnSelection, ImportedRow, RowFilter, as_text, case_id, column, is_true, strings
from harness.interop.source import SourceFile

MOST_S = 1e9
"""No call takes longer: a whole number can be too large for any time."""
_PARTLY = frozenset({"p", "partial"})


def fits(source: SourceFile) -> bool:
    """A zip with samples, or a document that says of which eval it is."""
    return source.is_zip or isinstance(source.first.get("eval"), dict)


def title(source: SourceFile) -> str:
    """The task's name."""
    return as_text(_header(source).get("task") or source.stem).rpartition("/")[2]


def read(source: SourceFile, wanted: ColumnSelection) -> Iterator[ImportedRow]:
    """One row a sample and epoch; raises `ConfigError`."""
    model = as_text(_header(source).get("model", ""))
    selection, taken = RowFilter(wanted.where), 0
    for where, sample in _samples(source):
        if selection.takes({"model": model, **sample}):
            taken += 1
            yield _row(sample, wanted, where, model)
    selection.check(str(source.path), taken)


def _header(source: SourceFile) -> Mapping[str, Any]:
    """What the log says of its eval."""
    if not source.is_zip:
        found = source.document.get("eval")
    else:  # a log that was broken off has no header, only the journal's first entry
        headers = [*source.members("header"), *source.members("_journal/start")]
        found = headers[0][1].get("eval") if headers else None
    if isinstance(found, dict):
        return found
    msg = f"{source.path}: no log of Inspect: there is nothing in it that says of which eval"
    raise ConfigError(msg)


def _samples(source: SourceFile) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if source.is_zip:
        yield from source.members("samples/")
        return
    samples = source.document.get("samples")
    if not isinstance(samples, list):
        msg = f"{source.path}: the log has no samples: `inspect eval` writes them unless --no-log-samples is given"
        raise ConfigError(msg)
    for number, sample in enumerate(samples, 1):
        where = f"{source.path}: sample {number}"
        if not isinstance(sample, dict):
            msg = f"{where}: a sample is a JSON object, not {type(sample).__name__}"
            raise ConfigError(msg)
        yield where, sample


def _row(sample: Mapping[str, Any], wanted: ColumnSelection, where: str, model: str) -> ImportedRow:
    output = sample.get("output")
    output = output if isinstance(output, dict) else {}
    usage = output.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    error = _error(sample)
    measure, right = ("", None) if error else _score(sample, wanted.correct, where)
    target = column(sample, wanted.expected or "target", where)
    epoch = sample.get("epoch", 1)
    return ImportedRow(
        where=where,
        id=case_id(column(sample, wanted.id or "id", where), where),
        inputs=_inputs(sample, wanted, where),
        expected=target[0] if isinstance(target, list) and len(target) == 1 else target,
        reply=None if error else _said(output),
        allowed=strings(column(sample, wanted.allowed, where), wanted.allowed, where) if wanted.allowed else (),
        right=right,
        measure=measure,
        tags=strings(column(sample, wanted.tags, where), wanted.tags, where) if wanted.tags else (),
        repeat=epoch - 1 if isinstance(epoch, int) and epoch > 0 else 0,
        error=error if error or right is not None else "the log has no score for it",
        truncated=any(isinstance(c, dict) and c.get("stop_reason") == "max_tokens" for c in _choices(output)),
        latency_s=_seconds(output.get("time")),
        prompt_tokens=count(usage.get("input_tokens")),
        completion_tokens=count(usage.get("output_tokens")),
        model=model,
    )


def _inputs(sample: Mapping[str, Any], wanted: ColumnSelection, where: str) -> Mapping[str, Any]:
    """What was asked. Of a chat only role and text: each log gives its messages ids of its own."""
    if wanted.inputs:
        return {name: column(sample, name, where) for name in wanted.inputs}
    asked = sample.get("input")
    if isinstance(asked, list):
        asked = [{key: m.get(key) for key in ("role", "content")} for m in asked if isinstance(m, dict)]
    choices = sample.get("choices")
    return {"input": asked, **({"choices": choices} if choices else {})}


def _choices(output: Mapping[str, Any]) -> list[Any]:
    found = output.get("choices")
    return found if isinstance(found, list) else []


def _said(output: Mapping[str, Any]) -> str:
    """The text of the reply. Old logs have no `completion`; a message can be a list of parts."""
    if isinstance(output.get("completion"), str):
        return str(output["completion"])
    for choice in _choices(output)[:1]:
        message = choice.get("message") if isinstance(choice, dict) else None
        content = message.get("content") if isinstance(message, dict) else None
        if isinstance(content, str):
            return content
        if isinstance(content, list):
            texts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"]
            return "\n".join(text for text in texts if isinstance(text, str))
    return ""


def _error(sample: Mapping[str, Any]) -> str:
    """Why the sample has no answer."""
    error = sample.get("error")
    if isinstance(error, dict):
        return as_text(error.get("message") or "the sample ended in an error")
    return as_text(error) if error else ""


def _score(sample: Mapping[str, Any], chosen: str | None, where: str) -> tuple[str, tuple[bool, bool] | None]:
    """The scorer that counts, and what it says; nothing where the sample was not scored."""
    scores = sample.get("scores")
    if not isinstance(scores, dict) or not scores:
        return chosen or "", None
    if chosen is None and len(scores) > 1:
        names = " or ".join(f"--correct {name}" for name in scores)
        msg = f"{where}: it has {len(scores)} scores: choose with {names}"
        raise ConfigError(msg)
    name = chosen or next(iter(scores))
    if name not in scores:
        msg = f"{where}: no score {name!r}{hint(name, scores)}"
        raise ConfigError(msg)
    score = scores[name]
    value = score.get("value") if isinstance(score, dict) else score
    if value is None or value != value:  # noqa: PLR0124  NaN is what Inspect writes for unscored
        return name, None
    right = not _is_partly(value) and is_true(value, f"score {name}", where)
    return name, (right, right)


def _is_partly(value: Any) -> bool:
    """In part is not right."""
    if isinstance(value, str):
        return value.strip().lower() in _PARTLY
    return isinstance(value, float) and 0 < value < 1


def _seconds(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value <= MOST_S else None

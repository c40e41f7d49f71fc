"""Import logs of Inspect AI: `.eval` (a zip, read sample by sample) or `.json`. Tested with log version 2.

Epochs of a sample become repeats. `target` is the expected answer; if it lists several, the log must have scores.
The score `C` is correct; `I`, `N` and `P` (partial) are incorrect. A numeric score is correct only if it is 1.
A sample with an error or without a score is a failed call, not a wrong answer.
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
"""Longest accepted latency, in seconds. Larger integers could overflow a float."""
_PARTLY = frozenset({"p", "partial"})


def fits(source: SourceFile) -> bool:
    """Return whether the file is a zip, or a JSON document with an `eval` object."""
    return source.is_zip or isinstance(source.first.get("eval"), dict)


def title(source: SourceFile) -> str:
    """Return the name of the task."""
    return as_text(_header(source).get("task") or source.stem).rpartition("/")[2]


def read(source: SourceFile, wanted: ColumnSelection) -> Iterator[ImportedRow]:
    """Yield one row per sample and epoch; raises `ConfigError`."""
    model = as_text(_header(source).get("model", ""))
    selection, n_matched = RowFilter(wanted.where), 0
    for where, sample in _samples(source):
        if selection.matches({"model": model, **sample}):
            n_matched += 1
            yield _row(sample, wanted, where, model)
    selection.check(str(source.path), n_matched)


def _header(source: SourceFile) -> Mapping[str, Any]:
    if not source.is_zip:
        header = source.document.get("eval")
    else:  # the log of an interrupted run has no header, only the first journal entry
        headers = [*source.members("header"), *source.members("_journal/start")]
        header = headers[0][1].get("eval") if headers else None
    if isinstance(header, dict):
        return header
    msg = f"{source.path}: not an Inspect log: it has no `eval` header"
    raise ConfigError(msg)


def _samples(source: SourceFile) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if source.is_zip:
        yield from source.members("samples/")
        return
    samples = source.document.get("samples")
    if not isinstance(samples, list):
        msg = f"{source.path}: the log has no samples: run `inspect eval` again without --no-log-samples"
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
        reply=None if error else _reply_text(output),
        allowed=strings(column(sample, wanted.allowed, where), wanted.allowed, where) if wanted.allowed else (),
        right=right,
        measure=measure,
        tags=strings(column(sample, wanted.tags, where), wanted.tags, where) if wanted.tags else (),
        repeat=epoch - 1 if isinstance(epoch, int) and epoch > 0 else 0,
        error=error if error or right is not None else "the log has no score for this sample",
        truncated=any(isinstance(c, dict) and c.get("stop_reason") == "max_tokens" for c in _choices(output)),
        latency_s=_seconds(output.get("time")),
        prompt_tokens=count(usage.get("input_tokens")),
        completion_tokens=count(usage.get("output_tokens")),
        model=model,
    )


def _inputs(sample: Mapping[str, Any], wanted: ColumnSelection, where: str) -> Mapping[str, Any]:
    """Inputs of the sample. Message ids are dropped from a chat, because they differ between logs."""
    if wanted.inputs:
        return {name: column(sample, name, where) for name in wanted.inputs}
    question = sample.get("input")
    if isinstance(question, list):
        question = [{key: m.get(key) for key in ("role", "content")} for m in question if isinstance(m, dict)]
    choices = sample.get("choices")
    return {"input": question, **({"choices": choices} if choices else {})}


def _choices(output: Mapping[str, Any]) -> list[Any]:
    choices = output.get("choices")
    return choices if isinstance(choices, list) else []


def _reply_text(output: Mapping[str, Any]) -> str:
    """Text of the reply. Old logs have no `completion`, and a message can be a list of parts."""
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
    error = sample.get("error")
    if isinstance(error, dict):
        return as_text(error.get("message") or "the sample ended in an error")
    return as_text(error) if error else ""


def _score(sample: Mapping[str, Any], chosen: str | None, where: str) -> tuple[str, tuple[bool, bool] | None]:
    """Name of the scorer and its (strict, lenient) score; `None` if the sample was not scored."""
    scores = sample.get("scores")
    if not isinstance(scores, dict) or not scores:
        return chosen or "", None
    if chosen is None and len(scores) > 1:
        names = " or ".join(f"--correct {name}" for name in scores)
        msg = f"{where}: {len(scores)} scores: choose with {names}"
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
    if isinstance(value, str):
        return value.strip().lower() in _PARTLY
    return isinstance(value, float) and 0 < value < 1


def _seconds(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value <= MOST_S else None

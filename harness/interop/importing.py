"""Convert the rows of a foreign file to a `Run`: check all rows, then score them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.metadata import version
from pkgutil import iter_modules
from typing import Any

from harness.contracts.label.contract import LabelContract
from harness.core.errors import ConfigError
from harness.core.ids import new_run_id, now
from harness.core.toml import hint
from harness.core.types import CallError, Case, Manifest, Reading, Response, Result, Run, RunOrigin, Score
from harness.interop import formats as formats_package
from harness.interop.contracts import MOST_LABELS, BoxedAnswerJudge, EqualityJudge, LabelJudge, RecordedJudge, choose
from harness.interop.rows import ColumnSelection, ImportedRow
from harness.interop.source import SourceFile
from harness.project.datasets import case_digest, fingerprint
from harness.runner.plan import contract_digest
from harness.tasks import kinds

VARIANT = "imported"
"""Variant of every imported run; the cell is `imported@NAME`."""
_NAME = re.compile(r"[^\s/@~+]{1,100}")
_TAKEN = frozenset({"latest", "previous"})


@dataclass(frozen=True, slots=True)
class RunNaming:
    """Names of the imported run: the model's `name`, and its `eval` (default: the title of the file).

    `format`, `kind` (label, boxed or equal), `labels` and `task` override what is detected from the file.
    """

    name: str
    eval: str | None = None
    format: str | None = None
    kind: str | None = None
    labels: tuple[str, ...] = ()
    task: str | None = None


@dataclass(frozen=True, slots=True)
class ImportedRun:
    """Imported run, and a sentence that describes how its replies were scored."""

    run: Run
    read_as: str


def formats() -> list[str]:
    """Names of the import formats, sorted."""
    return sorted(module.name.replace("_", "-") for module in iter_modules(formats_package.__path__))


def is_imported(manifest: Manifest) -> bool:
    """Return whether another tool made the run."""
    return manifest.origin is RunOrigin.IMPORTED


def read_run(source: SourceFile, naming: RunNaming, wanted: ColumnSelection) -> ImportedRun:
    """Read the run in a file; raises `ConfigError` with file and line for invalid input."""
    _check(naming, wanted)
    chosen = _format(source, naming.format)
    rows: list[ImportedRow] = list(_module(chosen).read(source, wanted))
    _check_ids(source, rows, wanted)
    judge = choose(rows, naming.kind, naming.labels)
    results = [_result(row, judge, naming.name) for row in rows]
    title = naming.eval or _module(chosen).title(source)
    manifest = _manifest(title, naming, judge, rows, results)
    parts = [f"imported from {source.path.name} ({chosen})", *(f"{name}={value}" for name, value in wanted.where)]
    model = next((row.model for row in rows if row.model), naming.name)
    manifest = replace(
        manifest,
        fingerprint={**manifest.fingerprint, "imported": chosen, "model": model},
        notes=(", ".join(parts),),
    )
    return ImportedRun(Run(manifest, tuple(results)), _read_as(judge, manifest))


def rescore_imported(run: Run) -> Run:
    """Score the replies of an imported run by the current rules.

    Raises `ConfigError` if the file recorded the scores, so that replies were never parsed.
    """
    old = run.manifest
    kind = old.fingerprint.get("contract", "").partition("/")[0]
    judges: dict[str, LabelJudge | BoxedAnswerJudge | EqualityJudge] = {
        "label": LabelJudge(_common_labels(run)),
        "boxed": BoxedAnswerJudge(),
        "equal": EqualityJudge(),
    }
    if kind not in judges:
        msg = f"run {old.run_id}: its scores come from the imported file: there is nothing to rescore"
        raise ConfigError(msg)
    judge = judges[kind]
    again = [_judged(result, judge) for result in run.results]
    started = now()
    manifest = replace(
        old,
        run_id=new_run_id(started),
        started_at=started,
        finished_at=started,
        fingerprint={**old.fingerprint, **_contract_parts(judge)},
        notes=(*old.notes, f"replies of {old.run_id}, read again"),
    )
    return Run(manifest, tuple(again))


def _judged(result: Result, judge: LabelJudge | BoxedAnswerJudge | EqualityJudge) -> Result:
    if result.response.error is not None:
        return result
    reading, score = judge.judge(result.case, result.response)
    return replace(result, reading=reading, score=score, cached=True)


def _common_labels(run: Run) -> tuple[str, ...]:
    """Labels that apply to all cases; empty if each case has its own."""
    return () if any("allowed" in result.case.inputs for result in run.results) else run.manifest.labels


def _check(naming: RunNaming, wanted: ColumnSelection) -> None:
    _check_task(naming.task)
    if not _NAME.fullmatch(naming.name) or naming.name in _TAKEN or re.match(r"\d{8}-", naming.name):
        msg = (
            f"--as {naming.name!r}: a name cannot contain white space or / @ ~ +, "
            "and cannot be a run id, `latest` or `previous`"
        )
        raise ConfigError(msg)
    if naming.eval is not None and (not naming.eval.strip() or "/" in naming.eval):
        msg = f"--eval {naming.eval!r}: the name of an eval cannot be empty or contain /"
        raise ConfigError(msg)
    if wanted.correct and (naming.labels or naming.kind or wanted.allowed) and wanted.reply:
        msg = "--correct uses the scores in the file: remove it, or remove --labels, --allowed and --contract"
        raise ConfigError(msg)


def _module(name: str) -> Any:
    return import_module(f"{formats_package.__name__}.{name.replace('-', '_')}")


def _format(source: SourceFile, wanted: str | None) -> str:
    """The wanted format, else the format detected from the content."""
    known = formats()
    if wanted is not None:
        if wanted in known:
            return wanted
        msg = f"--format {wanted}: unknown format{hint(wanted, known)}"
        raise ConfigError(msg)
    if source.path.is_file() and not source.path.stat().st_size:
        msg = f"{source.path}: the file is empty"
        raise ConfigError(msg)
    ordered = sorted(known, key=lambda name: name == "jsonl")  # jsonl accepts any object, so try it last
    for name in ordered:
        if _module(name).fits(source):
            return name
    msg = f"{source.path}: format not recognized: name it with --format ({', '.join(known)})"
    raise ConfigError(msg)


def _check_task(task: str | None) -> None:
    if task is not None and task not in kinds():
        msg = f"--task {task!r}: unknown kind of task{hint(task, kinds())}"
        raise ConfigError(msg)


def _check_ids(source: SourceFile, rows: Sequence[ImportedRow], wanted: ColumnSelection) -> None:
    """Raise `ConfigError` if a case id occurs twice in one repeat."""
    first: dict[tuple[str, int], str] = {}
    for row in rows:
        earlier = first.setdefault((row.id, row.repeat), row.where)
        if earlier != row.where:
            answers = {
                wanted.reply,
                wanted.expected,
                wanted.correct,
            }  # selecting rows by their answer would bias scores
            differing = _differences(source, earlier, row.where)
            differing = [column for column in differing if column.partition("=")[0] not in answers]
            advice = f": they differ in {', '.join(differing[:4])}: add --where {differing[0]}" if differing else ""
            msg = f"{row.where}: duplicate id {row.id!r:.80}, first at {earlier}{advice}"
            raise ConfigError(msg)


def _differences(source: SourceFile, first: str, second: str) -> list[str]:
    """Columns in which two lines differ, as `name=value` of the second line. Long values are skipped."""
    if source.is_zip or ": " in first.removeprefix(str(source.path)):
        return []
    rows = [row for where, row in source.lines() if where in (first, second)]
    if len(rows) != 2:
        return []
    a, b = rows
    short = (name for name, value in b.items() if isinstance(value, str | int | bool) and len(str(value)) <= 60)
    return sorted((f"{name}={b[name]}" for name in short if a.get(name) != b[name]), key=lambda n: "model" not in n)


def _result(
    row: ImportedRow, judge: LabelJudge | BoxedAnswerJudge | EqualityJudge | RecordedJudge, name: str
) -> Result:
    expected = judge.expected(row)
    brings_labels = isinstance(judge, LabelJudge) and not judge.labels
    inputs = {**row.inputs, **({"allowed": list(row.allowed)} if brings_labels else {})}
    digest = case_digest(row.id, inputs, expected)
    case = Case(row.id, inputs, expected, row.tags, label_source=VARIANT, digest=digest)
    failed = CallError("not_recorded", row.error) if row.error else None
    response = Response(
        text=row.reply or "",
        finish_reason="length" if row.truncated else "",
        prompt_tokens=row.prompt_tokens,
        completion_tokens=row.completion_tokens,
        latency_s=row.latency_s,
        model=row.model,
        error=failed,
    )
    reading: Reading | None = None
    score: Score | None = None
    if failed is None:
        reading, score = judge.recorded(row, case) if isinstance(judge, RecordedJudge) else judge.judge(case, response)
    return Result(case, response, reading, score, f"imported:{name}:{row.id}", repeat=row.repeat)


def _manifest(
    title: str,
    naming: RunNaming,
    judge: LabelJudge | BoxedAnswerJudge | EqualityJudge | RecordedJudge,
    rows: Sequence[ImportedRow],
    results: Sequence[Result],
) -> Manifest:
    started = now()
    cases = {result.case.id: result.case for result in results}
    labels = (judge.labels or _common_allowed(rows)) if isinstance(judge, LabelJudge) else ()
    return Manifest(
        run_id=new_run_id(started),
        eval=title,
        # Named here, because imported label runs are compared with runs of this task kind.
        task=naming.task or ("classification" if isinstance(judge, LabelJudge) else VARIANT),
        variant=VARIANT,
        backend=naming.name,
        prompt="",
        dataset=title,
        split="",
        limit=None,
        labels=labels,
        n_cases=len(cases),
        started_at=started,
        finished_at=started,
        repeats=1 + max(row.repeat for row in rows),
        fingerprint={
            "dataset": title,
            "dataset_hash": fingerprint(cases.values()),
            **_contract_parts(judge),
            "harness": version("prompt-portability-harness"),
        },
        origin=RunOrigin.IMPORTED,
    )


def _contract_parts(judge: LabelJudge | BoxedAnswerJudge | EqualityJudge | RecordedJudge) -> dict[str, str]:
    """Fingerprint of the contract. Fixed labels give the same hash as an eval with those labels."""
    same: Any = LabelContract(judge.labels) if isinstance(judge, LabelJudge) and judge.labels else judge
    return {"contract": judge.id, "contract_hash": contract_digest(same)}


def _common_allowed(rows: Sequence[ImportedRow]) -> tuple[str, ...]:
    """Labels that every row allows, in the order of the first row; empty if rows differ."""
    return rows[0].allowed if len({frozenset(row.allowed) for row in rows}) == 1 else ()


def _read_as(judge: LabelJudge | BoxedAnswerJudge | EqualityJudge | RecordedJudge, manifest: Manifest) -> str:
    if isinstance(judge, RecordedJudge):
        by = f" by {judge.measure!r}" if judge.measure else ""
        return f"scores are taken from the file{by}; strict and lenient are equal unless the file has both"
    if isinstance(judge, BoxedAnswerJudge):
        return r"the answer in \boxed{…} is compared with the expected answer"
    if isinstance(judge, EqualityJudge):
        return "the whole reply is compared with the expected answer; the lenient score ignores case and spacing"
    if not manifest.labels:
        return "each reply is parsed as one of the labels that its row allows"
    shown = ", ".join(json.dumps(label, ensure_ascii=False) for label in manifest.labels[:MOST_LABELS])
    return f"each reply is parsed as one of the labels {shown}" + (", …" if len(manifest.labels) > MOST_LABELS else "")

"""Rows of a foreign file as one of our runs: checked as a whole, then judged."""

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
from harness.interop.contracts import FEW, BoxedAnswerJudge, EqualityJudge, LabelJudge, RecordedJudge, choose
from harness.interop.rows import ColumnSelection, ImportedRow
from harness.interop.source import SourceFile
from harness.project.datasets import case_digest, fingerprint
from harness.runner.plan import contract_digest
from harness.tasks import kinds

VARIANT = "imported"
"""The variant of every imported run: its cell is `imported@NAME`."""
_NAME = re.compile(r"[^\s/@~+]{1,100}")
_TAKEN = frozenset({"latest", "previous"})


@dataclass(frozen=True, slots=True)
class RunNaming:
    """What the run is called: the model's `name`, and the `eval` it belongs to (default: what the file is called).

    `format`, `kind` (label, boxed, equal) and `task`: the user's word, where the file's own is not to be taken.
    """

    name: str
    eval: str | None = None
    format: str | None = None
    kind: str | None = None
    labels: tuple[str, ...] = ()
    task: str | None = None


@dataclass(frozen=True, slots=True)
class ImportedRun:
    """A run, and a sentence on how its replies were read."""

    run: Run
    read_as: str


def formats() -> list[str]:
    """The formats that can be read, by the names of their files."""
    return sorted(module.name.replace("_", "-") for module in iter_modules(formats_package.__path__))


def is_imported(manifest: Manifest) -> bool:
    """Whether a run was made elsewhere."""
    return manifest.origin is RunOrigin.IMPORTED


def read_run(source: SourceFile, naming: RunNaming, wanted: ColumnSelection) -> ImportedRun:
    """The run in a file; raises `ConfigError` with file and line for whatever cannot be right."""
    _check(naming, wanted)
    chosen = _format(source, naming.format)
    rows: list[ImportedRow] = list(_module(chosen).read(source, wanted))
    _check_ids(source, rows, wanted)
    judge = choose(rows, naming.kind, naming.labels)
    results = [_result(row, judge, naming.name) for row in rows]
    title = naming.eval or _module(chosen).title(source)
    manifest = _manifest(title, naming, judge, rows, results)
    told = [f"imported from {source.path.name} ({chosen})", *(f"{name}={value}" for name, value in wanted.where)]
    model = next((row.model for row in rows if row.model), naming.name)
    manifest = replace(
        manifest,
        fingerprint={**manifest.fingerprint, "imported": chosen, "model": model},
        notes=(", ".join(told),),
    )
    return ImportedRun(Run(manifest, tuple(results)), _read_as(judge, manifest))


def read_again(run: Run) -> Run:
    """An imported run, its replies read by today's rules; raises `ConfigError` where none were ever read."""
    old = run.manifest
    kind = old.fingerprint.get("contract", "").partition("/")[0]
    judges: dict[str, LabelJudge | BoxedAnswerJudge | EqualityJudge] = {
        "label": LabelJudge(_fixed(run)),
        "boxed": BoxedAnswerJudge(),
        "equal": EqualityJudge(),
    }
    if kind not in judges:
        msg = f"run {old.run_id}: its file said what is right and what is wrong: there is nothing to read again"
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


def _fixed(run: Run) -> tuple[str, ...]:
    """The labels that hold for all cases; nothing where each brings its own."""
    return () if any("allowed" in result.case.inputs for result in run.results) else run.manifest.labels


def _check(naming: RunNaming, wanted: ColumnSelection) -> None:
    _known_task(naming.task)
    if not _NAME.fullmatch(naming.name) or naming.name in _TAKEN or re.match(r"\d{8}-", naming.name):
        msg = f"--as {naming.name!r}: a name has no white space and none of / @ ~ +, and is no run's id nor `latest`"
        raise ConfigError(msg)
    if naming.eval is not None and (not naming.eval.strip() or "/" in naming.eval):
        msg = f"--eval {naming.eval!r}: an eval's name is not empty and has no /"
        raise ConfigError(msg)
    if wanted.correct and (naming.labels or naming.kind or wanted.allowed) and wanted.reply:
        msg = "--correct takes the file's word for what is right: leave out --labels, --allowed and --contract, or it"
        raise ConfigError(msg)


def _module(name: str) -> Any:
    return import_module(f"{formats_package.__name__}.{name.replace('-', '_')}")


def _format(source: SourceFile, wanted: str | None) -> str:
    """The format of a file, by what is in it."""
    known = formats()
    if wanted is not None:
        if wanted in known:
            return wanted
        msg = f"--format {wanted}: no such format{hint(wanted, known)}"
        raise ConfigError(msg)
    ordered = sorted(known, key=lambda name: name == "jsonl")  # it takes any object, so it comes last
    for name in ordered:
        if _module(name).fits(source):
            return name
    msg = f"{source.path}: neither JSONL nor a known log: say which with --format ({', '.join(known)})"
    raise ConfigError(msg)


def _known_task(task: str | None) -> None:
    if task is not None and task not in kinds():
        msg = f"--task {task!r} is no kind of task{hint(task, kinds())}"
        raise ConfigError(msg)


def _check_ids(source: SourceFile, rows: Sequence[ImportedRow], wanted: ColumnSelection) -> None:
    """Each case once, or once per repeat."""
    first: dict[tuple[str, int], str] = {}
    for row in rows:
        earlier = first.setdefault((row.id, row.repeat), row.where)
        if earlier != row.where:
            judged = {wanted.reply, wanted.expected, wanted.correct}  # nobody may choose by the answer
            apart = [one for one in _apart(source, earlier, row.where) if one.partition("=")[0] not in judged]
            advice = f": they differ in {', '.join(apart[:4])}, so choose with --where {apart[0]}" if apart else ""
            msg = f"{row.where}: id {row.id!r:.80} is already at {earlier}{advice}"
            raise ConfigError(msg)


def _apart(source: SourceFile, one: str, other: str) -> list[str]:
    """The columns in which two lines differ, short values only, as `name=value`."""
    if source.is_zip or ": " in one.removeprefix(str(source.path)):
        return []
    found = [row for where, row in source.lines() if where in (one, other)]
    if len(found) != 2:
        return []
    a, b = found
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
        reading, score = judge.told(row, case) if isinstance(judge, RecordedJudge) else judge.judge(case, response)
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
    labels = (judge.labels or _common(rows)) if isinstance(judge, LabelJudge) else ()
    return Manifest(
        run_id=new_run_id(started),
        eval=title,
        # a name and no capability: an imported run of labels is compared with runs of this kind of eval
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
    """Labels that hold for all cases make the same contract here as in an eval."""
    same: Any = LabelContract(judge.labels) if isinstance(judge, LabelJudge) and judge.labels else judge
    return {"contract": judge.id, "contract_hash": contract_digest(same)}


def _common(rows: Sequence[ImportedRow]) -> tuple[str, ...]:
    """The labels that every row allows, in the first one's order; nothing where rows differ."""
    return rows[0].allowed if len({frozenset(row.allowed) for row in rows}) == 1 else ()


def _read_as(judge: LabelJudge | BoxedAnswerJudge | EqualityJudge | RecordedJudge, manifest: Manifest) -> str:
    if isinstance(judge, RecordedJudge):
        by = f" by {judge.measure!r}" if judge.measure else ""
        return f"right and wrong as the file says{by}; strict and lenient are the same unless it tells them apart"
    if isinstance(judge, BoxedAnswerJudge):
        return r"each reply must have one answer in \boxed{…}, which is compared with the one expected"
    if isinstance(judge, EqualityJudge):
        return "each reply is compared as a whole: strictly as it is, leniently whatever its case and spaces"
    if not manifest.labels:
        return "each reply is read by the labels that its row allows"
    shown = ", ".join(json.dumps(label, ensure_ascii=False) for label in manifest.labels[:FEW])
    return f"each reply is read as one of the labels {shown}" + (", …" if len(manifest.labels) > FEW else "")

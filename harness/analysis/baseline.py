"""Baselines: the outcome of each case of a cell, in a file for git.

`evals/baselines/<eval>.<cell>.json` is JSON with one line per case and per part of the fingerprint, sorted, so
that a diff shows what changed and which cases.
It holds outcomes and hashes of answers; replies only on request (`--replies`).

    {"format": "harness-baseline/1", "eval", "cell", "backend", "run_id", "started_at", "labels", "fingerprint",
     "cases": [{"id", "digest", "asked", "strict", "lenient", "compliant", "errors", "answer", "said", "expected",
                "tags", "reply"}, ...]}                      left out of a case: what is 0 or empty

History of the format: 1 first version.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from harness.analysis.compare import CaseOutcome, RunOutcomes
from harness.core import files
from harness.core.errors import ConfigError
from harness.core.formatting import plural
from harness.core.toml import Name, Names, StrictModel

FOLDER = Path("evals", "baselines")
FORMAT = "harness-baseline/1"
REPLY_LIMIT = 2000
"""Characters kept of a reply."""

_HEAD = ("eval", "cell", "backend", "run_id", "started_at")
_NOT_IN_A_NAME = re.compile(r"[^\w@.+-]", re.ASCII)
_MEND = "save the baseline anew, or restore it from git"

_FILE_KEYS = {"judged": "asked", "predicted": "said"}
"""Fields of `CaseOutcome` that have another name in the file, which must not change."""

_NOT_IN_THE_FILE = frozenset({"cluster", "predicted_leniently", "weight"})
"""Fields of `CaseOutcome` that a comparison takes from the other run, or computes."""

Count = Annotated[int, Field(ge=0)]


class _BaselineCase(StrictModel):
    """One case of the file. Any of it may have been edited, or merged by git."""

    id: Name
    digest: str = ""
    asked: Count = 0
    strict: Count = 0
    lenient: Count = 0
    compliant: Count = 0
    errors: Count = 0
    answer: str = ""
    said: str = ""
    expected: str = ""
    tags: Names = ()
    reply: str = ""

    @model_validator(mode="after")
    def _adds_up(self) -> _BaselineCase:
        if max(self.strict, self.lenient, self.compliant) > self.asked:
            msg = f"asked {self.asked}, but strict, lenient or compliant is larger"
            raise ValueError(msg)
        return self


class _BaselineFile(StrictModel):
    """The content of a baseline file."""

    format: Literal["harness-baseline/1"]
    eval: Name
    cell: Name
    backend: str
    run_id: str
    started_at: str
    labels: Names
    fingerprint: Mapping[str, str]
    cases: Annotated[tuple[_BaselineCase, ...], Field(strict=False)]


def path_of(root: Path, eval_name: str, cell: str) -> Path:
    """Return the path of a cell's baseline."""
    return root / FOLDER / f"{_NOT_IN_A_NAME.sub('_', f'{eval_name}.{cell}')}.json"


def check(run: RunOutcomes) -> None:
    """Raise `ConfigError` if the run cannot be a baseline.

    After failed calls, any later run would look like a gain.
    """
    if run.n_errors:
        failed = plural(run.n_errors, "call")
        remedy = "Import it again with these replies" if run.is_imported else "Run again with --resume"
        msg = f"run {run.run_id}: {failed} failed, so it cannot be a baseline. {remedy}"
        raise ConfigError(msg)
    if not run.cases:
        msg = f"run {run.run_id}: no case was judged, so it cannot be a baseline"
        raise ConfigError(msg)


def save(root: Path, run: RunOutcomes, replies: Mapping[str, str] | None = None) -> Path:
    """Write the baseline of a cell atomically.

    Args:
        root: The project's folder.
        run: The run.
        replies: Replies by case id, to be stored in the file.

    Raises:
        ConfigError: The run cannot be a baseline, or the file cannot be written.
    """
    check(run)
    path = path_of(root, run.eval, run.cell)
    files.write(_dumps(run, replies or {}), path)
    return path


def load(root: Path, eval_name: str, cell: str) -> RunOutcomes | None:
    """Read the baseline of a cell; `None` if it has none. Raises `ConfigError` for the file of another cell."""
    path = path_of(root, eval_name, cell)
    if not path.is_file():
        return None
    run = read(path)
    if (run.eval, run.cell) != (eval_name, cell):
        msg = f"{path}: is the baseline of {run.eval} {run.cell}, not of {eval_name} {cell}: {_MEND}"
        raise ConfigError(msg)
    return run


def find(root: Path, eval_name: str | None = None) -> list[RunOutcomes]:
    """Read all baselines of a project, or of one eval, by file name."""
    baselines = [read(path) for path in sorted((root / FOLDER).glob("*.json"))]
    return [run for run in baselines if eval_name is None or run.eval == eval_name]


def read(path: Path) -> RunOutcomes:
    """Read one baseline file; raises `ConfigError`."""
    data = _parse(path)
    return RunOutcomes(
        name="baseline",
        fingerprint=data.fingerprint,
        labels=data.labels,
        cases={row.id: _outcome(row) for row in data.cases},
        **{name: getattr(data, name) for name in _HEAD},
    )


def replies(root: Path, run: RunOutcomes) -> dict[str, str]:
    """Return the replies that a baseline holds, by case id; raises `ConfigError`."""
    return {row.id: row.reply for row in _parse(path_of(root, run.eval, run.cell)).cases if row.reply}


def _parse(path: Path) -> _BaselineFile:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        data = _BaselineFile.model_validate(content)
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}"
    except json.JSONDecodeError as error:
        msg = f"{path}:{error.lineno}: not valid JSON ({error.msg}): {_MEND}"
    except UnicodeDecodeError:
        msg = f"{path}: not UTF-8 text: {_MEND}"
    except RecursionError:
        msg = f"{path}: not a baseline file: {_MEND}"
    except ValidationError as error:
        msg = f"{path}: {_explained(error, content)}: {_MEND}"
    else:
        ids = [row.id for row in data.cases]
        if len(set(ids)) == len(ids):
            return data
        twice = next(i for i in ids if ids.count(i) > 1)
        msg = f"{path}: case {twice!r} appears more than once, as after a merge: {_MEND}"
    raise ConfigError(msg)


def _explained(error: ValidationError, content: Any) -> str:
    first = error.errors()[0]
    place, problem = first["loc"], first["msg"].removeprefix("Value error, ")
    if place == ("format",) or not isinstance(content, dict) or "format" not in content:
        version = content.get("format") if isinstance(content, dict) else None
        return f"format {version!r:.40} is not {FORMAT}"
    if place[0] == "cases" and len(place) > 1:
        row = content["cases"][int(place[1])]
        case = row.get("id") if isinstance(row, dict) else None
        return f"case {case!r:.60}: {' '.join(map(str, place[2:]))}: {problem}".replace(": : ", ": ")
    return f"{'.'.join(map(str, place))}: {problem}"


def _dumps(run: RunOutcomes, saved_replies: Mapping[str, str]) -> str:
    head: dict[str, Any] = {"format": FORMAT, **{name: getattr(run, name) for name in _HEAD}}
    head["labels"] = list(run.labels)
    lines = [f" {json.dumps(name)}: {json.dumps(value)}," for name, value in head.items()]
    parts = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in sorted(run.fingerprint.items())]
    rows = [_row(case, saved_replies.get(case_id, "")) for case_id, case in sorted(run.cases.items())]
    fingerprint = [' "fingerprint": {', ",\n".join(parts), " },"]
    cases = [' "cases": [', ",\n".join(f"  {row}" for row in rows), " ]"]
    return "\n".join(["{", *lines, *fingerprint, *cases, "}", ""])


def _row(case: CaseOutcome, reply: str) -> str:
    named = {name: value for name, value in asdict(case).items() if name not in _NOT_IN_THE_FILE}
    content = {_FILE_KEYS.get(name, name): value for name, value in named.items()}
    return json.dumps({k: v for k, v in (content | {"reply": reply[:REPLY_LIMIT]}).items() if v})


def _outcome(row: _BaselineCase) -> CaseOutcome:
    content = row.model_dump(exclude={"reply"})
    names = [field.name for field in fields(CaseOutcome) if field.name not in _NOT_IN_THE_FILE]
    return CaseOutcome(**{name: content[_FILE_KEYS.get(name, name)] for name in names})

"""Baselines: what each case of a cell came to, in a file made for git.

`evals/baselines/<eval>.<cell>.json` is JSON with one line per case, sorted, so that a diff shows which cases changed.
It holds outcomes and hashes of answers, not what a model said.

    {"format": "harness-baseline/1", "eval", "cell", "backend", "run_id", "started_at", "labels", "fingerprint",
     "cases": [{"id", "digest", "asked", "strict", "lenient", "compliant", "errors", "answer", "said", "expected",
                "tags"}, ...]}                               left out of a case: what is 0 or empty

History of the format: 1 first version.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.compare import CaseOutcome, Side
from harness.errors import ConfigError

FOLDER = Path("evals", "baselines")
FORMAT = "harness-baseline/1"
_HEAD = ("eval", "cell", "backend", "run_id", "started_at")
_NOT_IN_A_NAME = re.compile(r"[^\w@.+-]", re.ASCII)


def path_of(root: Path, eval_name: str, cell: str) -> Path:
    """Where the baseline of a cell is."""
    return root / FOLDER / f"{_NOT_IN_A_NAME.sub('_', f'{eval_name}.{cell}')}.json"


def save(root: Path, side: Side) -> Path:
    """Write the baseline of a cell; raises `ConfigError` for a run that is none to go by, or a disk that takes nothing.

    A run with failed calls is none: whatever comes later would look like a gain.
    """
    if side.n_errors:
        msg = f"run {side.run_id}: {side.n_errors} calls failed, so it is no baseline: run again with --resume"
        raise ConfigError(msg)
    path = path_of(root, side.eval, side.cell)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        temporary.write_text(_dumps(side), encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        msg = f"{path}: cannot be written: {error.strerror}"
        raise ConfigError(msg) from None
    return path


def load(root: Path, eval_name: str, cell: str) -> Side | None:
    """The baseline of a cell, `None` where it has none; raises `ConfigError` for a file that is no baseline."""
    path = path_of(root, eval_name, cell)
    return read(path) if path.is_file() else None


def find(root: Path, eval_name: str | None = None) -> list[Side]:
    """All baselines of a project (of one eval), by file name."""
    return [
        s for path in sorted((root / FOLDER).glob("*.json")) if (s := read(path)).eval == eval_name or not eval_name
    ]


def read(path: Path) -> Side:
    """One file; raises `ConfigError`."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data.get("format") != FORMAT:
            msg = f"{path}: format {data.get('format')!r} is not {FORMAT}: save the baseline anew"
            raise ConfigError(msg)
        cases = [_case(row) for row in data["cases"]]
        return Side(
            name="baseline",
            fingerprint=data["fingerprint"],
            labels=tuple(data["labels"]),
            cases={case.id: case for case in cases},
            **{name: data[name] for name in _HEAD},
        )
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}"
        raise ConfigError(msg) from None
    except json.JSONDecodeError as error:
        msg = f"{path}:{error.lineno}: not valid JSON ({error.msg}): save the baseline anew, or restore it from git"
        raise ConfigError(msg) from None
    except (KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
        msg = f"{path}: is no baseline ({type(error).__name__}: {error}): save it anew, or restore it from git"
        raise ConfigError(msg) from None


def _dumps(side: Side) -> str:
    head: dict[str, Any] = {"format": FORMAT, **{name: getattr(side, name) for name in _HEAD}}
    head |= {"labels": list(side.labels), "fingerprint": dict(sorted(side.fingerprint.items()))}
    lines = [f" {json.dumps(name)}: {json.dumps(value)}," for name, value in head.items()]
    rows = [json.dumps({k: v for k, v in asdict(case).items() if v}) for _, case in sorted(side.cases.items())]
    return "\n".join(["{", *lines, ' "cases": [', ",\n".join(f"  {row}" for row in rows), " ]", "}", ""])


def _case(row: dict[str, Any]) -> CaseOutcome:
    return CaseOutcome(
        **{**dict.fromkeys(("asked", "strict", "lenient", "compliant"), 0), **row, "tags": tuple(row.get("tags", ()))}
    )

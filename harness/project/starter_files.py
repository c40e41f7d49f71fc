"""Files of a new project: an eval of one task kind, backends of one provider, and a workflow for CI.

The files come from `harness/project/starter`. `harness.toml` is made of one table per backend.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path, PurePosixPath

from harness.core.errors import ConfigError
from harness.core.extras import DISTRIBUTION
from harness.core.files import write

PROVIDERS = ("llamacpp", "ollama", "vllm", "openai")
"""Providers with a backend table; the others stand below the chosen one as comments."""

WORKFLOW = PurePosixPath(".github/workflows/evals.yml")


@dataclass(frozen=True, slots=True)
class Written:
    """The files that were written, and those that existed and were left as they are."""

    written: tuple[Path, ...]
    left: tuple[Path, ...]


def extras(task: str, provider: str) -> list[str]:
    """The extras of this package that the starter needs."""
    needed = {"llamacpp": provider == "llamacpp", "summaries": task == "summarization"}
    return [extra for extra, is_needed in needed.items() if is_needed]


def create(folder: Path, task: str, provider: str, *, github: bool = False) -> Written:
    """Write the missing files of a project into `folder`; no existing file is changed.

    Raises `ConfigError`, before anything is written, if `folder` or a folder below it is a file.
    """
    wanted = {folder / path: content for path, content in project_files(task, provider).items()}
    if github:
        root = _repository(folder)
        wanted[root / WORKFLOW] = _workflow(task, provider, folder.resolve().relative_to(root.resolve()))
    for path in wanted:
        blocking = next((parent for parent in path.parents if parent.exists() and not parent.is_dir()), None)
        if blocking is not None:
            msg = f"{blocking} is a file where a folder is needed: nothing was written"
            raise ConfigError(msg)
    left = tuple(path for path in wanted if path.exists() or path.is_symlink())
    written = tuple(path for path in wanted if path not in left)
    for path in written:
        write(wanted[path], path)
    return Written(written, left)


def project_files(task: str, provider: str) -> Mapping[PurePosixPath, bytes]:
    """The files of a new project by their paths in it, without the workflow."""
    with _starter() as starter:
        of_task = starter / "tasks" / task
        found = {
            PurePosixPath(path.relative_to(of_task).as_posix()): path.read_bytes()
            for path in sorted(of_task.rglob("*"))
            if path.is_file()
        }
        ignored = (starter / "gitignore").read_bytes()
    config = harness_toml(task, provider).encode()
    return {PurePosixPath("harness.toml"): config, **found, PurePosixPath(".gitignore"): ignored}


def harness_toml(task: str, provider: str) -> str:
    """The text of `harness.toml`: the pair, its two backends, and other providers as comments."""
    tables = backend_tables(task)
    head = _text("backends/head.toml")
    head = head.replace("REFERENCE", _name(tables["reference"])).replace("CANDIDATE", _name(tables[provider]))
    others = [_commented(tables[other]) for other in PROVIDERS if other != provider]
    return head + "\n".join([tables["reference"], tables[provider], *others])


def backend_tables(task: str) -> dict[str, str]:
    """The `[backends.x]` table of each provider for a task kind, and of the `reference`."""
    service = "embeddings" if task == "embedding" else "chat"
    return {name: _text(f"backends/{service}/{name}.toml") for name in ("reference", *PROVIDERS)}


def _commented(table: str) -> str:
    return re.sub(r"^", "# ", table.rstrip("\n"), flags=re.MULTILINE) + "\n"


def _name(table: str) -> str:
    """The name of a backend's table."""
    return table.removeprefix("[backends.").partition("]")[0]


def _workflow(task: str, provider: str, folder: Path) -> bytes:
    """The workflow; `folder`: the project's folder in the repository."""
    needed = extras(task, provider)
    inside = folder.as_posix()
    filled = {
        "FOLDER": inside,
        "PREFIX": "" if inside == "." else f"{inside}/",
        "PACKAGE": f"{DISTRIBUTION}[{','.join(needed)}]" if needed else DISTRIBUTION,
    }
    return re.sub("|".join(filled), lambda found: filled[found[0]], _text("ci/github.yml")).encode()


def _repository(folder: Path) -> Path:
    """The root of the git repository around `folder`, where GitHub looks for workflows; else `folder`."""
    here = folder.resolve()
    root = next((parent for parent in (here, *here.parents) if (parent / ".git").exists()), here)
    return folder if root == here else root


def _text(path: str) -> str:
    return (files("harness.project") / "starter" / path).read_text(encoding="utf-8")


@contextmanager
def _starter() -> Iterator[Path]:
    with as_file(files("harness.project") / "starter") as starter:
        yield starter

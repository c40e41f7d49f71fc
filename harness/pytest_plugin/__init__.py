"""`pytest evals/`: one test per gate of each cell, and the fixtures.

May import everything but cli.
Never here: logic that the command line also needs.

Loaded by pytest in every project where this package is installed, so nothing is imported until an eval is collected.
A run is made once and shared among the tests, also among the workers of `pytest -n`.
"""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from harness.pytest_plugin._fixtures import compare_to_baseline, run_eval
from harness.pytest_plugin._items import EvalFile
from harness.pytest_plugin._runs import SESSION
from harness.pytest_plugin._summary import pytest_terminal_summary

__all__ = [
    "compare_to_baseline",
    "pytest_addoption",
    "pytest_collect_file",
    "pytest_configure",
    "pytest_terminal_summary",
    "run_eval",
]

EVALS_FOLDER = "evals"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options for evals."""
    group = parser.getgroup("harness", "prompt portability evals (pytest evals/)")
    group.addoption(
        "--backend",
        action="append",
        default=[],
        metavar="NAME",
        help="run evals on this backend of harness.toml; repeatable (default: all available backends)",
    )
    group.addoption(
        "--variant",
        action="append",
        default=[],
        metavar="NAME",
        help="run this prompt variant; repeatable (default: each backend's own)",
    )
    group.addoption(
        "--update-baselines",
        action="store_true",
        help="save the results as baselines (evals/baselines/*.json), and show the changes",
    )
    group.addoption(
        "--eval-demo",
        action="store_true",
        help="run only the first demo_limit cases of each eval; gates are not judged on such a sample",
    )
    group.addoption(
        "--eval-report",
        action="append",
        default=[],
        metavar="FILE",
        help="write a report of all runs to this file: .html .json .jsonl .csv .md; repeatable",
    )


def pytest_configure(config: pytest.Config) -> None:
    """All workers of one session share its name."""
    if paths := config.getoption("--eval-report"):
        from harness.core.errors import HarnessError
        from harness.report import check_path

        try:
            for path in paths:
                check_path(Path(path))
        except HarnessError as error:
            raise pytest.UsageError(str(error)) from None
    worker = getattr(config, "workerinput", None)
    config.stash[SESSION] = worker["testrunuid"] if worker else uuid.uuid4().hex


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect `evals/*.toml` of a project. A project is a folder with a harness.toml."""
    if file_path.suffix != ".toml" or file_path.parent.name != EVALS_FOLDER:
        return None
    if not (file_path.parent.parent / "harness.toml").is_file():
        return None
    return EvalFile.from_parent(parent, path=file_path)

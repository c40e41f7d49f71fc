"""`pytest evals/`: one test per gate of each cell, and the fixtures.

May import everything but cli.
Never here: logic that the command line also needs.

pytest loads this module in every project of the environment. It imports only pytest and what pytest has imported
already; each hook and fixture imports its implementation when an eval needs it (bench/speed/plugin_startup.py).
A run is made once and shared among the tests, also among the workers of `pytest -n`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from harness.analysis.compare import Comparison
    from harness.report import CellReport

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
        "--eval-strict",
        action="store_true",
        help="fail at collection if a golden dataset is too small for a gate (default: the gate is undecided)",
    )
    group.addoption(
        "--eval-report",
        action="append",
        default=[],
        metavar="FILE",
        help="write a report of all runs to this file: .html .json .jsonl .csv .md; repeatable",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Check the paths of `--eval-report` before any request is sent."""
    if paths := config.getoption("--eval-report"):
        from harness.core.errors import HarnessError
        from harness.report import check_path

        try:
            for path in paths:
                check_path(Path(path))
        except HarnessError as error:
            raise pytest.UsageError(str(error)) from None


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect `evals/*.toml` of a project. A project is a folder with a harness.toml."""
    if file_path.suffix != ".toml" or file_path.parent.name != EVALS_FOLDER:
        return None
    if not (file_path.parent.parent / "harness.toml").is_file():
        return None
    from harness.pytest_plugin._items import EvalFile

    return EvalFile.from_parent(parent, path=file_path)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the matrix of all runs of the session, and write the reports that `--eval-report` names."""
    reports = [
        item for items in terminalreporter.stats.values() for item in items if isinstance(item, pytest.TestReport)
    ]
    properties = [each for report in reports for each in report.user_properties]
    if not properties:
        return
    from harness.pytest_plugin._properties import RUN_PROPERTY

    run_ids = list(dict.fromkeys(value for key, value in properties if key == RUN_PROPERTY))
    if run_ids:
        from harness.pytest_plugin._summary import summarize

        summarize(terminalreporter, config, reports, run_ids)


@pytest.fixture
def run_eval(request: pytest.FixtureRequest) -> Callable[..., CellReport]:
    """`run_eval("ticket_triage")` -> the report of a cell: its summary, results and manifest.

    `backend`: default the first of `--backend`, else the candidate of [pair]. `variant`: default the backend's own.
    Skips the test if the backend is unavailable, unless `--backend` names it.
    """
    from harness.pytest_plugin._fixtures import runner

    return runner(request)


@pytest.fixture
def compare_to_baseline(request: pytest.FixtureRequest) -> Callable[[CellReport], Comparison]:
    """`compare_to_baseline(run_eval("ticket_triage"))` -> the comparison, with its verdict, flips and changes.

    The margin is the eval's `max_regression`, else 0.03. Fails the test if the cell has no baseline.
    """
    from harness.pytest_plugin._fixtures import comparer

    return comparer(request)

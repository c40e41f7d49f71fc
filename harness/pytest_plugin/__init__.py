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
RUN_PROPERTY = "harness_run"
"""The property of a test's report that names its run."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options that only concern evals."""
    group = parser.getgroup("harness", "prompt portability evals (pytest evals/)")
    group.addoption(
        "--backend",
        action="append",
        default=[],
        metavar="NAME",
        help="run evals on this backend of harness.toml, which then must be there; repeatable (default: all that are)",
    )
    group.addoption(
        "--variant",
        action="append",
        default=[],
        metavar="NAME",
        help="run this prompt variant; repeatable (default: the one that a backend is tuned for)",
    )
    group.addoption(
        "--update-baselines",
        action="store_true",
        help="save what each eval's own cells come to as evals/baselines/*.json, and show what that changes",
    )
    group.addoption(
        "--eval-demo",
        action="store_true",
        help="ask no more cases than an eval's demo_limit; gates are not judged on such a sample",
    )
    group.addoption(
        "--eval-report",
        action="append",
        default=[],
        metavar="FILE",
        help="write a report of all runs: .html .json .jsonl .csv .md; repeatable",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a report that could not be written, before any model is asked."""
    if paths := config.getoption("--eval-report"):
        from harness.core.errors import HarnessError
        from harness.report import check_path

        try:
            for path in paths:
                check_path(Path(path))
        except HarnessError as error:
            raise pytest.UsageError(str(error)) from None


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """`evals/*.toml` of a project, which is a folder with a harness.toml."""
    if file_path.suffix != ".toml" or file_path.parent.name != EVALS_FOLDER:
        return None
    if not (file_path.parent.parent / "harness.toml").is_file():
        return None
    from harness.pytest_plugin._items import EvalFile

    return EvalFile.from_parent(parent, path=file_path)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the matrix of all runs of the session, and write the reports that `--eval-report` names."""
    reports = [one for group in terminalreporter.stats.values() for one in group if isinstance(one, pytest.TestReport)]
    run_ids = list(dict.fromkeys(v for one in reports for key, v in one.user_properties if key == RUN_PROPERTY))
    if run_ids:
        from harness.pytest_plugin._summary import summarize

        summarize(terminalreporter, config, reports, run_ids)


@pytest.fixture
def run_eval(request: pytest.FixtureRequest) -> Callable[..., CellReport]:
    """`run_eval("ticket_triage")` -> the report of a cell: its summary, results and manifest.

    `backend`: default the first of `--backend`, else the pair's candidate. `variant`: default the one the backend is
    tuned for. The test is skipped where the backend is not there, unless `--backend` named it.
    """
    from harness.pytest_plugin._fixtures import runner

    return runner(request)


@pytest.fixture
def compare_to_baseline(request: pytest.FixtureRequest) -> Callable[[CellReport], Comparison]:
    """`compare_to_baseline(run_eval("ticket_triage"))` -> the comparison: its verdict, flips, and what has changed.

    The margin is the eval's `max_regression`, else 0.03. Fails where the cell has no baseline.
    """
    from harness.pytest_plugin._fixtures import comparer

    return comparer(request)

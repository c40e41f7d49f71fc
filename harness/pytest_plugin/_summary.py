"""The end of a pytest session: the matrix of its runs, and the reports of `--eval-report`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.pytest_plugin._properties import UPDATE_PROPERTY
from harness.pytest_plugin._runs import open_project


def summarize(
    terminalreporter: pytest.TerminalReporter,
    config: pytest.Config,
    reports: Sequence[pytest.TestReport],
    run_ids: Sequence[object],
) -> None:
    """Print the matrix of the runs with these ids, and write the reports of `--eval-report`."""
    from harness.report import build, write
    from harness.runner import gate_checks, questions

    with open_project(_root_of(config)) as (project, _):
        runs = sorted(
            (project.store.load(str(run_id)) for run_id in run_ids), key=lambda r: (r.manifest.eval, r.manifest.cell)
        )
        analyses = questions.analyses(project, {run.manifest.eval for run in runs})
        built = build(runs, analyses=analyses, gates=gate_checks.of_saved(project, runs))
    terminalreporter.section("evals")
    terminalreporter.write(_as_text(built))
    for line in sorted({str(v) for report in reports for key, v in report.user_properties if key == UPDATE_PROPERTY}):
        terminalreporter.write_line(f"baseline {line}")
    for name in config.getoption("--eval-report"):
        path = config.invocation_params.dir / name
        write(built, path)
        terminalreporter.write_line(f"report: {path}")


def _root_of(config: pytest.Config) -> Path:
    """The folder of the tested project."""
    candidates: Iterable[Path] = (
        config.invocation_params.dir / str(arg).split("::")[0] for arg in (*config.args, config.rootpath)
    )
    for path in candidates:
        for folder in (path, *path.parents):
            if (folder / "harness.toml").is_file():
                return folder
    return config.rootpath


def _as_text(built: Any) -> str:
    import io

    from rich.console import Console

    from harness.report.terminal import matrix

    sink = io.StringIO()
    Console(file=sink, width=100, highlight=False, no_color=True).print(matrix(built))
    return sink.getvalue()

"""`pytest evals/`: one test per gate of each cell, and fixtures for tests of one's own.

Loaded by pytest in every project where this package is installed, so nothing is imported until an eval is collected.
A run is made once and shared among the tests, also among the workers of `pytest -n`: the first that needs it makes it
under a lock, the others read it from the store.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from harness.compare import Comparison
    from harness.config import Config
    from harness.engine import Outcome
    from harness.plan import Cell
    from harness.report import CellReport
    from harness.store import Store
    from harness.types import Run

EVALS_FOLDER = "evals"
RUN_PROPERTY = "harness_run"
UPDATE = "update-baseline"
UPDATE_PROPERTY = "harness_baseline"
SHOWN_CASES = 5

_session = pytest.StashKey[str]()


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
    """All workers of one session share its name."""
    if paths := config.getoption("--eval-report"):
        from harness.errors import HarnessError
        from harness.report import check_path

        try:
            for path in paths:
                check_path(Path(path))
        except HarnessError as error:
            raise pytest.UsageError(str(error)) from None
    worker = getattr(config, "workerinput", None)
    config.stash[_session] = worker["testrunuid"] if worker else uuid.uuid4().hex


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """`evals/*.toml` of a project, which is a folder with a harness.toml."""
    if file_path.suffix != ".toml" or file_path.parent.name != EVALS_FOLDER:
        return None
    if not (file_path.parent.parent / "harness.toml").is_file():
        return None
    return EvalFile.from_parent(parent, path=file_path)


class EvalFile(pytest.File):
    """One eval file."""

    def collect(self) -> Iterator[pytest.Item]:
        """A test per gate and cell. Asks no model: what is wrong with the files shows here."""
        from harness import judging
        from harness.errors import HarnessError

        try:
            with _project(self.path) as (found, _, planned):
                cells = planned(self.config, [str(self.path)])
                wanted: list[tuple[Cell, list[str]]] = [(cell, judging.wanted(found, cell)) for cell in cells]
        except HarnessError as error:
            raise self.CollectError(str(error)) from None
        update = self.config.getoption("--update-baselines")
        for cell, names in wanted:
            of_cell: list[str | None] = list(names)
            if (
                update and cell.is_own and cell.limit is None
            ):  # and nothing is judged by a file that is just being rewritten
                of_cell = [UPDATE, *(name for name in names if name not in judging.BY_BASELINE)]
            sample = cell.limit is not None
            for gate in [None, *of_cell] if sample else of_cell or [None]:
                item = GateItem.from_parent(self, name=f"{cell.name}[{gate or 'answers'}]", cell=cell, gate=gate)
                if sample and gate:
                    reason = f"gates are not judged on a sample ({cell.limit} cases)"
                    item.add_marker(pytest.mark.skip(reason=reason))
                yield item


class GateFailed(Exception):
    """A gate did not pass."""


class GateItem(pytest.Item):
    """One gate of one cell. Without gates in the eval: that every case is answered."""

    def __init__(self, *, cell: Cell, gate: str | None, **kwargs: Any) -> None:
        """`cell` as planned when the file was collected."""
        super().__init__(**kwargs)
        self.cell = cell
        self.gate = gate

    def runtest(self) -> None:
        """Make the run, or find it made, and judge."""
        from harness import gates, judging
        from harness.metrics.summary import summarize

        run = shared_run(self.config, self.path, self.cell)
        self.user_properties.append((RUN_PROPERTY, run.manifest.run_id))
        if self.gate == UPDATE:
            self.user_properties.append((UPDATE_PROPERTY, _update_baseline(self.path, run)))
            return
        if self.gate == "margin":
            self._run_reference()
        summary = summarize(run.results)
        if self.gate is None:
            if summary.n_errors:
                msg = f"{self.cell.name}: {summary.n_errors} of {summary.n} calls failed"
                raise GateFailed(msg)
            return
        with _project(self.path) as (found, store, _):
            result = judging.judge(self.gate, self.cell, judging.evidence(found, store, self.cell, run))
        if self.gate == judging.BASELINE and result.verdict is gates.Verdict.UNDECIDED and not summary.n_errors:
            pytest.skip(f"nothing proven: {result.message}")
        if result.verdict is not gates.Verdict.PASSED:
            raise GateFailed("\n".join([result.message, *_examples(run)]))

    def _run_reference(self) -> None:
        """Have the reference run over the same cases. Where it is not there, its newest saved run must do."""
        with _project(self.path) as (found, _, planned):
            if found.pair is None:
                return
            reference = found.backends[found.pair.reference]
            cells = planned(self.config, [str(self.path)], (reference.name,), (reference.variant,))
        for cell in cells:  # none where the eval leaves the reference out
            with suppress(pytest.skip.Exception):
                shared_run(self.config, self.path, cell)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """A verdict or a user's mistake is told in its own words, without a traceback."""
        from harness.errors import HarnessError

        if isinstance(excinfo.value, GateFailed | HarnessError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """`ticket_triage: local@smollm2[min_accuracy]`."""
        return self.path, None, f"{self.path.stem}: {self.name}"


@pytest.fixture
def run_eval(request: pytest.FixtureRequest) -> Callable[..., CellReport]:
    """`run_eval("ticket_triage")` -> the report of a cell: its summary, results and manifest.

    `backend`: default the first of `--backend`, else the pair's candidate. `variant`: default the one the backend is
    tuned for. The test is skipped where the backend is not there, unless `--backend` named it.
    """

    def run_one(name: str, *, backend: str | None = None, variant: str | None = None) -> CellReport:
        from harness.report import build

        folder = request.path
        with _project(folder) as (found, _, planned):
            chosen = backend or next(iter(request.config.getoption("--backend")), None)
            chosen = chosen or (found.pair.candidate if found.pair else next(iter(found.backends)))
            (cell,) = planned(request.config, [name], (chosen,), (variant,) if variant else ())
        run = shared_run(request.config, folder, cell)
        request.node.user_properties.append((RUN_PROPERTY, run.manifest.run_id))
        return build([run]).evals[0].cells[0]

    return run_one


@pytest.fixture
def compare_to_baseline(request: pytest.FixtureRequest) -> Callable[[CellReport], Comparison]:
    """`compare_to_baseline(run_eval("ticket_triage"))` -> the comparison: its verdict, flips, and what has changed.

    The margin is the eval's `max_regression`, else 0.03. Fails where the cell has no baseline.
    """

    def compared(cell: CellReport) -> Comparison:
        from harness import evals, judging
        from harness.compare import side
        from harness.types import Run

        with _project(request.path) as (found, _, _planned):
            (definition,) = evals.find(found.root, [cell.manifest.eval])
            own = side(Run(cell.manifest, cell.results))
            comparison = judging.to_baseline(found.root, own, definition.gates.max_regression)
        if comparison is None:
            pytest.fail(f"{own.eval} {own.cell} has no baseline: `harness baseline save {own.eval}`", pytrace=False)
        return comparison

    return compared


def shared_run(config: pytest.Config, start: Path, cell: Cell) -> Run:
    """The run of a cell, made once in a session whoever needs it first; skips the test where its backend is missing."""
    from filelock import FileLock

    from harness import api
    from harness.errors import Interrupted
    from harness.listener import Listener

    with _project(start) as (found, store, _):
        folder = Path(gettempdir()) / f"harness-pytest-{config.stash[_session]}"
        folder.mkdir(mode=0o700, exist_ok=True)
        key = hashlib.sha256(f"{cell.definition.path}\n{cell.name}".encode()).hexdigest()[:16]
        told = folder / f"{key}.json"
        with FileLock(folder / f"{key}.lock"):
            if not told.exists():
                named = tuple(config.getoption("--backend"))
                try:
                    outcome = api.execute(found, store, [cell], api.Options(backend=named), Listener())
                except Interrupted as error:  # Ctrl-C ends the session, not this test alone
                    raise KeyboardInterrupt(str(error)) from None
                told.write_text(json.dumps(_told(outcome)), encoding="utf-8")
        saved = json.loads(told.read_text(encoding="utf-8"))
        if saved["skipped"]:
            pytest.skip(saved["skipped"])
        if saved["failure"]:
            raise GateFailed(saved["failure"])
        return store.load(saved["run_id"])


def _told(outcome: Outcome) -> dict[str, str]:
    """What the other tests of the session must know."""
    return {
        "run_id": outcome.runs[0].manifest.run_id if outcome.runs else "",
        "skipped": outcome.skipped[0][1] if outcome.skipped else "",
        "failure": str(outcome.failures[0]) if outcome.failures else "",
    }


@contextmanager
def _project(start: Path) -> Iterator[tuple[Config, Store, Callable[..., list[Cell]]]]:
    """The project around `start`, its open store, and what plans cells as pytest's options say."""
    from harness import api

    with api.project(start if start.is_dir() else start.parent) as (found, store):

        def planned(
            config: pytest.Config, names: list[str], backends: tuple[str, ...] = (), variants: tuple[str, ...] = ()
        ) -> list[Cell]:
            variant = variants or tuple(config.getoption("--variant"))
            backend = backends or tuple(config.getoption("--backend"))
            options = api.Options(
                backend=backend,
                variant=variant,
                own_variant_only=not variant,
                demo=config.getoption("--eval-demo"),
                whole=True,
            )
            cells = api.cells(found, store, names, options)
            return [cell for cell in cells if cell.decoding == cell.definition.decoding[0]]

        yield found, store, planned


def _update_baseline(start: Path, run: Run) -> str:
    """Save the run as the baseline of its cell, and say what that changes."""
    from harness import judging
    from harness.compare import side

    with _project(start) as (found, _, _planned):
        return judging.renew(found.root, side(run))


def _examples(run: Run) -> list[str]:
    """Some cases that production code would get wrong."""
    from harness.report.text import visible

    wrong = [r for r in run.results if r.score is not None and not r.score.strict]
    lines = [
        f"  {r.case.id}: expected {r.case.expected!s}, got {visible(r.response.text.strip())[:70]!r}"
        f" ({', '.join(r.reading.violations) if r.reading and r.reading.violations else 'wrong answer'})"
        for r in wrong[:SHOWN_CASES]
    ]
    more = len(wrong) - SHOWN_CASES
    return lines + ([f"  and {more} more: harness report {run.manifest.eval}"] if more > 0 else [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The matrix of all runs of the session, and the reports that were asked for."""
    reports = [one for group in terminalreporter.stats.values() for one in group if isinstance(one, pytest.TestReport)]
    run_ids = list(dict.fromkeys(v for one in reports for key, v in one.user_properties if key == RUN_PROPERTY))
    if not run_ids:
        return
    from harness.report import asked_by, build, write

    with _project(_root_of(config)) as (found, store, _):
        runs = sorted((store.load(str(run_id)) for run_id in run_ids), key=lambda r: (r.manifest.eval, r.manifest.cell))
        built = build(runs, asked=asked_by(found, {run.manifest.eval for run in runs}))
    terminalreporter.section("evals")
    terminalreporter.write(_as_text(built))
    for line in sorted({str(v) for one in reports for key, v in one.user_properties if key == UPDATE_PROPERTY}):
        terminalreporter.write_line(f"baseline {line}")
    for name in config.getoption("--eval-report"):
        path = config.invocation_params.dir / name
        write(built, path)
        terminalreporter.write_line(f"report: {path}")


def _root_of(config: pytest.Config) -> Path:
    """The folder of the project that was tested."""
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

"""What every test gets: an environment without the caller's keys and servers, and a small project to spoil."""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

# A shell that starts the suite in the background has SIGINT ignored, here and in every process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Python compiles each module once, and every process that a test starts loads the compiled one.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Collecting the suite makes millions of objects that stay. Scanning them time and again costs a sixth of the run.
gc.set_threshold(20_000, 20, 20)

hypothesis.settings.register_profile(
    "harness",
    deadline=None,  # a slow machine is no failure
    derandomize=bool(os.environ.get("CI")),
    print_blob=True,
)
hypothesis.settings.load_profile("harness")

# Before anything imports the Hugging Face libraries: they read these once. No test may reach for the hub.
os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="harness-tests-hf-")
atexit.register(shutil.rmtree, os.environ["HF_HOME"], ignore_errors=True)

from .support.cli import Terminal  # noqa: E402
from .support.postgres import Postgres, running  # noqa: E402
from .support.project import CONFIG, Project  # noqa: E402
from .support.servers import FakeOpenAI, closing  # noqa: E402
from .support.snapshot import Snapshot  # noqa: E402


def pytest_xdist_auto_num_workers() -> int:
    """Workers of `-n auto`: three for two cores, because tests wait for sockets and processes a third of their time."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores + (cores + 1) // 2


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--public-data",
        type=Path,
        metavar="FOLDER",
        help="where JSON Lines files of public data sets are; each test that needs one names the file and its keys",
    )
    parser.addoption("--update-snapshots", action="store_true", help="rewrite the files in tests/**/snapshots/")


@pytest.fixture
def public_data(request: pytest.FixtureRequest) -> Callable[[str], Path]:
    """Finds a file of a public data set by its name, in the folder that `--public-data` names or below it.

    Skips the test without that option.
    """
    folder: Path | None = request.config.getoption("--public-data")
    if folder is None:
        pytest.skip("needs --public-data FOLDER")

    def find(name: str) -> Path:
        (path,) = folder.rglob(name)
        return path

    return find


KEPT = {"HARNESS_CACHE_DIR"}
"""Where the embedded model may already be; the tests marked `model` need it."""

FOREIGN = ("OPENAI_", "OLLAMA_", "VLLM_", "HARNESS_", "ANTHROPIC_", "AZURE_OPENAI_")
LOOPBACK = "localhost,127.0.0.1,::1"


@pytest.fixture
def snapshot(request: pytest.FixtureRequest) -> Snapshot:
    """Compares a text with `snapshots/<name>.txt` beside the test file."""
    return Snapshot(request.path.parent / "snapshots", request.config.getoption("--update-snapshots"))


def pytest_collection_finish() -> None:
    """Keep what collection made out of every later garbage collection."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _no_environment_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(FOREIGN) and name not in KEPT:
            monkeypatch.delenv(name)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, LOOPBACK)
    monkeypatch.delenv("COLUMNS", raising=False)  # as wide as it is without a terminal


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server, started once in a session. Tests take a database of their own from `fresh`."""
    with running() as server:
        yield server


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project that works: three labels, one backend, a prompt pair, six cases (four of them in the split `test`)."""
    return Project(tmp_path)


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    """A fake model server on loopback that answers `billing`, until a test decides otherwise."""
    with closing(FakeOpenAI()) as fake:
        yield fake


@pytest.fixture
def served(project: Project, server: FakeOpenAI) -> Project:
    """The small project, its backend `fake` being the fake server."""
    project.config(CONFIG.replace("http://127.0.0.1:9/v1", server.base_url) + "retries = 0\n")
    return project


@pytest.fixture
def harness(project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    """The command line, typed in the small project's folder."""
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("NO_COLOR", "1")
    return Terminal(monkeypatch, capsys)

"""Fixtures for all tests: an environment without the caller's keys and servers, and a small project."""

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

# A shell ignores SIGINT in a background process and its children. Tests need the default handler.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Processes that tests start load the compiled modules.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Collecting the suite makes millions of permanent objects. Repeated scans would take a sixth of the run.
gc.set_threshold(20_000, 20, 20)

hypothesis.settings.register_profile(
    "harness",
    deadline=None,  # a slow machine must not fail a test
    derandomize=bool(os.environ.get("CI")),
    print_blob=True,
)
hypothesis.settings.load_profile("harness")

# Set before the Hugging Face libraries are imported, because they read these once. No test may use the hub.
os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="harness-tests-hf-")
atexit.register(shutil.rmtree, os.environ["HF_HOME"], ignore_errors=True)

from .support.cli import Terminal  # noqa: E402
from .support.postgres import Postgres, running  # noqa: E402
from .support.project import CONFIG, Project  # noqa: E402
from .support.servers import FakeOpenAI, closing  # noqa: E402
from .support.snapshot import Snapshot  # noqa: E402


def pytest_xdist_auto_num_workers() -> int:
    """Return the workers of `-n auto`: three per two cores, because tests wait a third of their time."""
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
    """Return a function that finds a file of a public data set by name, in or below the folder `--public-data`.

    Without the option, the test is skipped.
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
    """Return a function that compares a text with `snapshots/<name>.txt` beside the test file."""
    return Snapshot(request.path.parent / "snapshots", request.config.getoption("--update-snapshots"))


def pytest_collection_finish() -> None:
    """Exclude the collected objects from later garbage collections."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _no_environment_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(FOREIGN) and name not in KEPT:
            monkeypatch.delenv(name)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, LOOPBACK)
    monkeypatch.delenv("COLUMNS", raising=False)  # the width without a terminal
    monkeypatch.setenv("HARNESS_LATEST", "0")  # a page after each of hundreds of runs would take half a minute


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server, started once per session. Each test creates a database with `fresh`."""
    with running() as server:
        yield server


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A valid project: three labels, one backend, a prompt pair, six cases (four of them in the split `test`)."""
    return Project(tmp_path)


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    """A fake model server on loopback that answers `billing` by default."""
    with closing(FakeOpenAI()) as fake:
        yield fake


@pytest.fixture
def served(project: Project, server: FakeOpenAI) -> Project:
    """The small project; its backend `fake` is the fake server."""
    project.config(CONFIG.replace("http://127.0.0.1:9/v1", server.base_url) + "retries = 0\n")
    return project


@pytest.fixture
def harness(project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    """The command line in the small project's folder."""
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("NO_COLOR", "1")
    return Terminal(monkeypatch, capsys)

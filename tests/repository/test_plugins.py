"""One new file each adds a provider, a task kind, a contract, a report section, a gate and a command.

The package is copied, the files are put into the copy, and processes that import only the copy use them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ..support.project import Project, row

ROOT = Path(__file__).resolve().parents[2]

PROVIDER = '''
"""Replies with what the prompt asks for; always right where the prompt has the answer."""

from dataclasses import dataclass
from typing import ClassVar

from harness.core.plugins import ProviderCapabilities
from harness.core.toml import StrictModel
from harness.core.types import ModelInfo, Response


class EchoOptions(StrictModel):
    prefix: str = ""


@dataclass
class EchoBackend:
    capabilities: ClassVar[ProviderCapabilities] = ProviderCapabilities(needs_key=False)
    options_class: ClassVar[type[EchoOptions]] = EchoOptions
    prefix: str
    concurrency: int = 4
    exclusive: bool = False
    warm_up: bool = False

    @classmethod
    def connect(cls, config, progress=None):
        return cls(EchoOptions.model_validate(config.options).prefix)

    async def identify(self):
        return ModelInfo("echo", engine="echo")

    async def complete(self, request):
        number = request.messages[-1].content.split()[-1]
        return Response(text=self.prefix + ("even" if int(number) % 2 == 0 else "odd"), latency_s=0.001)

    async def close(self):
        pass


PROVIDER = EchoBackend
'''

CONTRACT = '''
"""One of two words, whatever is around it."""

from dataclasses import dataclass

from harness.core.types import Reading


@dataclass(frozen=True)
class EitherContract:
    first: str
    second: str

    @property
    def id(self):
        return "either/1"

    def read(self, response):
        words = response.text.split()
        answer = words[-1] if words and words[-1] in (self.first, self.second) else None
        strict = answer if len(words) == 1 else None
        return Reading(strict, answer, compliant=strict is not None)


CONTRACT = EitherContract
'''

TASK = '''
"""Whether a number is even or odd."""

from dataclasses import dataclass
from typing import ClassVar

from harness.contracts.either import EitherContract
from harness.core.plugins import TaskCapabilities
from harness.core.toml import StrictModel
from harness.core.types import Sampling, Score
from harness.tasks import Task


class ParityOptions(StrictModel):
    words: str = "even odd"


@dataclass(frozen=True)
class ParityTask(Task):
    capabilities: ClassVar[TaskCapabilities] = TaskCapabilities(sections=frozenset({"parity"}))
    options_class: ClassVar[type[ParityOptions]] = ParityOptions
    contract: EitherContract
    sampling: Sampling = Sampling(max_tokens=4)

    @classmethod
    def build(cls, options, root):
        return cls(EitherContract(*options.words.split()))

    def variables(self, case):
        return dict(case.inputs)

    def check(self, case):
        return None if case.expected in ("even", "odd") else "expected must be even or odd"

    def score(self, reading, case):
        return Score(reading.strict == case.expected, reading.lenient == case.expected)


TASK = ParityTask
'''

SECTION = '''
"""How many numbers were judged."""

from harness.core.plugins import task_capabilities

ORDER = 45
TITLE = "Parity of numbers"


def context(report):
    if "parity" not in task_capabilities(report.task).sections:
        return None
    return {"counts": [(cell.name, len(cell.results)) for cell in report.cells]}
'''
TEMPLATE = "{% for name, n in counts %}<p>{{ name }} judged {{ n }} numbers</p>{% endfor %}\n"

GATE = '''
"""The least share of numbers whose parity is read, leniently."""

from typing import Annotated

from pydantic import Field

from harness.analysis.gates import at_least

LIMIT = Annotated[float, Field(gt=0, le=1)]


def judge(limit, evidence):
    return at_least(limit, evidence.summary.accuracy.lenient, "parity", evidence)
'''

COMMAND = '''
"""`harness parity`."""

import typer


def parity(number: int) -> None:
    """Print whether a number is even.

    Examples:

        harness parity 4
    """
    typer.echo("even" if number % 2 == 0 else "odd")
'''

CONFIG = """\
[backends.echo]
provider = "echo"
model = "echo-1"
variant = "local"
prefix = "It is "
"""

EVAL = """\
task = "parity"
prompt = "triage"
dataset = "tickets"
"""

PROMPT = "{% user %}Is this number even or odd? {{ text }}{% enduser %}\n"


class PluggedIn:
    """A copy of the package with the plug-ins, and a project that uses them."""

    def __init__(self, root: Path) -> None:
        self.package = root / "site" / "harness"
        shutil.copytree(ROOT / "harness", self.package, ignore=shutil.ignore_patterns("__pycache__"))
        for path, text in {
            "backends/providers/echo.py": PROVIDER,
            "contracts/either.py": CONTRACT,
            "tasks/parity.py": TASK,
            "report/sections/parity.py": SECTION,
            "report/templates/parity.html.j2": TEMPLATE,
        }.items():
            (self.package / path).write_text(text)
        self.project = Project(root / "project")
        self.project.config(CONFIG)
        self.project.eval(text=EVAL)
        self.project.prompt(PROMPT, PROMPT)
        numbers = [row(f"n-{i}", str(i), "even" if i % 2 == 0 else "odd", split="test") for i in range(40)]
        self.project.cases(numbers)

    def __call__(self, *words: str, reply: str = "") -> subprocess.CompletedProcess[str]:
        """Run `harness` from the copy, in the project's folder."""
        environment = {**os.environ, "PYTHONPATH": str(self.package.parent), "HARNESS_STORE_URL": ""}
        command = [sys.executable, "-P", "-m", "harness", *words]
        return subprocess.run(
            command, cwd=self.project.root, env=environment, input=reply, capture_output=True, text=True, check=False
        )


@pytest.fixture(scope="module")
def plugged(tmp_path_factory: pytest.TempPathFactory) -> PluggedIn:
    return PluggedIn(tmp_path_factory.mktemp("plugins"))


def test_new_provider_task_kind_and_section_work_in_a_run(plugged: PluggedIn) -> None:
    ended = plugged("run", "-o", "report.json", "-o", "report.html")
    assert ended.returncode == 0, ended.stderr
    (report,) = json.loads((plugged.project.root / "report.json").read_text())["evals"]
    cells = {cell["cell"]: cell for cell in report["cells"]}
    assert [cells["local@echo"][reading]["hits"] for reading in ("strict", "lenient")] == [0, 40]
    page = (plugged.project.root / "report.html").read_text()
    assert "Parity of numbers" in page
    assert "local@echo judged 40 numbers" in page


def test_wrong_key_of_a_new_plugin_is_named(plugged: PluggedIn) -> None:
    plugged.project.config(CONFIG.replace("prefix", "prefx"))
    try:
        ended = plugged("run")
    finally:
        plugged.project.config(CONFIG)
    assert ended.returncode == 2
    assert "'prefx'" in ended.stderr
    assert "'prefix'" in ended.stderr


def test_new_contract_reads_replies(plugged: PluggedIn) -> None:
    options = plugged.project.write("either.toml", 'first = "yes"\nsecond = "no"\n')
    ended = plugged("read", "--contract", "either", "--options", str(options), reply="I say yes\nno\n")
    assert ended.returncode == 0, ended.stderr
    readings = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [(reading["strict"], reading["lenient"]) for reading in readings] == [(False, "yes"), (True, "no")]


@pytest.mark.parametrize(("limit", "code"), [(0.8, 0), (1.0, 1)])
def test_new_gate_is_judged_in_a_run(plugged: PluggedIn, limit: float, code: int) -> None:
    (plugged.package / "analysis/gates/min_parity.py").write_text(GATE)
    plugged.project.eval(f"[gates]\nmin_parity = {limit}\n", text=EVAL)
    ended = plugged("run")
    assert ended.returncode == code, ended.stdout + ended.stderr
    assert "min_parity" in ended.stdout


def test_new_command_answers(plugged: PluggedIn) -> None:
    (plugged.package / "cli/parity.py").write_text(COMMAND)
    ended = plugged("parity", "4")
    assert (ended.returncode, ended.stdout) == (0, "even\n"), ended.stderr
    assert "parity" in plugged("--help").stdout

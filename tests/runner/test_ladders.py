"""`harness run --ladder`: the backends of a ladder, each with its own variant; and backends that wait to be named."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.errors import ConfigError
from harness.project import config
from harness.project.run_options import RunOptions
from harness.runner import execution
from harness.runner.project import Project as OpenProject

from ..support.cli import Terminal
from ..support.project import CONFIG, Project
from ..support.servers import FakeOpenAI

ROOT = Path(__file__).parents[2]


def step(name: str, server: FakeOpenAI, variant: str = "local") -> str:
    text = CONFIG.replace("http://127.0.0.1:9/v1", server.base_url).replace(".fake]", f".{name}]")
    return text.replace('"local"', f'"{variant}"') + "retries = 0\ndefault = false\n"


@pytest.fixture(autouse=True)
def laddered(served: Project, server: FakeOpenAI) -> Project:
    """The small project with a ladder beside its backend `fake`."""
    steps = step("f16", server) + step("q8", server) + step("q4", server, "gpt")
    ladder = '[ladders.tiny]\nsteps = ["f16", "q8", "q4"]\n'
    served.config((served.root / "harness.toml").read_text() + steps + ladder)
    return served


def planned(project: Project, *names: str, **options: object) -> list[str]:
    with OpenProject.open(project.root) as opened:
        return [cell.name for cell in execution.cells(opened, names, RunOptions(**options))]  # type: ignore[arg-type]


def ran(told: str) -> list[str]:
    return sorted(line.split(":")[0] for line in told.splitlines() if "4 cases" in line)


def test_each_step_is_run_with_its_own_variant(harness: Terminal) -> None:
    ended = harness("run", "triage", "--ladder", "tiny")
    assert ended.code == 0, ended.err
    assert ran(ended.err) == ["triage gpt@q4", "triage local@f16", "triage local@q8"]


def test_ladder_ignores_toml_variant_but_not_the_flag(harness: Terminal, laddered: Project) -> None:
    laddered.config((laddered.root / "harness.toml").read_text() + '[run]\nvariant = ["gpt"]\nbackend = ["fake"]\n')
    assert ran(harness("run", "--ladder", "tiny").err) == ["triage gpt@q4", "triage local@f16", "triage local@q8"]
    typed = harness("run", "--ladder", "tiny", "--variant", "local").err
    assert ran(typed) == ["triage local@f16", "triage local@q4", "triage local@q8"]


def test_a_ladder_and_a_backend_exclude_each_other(harness: Terminal) -> None:
    ended = harness("run", "--ladder", "tiny", "-b", "fake")
    assert ended.code == ConfigError.exit_code
    assert ended.err == "error: a ladder names its backends: leave out --backend (or HARNESS_BACKEND), or --ladder\n"


def test_an_unknown_ladder_is_one_line(harness: Terminal) -> None:
    assert "no ladder 'tine' in " in (err := harness("run", "--ladder", "tine").err)
    assert "(did you mean 'tiny'?)" in err


def test_unavailable_ladder_step_is_an_error_not_a_skip(harness: Terminal, laddered: Project) -> None:
    laddered.config(
        (laddered.root / "harness.toml").read_text().replace("[backends.q8]", '[backends.q8]\napi_key_env = "NO_KEY"')
    )
    ended = harness("run", "--ladder", "tiny")
    assert ended.code == 2
    assert "NO_KEY" in ended.err


def test_library_runs_a_ladder(laddered: Project) -> None:
    from harness import run

    cells = run("triage", ladder="tiny", root=laddered.root)
    assert sorted(cell.name for cell in cells) == ["gpt@q4", "local@f16", "local@q8"]


class TestDefaultFalse:
    def test_run_without_backends_skips_default_false(self, laddered: Project) -> None:
        assert planned(laddered) == ["gpt@fake", "local@fake"]

    def test_named_backend_with_default_false_runs(self, laddered: Project) -> None:
        assert planned(laddered, backend=("q8",)) == ["gpt@q8", "local@q8"]

    def test_eval_can_name_a_backend_with_default_false(self, laddered: Project) -> None:
        laddered.eval('backends = ["fake", "q8"]\n', name="other")
        assert planned(laddered, "other") == ["gpt@fake", "local@fake", "gpt@q8", "local@q8"]
        assert planned(laddered, "triage") == ["gpt@fake", "local@fake"]


def test_ladder_of_this_repository_is_not_run_by_default() -> None:
    found = config.load(ROOT)
    steps = [found.backend(step) for step in found.ladder("smollm2").steps]
    assert [step.model.split(":")[1] for step in steps] == ["F16", "Q8_0", "Q4_K_M", "Q2_K"]
    assert {step.variant for step in steps} == {"local"}
    assert not {step.name for step in steps} & set(found.usual)
    assert "smollm2" in found.usual

"""The workflows for GitHub are valid, ask for no more than they need, and run commands that there are."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from ..support.cli import Terminal

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
WRITES = {"write", "write-all"}


def workflow(name: str) -> dict[str, Any]:
    """A workflow. YAML 1.1 reads the key `on` as true."""
    loaded = yaml.safe_load((ROOT / ".github/workflows" / name).read_text(encoding="utf-8"))
    return {"on" if key is True else key: value for key, value in loaded.items()}


def steps(name: str) -> list[dict[str, Any]]:
    """All steps of all jobs."""
    return [step for job in workflow(name)["jobs"].values() for step in job["steps"]]


def test_there_are_two() -> None:
    assert {"evals.yml", "weekly.yml"} <= {path.name for path in WORKFLOWS}


def test_each_starts_when_it_should() -> None:
    assert "pull_request" in workflow("evals.yml")["on"]
    (entry,) = workflow("weekly.yml")["on"]["schedule"]
    assert re.fullmatch(r"\d+ \d+ \* \* [0-6]", entry["cron"])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_permissions_are_given_and_none_of_them_writes(path: Path) -> None:
    found = workflow(path.name)
    tables = [found["permissions"], *(job.get("permissions", {}) for job in found["jobs"].values())]
    assert not WRITES & {value for table in tables for value in table.values()}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_to_a_major_version(path: Path) -> None:
    used = [step["uses"] for step in steps(path.name) if "uses" in step]
    assert used
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@v\d+(\.\d+)*", action) for action in used)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_only_one_workflow_step_receives_the_secrets(path: Path) -> None:
    """What stands in a script would be in the log, and what comes from outside would be run as a script."""
    found = workflow(path.name)
    for step in steps(path.name):
        assert "${{" not in step.get("run", "")
        assert "secrets." not in str({key: value for key, value in step.items() if key != "env"})
    jobs = [{key: value for key, value in job.items() if key != "steps"} for job in found["jobs"].values()]
    assert "secrets." not in str([jobs, found.get("env")])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_no_job_can_run_for_ever(path: Path) -> None:
    assert all(job["timeout-minutes"] <= 360 for job in workflow(path.name)["jobs"].values())


def test_what_they_run_is_there(harness: Terminal) -> None:
    scripts = [line for path in WORKFLOWS for step in steps(path.name) for line in step.get("run", "").splitlines()]
    targets = [line.split()[1] for line in scripts if line.startswith("make ")]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert targets
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
    (command,) = [shlex.split(line)[1:] for line in scripts if line.startswith(".venv/bin/harness ")]
    assert harness(*command, "--help").code == 0
    (tests,) = [line for line in scripts if " -m pytest " in line]
    plugin = (ROOT / "harness/pytest_plugin/__init__.py").read_text(encoding="utf-8")
    assert all(f'"{flag}"' in plugin for flag in re.findall(r"--[a-z-]+", tests))


def test_the_store_is_kept_though_its_folder_is_hidden() -> None:
    (kept,) = [s for s in steps("weekly.yml") if s.get("with", {}).get("name") == "weekly-store"]
    assert kept["with"]["include-hidden-files"] is True
    assert kept["if"] == "always()"  # a week that regressed is one to compare with, too


def test_docs_contain_the_systemd_units_and_the_cron_line() -> None:
    page = (ROOT / "docs/scheduling.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```ini\n(.*?)```", page, re.DOTALL)
    sections = [re.findall(r"^\[(\w+)\]", block, re.MULTILINE) for block in blocks]
    assert sections == [["Unit", "Service"], ["Unit", "Timer", "Install"]]
    (line,) = re.findall(r"^\d+ \d+ \* \* 1 +(cd .*)$", page, re.MULTILINE)
    assert ".venv/bin/harness weekly --resume" in line
    assert "%" not in line  # which cron takes for the end of the line

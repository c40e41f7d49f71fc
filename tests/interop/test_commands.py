"""`harness import`, `harness export`, and other commands on an imported run."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from harness.analysis.compare import ComparisonQuestion, Verdict, compare, outcomes_of
from harness.core.errors import ConfigError
from harness.core.types import RunOrigin
from harness.interop import rescore_imported
from harness.report import build
from harness.runner.project import Project as OpenProject
from harness.store.run_refs import find_run

from ..support.cli import Terminal
from ..support.project import Project
from .files import jsonl, promptfoo, promptfoo_result, tickets

COLUMNS = ("--id", "item", "--reply", "reply", "--expected", "gold")
WRONG = {f"t-{i}": "The category is: general" for i in range(0, 30, 3)}


@pytest.fixture
def two(harness: Terminal, project: Project) -> Terminal:
    """A project with two imports of the same items, `a` and `b`."""
    jsonl(project.root / "x.jsonl", [*tickets("a"), *tickets("b", WRONG)])
    for name in "ab":
        ended = harness("import", "x.jsonl", "--as", name, *COLUMNS, "--where", f"model={name}")
        assert ended.code == 0, ended.err
    return harness


def test_last_output_line_names_the_run(harness: Terminal, project: Project) -> None:
    jsonl(project.root / "x.jsonl", tickets("b", WRONG))
    ended = harness("import", "x.jsonl", "--as", "b", *COLUMNS)
    assert "strict      66.7%" in ended.out
    last = ended.out.splitlines()[-1]
    assert last.startswith("imported 30 cases as b: run 2")
    with OpenProject.open(project.root) as opened:
        assert find_run(opened.store, "b").manifest.run_id == last.split()[-1]


def test_name_refers_to_the_latest_import(two: Terminal, project: Project) -> None:
    jsonl(project.root / "x.jsonl", tickets("b", {"t-0": "nothing"}))
    last = two("import", "x.jsonl", "--as", "b", *COLUMNS).out.split()[-1]
    with OpenProject.open(project.root) as opened:
        assert find_run(opened.store, "b").manifest.run_id == last


def test_two_imports_compare_over_the_same_cases(two: Terminal, project: Project) -> None:
    with OpenProject.open(project.root) as opened:
        comparison = compare(
            outcomes_of(find_run(opened.store, "a")),
            outcomes_of(find_run(opened.store, "b")),
            ComparisonQuestion("change"),
        )
    assert comparison.verdict is Verdict.REGRESSED
    assert (comparison.n, len(comparison.unequal.edited)) == (30, 0)
    assert [change.what for change in comparison.changed] == ["model"]


def test_imported_run_can_be_reported(two: Terminal, project: Project) -> None:
    with OpenProject.open(project.root) as opened:
        report = build(opened.store.latest("x"))
    assert [cell.name for cell in report.evals[0].cells] == ["imported@a", "imported@b"]
    assert report.evals[0].cells[0].classification is not None
    assert two("export", "x", "-o", "x.html").code == 0
    assert "imported@b" in (project.root / "x.html").read_text()


def test_imported_replies_are_rescored(two: Terminal, project: Project) -> None:
    with OpenProject.open(project.root) as opened:
        old = find_run(opened.store, "b")
    new = rescore_imported(old)
    assert new.manifest.origin is RunOrigin.IMPORTED
    assert new.manifest.run_id != old.manifest.run_id
    assert [r.reading for r in new.results] == [r.reading for r in old.results]
    assert new.manifest.fingerprint == old.manifest.fingerprint


def test_recorded_scores_cannot_be_rescored(harness: Terminal, project: Project) -> None:
    promptfoo(project.root / "r.json", [promptfoo_result(0, "billing", passed=True)])
    assert harness("import", "r.json", "--as", "p", "--provider", "gpt-4o").code == 0
    with OpenProject.open(project.root) as opened, pytest.raises(ConfigError, match="nothing to rescore"):
        rescore_imported(find_run(opened.store, "p"))


def test_export_accepts_run_names_and_formats(two: Terminal, project: Project) -> None:
    assert "30 results of 1 run" in two("export", "b", "--format", "lm-eval", "-o", "samples_x.jsonl").out
    ended = two("import", "samples_x.jsonl", "--as", "back")
    assert "strict      66.7%" in ended.out
    assert "60 results of 2 runs" in two("export", "a", "b", "-o", "both.csv").out
    assert len((project.root / "samples_x.jsonl").read_text().splitlines()) == 60


def test_hostile_reply_is_escaped_in_terminal_output(harness: Terminal, project: Project) -> None:
    reply = "{{ 1/0 }}\x1b[2J<script>alert(1)</script>=cmd|' /C calc'!A0\u202e"
    jsonl(project.root / "x.jsonl", [{"item": reply, "reply": reply, "gold": reply, "model": reply}])
    ended = harness("import", "x.jsonl", "--as", "m", *COLUMNS, "--where", f"model={reply}", "--inputs", "reply")
    assert ended.code == 0, ended.err
    assert "\x1b" not in ended.out
    two_rows = [{"item": reply, "reply": "x", "gold": "y"}] * 2
    jsonl(project.root / "x.jsonl", two_rows)
    ended = harness("import", "x.jsonl", "--as", "m", *COLUMNS)
    assert ended.code == 2
    assert "\x1b" not in ended.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("import", "nowhere.jsonl", "--as", "m"), "nowhere.jsonl: cannot be read"),
        (("import", "x.jsonl", "--as", "m", "--where", "model"), "COLUMN=VALUE"),
        (("import", "x.jsonl", "--as", "m", "--format", "lm_eval"), "did you mean 'lm-eval'?"),
        (("import", "empty.jsonl", "--as", "m"), "name it with --format"),
        (("export", "a", "-o", "x.xyz"), "no format 'xyz'"),
        (("export", "nobody", "-o", "x.csv"), "no run 'nobody'"),
    ],
)
def test_user_error_prints_one_line_and_exits_2(
    two: Terminal, project: Project, arguments: tuple[str, ...], message: str
) -> None:
    (project.root / "empty.jsonl").write_text("\n")
    ended = two(*arguments)
    assert ended.code == 2
    assert message in ended.err
    assert len(ended.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("base", "head", "accuracies", "verdict"),
    [
        ("gpt-4-0314", "gpt-4-0613", ("83.6%", "35.2%"), "REGRESSED"),
        ("gpt-3.5-turbo-0301", "gpt-3.5-turbo-0613", ("30.6%", "48.2%"), "IMPROVED"),
    ],
)
def test_published_accuracies_are_reproduced(
    harness: Terminal,
    public_data: Callable[[str], Path],
    base: str,
    head: str,
    accuracies: tuple[str, str],
    verdict: str,
) -> None:
    """`llmdrift_happy.jsonl`: a line has `item`, `model`, `reply` and `gold`."""
    path = str(public_data("llmdrift_happy.jsonl"))
    for name, accuracy in zip((base, head), accuracies, strict=True):
        where = ("--where", f"model={name}")
        ended = harness("import", path, "--as", name, *COLUMNS, *where)
        assert f"strict      {accuracy}" in ended.out, ended.err
    assert verdict in harness("compare", base, head).out


def right_by_chance(item: int) -> Mapping[str, int | None]:
    """Correctness of two models: 90% and 70% accuracy, with 2% unanswered."""
    chance = random.Random(item)
    shares = {"better": 0.9, "worse": 0.7}
    return {m: None if chance.random() < 0.02 else int(chance.random() < share) for m, share in shares.items()}


def test_flips_match_an_independent_script(harness: Terminal, project: Project) -> None:
    import subprocess
    import sys

    path, models = project.root / "models.jsonl", ("better", "worse")
    lines = [json.dumps({"item": str(item), "correct": right_by_chance(item)}) for item in range(300)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    for name, model in zip("ab", models, strict=True):
        assert harness("import", str(path), "--as", name, "--id", "item", "--correct", f"correct.{model}").code == 0
    harness("compare", "a", "b", "-o", "c.json")
    exported = json.loads((project.root / "c.json").read_text())
    script = Path(__file__).resolve().parents[2] / "bench/accuracy/mcnemar_check.py"
    output = subprocess.run([sys.executable, script, path, *models], capture_output=True, text=True, check=True).stdout
    flips = exported["flips"]
    lost, won = (
        len(flips[k]) if isinstance(flips[k], list) else flips[k] for k in ("right_to_wrong", "wrong_to_right")
    )
    assert (
        output
        == f"n {exported['n']}  right to wrong {lost}  wrong to right {won}  mid-p {exported['strict']['p']:.6g}\n"
    )


def test_imported_run_can_be_reported_and_rescored(two: Terminal, project: Project) -> None:
    assert two("report", "a", "-o", "r.json").code == 0
    assert '"imported@a"' in (project.root / "r.json").read_text()
    ended = two("rescore", "a")
    assert ended.code == 0, ended.err
    assert "0 of 30 readings changed" in ended.out

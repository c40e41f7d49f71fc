"""The commands `harness sample`, `harness review` and `harness monitor`."""

from __future__ import annotations

import csv
import json
import random
import re
from pathlib import Path

import pytest

from ..support.cli import CommandResult, Terminal
from ..support.project import LABELS, Project
from .logged import call, log, weeks
from .test_review import keep_baseline

DRAW = ("sample", "--until", "2026-11-25", "--per-task", "60", "--seed", "3", "-o", "reviews/now")


@pytest.fixture
def logged(project: Project) -> Project:
    """A project with a week of 300 calls."""
    drawn = random.Random(2)
    log(project, [call(drawn.choice(LABELS), days_ago=drawn.uniform(0.6, 6)) for _ in range(300)])
    return project


def fill(project: Project, wrong: int, name: str = "anna") -> Path:
    """Label the drawn CSV; the first `wrong` replies get a label other than their value."""
    with (project.root / "reviews/now.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for i, row in enumerate(rows):
        others = [label for label in LABELS if label != row["read_as"]]
        row["label"] = others[0] if i < wrong else row["read_as"]
    path = project.root / f"{name}.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_sample_writes_page_and_csv_and_git_ignores_them(harness: Terminal, logged: Project) -> None:
    ended = harness(*DRAW)
    assert ended.code == 0, ended.err
    assert "60 replies from 2026-11-19 to 2026-11-25" in ended.out
    assert "triage: 60 of 300 calls, 3 strata" in ended.out
    assert {p.name for p in (logged.root / "reviews").iterdir()} == {".gitignore", "now.csv", "now.html"}


def test_an_extension_in_the_output_name_is_replaced(harness: Terminal, logged: Project) -> None:
    assert harness("sample", "--until", "2026-11-25", "-o", "out/week.html").code == 0
    assert {p.name for p in (logged.root / "out").iterdir()} == {".gitignore", "week.csv", "week.html"}


def test_the_same_command_writes_the_same_files(harness: Terminal, logged: Project) -> None:
    harness(*DRAW)
    first = (logged.root / "reviews/now.html").read_bytes()
    harness(*DRAW)
    assert (logged.root / "reviews/now.html").read_bytes() == first


def test_review_import_prints_a_verdict_and_exits_by_it(harness: Terminal, logged: Project) -> None:
    keep_baseline(logged, 285)
    harness(*DRAW)
    good = harness("review", "import", str(fill(logged, 0)))
    assert good.code == 0, good.err
    assert "triage local@fake  OK" in good.out
    bad = harness("review", "import", str(fill(logged, 20)))
    assert bad.code == 1
    assert "triage local@fake  REGRESSED" in bad.out
    assert "strict accuracy 66.7%" in bad.out
    assert "baseline of 2026-11-01, 95.0% (92–97) of 300 cases: −28.3 points" in " ".join(bad.out.split())
    assert harness("review", "show").out == bad.out


def test_too_few_labels_are_inconclusive_and_strict_exits_4(harness: Terminal, logged: Project) -> None:
    keep_baseline(logged, 285)
    harness(*DRAW)
    path = fill(logged, 5)
    assert harness("review", "import", str(path)).code == 0
    strict = harness("review", "import", str(path), "--strict")
    assert strict.code == 4
    assert "INCONCLUSIVE" in strict.out


def test_two_files_are_two_reviewers(harness: Terminal, logged: Project) -> None:
    harness(*DRAW)
    both = [str(fill(logged, wrong, name)) for wrong, name in ((0, "anna"), (6, "ben"))]
    out = " ".join(harness("review", "import", *both).out.split())
    assert "labelled by anna, ben" in out
    assert "anna and ben agree on 54 of 60, Cohen's kappa 0.8" in out


def test_the_reviewer_option_names_the_reviewer(harness: Terminal, logged: Project) -> None:
    harness(*DRAW)
    assert "labelled by carla" in harness("review", "import", str(fill(logged, 0)), "--reviewer", "carla").out


def test_import_rejects_duplicate_reviewers_and_other_stores(harness: Terminal, logged: Project) -> None:
    harness(*DRAW)
    path = fill(logged, 0)
    twice = harness("review", "import", str(path), str(path))
    assert (twice.code, "is the reviewer of more than one file" in twice.err) == (2, True)
    path.write_text("sheet,item,label\n2026-w01-00000000,1,billing\n")
    other = harness("review", "import", str(path))
    assert other.code == 2
    assert "no review sheet '2026-w01-00000000'" in other.err


def test_one_wrong_label_imports_nothing(harness: Terminal, logged: Project) -> None:
    harness(*DRAW)
    path = fill(logged, 0)
    path.write_text(path.read_text().replace(",billing,", ",biling,", 1))
    ended = harness("review", "import", str(path))
    assert ended.code == 2
    assert "did you mean" in ended.err
    assert harness("review", "show").code == 2


def test_sample_without_logged_texts_names_the_log_table(harness: Terminal, project: Project) -> None:
    log(project, [call(reply=None, inputs=None)])
    ended = harness("sample", "--until", "2026-11-25")
    assert ended.code == 2
    assert len(ended.err.splitlines()) == 1
    assert "[log]" in ended.err


def test_an_unknown_task_is_named(harness: Terminal, logged: Project) -> None:
    ended = harness("sample", "--task", "triag", "--until", "2026-11-25")
    assert ended.code == 2
    assert "no calls of 'triag' are logged" in ended.err


def look(harness: Terminal, *more: str) -> CommandResult:
    return harness("monitor", "--week", "2026-W47", *more)


def test_monitor_exits_0_for_steady_weeks(harness: Terminal, project: Project) -> None:
    log(project, weeks(14, 60))
    ended = look(harness)
    assert ended.code == 0, ended.out
    assert "production in 2026-W47" in ended.out
    assert "WORSE" not in ended.out


def test_monitor_exits_1_for_broken_contracts(harness: Terminal, project: Project) -> None:
    log(project, weeks(14, 120, broken=[0.5]))
    ended = look(harness)
    assert ended.code == 1
    assert "WORSE" in ended.out
    assert "compliance" in ended.out


def test_monitor_exits_4_for_a_change(harness: Terminal, project: Project) -> None:
    calls = [c for c in weeks(14, 60) if c.called_at < "2026-11-16"]
    log(project, [*calls, *(call("billing", days_ago=4, reply_chars=500) for _ in range(60))])
    assert look(harness).code == 4


def test_too_early_names_the_number_of_weeks_needed(harness: Terminal, project: Project) -> None:
    log(project, weeks(2, 40))
    ended = look(harness)
    assert ended.code == 0
    assert re.search(r"1 whole week .*2026-W47.* 6 ", ended.out)
    assert look(harness, "--strict").code == 4


def test_monitor_ignores_weeks_before_since(harness: Terminal, project: Project) -> None:
    log(project, weeks(14, 120, broken=[0.5, 0.5, 0.5, 0.5]))
    assert look(harness, "--since", "2026-W44").code == 0


def test_monitor_without_logged_calls_exits_2(harness: Terminal) -> None:
    ended = harness("monitor")
    assert ended.code == 2
    assert "no logged calls in" in ended.err


def test_monitor_power_prints_detection_probabilities(harness: Terminal) -> None:
    ended = harness("monitor", "power", "--baseline", "0.94", "--drop-to", "0.87", "--per-week", "100,250")
    assert ended.code == 0, ended.err
    assert "94.0% on 300 cases, dropped to 87.0%" in ended.out
    assert "43.2%" in ended.out, "100 a week, by the second one"
    assert "250" in ended.out


@pytest.mark.parametrize("more", [("--per-week", "many"), ("--per-week", "0"), ("--drop-to", "0.99")])
def test_monitor_power_rejects_invalid_options(harness: Terminal, more: tuple[str, ...]) -> None:
    assert harness("monitor", "power", *more).code == 2


def test_the_label_page_contains_no_reply_as_markup(harness: Terminal, project: Project) -> None:
    hostile = "</script><img src=x onerror=hacked=1>\u202eevil"
    log(project, [call(reply=hostile, inputs={"text": hostile})])
    harness("sample", "--until", "2026-11-25", "-o", "reviews/now")
    page = (project.root / "reviews/now.html").read_text()
    assert "<img" not in page
    assert "\u202e" not in page
    data = json.loads(page.partition('id="data">')[2].partition("</script>")[0])
    assert data["items"][0]["reply"] == hostile.replace("\u202e", "‹U+202E›")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--week", "2036-W01"), r"--week 2036-W01.* 20\d\d-W\d\d"),
        (("--week", "2026-W47", "--since", "2026-W48"), "--since 2026-W48.* 2026-W47"),
    ],
)
def test_monitor_rejects_unfinished_weeks_and_late_since(
    harness: Terminal, project: Project, more: tuple[str, ...], says: str
) -> None:
    log(project, [call()])
    ended = harness("monitor", *more)
    assert ended.code == 2
    assert re.search(says, ended.err)


def test_monitor_exits_4_for_a_week_without_calls(harness: Terminal, project: Project) -> None:
    log(project, [call(days_ago=7 * week) for week in range(3, 12)])
    ended = harness("monitor", "--week", "2026-W47")
    assert ended.code == 4
    assert "no calls: " in ended.out

"""The command line, from outside: what `run` and the commands that look back at it are given, and what they print."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections import Counter

import pytest

from ..support.cli import Terminal
from ..support.knowing import knows
from ..support.project import Project
from ..support.servers import Asked, FakeOpenAI, Reply


def test_run_prints_the_matrix_and_writes_every_format(harness: Terminal, served: Project, server: FakeOpenAI) -> None:
    server.answer = knows
    ended = harness("run", "-o", "out/x.html", "-o", "x.jsonl", "-o", "x.csv", "-o", "x.json", "-o", "x.md")
    assert ended.code == 0, ended.err
    assert "gpt@fake" in ended.out
    assert "preamble 4" in ended.out
    assert (served.root / "out/x.html").read_text().startswith("<!doctype html>")
    rows = [json.loads(line) for line in (served.root / "x.jsonl").read_text().splitlines()]
    assert len(rows) == 8
    assert {
        "case_id", "variant", "backend", "reply", "strict", "compliant", "lenient", "violations", "expected", "latency_s",
        "error",
    } <= set(rows[0])  # fmt: skip
    gpt = [row for row in rows if row["variant"] == "gpt"]
    assert all(row["strict"] is None and row["lenient"] == row["expected"] for row in gpt)
    assert len(list(csv.DictReader((served.root / "x.csv").open(newline="")))) == 8
    assert json.loads((served.root / "x.json").read_text())["format"] == "harness-report/1"


def test_the_second_run_asks_nothing(harness: Terminal, served: Project, server: FakeOpenAI) -> None:
    harness("run")
    before = len(server.chats)
    assert "4 answers from the store" in harness("run").err
    assert len(server.chats) == before
    harness("run", "--no-cache")
    assert len(server.chats) > before


def test_variant_limit_and_split_choose_what_is_run(harness: Terminal, served: Project, server: FakeOpenAI) -> None:
    harness("run", "triage", "--backend", "fake", "--variant", "gpt", "--split", "dev", "--limit", "1", "-o", "x.jsonl")
    (line,) = (served.root / "x.jsonl").read_text().splitlines()
    assert json.loads(line)["case_id"] == "t-5"


def test_replay_answers_from_a_saved_run_without_a_server(
    harness: Terminal, served: Project, server: FakeOpenAI
) -> None:
    server.answer = knows
    harness("run", "--variant", "gpt", "-o", "a.jsonl")
    asked = len(server.chats)
    run_id = json.loads((served.root / "a.jsonl").read_text().splitlines()[0])["run_id"]
    ended = harness("run", "--backend", f"replay:{run_id}", "-o", "b.jsonl")
    assert ended.code == 0, ended.err
    first, second = (
        [json.loads(line)["reply"] for line in (served.root / name).read_text().splitlines()]
        for name in ("a.jsonl", "b.jsonl")
    )
    assert first == second
    assert len(server.chats) == asked


def test_report_and_export_make_the_newest_runs_again_without_asking(
    harness: Terminal, served: Project, server: FakeOpenAI
) -> None:
    harness("run")
    asked = len(server.chats)
    ended = harness("report")
    assert ended.code == 0
    assert (served.root / "reports/report.html").is_file()
    ended = harness("export", "triage", "-o", "all.csv")
    assert ended.out == "all.csv: 8 results of 2 runs\n"
    assert len(server.chats) == asked


def test_history_lists_runs_newest_first(harness: Terminal, served: Project) -> None:
    assert "no runs yet" in harness("history").out
    harness("run")
    lines = harness("history").out.splitlines()
    assert [("gpt@fake" in line, "local@fake" in line) for line in lines[1:3]] == [(False, True), (True, False)]


def test_control_characters_of_a_reply_never_reach_the_terminal(
    harness: Terminal, served: Project, server: FakeOpenAI
) -> None:
    server.answer = lambda _: Reply("\x1b[2J\x1b]0;owned\x07billing")
    served.eval("[gates]\nmin_accuracy = 0.5\n")
    ended = harness("run")
    assert "\x1b" not in ended.out + ended.err
    assert "\x07" not in ended.out + ended.err


def test_help_shows_examples_and_version_says_which(harness: Terminal) -> None:
    assert "harness run ticket_triage -b mistral-q4" in harness("run", "--help").out
    assert harness("--version").out.strip() == "0.1.0"


def test_help_imports_no_slow_library() -> None:
    code = "import sys, harness.cli; print([m for m in ('openai', 'pydantic', 'sqlalchemy', 'numpy', 'jinja2', 'asyncio') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_resume_asks_again_only_what_failed_also_above_temperature_0(
    harness: Terminal, served: Project, server: FakeOpenAI
) -> None:
    served.eval("[sampling]\ntemperature = 0.7\n")
    server.answer = lambda asked: Reply(status=400) if "Easter" in asked.prompt else knows(asked)
    assert harness("run", "--variant", "local").code == 4
    server.answer = knows
    before = len(server.prompts)
    assert harness("run", "--variant", "local", "--resume").code == 0
    assert len(server.prompts) == before + 1


def test_a_report_prefers_whole_runs_to_samples_and_leaves_deleted_backends_out(
    harness: Terminal, served: Project, server: FakeOpenAI
) -> None:
    server.answer = knows
    harness("run", "--variant", "local")
    harness("run", "--variant", "local", "--limit", "1")
    harness("report", "-o", "r.jsonl")
    assert len((served.root / "r.jsonl").read_text().splitlines()) == 4
    path = served.root / "harness.toml"
    path.write_text(path.read_text().replace("backends.fake", "backends.renamed"))
    assert "no finished runs" in harness("report").err


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_our_characters_gets_the_matrix_and_the_report(
    harness: Terminal, served: Project, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding=encoding, write_through=True))
    ended = harness("run", "--limit", "1", "-o", "r.html")
    assert ended.code == 0, ended.err
    assert b"gpt@fake" in shown.getvalue()
    assert b"?" in shown.getvalue()
    assert (served.root / "r.html").is_file()


@pytest.mark.slow
def test_a_process_without_our_characters_gets_the_matrix_and_the_report(served: Project) -> None:
    command = [sys.executable, "-m", "harness", "run", "--limit", "1", "-o", "r.html"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ended = subprocess.run(command, cwd=served.root, env=environment, capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert b"gpt@fake" in ended.stdout
    assert (served.root / "r.html").is_file()


def test_history_of_an_eval_that_never_ran_says_so_and_of_one_that_is_not_there_is_a_mistake(
    harness: Terminal, served: Project
) -> None:
    ended = harness("history", "triage")
    assert (ended.code, "no runs of 'triage'" in ended.out) == (0, True)
    ended = harness("history", "triag")
    assert (ended.code, "did you mean 'triage'?" in ended.err) == (2, True)


def test_running_a_cell_twice_shows_how_much_is_noise(harness: Terminal, served: Project, server: FakeOpenAI) -> None:
    seen: Counter[str] = Counter()

    def wavers(asked: Asked) -> Reply:
        seen[asked.prompt] += 1
        return Reply("billing" if seen[asked.prompt] == 1 or "Easter" not in asked.prompt else "technical")

    server.answer = wavers
    ended = harness("run", "--variant", "local", "--repeat-cell", "2")
    assert ended.code == 0, ended.err
    assert "noise: triage local@fake: 1 of 4 answers changed between two runs of the same thing" in ended.out


def test_a_comparison_says_where_no_model_was_asked(harness: Terminal, served: Project) -> None:
    harness("run", "--variant", "local")
    harness("run", "--variant", "local")  # every answer is there already
    ended = harness("compare", "previous", "latest")
    assert "every answer of the head is an earlier one from the store: --no-cache asks again" in " ".join(
        ended.out.split()
    )
    assert "latency" not in ended.out


def test_quiet_is_quiet_also_by_the_week(harness: Terminal, served: Project) -> None:
    loud, quiet = (harness("weekly", "--date", "2026-11-24", *flag) for flag in ((), ("--quiet",)))
    assert "triage local@fake" in loud.err
    assert (quiet.code, quiet.err) == (loud.code, "")
    assert harness("weekly", "--date", "2026-11-24", "-q").err == ""

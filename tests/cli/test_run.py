"""`harness run`: options, output, cache, resume, replay."""

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
from ..support.knowing import correct_reply
from ..support.project import Project
from ..support.servers import FakeOpenAI, ReceivedRequest, Reply


def test_run_prints_the_matrix_and_writes_every_format(harness: Terminal, served: Project, server: FakeOpenAI) -> None:
    server.answer = correct_reply
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


def test_second_run_uses_the_cache(harness: Terminal, served: Project, server: FakeOpenAI) -> None:
    harness("run")
    before = len(server.chats)
    assert "4 replies from cache" in harness("run").err
    assert len(server.chats) == before
    harness("run", "--no-cache")
    assert len(server.chats) > before


def test_variant_limit_and_split_select_cases(harness: Terminal, served: Project, server: FakeOpenAI) -> None:
    harness("run", "triage", "--backend", "fake", "--variant", "gpt", "--split", "dev", "--limit", "1", "-o", "x.jsonl")
    (line,) = (served.root / "x.jsonl").read_text().splitlines()
    assert json.loads(line)["case_id"] == "t-5"


def test_replay_repeats_saved_replies_without_a_server(harness: Terminal, served: Project, server: FakeOpenAI) -> None:
    server.answer = correct_reply
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


def test_control_characters_in_replies_are_not_printed(harness: Terminal, served: Project, server: FakeOpenAI) -> None:
    server.answer = lambda _: Reply("\x1b[2J\x1b]0;owned\x07billing")
    served.eval("[gates]\nmin_accuracy = 0.5\n")
    ended = harness("run")
    assert "\x1b" not in ended.out + ended.err
    assert "\x07" not in ended.out + ended.err


def test_resume_retries_only_failed_calls(harness: Terminal, served: Project, server: FakeOpenAI) -> None:
    served.eval("[sampling]\ntemperature = 0.7\n")
    server.answer = lambda asked: Reply(status=400) if "Easter" in asked.prompt else correct_reply(asked)
    assert harness("run", "--variant", "local").code == 4
    server.answer = correct_reply
    before = len(server.prompts)
    assert harness("run", "--variant", "local", "--resume").code == 0
    assert len(server.prompts) == before + 1


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_run_prints_to_a_terminal_without_unicode(
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
def test_process_prints_without_unicode(served: Project) -> None:
    command = [sys.executable, "-m", "harness", "run", "--limit", "1", "-o", "r.html"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ended = subprocess.run(command, cwd=served.root, env=environment, capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert b"gpt@fake" in ended.stdout
    assert (served.root / "r.html").is_file()


def test_repeat_cell_counts_answers_that_change(harness: Terminal, served: Project, server: FakeOpenAI) -> None:
    seen: Counter[str] = Counter()

    def wavers(asked: ReceivedRequest) -> Reply:
        seen[asked.prompt] += 1
        return Reply("billing" if seen[asked.prompt] == 1 or "Easter" not in asked.prompt else "technical")

    server.answer = wavers
    ended = harness("run", "--variant", "local", "--repeat-cell", "2")
    assert ended.code == 0, ended.err
    assert "noise: triage local@fake: 1 of 4 answers changed" in ended.out


def test_unavailable_backend_is_skipped_unless_named(harness: Terminal, served: Project) -> None:
    path = served.root / "harness.toml"
    path.write_text(path.read_text() + '\n[backends.gpt]\nprovider = "openai"\nmodel = "gpt-4o"\nvariant = "gpt"\n')
    ended = harness("run")
    assert ended.code == 0
    assert "note: skipping gpt: " in ended.err
    assert "OPENAI_API_KEY" in ended.err
    ended = harness("run", "--backend", "gpt")
    assert ended.code == 2
    assert ended.err.startswith("error: backend gpt: ")
    assert "OPENAI_API_KEY" in ended.err


def test_eval_that_excludes_all_backends_is_an_error(harness: Terminal, served: Project, server: FakeOpenAI) -> None:
    path = served.root / "harness.toml"
    path.write_text(path.read_text() + '\n[backends.gpt]\nprovider = "openai"\nmodel = "gpt-4o"\nvariant = "gpt"\n')
    served.eval('backends = ["gpt"]\n')
    ended = harness("run", "--backend", "fake")
    assert (ended.code, "nothing to run" in ended.err) == (2, True)
    assert harness("run", "triage", "--backend", "fake").code == 0
    served.eval('backends = ["gtp"]\n')
    assert "did you mean 'gpt'?" in harness("run").err


def test_unknown_backend_variant_fails_before_any_request(
    harness: Terminal, served: Project, server: FakeOpenAI
) -> None:
    path = served.root / "harness.toml"
    path.write_text(path.read_text().replace('variant = "local"', 'variant = "locl"'))
    ended = harness("run")
    assert (ended.code, "did you mean 'local'?" in ended.err) == (2, True)
    assert not server.chats


def test_missing_baseline_fails_before_any_request(harness: Terminal, served: Project, server: FakeOpenAI) -> None:
    ended = harness("run", "--against", "baseline")
    assert ended.code == 2
    assert "triage local@fake" in ended.err
    assert "harness baseline save" in ended.err
    assert not server.chats


def test_unknown_expected_label_fails_on_a_sample_too(harness: Terminal, served: Project) -> None:
    served.eval(
        text='task = "classification"\nprompt = "triage"\ndataset = "tickets"\nlabels = ["billing", "general"]\n'
    )
    ended = harness("run", "--limit", "1")
    assert ended.code == 2
    assert "t-2" in ended.err
    assert "'technical'" in ended.err

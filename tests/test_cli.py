"""The command line, from outside: what is typed, what is printed, which exit code."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from .support.cli import Terminal
from .support.project import TEXTS, Project
from .support.running import cases
from .support.servers import Asked, FakeOpenAI, Reply

TRUTH = {text: label for text, label, _ in TEXTS}


def knows(asked: Asked) -> Reply:
    """The right answer: bare to the local prompt, phrased to the GPT one."""
    label = next((label for text, label in TRUTH.items() if text in asked.prompt), "general")
    return Reply(label if asked.prompt.endswith("Category:") else f"The category is: {label}")


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


@pytest.mark.parametrize(
    ("gates", "code", "said"),
    [
        ("", 0, ""),
        ("[gates]\nmin_compliance = 0.4\n", 0, "passed"),
        ("[gates]\nmax_p95_latency_s = 1e-9\n", 1, "failed"),
    ],
)
def test_gates_decide_the_exit_code(
    harness: Terminal, served: Project, server: FakeOpenAI, gates: str, code: int, said: str
) -> None:
    server.answer = knows
    served.eval(gates)
    ended = harness("run")
    assert ended.code == code
    assert said in ended.out
    assert "gpt@fake: " not in ended.out  # only the backend's own variant is judged


def test_gates_are_not_judged_on_a_sample(harness: Terminal, served: Project) -> None:
    served.eval("[gates]\nmin_accuracy = 0.9\n")
    ended = harness("run", "--limit", "2")
    assert ended.code == 0
    assert "gates are not judged on a sample (2 cases)" in ended.out


def test_a_run_with_failed_calls_cannot_pass_a_gate(harness: Terminal, served: Project, server: FakeOpenAI) -> None:
    served.eval("[gates]\nmin_accuracy = 0.1\n")
    server.answer = lambda asked: Reply(status=400) if "Easter" in asked.prompt else knows(asked)
    ended = harness("run", "--variant", "local")
    assert ended.code == 4
    assert "undecided" in ended.out
    assert "1 of 4 calls failed (1 bad_request)" in ended.out


def test_a_backend_that_is_not_there_is_skipped_unless_it_was_named(harness: Terminal, served: Project) -> None:
    path = served.root / "harness.toml"
    path.write_text(path.read_text() + '\n[backends.gpt]\nprovider = "openai"\nmodel = "gpt-4o"\nvariant = "gpt"\n')
    ended = harness("run")
    assert ended.code == 0
    assert "note: skipping gpt: no key: set OPENAI_API_KEY in the environment" in ended.err
    ended = harness("run", "--backend", "gpt")
    assert ended.code == 2
    assert "error: backend gpt: no key: set OPENAI_API_KEY in the environment" in ended.err


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


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "triag"], "no eval 'triag'"),
        (["run", "-b", "fak"], "did you mean 'fake'?"),
        (["run", "-o", "x.pdf"], "x.pdf"),
        (["run", "--version", "v9"], "no version 'v9'"),
        (["run", "--variant", "lokal"], "did you mean 'local'?"),
        (["run", "--split", "tset"], "did you mean 'test'?"),
        (["run", "-b", "replay:nothing"], "no run 'nothing'"),
        (["prompts", "show", "triag"], "did you mean 'triage'?"),
        (["prompts", "show", "triage", "--case", "nope"], "no case 'nope'"),
        (["prompts", "diff", "triage"], "has one version"),
        (["datasets", "show", "ticket"], "did you mean 'tickets'?"),
        (["datasets", "show", "tickets", "nope"], "no case 'nope'"),
        (["report"], "no finished runs"),
        (["export", "nothing", "-o", "x.csv"], "no run 'nothing'"),
        (["init", "."], "not an empty folder"),
    ],
)
def test_a_mistake_gets_one_line_and_exit_code_2(
    harness: Terminal, served: Project, arguments: list[str], said: str
) -> None:
    ended = harness(*arguments)
    assert ended.code == 2
    assert said in ended.err
    assert ended.err.startswith("error: ")
    assert len(ended.err.splitlines()) == 1
    assert "Traceback" not in ended.err


def test_outside_a_project_the_way_in_is_told(
    harness: Terminal, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("nowhere"))
    ended = harness("run")
    assert ended.code == 2
    assert "run `harness init`" in ended.err


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


def test_doctor_says_what_each_backend_lacks(harness: Terminal, served: Project) -> None:
    path = served.root / "harness.toml"
    path.write_text(
        path.read_text()
        + '\n[backends.gpt]\nprovider = "openai"\nmodel = "gpt-4o"\nvariant = "gpt"\n'
        + '\n[backends.gone]\nprovider = "vllm"\nbase_url = "http://127.0.0.1:9/v1"\nmodel = "m"\nvariant = "local"\n'
    )
    ended = harness("doctor")
    assert ended.code == 2
    assert "ok fake: fake-model" in ended.out
    assert "no gpt: no key: set OPENAI_API_KEY in the environment" in ended.out
    assert "no gone: no answer from http://127.0.0.1:9/v1" in ended.out


def test_prompts_show_renders_what_the_model_sees(harness: Terminal, served: Project) -> None:
    ended = harness("prompts", "show", "triage", "--variant", "local", "--case", "t-2")
    assert "[system]\nAnswer with one word: billing, technical, general." in ended.out
    assert "Ticket: The billing page crashes\nCategory:" in ended.out


def test_a_prompt_is_released_once_and_for_all(harness: Terminal, served: Project) -> None:
    assert "draft" in harness("prompts", "list").out
    assert harness("prompts", "lock").out == "released triage/v1\n"
    assert "released" in harness("prompts", "list").out
    served.prompt(local="Changed {{ text }} {{ labels }}")
    ended = harness("run")
    assert ended.code == 2
    assert "edit a new version (`harness prompts new triage`)" in ended.err
    assert harness("prompts", "check").code == 2


def test_a_new_version_starts_as_a_copy_and_diff_shows_what_became_of_it(harness: Terminal, served: Project) -> None:
    assert "v2" in harness("prompts", "new", "triage").out
    path = served.root / "prompts/triage/v2/local.j2"
    path.write_text(path.read_text().replace("one word", "ONE word"))
    out = harness("prompts", "diff", "triage").out
    assert "-{% system %}Answer with one word" in out
    assert "triage/v2/gpt.j2: unchanged" in out


def test_datasets_are_validated_counted_and_shown(harness: Terminal, served: Project) -> None:
    assert "tickets: 6 cases are fine" in harness("datasets", "validate").out
    assert "test: 4" in harness("datasets", "stats").out
    assert "The billing page crashes" in harness("datasets", "show", "tickets").out
    assert "expected  technical" in harness("datasets", "show", "tickets", "t-2").out


def test_control_characters_of_a_reply_never_reach_the_terminal(
    harness: Terminal, served: Project, server: FakeOpenAI
) -> None:
    server.answer = lambda _: Reply("\x1b[2J\x1b]0;owned\x07billing")
    served.eval("[gates]\nmin_accuracy = 0.5\n")
    ended = harness("run")
    assert "\x1b" not in ended.out + ended.err
    assert "\x07" not in ended.out + ended.err


def test_init_makes_a_project_whose_files_load(
    harness: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = harness("init", str(tmp_path / "new"))
    assert ended.code == 0
    assert "harness run -o reports/first.html" in ended.out
    monkeypatch.chdir(tmp_path / "new")
    assert harness("datasets", "validate").code == 0
    assert harness("prompts", "check").code == 0


def test_help_shows_examples_and_version_says_which(harness: Terminal) -> None:
    assert "harness run ticket_triage -b mistral-q4" in harness("run", "--help").out
    assert harness("--version").out.strip() == "0.1.0"


def test_help_imports_no_slow_library() -> None:
    code = "import sys, harness.cli; print([m for m in ('openai', 'pydantic', 'sqlalchemy', 'numpy', 'jinja2', 'asyncio') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_an_eval_that_leaves_every_backend_out_says_so_and_runs_where_both_are_named(
    harness: Terminal, served: Project, server: FakeOpenAI
) -> None:
    path = served.root / "harness.toml"
    path.write_text(path.read_text() + '\n[backends.gpt]\nprovider = "openai"\nmodel = "gpt-4o"\nvariant = "gpt"\n')
    served.eval('backends = ["gpt"]\n')
    ended = harness("run", "--backend", "fake")
    assert (ended.code, "nothing to run" in ended.err) == (2, True)
    assert harness("run", "triage", "--backend", "fake").code == 0
    served.eval('backends = ["gtp"]\n')
    assert "did you mean 'gpt'?" in harness("run").err


def test_a_backend_tuned_for_a_variant_that_is_not_there_is_refused_before_anything_is_asked(
    harness: Terminal, served: Project, server: FakeOpenAI
) -> None:
    path = served.root / "harness.toml"
    path.write_text(path.read_text().replace('variant = "local"', 'variant = "locl"'))
    ended = harness("run")
    assert (ended.code, "did you mean 'local'?" in ended.err) == (2, True)
    assert not server.chats


def test_gates_that_are_not_judged_are_told(harness: Terminal, served: Project) -> None:
    served.eval("[gates]\nmin_accuracy = 0.5\n")
    ended = harness("run", "--variant", "gpt")
    assert ended.code == 0
    assert "triage: no gate is judged, because no backend was run with the variant it is tuned for" in ended.out


def test_the_commonest_reason_of_failed_calls_is_told(harness: Terminal, served: Project, server: FakeOpenAI) -> None:
    server.answer = lambda asked: (
        knows(asked) if "Say OK" in asked.prompt else Reply(status=400, json={"error": {"message": "too long"}})
    )
    ended = harness("run", "--variant", "local")
    assert ended.code == 4
    assert "triage local@fake: 4 of 4 calls failed, most of them: bad_request: " in ended.err
    assert "too long" in ended.err


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
def test_a_terminal_without_our_characters_gets_the_matrix_and_the_report(served: Project, encoding: str) -> None:
    command = [sys.executable, "-m", "harness", "run", "--limit", "1", "-o", "r.html"]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
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


def test_a_tenth_of_failed_calls_leaves_every_gate_undecided(
    harness: Terminal, served: Project, server: FakeOpenAI
) -> None:
    cases(served, 300)
    served.eval("[gates]\nmin_accuracy = 0.5\nmin_compliance = 0.5\n")
    server.answer = lambda asked: Reply(status=500) if "7\n" in asked.prompt else Reply("billing")
    ended = harness("run", "--variant", "local")
    assert ended.code == 4
    assert ended.out.count("30 of 300 calls failed (30 server)") >= 2
    assert "passed" not in ended.out


def test_running_a_cell_twice_shows_how_much_is_noise(harness: Terminal, served: Project, server: FakeOpenAI) -> None:
    seen: Counter[str] = Counter()

    def wavers(asked: Asked) -> Reply:
        seen[asked.prompt] += 1
        return Reply("billing" if seen[asked.prompt] == 1 or "Easter" not in asked.prompt else "technical")

    server.answer = wavers
    ended = harness("run", "--variant", "local", "--repeat-cell", "2")
    assert ended.code == 0, ended.err
    assert "noise: triage local@fake: 1 of 4 answers changed between two runs of the same thing" in ended.out


def test_a_missing_baseline_is_said_before_anything_is_asked(
    harness: Terminal, served: Project, server: FakeOpenAI
) -> None:
    ended = harness("run", "--against", "baseline")
    assert ended.code == 2
    assert "there is no baseline of triage local@fake: `harness baseline save` makes one" in ended.err
    assert not server.chats


def test_a_comparison_says_where_no_model_was_asked(harness: Terminal, served: Project) -> None:
    harness("run", "--variant", "local")
    harness("run", "--variant", "local")  # every answer is there already
    ended = harness("compare", "previous", "latest")
    assert "every answer of the head is an earlier one from the store: --no-cache asks again" in " ".join(
        ended.out.split()
    )
    assert "latency" not in ended.out


def test_a_label_that_is_missing_shows_on_a_sample_too(harness: Terminal, served: Project) -> None:
    served.eval(
        text='task = "classification"\nprompt = "triage"\ndataset = "tickets"\nlabels = ["billing", "general"]\n'
    )
    ended = harness("run", "--limit", "1")
    assert ended.code == 2
    assert "case t-2: expected 'technical' is not among the labels" in ended.err


def test_a_bug_of_ours_is_no_failed_gate(harness: Terminal, served: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        msg = "a bug, made for this test"
        raise ZeroDivisionError(msg)

    monkeypatch.setattr("harness.report.build", broken)
    ended = harness("report")
    assert (ended.code, "ZeroDivisionError" in ended.err) == (2, False)  # nothing to report: never got there
    harness("run", "--variant", "local")
    ended = harness("report")
    assert (ended.code, "ZeroDivisionError: a bug, made for this test" in ended.err) == (70, True)

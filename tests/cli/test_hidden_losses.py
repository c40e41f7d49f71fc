"""From files to the verdict: cases and replies in; exit code, sentence and `routing.toml` out."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence

import pytest

from ..support.cli import CommandResult, Terminal
from ..support.project import CONFIG, Project, row
from ..support.servers import FakeOpenAI, ReceivedRequest, Reply

N = 300
EVAL = """\
task = "classification"
prompt = "triage"
dataset = "tickets"
labels = ["billing", "technical", "general"]

[traffic]
daily_calls = 2000
"""

Verdicts = Callable[..., tuple[CommandResult, CommandResult]]

Answer = Callable[[int], str]
"""The reply to the ticket with this number."""


@pytest.fixture
def verdicts(harness: Terminal, project: Project, server: FakeOpenAI) -> Verdicts:
    """Runs both models of a pair over tickets with the given labels, and returns `compare` and `advise`."""

    def run(
        labels: list[str], reference: Answer, candidate: Answer, texts: Sequence[str] = (), extra: str = ""
    ) -> tuple[CommandResult, CommandResult]:
        own = CONFIG.replace("http://127.0.0.1:9/v1", server.base_url) + "prompt_usd = 1.0\ncompletion_usd = 1.0\n"
        big = own.replace("[backends.fake]", "[backends.big]").replace('"local"', '"gpt"')
        big = big.replace("_usd = 1.0", "_usd = 5.0")
        project.config(f'{own}{big}[pair]\nreference = "big"\ncandidate = "fake"\n')
        project.eval(text=f"{EVAL}{extra}")
        texts = texts or [f"ticket {i}" for i in range(len(labels))]
        pairs = zip(texts, labels, strict=True)
        project.cases([row(f"c-{i:03}", text, label, split="test") for i, (text, label) in enumerate(pairs)])

        def answer(asked: ReceivedRequest) -> Reply:
            found = asked.prompt.partition("ticket ")[2].split()
            number = int(found[0]) if found else 0  # the warm-up request has no ticket
            return Reply((candidate if asked.prompt.endswith("Category:") else reference)(number))

        server.answer = answer
        made = harness("run", "--backend", "big", "--variant", "gpt", "--quiet")
        assert made.code == 0, made.err
        made = harness("run", "--backend", "fake", "--variant", "local", "--quiet")
        assert made.code in {0, 1}, made.err
        return harness("compare", "gpt@big", "local@fake"), harness("advise")

    return run


def is_moved(project: Project) -> bool:
    """Whether `routing.toml` sends the task to the candidate first."""
    routing = tomllib.loads((project.root / "routing.toml").read_text(encoding="utf-8"))
    return routing["tiers"][routing["tasks"]["triage"]["tiers"][0]] == "fake"


def test_equal_models_move(verdicts: Verdicts, project: Project) -> None:
    compared, advised = verdicts(["billing"] * N, lambda _: "billing", lambda _: "billing")
    assert compared.code == 0
    assert "MOVE" in compared.out
    assert "MOVE         triage" in advised.out
    assert is_moved(project)


def test_gain_in_format_does_not_move_a_lost_capability(verdicts: Verdicts, project: Project) -> None:
    compared, advised = verdicts(
        ["billing"] * N,
        lambda i: "billing" if i < 186 else "The category is: billing",
        lambda i: "billing" if i < 214 else "technical",
    )
    assert compared.code == 1
    assert "STAY  format +38.0, capability -28.7 points. Read leniently" in compared.out
    assert "STAY         triage" in advised.out
    assert not is_moved(project)


def test_collapsed_label_does_not_move(verdicts: Verdicts, project: Project) -> None:
    labels = ["technical"] * 24 + ["billing"] * (N - 24)
    compared, advised = verdicts(
        labels,
        lambda i: labels[i] if i > 8 and i < 290 else "general",
        lambda i: "billing",
        extra="[gates]\nmargin = 0.08\n",
    )
    assert compared.code == 1
    assert "STAY  label technical" in compared.out
    assert "max_label_loss" in compared.out
    assert not is_moved(project)
    assert "STAY         triage" in advised.out


def test_repeated_cases_do_not_count_three_times(verdicts: Verdicts, project: Project) -> None:
    texts = [f"ticket {i % 100}" for i in range(N)]  # 100 tickets, three times each
    compared, advised = verdicts(
        ["billing"] * N, lambda _: "billing", lambda i: "general" if i == 7 else "billing", texts
    )
    assert compared.code == 0
    assert "INCONCLUSIVE" in compared.out
    assert "worth 97 independent cases" in compared.out
    assert "INCONCLUSIVE triage" in advised.out
    assert not is_moved(project)


def test_two_useless_models_do_not_move(verdicts: Verdicts, project: Project) -> None:
    compared, advised = verdicts(["billing"] * N, lambda _: "general", lambda _: "general")
    assert compared.code == 0
    assert "INCONCLUSIVE  no answer of gpt@big or local@fake is right" in compared.out
    assert "INCONCLUSIVE triage" in advised.out
    assert not is_moved(project)

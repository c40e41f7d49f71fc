"""Headlines of cells. snapshots/headlines.txt holds the wording."""

from __future__ import annotations

from dataclasses import replace

from harness.core.types import Result, Run
from harness.report import build
from harness.report.headline import sentences

from ..support.snapshot import Snapshot
from .fakes import fake_case, fake_error, fake_result, fake_run, small_run


def headlines(*runs: Run) -> list[str]:
    return [sentence.text for sentence in sentences(build(runs).evals[0])]


def replies(right: int = 0, phrasing: int = 0, wrong: int = 0, unclear: int = 0, errors: int = 0) -> list[Result]:
    reads: list[tuple[str | None, str | None]] = [("billing", "billing")] * right + [(None, "billing")] * phrasing
    reads += [("general", "general")] * wrong + [(None, None)] * unclear
    answered = [fake_result(fake_case(i), "x", read) for i, read in enumerate(reads)]
    return answered + [fake_error(fake_case(len(reads) + i)) for i in range(errors)]


def with_truncated(run: Run, n: int) -> Run:
    """The run with its first `n` replies cut off at max_tokens."""
    cut = (replace(r, response=replace(r.response, finish_reason="length")) for r in run.results[:n])
    return replace(run, results=(*cut, *run.results[n:]))


def test_headlines(snapshot: Snapshot) -> None:
    runs = [
        small_run(replies(right=12, phrasing=70, wrong=100, unclear=58)),
        small_run(replies(right=10, phrasing=30)),
        small_run(replies(right=30, wrong=10)),
        small_run(replies(right=40)),
        small_run(replies(right=1)),
        small_run(replies(phrasing=30, unclear=10)),
        small_run(replies(unclear=40)),
        small_run(replies(wrong=40)),
        with_truncated(small_run(replies(unclear=40)), 30),
        small_run(replies(right=40, errors=2)),
        small_run(replies(errors=3)),
        small_run(replies(errors=1)),
        small_run([]),
    ]
    snapshot("headlines", "\n".join(text for run in runs for text in headlines(run)))


def test_only_clear_wrong_answers_rule_out_phrasing() -> None:
    assert "Phrasing is not the cause" in headlines(small_run(replies(wrong=40)))[0]
    assert "Phrasing is not the cause" not in headlines(small_run(replies(wrong=39, unclear=1)))[0]


def test_truncated_replies_are_counted() -> None:
    assert "30 were cut off" in headlines(with_truncated(small_run(replies(unclear=40)), 30))[0]
    assert "cut off" not in headlines(with_truncated(small_run(replies(wrong=40)), 30))[0]


def test_failed_calls_do_not_count_as_replies() -> None:
    text = headlines(small_run(replies(right=40, errors=2)))[0]
    assert "40 replies" in text
    assert "2 calls failed (timeout 2)" in text


def test_local_models_come_before_hosted_ones() -> None:
    runs = [fake_run(6, "gpt", "gpt-4o"), fake_run(6, "local", "smollm2"), fake_run(6, "gpt", "smollm2")]
    assert [text.partition(":")[0] for text in headlines(*runs)] == ["gpt@smollm2", "local@smollm2", "gpt@gpt-4o"]


def test_tasks_without_labels_have_answers() -> None:
    assert "the right answer" in headlines(small_run(replies(right=1), task="extraction", labels=()))[0]

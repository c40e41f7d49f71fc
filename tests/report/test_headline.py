"""Question 1 in words. Every sentence is spelled out here, because the words are the product."""

from __future__ import annotations

from dataclasses import replace

from harness.core.types import Result, Run
from harness.report import build
from harness.report.headline import sentences

from .fakes import fake_case, fake_error, fake_result, fake_run, small_run


def said(*runs: Run) -> list[str]:
    return [sentence.text for sentence in sentences(build(runs).evals[0])]


def replies(right: int = 0, phrasing: int = 0, wrong: int = 0, unclear: int = 0, errors: int = 0) -> list[Result]:
    reads: list[tuple[str | None, str | None]] = [("billing", "billing")] * right + [(None, "billing")] * phrasing
    reads += [("general", "general")] * wrong + [(None, None)] * unclear
    answered = [fake_result(fake_case(i), "x", read) for i, read in enumerate(reads)]
    return answered + [fake_error(fake_case(len(reads) + i)) for i in range(errors)]


def test_headline_separates_phrasing_and_model_losses() -> None:
    assert said(small_run(replies(right=12, phrasing=70, wrong=100, unclear=58))) == [
        "gpt@smollm2: production code accepts 46.7% of the replies as they are (40–53) and gets the right label in "
        "5.0% (3–9). Read leniently, 34.2% (28–40) are right: 29.2 points are lost to phrasing alone; the rest is a "
        "wrong label in 41.7% and no clear label in 24.2%."
    ]


def test_headline_of_losses_from_phrasing_alone() -> None:
    assert said(small_run(replies(right=10, phrasing=30))) == [
        "gpt@smollm2: production code accepts 25.0% of the replies as they are (14–40) and gets the right label in "
        "25.0% (14–40). Read leniently, 100.0% (91–100) are right: 75.0 points are lost to phrasing alone and nothing "
        "to the model."
    ]


def test_every_reply_is_compliant_so_nothing_is_lost_to_phrasing() -> None:
    assert said(small_run(replies(right=30, wrong=10))) == [
        "gpt@smollm2: production code accepts every one of the 40 replies as it is (91–100%) and gets the right label "
        "in 75.0% (60–86). Nothing is lost to phrasing: the rest is a wrong label in 25.0%."
    ]


def test_every_reply_is_right() -> None:
    assert said(small_run(replies(right=40)))[0].endswith("Nothing is lost to phrasing: every reply is right.")


def test_nothing_is_usable_and_all_of_it_is_phrasing() -> None:
    assert said(small_run(replies(phrasing=30, wrong=0, unclear=10))) == [
        "gpt@smollm2: production code accepts none of the 40 replies as it is (0–9%). Read leniently, 75.0% (60–86) "
        "are right: 75.0 points are lost to phrasing alone; the rest is no clear label in 25.0%."
    ]


def test_nothing_is_right_however_it_is_read() -> None:
    assert said(small_run(replies(unclear=40))) == [
        "gpt@smollm2: production code accepts none of the 40 replies as it is (0–9%). Read leniently, none is right "
        "(0–9%): no clear label in any of them."
    ]


def test_clear_wrong_answers_are_not_phrasing_losses() -> None:
    assert said(small_run(replies(wrong=40)))[0].endswith("a wrong label in all of them. Phrasing is not the cause.")


def test_truncated_reply_is_not_proof_of_no_answer() -> None:
    run = small_run(replies(unclear=40))
    cut = tuple(
        replace(r, response=replace(r.response, finish_reason="length")) if i < 30 else r
        for i, r in enumerate(run.results)
    )
    assert said(replace(run, results=cut))[0].endswith("Of those without a clear label, 30 were cut off at max_tokens.")


def test_failed_calls_are_reported_and_not_counted() -> None:
    told = said(small_run(replies(right=40, errors=2)))[0]
    assert "every one of the 40 replies" in told
    assert told.endswith("2 calls failed (timeout 2) and are not counted.")


def test_zero_answered_means_that_nothing_is_known() -> None:
    assert said(small_run(replies(errors=3))) == ["gpt@smollm2: all 3 calls failed (timeout 3)."]
    assert said(small_run([])) == ["gpt@smollm2: no case was run."]


def test_headlines_start_local_and_end_with_remote_model() -> None:
    runs = [fake_run(6, "gpt", "gpt-4o"), fake_run(6, "local", "smollm2"), fake_run(6, "gpt", "smollm2")]
    assert [text.partition(":")[0] for text in said(*runs)] == ["gpt@smollm2", "local@smollm2", "gpt@gpt-4o"]


def test_a_task_without_labels_speaks_of_answers() -> None:
    assert "the right answer" in said(small_run(replies(right=1), task="extraction", labels=()))[0]

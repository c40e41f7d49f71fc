"""What a report computes from saved runs. All runs here are fakes."""

from __future__ import annotations

from typing import Any

import pytest

from harness.core.types import Case, Result
from harness.report import build
from harness.report.model import outcome
from harness.report.notices import notices

from .fakes import fake_case, fake_error, fake_result, fake_run, small_run


def reply(case: Case, strict: str | None, lenient: str | None, **more: Any) -> Result:
    return fake_result(case, "a reply", (strict, lenient), **more)


@pytest.mark.parametrize(
    ("read", "became"),
    [
        (("billing", "billing"), "right"),
        ((None, "billing"), "phrasing"),
        (("general", "general"), "wrong"),
        ((None, "general"), "wrong"),
        ((None, None), "unclear"),
    ],
)
def test_every_reply_has_exactly_one_outcome(read: tuple[str | None, str | None], became: str) -> None:
    assert outcome(fake_result(fake_case(), "x", read)) == became


def test_failed_call_is_an_error_and_no_wrong_answer() -> None:
    cell = build([small_run([fake_error(fake_case(0)), reply(fake_case(1), "billing", "billing")])]).evals[0].cells[0]
    assert cell.outcomes == {"right": 1, "phrasing": 0, "wrong": 0, "unclear": 0, "error": 1}
    assert cell.summary.accuracy.strict.value == 1


def test_outcomes_add_up_to_the_calls() -> None:
    cell = build([fake_run(60, errors=7)]).evals[0].cells[0]
    assert sum(cell.outcomes.values()) == 60
    assert cell.outcomes["error"] == 7


def test_runs_are_grouped_by_eval_in_order() -> None:
    runs = [fake_run(3, eval="b"), fake_run(3, eval="a"), fake_run(3, variant="local", eval="b")]
    assert [(e.name, [c.name for c in e.cells]) for e in build(runs).evals] == [
        ("b", ["gpt@smollm2", "local@smollm2"]),
        ("a", ["gpt@smollm2"]),
    ]


def test_runs_of_a_cell_are_named_by_version_or_run_id() -> None:
    runs = [
        fake_run(3, prompt="ticket_triage/v1", run_id="r1"),
        fake_run(3, prompt="ticket_triage/v2", run_id="r2"),
        fake_run(3, prompt="ticket_triage/v2", run_id="r3"),
    ]
    names = [cell.name for cell in build(runs).evals[0].cells]
    assert names == ["gpt@smollm2 v1", "gpt@smollm2 v2 r2", "gpt@smollm2 v2 r3"]


def test_edited_case_is_joined_as_another_case() -> None:
    edited = Case("t-0000", {"text": "now something else"}, "billing", digest="edited")
    joined = build(
        [small_run([reply(fake_case(0), None, None)]), small_run([reply(edited, "billing", "billing")], "local")]
    )
    assert [[r is None for r in case.results] for case in joined.evals[0].cases] == [[False, True], [True, False]]
    assert "2 of 2 cases are not in every cell" in " ".join(n.text for n in notices(joined.evals[0]))


def test_failed_calls_do_not_flip_a_case() -> None:
    a, b = fake_case(0), fake_case(1)
    runs = [
        small_run([reply(a, "billing", "billing"), reply(b, "billing", "billing")]),
        small_run([reply(a, None, "billing"), fake_error(b)], "local"),
    ]
    assert [case.flipped for case in build(runs).evals[0].cases] == [True, False]


def test_repeats_are_rows_and_unstable_answers_are_counted() -> None:
    answers = ("billing", "billing", "technical")
    run = small_run([reply(fake_case(0), said, said, repeat=i) for i, said in enumerate(answers)], repeats=3)
    e = build([run]).evals[0]
    assert [case.repeat for case in e.cases] == [0, 1, 2]
    assert "ran 3 times; the answer changed in 100.0% (21–100)" in " ".join(n.text for n in notices(e))


def test_errors_and_unfinished_runs_are_the_first_notices() -> None:
    run = small_run([fake_error(fake_case(0)), reply(fake_case(1), "billing", "billing")], n_cases=5, limit=5)
    found = notices(build([run]).evals[0])
    assert [n.kind for n in found] == ["error", "error", "caution", "caution"]
    assert "1 of 2 calls failed (timeout 1)" in found[0].text
    assert "cannot pass a gate" in found[0].text
    assert "unfinished run, 2 of 5 cases" in found[1].text


def test_unknown_expected_labels_only_drop_the_label_scores() -> None:
    run = small_run([reply(fake_case(0, "refund"), None, None)])
    cell = build([run]).evals[0].cells[0]
    assert cell.classification is None
    assert cell.summary.accuracy.strict.n == 1


def test_no_runs_and_runs_without_results_make_a_report() -> None:
    assert build([]).evals == ()
    assert build([small_run([])]).evals[0].cells[0].summary.n == 0


def test_different_contracts_are_a_caution() -> None:
    a, b = fake_run(3), fake_run(3, "local", fingerprint={"contract_hash": "another"})
    assert "Different contracts" in " ".join(n.text for n in notices(build([a, b]).evals[0]))

"""lm-evaluation-harness: one line a question and filter, strict and lenient from the pair of filters it names so."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.errors import ConfigError
from harness.interop import ColumnSelection

from .files import imported, jsonl, lm_eval_choice, lm_eval_line, rates

NAME = "samples_gsm8k_2026-11-25T01-37-33.160984.jsonl"


def pair(doc_id: int, reply: str, strict: str, lenient: str) -> list[dict[str, object]]:
    """What the filters of gsm8k make of one reply to a question whose answer is 42."""
    return [
        lm_eval_line(doc_id, reply, "42", "strict-match", filtered=strict),
        lm_eval_line(doc_id, reply, "42", "flexible-extract", filtered=lenient),
    ]


def test_a_task_with_one_filter_is_strict_and_lenient_in_one(tmp_path: Path) -> None:
    path = jsonl(tmp_path / NAME, [lm_eval_line(0, "yes", "yes"), lm_eval_line(1, "no", "yes")])
    found = imported(path)
    assert rates(found) == (1, 1, 2)
    assert found.run.manifest.eval == "gsm8k"
    assert found.run.results[0].case.inputs == {"question": "question 0", "answer": "yes"}
    assert found.run.results[0].case.id == "0"
    assert "'exact_match'" in found.read_as


def test_strict_match_and_flexible_extract_are_two_readings(tmp_path: Path) -> None:
    lines = [
        *pair(0, "So it is 42. #### 42", "42", "42"),
        *pair(1, "It is 42", "[invalid]", "42"),
        *pair(2, "It is 41", "[invalid]", "41"),
    ]
    lines.sort(key=lambda line: str(line["filter"]), reverse=True)  # as the tool writes them: filter by filter
    found = imported(jsonl(tmp_path / NAME, lines))
    assert rates(found) == (1, 2, 1)
    readings = {r.case.id: (r.reading.strict, r.reading.lenient) for r in found.run.results if r.reading}
    assert readings == {"0": ("42", "42"), "1": (None, "42"), "2": (None, "41")}
    assert found.run.results[0].response.text == "So it is 42. #### 42"


def test_one_filter_can_be_chosen(tmp_path: Path) -> None:
    path = jsonl(tmp_path / NAME, pair(1, "It is 42", "[invalid]", "42"))
    assert rates(imported(path, ColumnSelection(where=(("filter", "strict-match"),)))) == (0, 0, 0)
    assert rates(imported(path, ColumnSelection(where=(("filter", "flexible-extract"),)))) == (1, 1, 1)


def test_of_weighed_choices_the_likelier_is_the_reply(tmp_path: Path) -> None:
    lines = [lm_eval_choice(0, (-0.1, -0.5), "yes", 1.0, 0.0), lm_eval_choice(1, (-0.7, -0.5), "yes", 0.0, 1.0)]
    path = jsonl(tmp_path / NAME, lines)
    found = imported(path)
    assert [result.response.text for result in found.run.results] == ["yes", "no"]
    assert [result.score and result.score.strict for result in found.run.results] == [True, False]
    by_norm = imported(path, ColumnSelection(correct="acc_norm"))
    assert [result.score and result.score.strict for result in by_norm.run.results] == [False, True]
    assert by_norm.run.manifest.fingerprint["contract_hash"] != found.run.manifest.fingerprint["contract_hash"]


def test_with_labels_the_raw_reply_is_read_by_our_contract(tmp_path: Path) -> None:
    path = jsonl(tmp_path / NAME, [lm_eval_line(0, "The answer is yes", "yes"), lm_eval_line(1, "no", "no")])
    assert rates(imported(path, labels=("yes", "no"))) == (1, 2, 1)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            [lm_eval_line(0, "a", "a", "one"), lm_eval_line(0, "a", "a", "two")],
            "several filters: choose with --where filter=one or --where filter=two",
        ),
        ([*pair(0, "a", "a", "a"), lm_eval_line(1, "a", "a", "strict-match")], "case 1 has only one of strict-match"),
        ([lm_eval_line(0, "a", "a", exact_match=0.5)], "exact_match is 0.5, which is neither right nor wrong"),
        ([lm_eval_line(0, "a", "a", filtered_resps="a")], "`filtered_resps` must be a list"),
        ([{"doc_id": 0, "target": "a", "filtered_resps": ["a"], "metrics": ["bleu"]}], "(there are: bleu): name one"),
        ([lm_eval_choice(0, (-1, -2), "yes", 1, 1) | {"arguments": {}}], "`arguments` does not tell which is which"),
    ],
)
def test_what_cannot_be_decided_is_asked_back(tmp_path: Path, lines: list[dict[str, object]], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        imported(jsonl(tmp_path / NAME, lines))
    assert message in str(caught.value)

"""Import from lm-evaluation-harness: one line per question and filter; two filters give strict and lenient."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.errors import ConfigError
from harness.interop import ColumnSelection

from .files import imported, jsonl, lm_eval_choice, lm_eval_line, rates

NAME = "samples_gsm8k_2026-11-25T01-37-33.160984.jsonl"


def pair(doc_id: int, reply: str, strict: str, lenient: str) -> list[dict[str, object]]:
    """Lines of both gsm8k filters for one reply. The expected answer is 42."""
    return [
        lm_eval_line(doc_id, reply, "42", "strict-match", filtered=strict),
        lm_eval_line(doc_id, reply, "42", "flexible-extract", filtered=lenient),
    ]


def test_single_filter_is_strict_and_lenient(tmp_path: Path) -> None:
    path = jsonl(tmp_path / NAME, [lm_eval_line(0, "yes", "yes"), lm_eval_line(1, "no", "yes")])
    imported_run = imported(path)
    assert rates(imported_run) == (1, 1, 2)
    assert imported_run.run.manifest.eval == "gsm8k"
    assert imported_run.run.results[0].case.inputs == {"question": "question 0", "answer": "yes"}
    assert imported_run.run.results[0].case.id == "0"
    assert "'exact_match'" in imported_run.read_as


def test_two_filters_become_strict_and_lenient(tmp_path: Path) -> None:
    lines = [
        *pair(0, "So it is 42. #### 42", "42", "42"),
        *pair(1, "It is 42", "[invalid]", "42"),
        *pair(2, "It is 41", "[invalid]", "41"),
    ]
    lines.sort(key=lambda line: str(line["filter"]), reverse=True)  # as the tool writes them: filter by filter
    imported_run = imported(jsonl(tmp_path / NAME, lines))
    assert rates(imported_run) == (1, 2, 1)
    readings = {r.case.id: (r.reading.strict, r.reading.lenient) for r in imported_run.run.results if r.reading}
    assert readings == {"0": ("42", "42"), "1": (None, "42"), "2": (None, "41")}
    assert imported_run.run.results[0].response.text == "So it is 42. #### 42"


def test_where_selects_one_filter(tmp_path: Path) -> None:
    path = jsonl(tmp_path / NAME, pair(1, "It is 42", "[invalid]", "42"))
    assert rates(imported(path, ColumnSelection(where=(("filter", "strict-match"),)))) == (0, 0, 0)
    assert rates(imported(path, ColumnSelection(where=(("filter", "flexible-extract"),)))) == (1, 1, 1)


def test_likeliest_choice_is_the_reply(tmp_path: Path) -> None:
    lines = [lm_eval_choice(0, (-0.1, -0.5), "yes", 1.0, 0.0), lm_eval_choice(1, (-0.7, -0.5), "yes", 0.0, 1.0)]
    path = jsonl(tmp_path / NAME, lines)
    imported_run = imported(path)
    assert [result.response.text for result in imported_run.run.results] == ["yes", "no"]
    assert [result.score and result.score.strict for result in imported_run.run.results] == [True, False]
    by_norm = imported(path, ColumnSelection(correct="acc_norm"))
    assert [result.score and result.score.strict for result in by_norm.run.results] == [False, True]
    assert by_norm.run.manifest.fingerprint["contract_hash"] != imported_run.run.manifest.fingerprint["contract_hash"]


def test_labels_make_the_label_contract_parse_replies(tmp_path: Path) -> None:
    path = jsonl(tmp_path / NAME, [lm_eval_line(0, "The answer is yes", "yes"), lm_eval_line(1, "no", "no")])
    assert rates(imported(path, labels=("yes", "no"))) == (1, 2, 1)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            [lm_eval_line(0, "a", "a", "one"), lm_eval_line(0, "a", "a", "two")],
            "choose with --where filter=one or --where filter=two",
        ),
        ([*pair(0, "a", "a", "a"), lm_eval_line(1, "a", "a", "strict-match")], "case 1 has only one of strict-match"),
        ([lm_eval_line(0, "a", "a", exact_match=0.5)], "exact_match is 0.5, not a pass/fail value"),
        ([lm_eval_line(0, "a", "a", filtered_resps="a")], "`filtered_resps` must be"),
        ([{"doc_id": 0, "target": "a", "filtered_resps": ["a"], "metrics": ["bleu"]}], "(there are: bleu): name one"),
        ([lm_eval_choice(0, (-1, -2), "yes", 1, 1) | {"arguments": {}}], "`arguments`"),
    ],
)
def test_ambiguous_file_is_rejected(tmp_path: Path, lines: list[dict[str, object]], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        imported(jsonl(tmp_path / NAME, lines))
    assert message in str(caught.value)

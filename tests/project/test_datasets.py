"""Golden datasets: every invalid row is reported with file, line and field."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.core.errors import ConfigError, DatasetError
from harness.project import datasets

from ..support.golden import COLUMNS, complaint, load
from ..support.project import CARD, ROWS, Project, row

LABELS = 'labels = ["billing", "technical", "general"]\n'


def write_lines(project: Project, *lines: str | bytes) -> None:
    raw = [line if isinstance(line, bytes) else line.encode() for line in lines]
    project.write("datasets/tickets/cases.jsonl", b"\n".join(raw))


class TestRows:
    def test_all_fields_of_a_case_are_read(self, project: Project) -> None:
        project.cases([row(tags=["hard"], split="dev", label_source="human"), row("t-2", "another")])
        first, second = load(project).cases
        assert (first.id, first.inputs, first.expected) == ("t-1", {"text": "I was charged twice"}, "billing")
        assert (first.tags, first.split, first.label_source) == (("hard",), "dev", "human")
        assert (second.tags, second.split, second.label_source) == ((), "", "author")

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"exepcted": "x"}, "unknown column 'exepcted' (did you mean 'expected'?)"),
            ({"zzz": 1}, "unknown column 'zzz' (there are: cluster, expected, id, inputs, label_source, split, tags)"),
            ({"inputs": {}}, "inputs must be an object with at least one value, not {}"),
            ({"inputs": "hello"}, "inputs must be an object with at least one value, not 'hello'"),
            ({"inputs": {"text": ""}}, "input 'text' is empty"),
            ({"inputs": {"text": " \n\t"}}, "input 'text' is empty"),
            ({"inputs": {"text": "x", "lang": None}}, "input 'lang' is empty"),
            (
                {"inputs": {"text": "cut \ud83d"}},
                "input 'text' has an unpaired surrogate '\\ud83d'",
            ),
            ({"expected": ""}, "expected is empty"),
            ({"expected": None}, "expected is empty"),
            ({"expected": "biling"}, "expected 'biling' is not among the card's labels (did you mean 'billing'?)"),
            ({"expected": "Billing"}, "expected 'Billing' is not among the card's labels (did you mean 'billing'?)"),
            ({"expected": 1}, "expected 1 is not among the card's labels (there are: billing, general, technical)"),
            (
                {"expected": ["billing", "sales"]},
                "expected 'sales' is not among the card's labels (there are: billing, general, technical)",
            ),
            ({"tags": "hard"}, "tags must be a list of strings, not 'hard'"),
            ({"tags": [1]}, "tags must be a list of strings, not [1]"),
            ({"tags": ["hrad"]}, "tag 'hrad' is not in the card's [tags] (did you mean 'hard'?)"),
            ({"split": "tset"}, "split 'tset' is not among the card's splits (did you mean 'test'?)"),
            ({"split": 1}, "split 1 is not among the card's splits (there are: dev, test)"),
            ({"label_source": 1}, "label_source must be a string, not 1"),
            ({"cluster": 7}, "cluster must be a string, not 7"),
        ],
    )
    def test_invalid_field_is_reported_with_line_and_case(
        self, project: Project, wrong: dict[str, Any], message: str
    ) -> None:
        project.card(LABELS + 'splits = ["dev", "test"]\n[tags]\nhard = "x"\n')
        good, bad = row(split="dev"), row("t-2", "another", split="dev") | wrong
        write_lines(project, json.dumps(good), "", json.dumps(bad))
        assert complaint(project).startswith(f"cases.jsonl:3 (case t-2): {message}")

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("[1, 2]", ": a row must be a JSON object, not list"),
            ("null", ": a row must be a JSON object, not NoneType"),
            ('{"inputs": {"text": "x"}, "expected": "a"}', ": column 'id' is missing"),
            ('{"id": "a", "expected": "a"}', " (case a): column 'inputs' is missing"),
            ('{"id": "a", "inputs": {"text": "x"}}', " (case a): column 'expected' is missing"),
            ('{"id": 7, "inputs": {"text": "x"}, "expected": "a"}', ": id must be a non-empty string, not 7"),
            (
                '{"id": " ", "inputs": {"text": "x"}, "expected": "a"}',
                " (case  ): id must be a non-empty string, not ' '",
            ),
            ('{"id": "a"', ": not valid JSON: Expecting ',' delimiter at column 11"),
            ('{"id": NaN}', ": not valid JSON: NaN is not a JSON value"),
            ('{"id": "a", "id": "b"}', ": not valid JSON: duplicate key 'id' in one object"),
            ("[" * 100_000, ": not valid JSON: maximum recursion depth exceeded"),
            (b'{"id": "\xff"}', ": not UTF-8 text (byte 9 of the line): save the file as UTF-8"),
            (json.dumps(row()).encode("utf-16"), ": not UTF-8 text (byte 1 of the line): save the file as UTF-8"),
        ],
    )
    def test_invalid_line_is_reported_with_its_number(self, project: Project, line: str | bytes, message: str) -> None:
        write_lines(project, json.dumps(row()), line)
        assert complaint(project).startswith(f"cases.jsonl:2{message}")

    def test_huge_value_is_shortened_in_the_message(self, project: Project) -> None:
        project.card(LABELS)
        project.cases([row(expected="x" * 1_000_000, tags="y" * 1_000_000, split=[0] * 1_000_000)])
        assert len(complaint(project)) < 500

    def test_all_errors_of_a_row_are_reported(self, project: Project) -> None:
        project.cases([row(expected="", tags="x", colour=1)])
        assert len(complaint(project).splitlines()) == 3

    def test_error_list_is_cut_after_the_first_rows(self, project: Project) -> None:
        project.cases([row(f"t-{i}", f"text {i}", "") for i in range(32)])
        messages = complaint(project).splitlines()
        assert len(messages) == datasets.SHOWN
        assert messages[-1] == "cases.jsonl:20 (case t-19): expected is empty (and 12 more)"

    def test_duplicate_id_is_reported_with_both_lines(self, project: Project) -> None:
        project.cases([row("a", "one"), row("b", "two"), row("a", "three")])
        assert complaint(project).endswith("cases.jsonl:3: duplicate id 'a', first at cases.jsonl:1")

    def test_contradicting_labels_are_reported_with_both_lines(self, project: Project) -> None:
        project.cases([row("a", "same"), row("b", "other"), row("c", "same", "general")])
        assert complaint(project) == (
            "cases.jsonl:3 (case c): expected 'general', but cases.jsonl:1 (case a) has the same inputs with 'billing'"
        )

    @pytest.mark.parametrize("text", ["", "\n\n  \n"])
    def test_empty_dataset_is_rejected(self, project: Project, text: str) -> None:
        write_lines(project, text)
        assert complaint(project) == "cases.jsonl: no rows: a golden dataset needs at least one case"

    def test_text_can_contain_any_character(self, project: Project) -> None:
        text = "a\u2028b\x85c\x0bd \u0000 😀 {% system %}"
        project.cases([row(text=text)])
        assert load(project).cases[0].inputs["text"] == text

    def test_byte_order_mark_is_accepted(self, project: Project) -> None:
        write_lines(project, b"\xef\xbb\xbf" + json.dumps(row()).encode())
        assert load(project).cases[0].id == "t-1"


class TestCard:
    @pytest.mark.parametrize(
        ("card", "message"),
        [
            (CARD + "licens = 'x'", "card.toml:5: unknown key 'licens' (did you mean 'licence'?)"),
            (CARD.replace('description = "Six tickets."\n', ""), "card.toml: missing key 'description'"),
            (CARD + "labels = [1]", "card.toml:5: item 1 of labels should be a string, not 1"),
            (CARD + '[columns]\nexpected = "x"', "card.toml:5: missing key 'inputs' in [columns]"),
            (
                CARD + 'source = "cases.xlsx"',
                "cases.xlsx: unsupported source",
            ),
            (CARD + 'source = "nope.jsonl"', "nope.jsonl: cannot be read: No such file or directory"),
            (CARD + 'source = "nope.csv"\n' + COLUMNS, "nope.csv: cannot be read: No such file or directory"),
            (
                CARD + 'source = "a.csv"',
                "a.csv: add [columns] to card.toml",
            ),
        ],
    )
    def test_invalid_card_is_a_one_line_error(self, project: Project, card: str, message: str) -> None:
        project.card(text=card)
        project.write("datasets/tickets/a.csv", "x\n")
        assert complaint(project).startswith(message)

    def test_unknown_dataset_is_reported_with_a_suggestion(self, project: Project) -> None:
        with pytest.raises(
            DatasetError, match=r"no dataset 'ticket': .*card\.toml does not exist \(did you mean 'tickets'"
        ):
            datasets.load(project.root, "ticket")
        assert datasets.names(project.root) == ["tickets"]


class TestFingerprint:
    def changed(self, project: Project, rows: list[dict[str, Any]]) -> bool:
        project.cases()
        before = load(project).digest
        project.cases(rows)
        return load(project).digest != before

    def test_does_not_depend_on_row_order(self, project: Project) -> None:
        assert not self.changed(project, list(reversed(ROWS)))

    @pytest.mark.parametrize("more", [{"tags": ["hard"]}, {"split": "other"}, {"label_source": "human"}])
    def test_does_not_depend_on_tags_splits_or_label_sources(self, project: Project, more: dict[str, Any]) -> None:
        assert not self.changed(project, [case | more for case in ROWS])

    @pytest.mark.parametrize("more", [{"expected": "other"}, {"inputs": {"text": "other"}}, {"id": "other"}])
    def test_depends_on_ids_inputs_and_labels(self, project: Project, more: dict[str, Any]) -> None:
        assert self.changed(project, [ROWS[0] | more, *ROWS[1:]])

    def test_depends_on_the_number_of_cases(self, project: Project) -> None:
        assert self.changed(project, list(ROWS[1:]))


class TestSelection:
    def test_split_keeps_the_order_of_cases(self, project: Project) -> None:
        assert [case.id for case in load(project).select("test")] == ["t-1", "t-2", "t-3", "t-4"]
        assert [case.id for case in load(project).select("dev")] == ["t-5", "t-6"]
        assert len(load(project).select(None)) == 6

    def test_limit_selects_the_first_cases(self, project: Project) -> None:
        assert [case.id for case in load(project).select("test", 2)] == ["t-1", "t-2"]
        assert len(load(project).select(None, 100)) == 6

    @pytest.mark.parametrize("limit", [0, -1])
    def test_limit_below_one_is_rejected(self, project: Project, limit: int) -> None:
        with pytest.raises(DatasetError, match=rf"limit is {limit}"):
            load(project).select(None, limit)

    def test_unknown_split_is_reported_with_a_suggestion(self, project: Project) -> None:
        with pytest.raises(DatasetError, match=r"cases\.jsonl: no cases in split 'tset' \(did you mean 'test'\?\)"):
            load(project).select("tset")

    def test_split_is_ignored_if_the_dataset_has_none(self, project: Project) -> None:
        project.cases([row(), row("t-2", "another")])
        assert load(project).splits == ()
        assert len(load(project).select("test")) == 2


def test_card_name_must_match_the_folder(project: Project) -> None:
    project.write("datasets/tickets/card.toml", CARD.replace('"tickets"', '"other"'))
    with pytest.raises(ConfigError, match=r"card.toml:1: name is 'other', but the folder is 'tickets'"):
        datasets.load(project.root, "tickets")

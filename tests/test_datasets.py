"""Golden datasets: every row that cannot be trusted is named by file, line and field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness import datasets
from harness.datasets import Dataset
from harness.errors import ConfigError, DatasetError

from .support.project import CARD, ROWS, Project, row

LABELS = 'labels = ["billing", "technical", "general"]\n'
COLUMNS = '[columns]\nid = "nr"\nexpected = "label"\ninputs = { text = "ticket" }\n'


def load(project: Project) -> Dataset:
    return datasets.load(project.root, "tickets")


def complaint(project: Project) -> str:
    """What loading the dataset says, without the folder."""
    with pytest.raises(ConfigError) as caught:
        load(project)
    return str(caught.value).replace(f"{project.root}/datasets/tickets/", "")


def write_lines(project: Project, *lines: str | bytes) -> None:
    raw = [line if isinstance(line, bytes) else line.encode() for line in lines]
    project.write("datasets/tickets/cases.jsonl", b"\n".join(raw))


class TestRows:
    def test_a_case_is_read_with_all_that_it_says(self, project: Project) -> None:
        project.cases([row(tags=["hard"], split="dev", label_source="human"), row("t-2", "another")])
        first, second = load(project).cases
        assert (first.id, first.inputs, first.expected) == ("t-1", {"text": "I was charged twice"}, "billing")
        assert (first.tags, first.split, first.label_source) == (("hard",), "dev", "human")
        assert (second.tags, second.split, second.label_source) == ((), "", "author")

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"exepcted": "x"}, "unknown column 'exepcted' (did you mean 'expected'?)"),
            ({"zzz": 1}, "unknown column 'zzz' (there are: expected, id, inputs, label_source, split, tags)"),
            ({"inputs": {}}, "inputs must be an object with at least one value, not {}"),
            ({"inputs": "hello"}, "inputs must be an object with at least one value, not 'hello'"),
            ({"inputs": {"text": ""}}, "input 'text' is empty"),
            ({"inputs": {"text": " \n\t"}}, "input 'text' is empty"),
            ({"inputs": {"text": "x", "lang": None}}, "input 'lang' is empty"),
            (
                {"inputs": {"text": "cut \ud83d"}},
                "input 'text' has half a character, '\\ud83d': it is not Unicode text",
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
        ],
    )
    def test_a_wrong_field_is_named_with_file_line_and_case(
        self, project: Project, wrong: dict[str, Any], message: str
    ) -> None:
        project.card(LABELS + 'splits = ["dev", "test"]\n[tags]\nhard = "x"\n')
        good, bad = row(split="dev"), row("t-2", "another", split="dev") | wrong
        write_lines(project, json.dumps(good), "", json.dumps(bad))
        assert complaint(project) == f"cases.jsonl:3 (case t-2): {message}"

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("[1, 2]", ": a row is a JSON object, not list"),
            ("null", ": a row is a JSON object, not NoneType"),
            ('{"inputs": {"text": "x"}, "expected": "a"}', ": column 'id' is missing"),
            ('{"id": "a", "expected": "a"}', " (case a): column 'inputs' is missing"),
            ('{"id": "a", "inputs": {"text": "x"}}', " (case a): column 'expected' is missing"),
            ('{"id": 7, "inputs": {"text": "x"}, "expected": "a"}', ": id must be a string that is not empty, not 7"),
            (
                '{"id": " ", "inputs": {"text": "x"}, "expected": "a"}',
                " (case  ): id must be a string that is not empty, not ' '",
            ),
            ('{"id": "a"', ": not valid JSON: Expecting ',' delimiter at column 11"),
            ('{"id": NaN}', ": not valid JSON: NaN is no JSON value"),
            ('{"id": "a", "id": "b"}', ": not valid JSON: key 'id' stands twice in one object"),
            ("[" * 100_000, ": not valid JSON: maximum recursion depth exceeded"),
            (b'{"id": "\xff"}', ": not UTF-8 text (byte 9 of the line): save the file as UTF-8"),
            (json.dumps(row()).encode("utf-16"), ": not UTF-8 text (byte 1 of the line): save the file as UTF-8"),
        ],
    )
    def test_a_line_that_is_no_case_is_named(self, project: Project, line: str | bytes, message: str) -> None:
        write_lines(project, json.dumps(row()), line)
        assert complaint(project).startswith(f"cases.jsonl:2{message}")

    def test_a_huge_value_does_not_make_a_huge_message(self, project: Project) -> None:
        project.card(LABELS)
        project.cases([row(expected="x" * 1_000_000, tags="y" * 1_000_000, split=[0] * 1_000_000)])
        assert len(complaint(project)) < 500

    def test_all_flaws_of_a_row_are_told(self, project: Project) -> None:
        project.cases([row(expected="", tags="x", colour=1)])
        assert len(complaint(project).splitlines()) == 3

    def test_of_many_wrong_rows_the_first_are_named_and_the_rest_counted(self, project: Project) -> None:
        project.cases([row(f"t-{i}", f"text {i}", "") for i in range(20)])
        said = complaint(project).splitlines()
        assert len(said) == datasets.SHOWN
        assert said[-1] == "cases.jsonl:8 (case t-7): expected is empty (and 12 more)"

    def test_an_id_given_twice_is_named_with_both_lines(self, project: Project) -> None:
        project.cases([row("a", "one"), row("b", "two"), row("a", "three")])
        assert complaint(project).endswith("cases.jsonl:3: id 'a' is already taken at cases.jsonl:1")

    def test_the_same_inputs_with_two_labels_are_named_with_both_lines(self, project: Project) -> None:
        project.cases([row("a", "same"), row("b", "other"), row("c", "same", "general")])
        assert complaint(project) == (
            "cases.jsonl:3 (case c): expected 'general', but cases.jsonl:1 (case a) has the same inputs with 'billing'"
        )

    @pytest.mark.parametrize("text", ["", "\n\n  \n"])
    def test_zero_rows_are_no_dataset(self, project: Project, text: str) -> None:
        write_lines(project, text)
        assert complaint(project) == "cases.jsonl: no rows: a golden dataset needs at least one case"

    def test_texts_may_hold_any_character(self, project: Project) -> None:
        text = "a\u2028b\x85c\x0bd \u0000 😀 {% system %}"
        project.cases([row(text=text)])
        assert load(project).cases[0].inputs["text"] == text

    def test_a_byte_order_mark_is_no_part_of_the_first_row(self, project: Project) -> None:
        write_lines(project, b"\xef\xbb\xbf" + json.dumps(row()).encode())
        assert load(project).cases[0].id == "t-1"


class TestCard:
    @pytest.mark.parametrize(
        ("card", "message"),
        [
            (CARD + "licens = 'x'", "card.toml:5: unknown key 'licens' (did you mean 'licence'?)"),
            (CARD.replace('licence = "CC0-1.0"\n', ""), "card.toml: missing key 'licence'"),
            (CARD + "labels = [1]", "card.toml:5: item 1 of labels should be a string, not 1"),
            (CARD + '[columns]\nexpected = "x"', "card.toml:5: missing key 'inputs' in [columns]"),
            (
                CARD + 'source = "cases.xlsx"',
                "cases.xlsx: not a kind of dataset: .jsonl, .csv, .parquet or hub:org/name",
            ),
            (CARD + 'source = "nope.jsonl"', "nope.jsonl: cannot be read: No such file or directory"),
            (CARD + 'source = "nope.csv"\n' + COLUMNS, "nope.csv: cannot be read: No such file or directory"),
            (
                CARD + 'source = "a.csv"',
                "a.csv: the card needs [columns] that say which column is expected and which are inputs",
            ),
        ],
    )
    def test_a_mistake_in_the_card_is_one_line(self, project: Project, card: str, message: str) -> None:
        project.card(text=card)
        project.write("datasets/tickets/a.csv", "x\n")
        assert complaint(project) == message

    def test_an_unknown_dataset_comes_with_the_nearest(self, project: Project) -> None:
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

    def test_it_does_not_depend_on_the_order_of_rows(self, project: Project) -> None:
        assert not self.changed(project, list(reversed(ROWS)))

    @pytest.mark.parametrize("more", [{"tags": ["hard"]}, {"split": "other"}, {"label_source": "human"}])
    def test_it_does_not_depend_on_tags_splits_and_label_sources(self, project: Project, more: dict[str, Any]) -> None:
        assert not self.changed(project, [one | more for one in ROWS])

    @pytest.mark.parametrize("more", [{"expected": "other"}, {"inputs": {"text": "other"}}, {"id": "other"}])
    def test_it_depends_on_ids_texts_and_labels(self, project: Project, more: dict[str, Any]) -> None:
        assert self.changed(project, [ROWS[0] | more, *ROWS[1:]])

    def test_it_depends_on_how_many_cases_there_are(self, project: Project) -> None:
        assert self.changed(project, list(ROWS[1:]))


class TestSelection:
    def test_a_split_is_its_cases_in_their_order(self, project: Project) -> None:
        assert [case.id for case in load(project).select("test")] == ["t-1", "t-2", "t-3", "t-4"]
        assert [case.id for case in load(project).select("dev")] == ["t-5", "t-6"]
        assert len(load(project).select(None)) == 6

    def test_a_limit_takes_the_first(self, project: Project) -> None:
        assert [case.id for case in load(project).select("test", 2)] == ["t-1", "t-2"]
        assert len(load(project).select(None, 100)) == 6

    @pytest.mark.parametrize("limit", [0, -1])
    def test_a_limit_leaves_at_least_one(self, project: Project, limit: int) -> None:
        with pytest.raises(DatasetError, match=rf"a limit of {limit} leaves no case"):
            load(project).select(None, limit)

    def test_an_unknown_split_comes_with_the_nearest(self, project: Project) -> None:
        with pytest.raises(DatasetError, match=r"cases\.jsonl: no cases in split 'tset' \(did you mean 'test'\?\)"):
            load(project).select("tset")

    def test_a_dataset_that_is_not_split_is_taken_whole(self, project: Project) -> None:
        project.cases([row(), row("t-2", "another")])
        assert load(project).splits == ()
        assert len(load(project).select("test")) == 2


class TestCsv:
    def csv(self, project: Project, text: str | bytes, columns: str = COLUMNS) -> None:
        project.card(f'source = "cases.csv"\n{columns}')
        project.write("datasets/tickets/cases.csv", text)

    @pytest.mark.parametrize("label", ["no", "1.0", "1", "NA", "null", "True", "007", "1e5", "NaN", "None"])
    def test_labels_stay_the_strings_that_they_are(self, project: Project, label: str) -> None:
        self.csv(project, f"nr,ticket,label\n1,{label},{label}\n2,x,{label}\n")
        first, second = load(project).cases
        assert (first.id, first.inputs, first.expected, second.expected) == ("1", {"text": label}, label, label)

    def test_quoted_texts_run_over_lines(self, project: Project) -> None:
        self.csv(project, 'nr,ticket,label\r\n1,"Hello,\r\n""you""",a\r\n2,x,\r\n')
        assert complaint(project) == "cases.csv:4 (case 2): expected is empty"
        self.csv(project, 'nr,ticket,label\r\n1,"Hello,\r\n""you""",a\r\n')
        assert load(project).cases[0].inputs["text"] == 'Hello,\r\n"you"'

    def test_tags_and_splits_come_from_columns(self, project: Project) -> None:
        more = 'tags = "t"\nsplit = "s"\n'
        self.csv(project, "nr,ticket,label,t,s\n1,x,a,hard long,dev\n2,y,a,,test\n", COLUMNS + more)
        assert [(case.tags, case.split) for case in load(project).cases] == [(("hard", "long"), "dev"), ((), "test")]

    def test_a_file_that_excel_saved_is_read(self, project: Project) -> None:
        self.csv(project, b"\xef\xbb\xbfnr,ticket,label\r\n1,\xc3\xa4,a\r\n")
        assert load(project).cases[0].inputs["text"] == "ä"

    def test_a_text_may_be_long(self, project: Project) -> None:
        self.csv(project, f"nr,ticket,label\n1,{'x' * 300_000},a\n")
        assert len(load(project).cases[0].inputs["text"]) == 300_000

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("nr,tickets,label\n1,x,a", "cases.csv:2: no column 'ticket' (did you mean 'tickets'?)"),
            (
                "nr,ticket,label\n1,x,a\n2,hi, you,b",
                "cases.csv:3: 4 cells for 3 columns: a text with commas needs quotation marks",
            ),
            ("nr,ticket,label\n1,x", "cases.csv:2: 2 cells for 3 columns: a text with commas needs quotation marks"),
            ("nr,nr,label\n1,x,a", "cases.csv:1: column 'nr' stands twice"),
            ('nr,ticket,label\n1,x,a\n2,"x,a\n3,y,b', "cases.csv:3: not valid CSV: unexpected end of data"),
            (b"nr,ticket,label\n1,\xe4,a", "cases.csv:2: not UTF-8 text (byte 0xe4): save the file as UTF-8"),
            ("nr,ticket,label\n", "cases.csv: no rows: a golden dataset needs at least one case"),
            ("", "cases.csv: no rows: a golden dataset needs at least one case"),
            ("nr,ticket,label\n1,x,a\n1,y,a", "cases.csv:3: id '1' is already taken at cases.csv:2"),
        ],
    )
    def test_a_wrong_row_is_named_by_its_line(self, project: Project, text: str | bytes, message: str) -> None:
        self.csv(project, text)
        assert complaint(project).split("tickets/")[-1] == message

    def test_without_an_id_column_a_row_keeps_its_id_wherever_it_stands(self, project: Project) -> None:
        columns = COLUMNS.replace('id = "nr"\n', "")
        self.csv(project, "ticket,label\nx,a\ny,b\nx,a\n", columns)
        before = load(project)
        self.csv(project, "ticket,label\ny,b\nx,a\nx,a\n", columns)
        after = load(project)
        assert {case.id: case.inputs for case in before.cases} == {case.id: case.inputs for case in after.cases}
        assert before.digest == after.digest
        assert len({case.id for case in after.cases}) == 3


def parquet(path: Path, columns: dict[str, list[Any]], *classes: str) -> None:
    """A Parquet file, its column `label` a ClassLabel of `classes`."""
    from datasets import ClassLabel  # slow to import
    from datasets import Dataset as Table

    path.parent.mkdir(parents=True, exist_ok=True)
    table = Table.from_dict(columns)
    if classes:
        table = table.cast_column("label", ClassLabel(names=list(classes)))
    table.to_parquet(str(path))


class TestParquet:
    def use(self, project: Project, columns: dict[str, list[Any]], *classes: str, card: str = COLUMNS) -> None:
        project.card(f'source = "cases.parquet"\n{card}')
        parquet(project.root / "datasets/tickets/cases.parquet", columns, *classes)

    def test_classes_become_their_names(self, project: Project) -> None:
        self.use(project, {"nr": [1, 2], "ticket": ["x", "y"], "label": [1, 0]}, "technical", "billing")
        assert [(case.id, case.expected) for case in load(project).cases] == [("1", "billing"), ("2", "technical")]

    def test_a_file_that_changed_is_read_anew(self, project: Project) -> None:
        for text in ("before", "after"):
            self.use(project, {"nr": [1], "ticket": [text], "label": ["a"]})
            assert load(project).cases[0].inputs["text"] == text

    def test_lists_are_tags_and_numbers_are_inputs(self, project: Project) -> None:
        card = COLUMNS.replace('"ticket"', '"n"') + 'tags = "t"\n'
        self.use(project, {"nr": ["a", "b"], "n": [1, 2], "label": ["x", "x"], "t": [["hard"], None]}, card=card)
        assert [(case.inputs, case.tags) for case in load(project).cases] == [
            ({"text": 1}, ("hard",)),
            ({"text": 2}, ()),
        ]

    @pytest.mark.parametrize(
        ("columns", "message"),
        [
            ({"nr": [1], "tickt": ["x"], "label": ["a"]}, "cases.parquet: no column 'ticket' (did you mean 'tickt'?): mend"),
            ({"nr": [1, 2], "ticket": ["x", None], "label": ["a", "a"]}, "cases.parquet row 2 (case 2): input 'text' is empty"),
            ({"nr": [None], "ticket": ["x"], "label": ["a"]}, "cases.parquet row 1: id must be a string that is not empty, not None"),
            ({"nr": [1], "ticket": [b"x"], "label": ["a"]}, "cases.parquet row 1 (case 1): input 'text' is b'x': only text"),
            ({"nr": [], "ticket": [], "label": []}, "cases.parquet: no rows: a golden dataset needs at least one case"),
        ],
    )  # fmt: skip
    def test_a_wrong_row_is_named_by_its_number(self, project: Project, columns: dict[str, Any], message: str) -> None:
        self.use(project, columns)
        assert complaint(project).startswith(message)

    def test_a_row_without_a_class_has_no_label(self, project: Project) -> None:
        self.use(project, {"nr": [1, 2], "ticket": ["x", "y"], "label": [0, -1]}, "technical")
        assert complaint(project) == "cases.parquet row 2 (case 2): expected is empty"

    @pytest.mark.parametrize("raw", [b"", b"PAR1 but not really PAR1"])
    def test_what_is_no_parquet_is_one_line(
        self, project: Project, raw: bytes, capfd: pytest.CaptureFixture[str]
    ) -> None:
        project.card(f'source = "cases.parquet"\n{COLUMNS}')
        project.write("datasets/tickets/cases.parquet", raw)
        said = complaint(project)
        assert said.startswith("cases.parquet: cannot be loaded: ")
        assert "\n" not in said
        assert capfd.readouterr().err == ""


class TestHub:
    """The real `load_dataset`, offline: a local folder in place of a repository on the hub."""

    def use(self, project: Project, more: str = "", columns: str = COLUMNS) -> None:
        hub = project.root / "hub"
        parquet(hub / "data/train-00000.parquet", {"nr": [1], "ticket": ["x"], "label": [1]}, "technical", "billing")
        parquet(hub / "data/test-00000.parquet", {"nr": [2], "ticket": ["y"], "label": [0]}, "technical", "billing")
        project.card(f'source = "hub:{hub}"\n{more}{columns}')

    def test_splits_of_the_hub_are_splits_of_ours(self, project: Project) -> None:
        self.use(project, 'splits = ["test", "train"]\n')
        assert [(c.id, c.split, c.expected) for c in load(project).cases] == [
            *(("2", "test", "technical"), ("1", "train", "billing")),
        ]
        self.use(project, 'splits = ["train"]\n')
        assert [(c.id, c.split) for c in load(project).cases] == [("1", "train")]

    def test_of_several_splits_the_card_must_choose(self, project: Project) -> None:
        self.use(project)
        assert complaint(project).endswith(
            "hub: has several splits (train, test): say in the card's `splits` which of them to use"
        )

    def test_an_unknown_split_comes_with_the_nearest(self, project: Project) -> None:
        self.use(project, 'splits = ["tets"]\n')
        assert complaint(project).endswith("hub: no split 'tets' (did you mean 'test'?): mend the card's `splits`")

    def test_an_unknown_column_comes_with_the_nearest(self, project: Project) -> None:
        self.use(project, 'splits = ["test"]\n', COLUMNS.replace('"ticket"', '"tickets"'))
        assert complaint(project).endswith(
            "hub: no column 'tickets' (did you mean 'ticket'?): mend the card's [columns]"
        )

    def test_a_single_split_needs_no_name(self, project: Project) -> None:
        self.use(project)
        (project.root / "hub/data/test-00000.parquet").unlink()
        assert [(c.id, c.split) for c in load(project).cases] == [("1", "")]

    def test_what_the_hub_does_not_have_is_one_line(self, project: Project) -> None:
        project.card(f'source = "hub:nobody/nothing"\n{COLUMNS}')
        said = complaint(project)
        assert said.startswith("hub:nobody/nothing: cannot be loaded: ")
        assert "\n" not in said


def test_a_card_has_the_name_of_its_folder(project: Project) -> None:
    project.write("datasets/tickets/card.toml", CARD.replace('"tickets"', '"other"'))
    with pytest.raises(ConfigError, match=r"card.toml:1: name is 'other', but the folder is 'tickets'"):
        datasets.load(project.root, "tickets")

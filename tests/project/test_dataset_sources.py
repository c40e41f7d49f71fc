"""Tabular golden datasets: CSV, Parquet and the hub, with columns mapped by the card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ..support.golden import COLUMNS, complaint, load
from ..support.project import Project


class TestCsv:
    def csv(self, project: Project, text: str | bytes, columns: str = COLUMNS) -> None:
        project.card(f'source = "cases.csv"\n{columns}')
        project.write("datasets/tickets/cases.csv", text)

    @pytest.mark.parametrize("label", ["no", "1.0", "1", "NA", "null", "True", "007", "1e5", "NaN", "None"])
    def test_labels_stay_strings(self, project: Project, label: str) -> None:
        self.csv(project, f"nr,ticket,label\n1,{label},{label}\n2,x,{label}\n")
        first, second = load(project).cases
        assert (first.id, first.inputs, first.expected, second.expected) == ("1", {"text": label}, label, label)

    def test_quoted_text_can_span_lines(self, project: Project) -> None:
        self.csv(project, 'nr,ticket,label\r\n1,"Hello,\r\n""you""",a\r\n2,x,\r\n')
        assert complaint(project) == "cases.csv:4 (case 2): expected is empty"
        self.csv(project, 'nr,ticket,label\r\n1,"Hello,\r\n""you""",a\r\n')
        assert load(project).cases[0].inputs["text"] == 'Hello,\r\n"you"'

    def test_tags_and_splits_are_read_from_columns(self, project: Project) -> None:
        more = 'tags = "t"\nsplit = "s"\n'
        self.csv(project, "nr,ticket,label,t,s\n1,x,a,hard long,dev\n2,y,a,,test\n", COLUMNS + more)
        assert [(case.tags, case.split) for case in load(project).cases] == [(("hard", "long"), "dev"), ((), "test")]

    def test_byte_order_mark_is_accepted(self, project: Project) -> None:
        self.csv(project, b"\xef\xbb\xbfnr,ticket,label\r\n1,\xc3\xa4,a\r\n")
        assert load(project).cases[0].inputs["text"] == "ä"

    def test_long_text_is_read(self, project: Project) -> None:
        self.csv(project, f"nr,ticket,label\n1,{'x' * 300_000},a\n")
        assert len(load(project).cases[0].inputs["text"]) == 300_000

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("nr,tickets,label\n1,x,a", "cases.csv:2: no column 'ticket' (did you mean 'tickets'?)"),
            (
                "nr,ticket,label\n1,x,a\n2,hi, you,b",
                "cases.csv:3: 4 cells for 3 columns: put text with commas in quotation marks",
            ),
            ("nr,ticket,label\n1,x", "cases.csv:2: 2 cells for 3 columns: put text with commas in quotation marks"),
            ("nr,nr,label\n1,x,a", "cases.csv:1: duplicate column 'nr'"),
            ('nr,ticket,label\n1,x,a\n2,"x,a\n3,y,b', "cases.csv:3: not valid CSV: unexpected end of data"),
            (b"nr,ticket,label\n1,\xe4,a", "cases.csv:2: not UTF-8 text (byte 0xe4): save the file as UTF-8"),
            ("nr,ticket,label\n", "cases.csv: no rows: a golden dataset needs at least one case"),
            ("", "cases.csv: no rows: a golden dataset needs at least one case"),
            ("nr,ticket,label\n1,x,a\n1,y,a", "cases.csv:3: duplicate id '1', first at cases.csv:2"),
        ],
    )
    def test_invalid_row_is_reported_with_its_line(self, project: Project, text: str | bytes, message: str) -> None:
        self.csv(project, text)
        assert complaint(project).split("tickets/")[-1] == message

    def test_generated_ids_do_not_depend_on_row_order(self, project: Project) -> None:
        columns = COLUMNS.replace('id = "nr"\n', "")
        self.csv(project, "ticket,label\nx,a\ny,b\nx,a\n", columns)
        before = load(project)
        self.csv(project, "ticket,label\ny,b\nx,a\nx,a\n", columns)
        after = load(project)
        assert {case.id: case.inputs for case in before.cases} == {case.id: case.inputs for case in after.cases}
        assert before.digest == after.digest
        assert len({case.id for case in after.cases}) == 3


def parquet(path: Path, columns: dict[str, list[Any]], *classes: str) -> None:
    """Write a Parquet file. Its column `label` is a ClassLabel if `classes` are given."""
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

    def test_class_numbers_become_names(self, project: Project) -> None:
        self.use(project, {"nr": [1, 2], "ticket": ["x", "y"], "label": [1, 0]}, "technical", "billing")
        assert [(case.id, case.expected) for case in load(project).cases] == [("1", "billing"), ("2", "technical")]

    def test_changed_file_is_read_again(self, project: Project) -> None:
        for text in ("before", "after"):
            self.use(project, {"nr": [1], "ticket": [text], "label": ["a"]})
            assert load(project).cases[0].inputs["text"] == text

    def test_list_column_gives_tags_and_number_gives_input(self, project: Project) -> None:
        card = COLUMNS.replace('"ticket"', '"n"') + 'tags = "t"\n'
        self.use(project, {"nr": ["a", "b"], "n": [1, 2], "label": ["x", "x"], "t": [["hard"], None]}, card=card)
        assert [(case.inputs, case.tags) for case in load(project).cases] == [
            ({"text": 1}, ("hard",)),
            ({"text": 2}, ()),
        ]

    @pytest.mark.parametrize(
        ("columns", "message"),
        [
            ({"nr": [1], "tickt": ["x"], "label": ["a"]}, "cases.parquet: no column 'ticket' (did you mean 'tickt'?)"),
            ({"nr": [1, 2], "ticket": ["x", None], "label": ["a", "a"]}, "cases.parquet row 2 (case 2): input 'text' is empty"),
            ({"nr": [None], "ticket": ["x"], "label": ["a"]}, "cases.parquet row 1: id must be a non-empty string, not None"),
            ({"nr": [1], "ticket": [b"x"], "label": ["a"]}, "cases.parquet row 1 (case 1): input 'text' is b'x': only text"),
            ({"nr": [], "ticket": [], "label": []}, "cases.parquet: no rows: a golden dataset needs at least one case"),
        ],
    )  # fmt: skip
    def test_invalid_row_is_reported_with_its_number(
        self, project: Project, columns: dict[str, Any], message: str
    ) -> None:
        self.use(project, columns)
        assert complaint(project).startswith(message)

    def test_class_minus_one_is_an_empty_label(self, project: Project) -> None:
        self.use(project, {"nr": [1, 2], "ticket": ["x", "y"], "label": [0, -1]}, "technical")
        assert complaint(project) == "cases.parquet row 2 (case 2): expected is empty"

    @pytest.mark.parametrize("raw", [b"", b"PAR1 but not really PAR1"])
    def test_invalid_parquet_is_a_one_line_error(
        self, project: Project, raw: bytes, capfd: pytest.CaptureFixture[str]
    ) -> None:
        project.card(f'source = "cases.parquet"\n{COLUMNS}')
        project.write("datasets/tickets/cases.parquet", raw)
        message = complaint(project)
        assert message.startswith("cases.parquet: cannot be loaded: ")
        assert "\n" not in message
        assert capfd.readouterr().err == ""


class TestHub:
    """Real `load_dataset`, offline: a local folder replaces the hub repository."""

    def use(self, project: Project, more: str = "", columns: str = COLUMNS) -> None:
        hub = project.root / "hub"
        parquet(hub / "data/train-00000.parquet", {"nr": [1], "ticket": ["x"], "label": [1]}, "technical", "billing")
        parquet(hub / "data/test-00000.parquet", {"nr": [2], "ticket": ["y"], "label": [0]}, "technical", "billing")
        project.card(f'source = "hub:{hub}"\n{more}{columns}')

    def test_hub_splits_become_case_splits(self, project: Project) -> None:
        self.use(project, 'splits = ["test", "train"]\n')
        assert [(c.id, c.split, c.expected) for c in load(project).cases] == [
            *(("2", "test", "technical"), ("1", "train", "billing")),
        ]
        self.use(project, 'splits = ["train"]\n')
        assert [(c.id, c.split) for c in load(project).cases] == [("1", "train")]

    def test_several_hub_splits_require_a_choice(self, project: Project) -> None:
        self.use(project)
        assert "hub: several splits (train, test)" in complaint(project)

    def test_unknown_split_is_reported_with_a_suggestion(self, project: Project) -> None:
        self.use(project, 'splits = ["tets"]\n')
        assert "hub: no split 'tets' (did you mean 'test'?)" in complaint(project)

    def test_unknown_column_is_reported_with_a_suggestion(self, project: Project) -> None:
        self.use(project, 'splits = ["test"]\n', COLUMNS.replace('"ticket"', '"tickets"'))
        assert "hub: no column 'tickets' (did you mean 'ticket'?)" in complaint(project)

    def test_a_single_split_needs_no_name(self, project: Project) -> None:
        self.use(project)
        (project.root / "hub/data/test-00000.parquet").unlink()
        assert [(c.id, c.split) for c in load(project).cases] == [("1", "")]

    def test_unknown_hub_dataset_is_a_one_line_error(self, project: Project) -> None:
        project.card(f'source = "hub:nobody/nothing"\n{COLUMNS}')
        message = complaint(project)
        assert message.startswith("hub:nobody/nothing: cannot be loaded: ")
        assert "\n" not in message

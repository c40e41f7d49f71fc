"""Files that would be ignored silently, or only in part: each problem is one line."""

from __future__ import annotations

import json

from ..support.cli import Terminal
from ..support.project import ROWS, Project, row

COLUMNS = 'source = "cases.csv"\n[columns]\ninputs = { text = "text" }\nexpected = "label"\n'


def test_yaml_eval_is_an_error(harness: Terminal, project: Project) -> None:
    path = project.write("evals/spam.yml", "task: classification\n")
    for arguments in (["run"], ["run", "spam"], ["run", "evals/spam.yml"]):
        ended = harness(*arguments)
        assert (ended.code, ended.err.count("\n")) == (2, 1)
        assert f"{path}: evals are TOML files: write spam.toml" in ended.err


def test_yaml_configuration_is_an_error(harness: Terminal, project: Project) -> None:
    (project.root / "harness.toml").rename(project.root / "harness.yaml")
    ended = harness("run")
    assert ended.code == 2
    assert "harness.yaml: the configuration is a TOML file: write harness.toml" in ended.err


def test_unused_id_column_is_an_error_with_two_ways_out(harness: Terminal, project: Project) -> None:
    project.card(COLUMNS)
    project.write("datasets/tickets/cases.csv", "id,text,label,agent\n7,I was charged twice,billing,Ann\n")
    ended = harness("datasets", "validate")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert """column 'id' is not used: add id = "id" or ignore = ["id"] to [columns] of card.toml""" in ended.err
    for way_out, case_id in (('id = "id"\n', "7"), ('ignore = ["id"]\n', "row-")):
        project.card(COLUMNS + way_out)
        assert harness("datasets", "show", "tickets").out.startswith(case_id)


def test_all_errors_of_a_dataset_file_are_listed(harness: Terminal, project: Project) -> None:
    broken = ["{", json.dumps({**ROWS[0], "id": ""}), "[]", json.dumps(ROWS[1])]
    project.write("datasets/tickets/cases.jsonl", "\n".join(broken))
    lines = harness("datasets", "validate").err.splitlines()
    assert [line.partition("cases.jsonl:")[2][:1] for line in lines] == ["1", "2", "3"]


def test_at_most_20_errors_are_listed(harness: Terminal, project: Project) -> None:
    project.cases([row(f"t-{n}", "") for n in range(25)])
    lines = harness("datasets", "validate").err.splitlines()
    assert len(lines) == 20
    assert lines[-1].endswith("(and 5 more)")


def test_rows_of_csv_with_other_lengths_are_all_listed(harness: Terminal, project: Project) -> None:
    project.card(COLUMNS)
    project.write("datasets/tickets/cases.csv", "text,label\na,b,billing\nI was charged,billing\nc,d,billing\n")
    lines = harness("datasets", "validate").err.splitlines()
    assert [line.partition("cases.csv:")[2][:2] for line in lines] == ["2:", "4:"]


def test_validate_names_columns_that_are_not_read(harness: Terminal, project: Project) -> None:
    project.card(COLUMNS)
    project.write("datasets/tickets/cases.csv", "text,label,agent\nI was charged twice,billing,Ann\n")
    ended = harness("datasets", "validate")
    assert ended.code == 0
    assert "cases.csv: columns that are not read: agent" in ended.err

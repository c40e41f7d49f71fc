"""Clusters: the card names an input, or a row has a cluster of its own."""

from __future__ import annotations

from typing import Any

import pytest

from ..support.golden import COLUMNS, complaint, load
from ..support.project import Project, row

CLUSTER = 'cluster = "customer"\n'


def ticket(case_id: str, customer: Any = None, **more: Any) -> dict[str, Any]:
    found = row(case_id, f"ticket {case_id}", **more)
    return found if customer is None else {**found, "inputs": {**found["inputs"], "customer": customer}}


def clusters(project: Project) -> list[str]:
    return [case.cluster for case in load(project).cases]


def test_cluster_is_the_input_that_the_card_names(project: Project) -> None:
    project.card(CLUSTER)
    project.cases([ticket("a", "Acme"), ticket("b", "Acme"), ticket("c", 7)])
    assert clusters(project) == ["Acme", "Acme", "7"]


def test_cluster_of_a_row_wins_over_the_card(project: Project) -> None:
    project.card(CLUSTER)
    project.cases([ticket("a", "Acme", cluster="Acme Germany"), ticket("b", cluster="Bolt"), ticket("c", "Acme")])
    assert clusters(project) == ["Acme Germany", "Bolt", "Acme"]


def test_case_has_no_cluster_by_default(project: Project) -> None:
    project.cases([ticket("a", "Acme"), ticket("b", cluster="")])
    assert clusters(project) == ["", ""]


def test_cluster_is_read_from_a_column_of_a_table(project: Project) -> None:
    project.write("datasets/tickets/cases.csv", "nr,ticket,label,customer\n1,x,a,Acme\n2,y,b,\n")
    project.card(f'source = "cases.csv"\n{COLUMNS}cluster = "customer"\n')
    assert clusters(project) == ["Acme", ""]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("customer", "cases.jsonl:2 (case b): no input 'customer', which the card names as cluster (there are: text)"),
        ("custmer", "cases.jsonl:1 (case a): no input 'custmer', which the card names as cluster (did you mean 'cust"),
    ],
)
def test_case_without_the_input_is_reported_with_its_line(project: Project, name: str, message: str) -> None:
    project.card(f'cluster = "{name}"\n')
    project.cases([ticket("a", "Acme"), ticket("b")])
    assert complaint(project).startswith(message)


def test_cluster_is_not_part_of_the_fingerprint(project: Project) -> None:
    project.cases([ticket("a")])
    before = load(project).digest
    project.cases([ticket("a", cluster="Acme")])
    assert load(project).digest == before

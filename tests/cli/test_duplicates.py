"""`harness datasets validate` on duplicates: warnings within a split, errors between splits; and a run over them."""

from __future__ import annotations

from typing import Any

from harness.analysis.compare import outcomes_of
from harness.runner.project import Project as OpenProject

from ..support.cli import Terminal
from ..support.project import Project, row

LONG = "The export of the second page stops after a minute"


def numbered(start: int, n: int, split: str, prefix: str = "text") -> list[dict[str, Any]]:
    return [row(f"{split}-{start + i}", f"{prefix} {i}", split=split) for i in range(n)]


def test_each_text_four_times_is_listed_with_the_true_size(harness: Terminal, project: Project) -> None:
    project.cases([case for start in (0, 50, 100, 150) for case in numbered(start, 50, "test")])
    found = harness("datasets", "validate")
    assert found.code == 0
    assert "tickets: 200 cases valid" in found.out
    assert "test: 50 different of 200 cases" in found.out
    first = f"{project.root}/datasets/tickets/cases.jsonl"
    assert "warning: tickets: 150 exact duplicates: comparisons count equal cases as one" in found.err
    assert f"{first}:51 (case test-50) repeats {first}:1 (case test-0)" in found.err
    assert "(and 130 more)" in found.err


def test_texts_in_two_splits_are_an_error_with_both(harness: Terminal, project: Project) -> None:
    project.cases([*numbered(0, 100, "dev"), *numbered(0, 100, "test"), *numbered(100, 5, "test", "other")])
    found = harness("datasets", "validate")
    assert found.code == 2
    assert "valid" not in found.out
    first = f"{project.root}/datasets/tickets/cases.jsonl"
    assert f"error: {first}: leakage: 100 cases in more than one of the splits dev and test" in found.err
    assert f"{first}:101 (case test-0 in test) repeats {first}:1 (case dev-0 in dev)" in found.err
    assert "(and 80 more)" in found.err


def test_leaking_dataset_can_still_be_run(harness: Terminal, served: Project) -> None:
    served.cases([*numbered(0, 2, "dev"), *numbered(0, 2, "test")])
    assert harness("run", "--quiet").code == 0


def test_near_duplicate_in_another_split_is_an_error(harness: Terminal, project: Project) -> None:
    project.cases([row("a", LONG, split="dev"), row("b", LONG.upper() + "!", split="test")])
    found = harness("datasets", "validate")
    assert found.code == 2
    assert "(case b in test) is almost" in found.err
    assert harness("datasets", "validate", "--no-near").code == 0


def test_near_duplicates_with_other_labels_are_listed(harness: Terminal, project: Project) -> None:
    copy = LONG.replace("minute", "mintue")
    project.cases([row("a", LONG), row("b", copy, "technical"), row("c", "Are you open at Easter?", "general")])
    found = harness("datasets", "validate")
    assert found.code == 0
    assert "all cases: 2 different of 3 cases" in found.out
    assert "tickets: 1 near duplicate: remove one of each pair" in found.err
    assert "tickets: 1 near duplicate with different labels: check the labels" in found.err
    assert "(case a): expected 'technical', not 'billing'" in found.err


def test_leaks_of_all_datasets_are_reported(harness: Terminal, project: Project) -> None:
    cases = [*numbered(0, 1, "dev"), *numbered(0, 1, "test")]
    for name in ("tickets", "others"):
        project.card(name=name)
        project.cases(cases, name=name)
    found = harness("datasets", "validate")
    assert found.err.count("leakage: 1 case ") == 2


def test_run_over_duplicates_has_clusters(harness: Terminal, served: Project) -> None:
    served.card('cluster = "customer"\n')
    texts = ("one", "one", "two")
    named = [
        {**row(f"c-{i}", text), "inputs": {"text": text, "customer": name}}
        for i, (text, name) in enumerate(zip(texts, ("Acme", "Bolt", "Acme"), strict=True))
    ]
    served.cases(named)
    assert harness("run", "--variant", "local", "--quiet").code == 0
    assert clusters(served) == {"c-0": "Acme", "c-1": "Bolt", "c-2": "Acme"}
    served.card()
    served.cases([row(f"d-{i}", text) for i, text in enumerate(texts)])
    assert harness("run", "--variant", "local", "--quiet").code == 0
    found = clusters(served)
    assert found["d-0"] == found["d-1"] != ""
    assert found["d-2"] == ""


def clusters(project: Project) -> dict[str, str]:
    """The clusters of the newest run, by case id."""
    with OpenProject.open(project.root, read_only=True) as opened:
        (run,) = opened.store.latest()
    return {case_id: case.cluster for case_id, case in outcomes_of(run).cases.items()}

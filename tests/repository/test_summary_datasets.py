"""The golden datasets of summaries: what their cards promise."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from harness.analysis.metrics._inventions import invented_names, invented_numbers
from harness.analysis.metrics._statements import has_fact
from harness.analysis.metrics.summarization import find, phrasings
from harness.project import datasets
from harness.project.datasets import Dataset
from harness.project.prompts import PromptLibrary

ROOT = Path(__file__).resolve().parents[2]
LOOKED_AT = {"is-015": ("4",), "is-055": ("Norwegian",)}
"""What the rules call made up and a reader does not: one customer and three more; the name of a language (nb)."""


@pytest.fixture(scope="module")
def incidents() -> Dataset:
    """Threads with a reference and facts each."""
    return datasets.load(ROOT, "incident_summaries")


@pytest.fixture(scope="module")
def judgements() -> Dataset:
    """Summaries that were judged."""
    return datasets.load(ROOT, "summary_judgements")


def test_there_are_sixty_threads_of_varied_length_and_kind(incidents: Dataset) -> None:
    assert (len(incidents.select("dev")), len(incidents.select("test"))) == (15, 45)
    lengths = sorted(len(case.inputs["thread"].split()) for case in incidents.cases)
    assert lengths[-1] > 4 * lengths[0]
    assert all(sum(kind in case.tags for kind in ("chat", "email", "log")) == 1 for case in incidents.cases)
    for split in ("dev", "test"):
        tags = {tag for case in incidents.select(split) for tag in case.tags}
        assert tags == incidents.card.tags.keys()


def test_computed_tags_are_computed(incidents: Dataset) -> None:
    for case in incidents.cases:
        length = len(case.inputs["thread"].split())
        assert (("short" in case.tags), ("long" in case.tags)) == (length <= 80, length >= 200), case.id


def test_a_reference_has_nothing_that_its_thread_does_not_have(incidents: Dataset) -> None:
    made_up = {
        case.id: (*invented_numbers(reference, thread), *invented_names(reference, thread))
        for case in incidents.cases
        for reference, thread in [(case.expected["summary"], case.inputs["thread"])]
    }
    assert {case_id: found for case_id, found in made_up.items() if found} == LOOKED_AT


def test_each_fact_is_one_that_its_thread_has_or_implies(incidents: Dataset) -> None:
    lacking = [
        case.id
        for case in incidents.cases
        for fact in case.expected["facts"]
        if not any(has_fact(case.inputs["thread"].replace("\n", " "), [way]) for way in phrasings(fact))
    ]
    assert len(lacking) <= 0.1 * sum(len(case.expected["facts"]) for case in incidents.cases)
    assert all(2 <= len(case.expected["facts"]) <= 5 for case in incidents.cases)


def test_an_early_guess_stated_as_the_cause_is_wrong(incidents: Dataset) -> None:
    case = next(case for case in incidents.cases if case.id == "is-001")
    text = "A DDoS attack made 14% of logins fail on api-eu-2; a config push was reverted."
    assert find(case, text).stated
    assert not find(case, text.replace("A DDoS attack made", "No DDoS attack:")).stated


def test_no_few_shot_example_is_a_thread_of_the_dataset(incidents: Dataset) -> None:
    library = PromptLibrary(ROOT / "prompts")
    sources = [
        variant.source
        for name in ("incident_summaries", "summary_judge")
        for version in library.versions(name)
        for variant in library.load(name, version=version).variants.values()
    ]
    lines = {line.strip() for source in sources for line in source.splitlines() if len(line) > 40}
    assert not [case.id for case in incidents.cases if lines & set(case.inputs["thread"].splitlines())]


def test_judgements_are_balanced_and_on_threads_of_dev(incidents: Dataset, judgements: Dataset) -> None:
    counts = Counter(case.expected for case in judgements.cases)
    assert counts["acceptable"] == counts["unacceptable"] == 20
    dev = {case.inputs["thread"] for case in incidents.select("dev")}
    assert {case.inputs["thread"] for case in judgements.cases} == dev
    assert Counter(case.expected for case in judgements.select("test")) == {"acceptable": 15, "unacceptable": 15}


def test_judge_examples_are_not_measured_threads(judgements: Dataset) -> None:
    dev, test = ({case.inputs["thread"] for case in judgements.select(split)} for split in ("dev", "test"))
    assert not dev & test

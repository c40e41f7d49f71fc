"""Clusters of a run's cases, which make intervals wider: named ones, and equal inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.analysis.compare import outcomes_of
from harness.core.types import Case, Reading, Response, Result, Run, Score

from ...support.stored import manifest


def clusters(*cases: Case) -> Mapping[str, str]:
    """The clusters of a run over these cases, by case id."""
    judged = (Reading("a", "a", compliant=True), Score(strict=True, lenient=True))
    run = Run(manifest(), [Result(case, Response("a"), *judged, "key") for case in cases])
    return {case_id: case.cluster for case_id, case in outcomes_of(run).cases.items()}


def case(case_id: str, inputs: Mapping[str, Any], cluster: str = "") -> Case:
    return Case(case_id, inputs, "a", cluster=cluster)


def test_cases_with_equal_inputs_are_one_cluster() -> None:
    one, other = {"text": "x", "lang": "en"}, {"text": "y", "lang": "en"}
    found = clusters(case("a", one), case("b", other), case("c", dict(reversed(one.items()))))
    assert found["a"] == found["c"] != ""
    assert found["b"] == ""


def test_named_cluster_wins_over_equal_inputs() -> None:
    same = {"text": "x"}
    assert clusters(case("a", same, "Acme"), case("b", same, "Bolt")) == {"a": "Acme", "b": "Bolt"}


def test_equal_inputs_are_one_cluster_in_every_run() -> None:
    pair = (case("a", {"text": "x"}), case("b", {"text": "x"}))
    assert clusters(*pair)["a"] == clusters(*pair, case("c", {"text": "z"}))["a"]


def test_imported_cases_without_inputs_are_cases_on_their_own() -> None:
    assert clusters(case("a", {}), case("b", {})) == {"a": "", "b": ""}
    labels = {"allowed": ["a", "b"]}
    assert clusters(case("a", labels), case("b", labels)) == {"a": "", "b": ""}


def test_repeats_of_a_case_are_no_cluster() -> None:
    assert clusters(case("a", {"text": "x"}), case("a", {"text": "x"})) == {"a": ""}

"""Eval files: valid keys, and error messages."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.errors import ConfigError
from harness.project import evals
from harness.project.evals import GateConfig
from harness.tasks import task_of

from ..support.project import EVAL, Project


def complaint(project: Project, text: str) -> str:
    """Message of the error from loading this eval and its task, without the folder."""
    project.eval(text=text)
    with pytest.raises(ConfigError) as caught:
        task_of(project.definition())
    return str(caught.value).replace(f"{project.root}/", "")


def test_eval_has_the_file_name_and_defaults(project: Project) -> None:
    definition = project.definition()
    assert (definition.name, definition.task, definition.prompt, definition.dataset, definition.split) == (
        *("triage", "classification", "triage", "tickets", "test"),
    )
    assert definition.options == {"labels": ["billing", "technical", "general"]}
    assert definition.gates == GateConfig()
    assert definition.traffic is None


def test_gates_sampling_and_traffic_are_read(project: Project) -> None:
    project.eval(
        "[gates]\nmin_accuracy = 0.9\nmin_lenient_accuracy = 0.9\nmin_compliance = 1\nmax_p95_latency_s = 2\n"
        '[sampling]\ntemperature = 0.5\nstop = ["\\n"]\n[traffic]\ndaily_calls = 2000\n'
    )
    definition = project.definition()
    assert (definition.gates.min_accuracy, definition.gates.min_compliance, definition.gates.max_p95_latency_s) == (
        0.9,
        1.0,
        2.0,
    )
    assert (definition.sampling.temperature, definition.sampling.stop, definition.sampling.seed) == (0.5, ("\n",), None)
    assert definition.traffic is not None
    assert definition.traffic.daily_calls == 2000


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("gates = 0.9", "5: gates should be a table, not 0.9"),
        ("[gats]\nmin_accuracy = 0.9", "5: unknown key 'gats' (did you mean 'gates'?)"),
        ("[sampling]\ntemprature = 1", "6: unknown key 'temprature' in [sampling] (did you mean 'temperature'?)"),
        ('[sampling]\nstop = "x"', "6: stop in [sampling] should be a list, not 'x'"),
        ("[sampling]\nmax_tokens = 0", "6: max_tokens in [sampling] should be greater than or equal to 1, not 0"),
        ("[traffic]\n", "5: missing key 'daily_calls' in [traffic]"),
        ("[traffic]\ndaily_calls = -1", "6: daily_calls in [traffic] should be greater than or equal to 0, not -1"),
        ("case_sensitiv = true", "5: unknown key 'case_sensitiv' (did you mean 'case_sensitive'?)"),
        ('case_sensitive = "no"', "5: case_sensitive should be true or false, not 'no'"),
        ('split = ""', "5: split should not be empty"),
        ('name = "x"', "5: unknown key 'name': remove it, because an eval is named after its file"),
        ('path = "x"', "5: unknown key 'path': remove it, because an eval is named after its file"),
        ('synonyms = ["x"]', "5: synonyms should be a table"),
        ('[synonyms]\nmoney = "biling"', "5: The synonym 'money' stands for 'biling', which is not one of the labels."),
    ],
)
def test_invalid_key_or_value_is_reported_with_its_line(project: Project, extra: str, message: str) -> None:
    assert complaint(project, EVAL + extra) == f"evals/triage.toml:{message}"


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ('labels = ["billing"]', "4: labels should have at least 2 items, not 1"),
        ('labels = "billing"', "4: labels should be a list, not 'billing'"),
        ('labels = ["a", "a"]', "4: The labels 'a' and 'a' cannot be distinguished."),
        ('labels = ["a", " "]', "4: A label must not be blank."),
        ('labels = ["a", "A"]\ncase_sensitive = false', "4: The labels 'a' and 'A' cannot be distinguished."),
        ('lables = ["a", "b"]', "4: unknown key 'lables' (did you mean 'labels'?)"),
        ("", " missing key 'labels'"),
    ],
)
def test_labels_must_be_a_list_of_distinct_labels(project: Project, labels: str, message: str) -> None:
    text = EVAL.replace('labels = ["billing", "technical", "general"]', labels)
    assert complaint(project, text) == f"evals/triage.toml:{message}"


def test_labels_like_no_and_1_0_stay_strings(project: Project) -> None:
    project.eval(text=EVAL.replace('"billing", "technical", "general"', '"no", "1.0", "on"'))
    assert task_of(project.definition()).labels == ("no", "1.0", "on")
    assert "item 1 of labels should be a string, not 1.0" in complaint(project, EVAL.replace('"billing"', "1.0"))


def test_unknown_task_is_reported_with_a_suggestion(project: Project) -> None:
    message = complaint(project, EVAL.replace("classification", "clasification"))
    assert message == "evals/triage.toml:1: unknown task 'clasification' (did you mean 'classification'?)"


class TestFind:
    def test_no_name_selects_all_evals(self, project: Project) -> None:
        project.eval(name="another")
        assert [definition.name for definition in evals.find(project.root)] == ["another", "triage"]

    def test_eval_is_found_by_name_or_path(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(project.root)
        for name in ("triage", "evals/triage.toml", str(project.root / "evals/triage.toml")):
            assert [definition.name for definition in evals.find(project.root, [name])] == ["triage"]

    def test_eval_named_twice_is_loaded_once(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(project.root)
        assert len(evals.find(project.root, ["triage", "triage", "evals/triage.toml"])) == 1

    @pytest.mark.parametrize("name", ["triag", "evals/triag.toml"])
    def test_unknown_name_is_reported_with_a_suggestion(self, project: Project, name: str) -> None:
        with pytest.raises(ConfigError, match=rf"no eval '{name}' in .*evals \(did you mean 'triage'\?\)"):
            evals.find(project.root, [name])

    def test_project_without_evals_suggests_a_file(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"no evals in .*: add .*my_eval\.toml"):
            evals.find(tmp_path)

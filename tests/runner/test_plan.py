"""Plans: the cells and requests of a run, and errors before any request."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from harness.core.errors import ConfigError, DatasetError
from harness.core.types import Constraint, Sampling

from ..support.project import CARD, CONFIG, EVAL, GPT, LOCAL, ROWS, Project, row

TWO = CONFIG + CONFIG.replace("[backends.fake]", "[backends.gpt]").replace('"local"', '"gpt"')


def complaint(project: Project, **selection: Any) -> str:
    """Return the error message of planning, without the folder."""
    with pytest.raises(ConfigError) as caught:
        project.plan(**selection)
    return str(caught.value).replace(f"{project.root}/", "")


class TestCells:
    def test_every_variant_meets_every_backend(self, project: Project) -> None:
        project.config(TWO)
        assert [cell.name for cell in project.plan()] == ["gpt@fake", "local@fake", "gpt@gpt", "local@gpt"]
        assert [cell.name for cell in project.plan() if cell.is_own] == ["local@fake", "gpt@gpt"]

    def test_own_variant_only_selects_production_cells(self, project: Project) -> None:
        project.config(TWO)
        assert [cell.name for cell in project.plan(own_variant_only=True)] == ["local@fake", "gpt@gpt"]
        assert [cell.name for cell in project.plan(variant=("gpt",))] == ["gpt@fake", "gpt@gpt"]

    def test_variant_or_decoding_named_twice_makes_one_cell(self, project: Project) -> None:
        twice = project.plan(variant=("gpt", "gpt"), decoding=("free", "free"))
        assert [cell.name for cell in twice] == ["gpt@fake"]

    def test_cell_keys_are_unique_and_hashable(self, project: Project) -> None:
        project.config(TWO)
        project.eval('decoding = ["free", "constrained"]\n')
        project.eval(name="another")
        cells = project.plan()
        judged = cells[0].over_replies(cells[0].cases, "20250601-1000-aaaa")
        assert len({cell.key for cell in [*cells, judged]}) == len(cells) + 1 == 13

    def test_every_eval_is_planned(self, project: Project) -> None:
        project.eval(name="another")
        assert [cell.definition.name for cell in project.plan(variant=("gpt",))] == ["another", "triage"]

    def test_a_cell_has_one_request_for_each_case(self, project: Project) -> None:
        cell = project.plan(variant=("local",))[0]
        assert [case.id for case in cell.cases] == ["t-1", "t-2", "t-3", "t-4"]
        assert [request.messages[-1].content for _, request in cell.requests][:2] == [
            *("Ticket: I was charged twice for March\nCategory:", "Ticket: The billing page crashes\nCategory:"),
        ]

    def test_each_repeat_has_its_own_seed(self, project: Project) -> None:
        project.eval("repeats = 3\n")
        cell = project.plan(variant=("local",))[0]
        first = [(case.id, request.repeat, request.sampling.seed) for case, request in cell.requests][:4]
        assert first == [("t-1", 0, 0), ("t-1", 1, 1), ("t-1", 2, 2), ("t-2", 0, 0)]
        assert (len(cell.cases), len({request.key for _, request in cell.requests})) == (4, 12)

    def test_each_decoding_is_a_cell_and_production_uses_the_first(self, project: Project) -> None:
        project.eval('decoding = ["free", "constrained"]\n')
        free, constrained = project.plan(variant=("local",))
        assert [(c.name, c.is_own) for c in (free, constrained)] == [
            ("local@fake", True),
            ("local@fake+constrained", False),
        ]
        assert next(iter(free.requests))[1].constraint is None
        assert next(iter(constrained.requests))[1].constraint == Constraint(choices=("billing", "technical", "general"))
        assert free.fingerprint()["rendered_hash"] == constrained.fingerprint()["rendered_hash"]

    def test_a_decoding_can_be_chosen(self, project: Project) -> None:
        assert {cell.name for cell in project.plan(decoding=("constrained",))} == {
            *("gpt@fake+constrained", "local@fake+constrained")
        }

    def test_demo_uses_the_demo_limit_of_the_eval(self, project: Project) -> None:
        project.eval("demo_limit = 2\n")
        assert [(len(cell.cases), cell.limit) for cell in project.plan(demo=True, variant=("gpt",))] == [(2, 2)]
        assert [len(cell.cases) for cell in project.plan(demo=True, limit=1, variant=("gpt",))] == [1]
        assert [len(cell.cases) for cell in project.plan(variant=("gpt",))] == [4]

    def test_sampling_defaults_to_temperature_zero(self, project: Project) -> None:
        assert project.plan()[0].sampling == Sampling(temperature=0.0, top_p=1.0, max_tokens=32, seed=0, stop=())
        project.eval('[sampling]\nmax_tokens = 8\nstop = ["\\n"]\n')
        assert project.plan()[0].sampling == Sampling(max_tokens=8, stop=("\n",))

    def test_a_version_can_be_chosen(self, project: Project) -> None:
        project.prompt(version="v2")
        assert {cell.prompt.id for cell in project.plan()} == {"triage/v2"}
        assert {cell.prompt.id for cell in project.plan(version="v1")} == {"triage/v1"}


class TestSplits:
    @pytest.mark.parametrize(
        ("selection", "ids"),
        [
            ({}, "1 2 3 4"),
            ({"split": "dev"}, "5 6"),
            ({"split": "all"}, "1 2 3 4 5 6"),
            ({"limit": 2}, "1 2"),
            ({"split": "dev", "limit": 1}, "5"),
            ({"limit": 100}, "1 2 3 4"),
        ],
    )
    def test_the_test_split_is_run_unless_another_is_named(
        self, project: Project, selection: dict[str, Any], ids: str
    ) -> None:
        cell = project.plan(**selection)[0]
        assert [case.id for case in cell.cases] == [f"t-{i}" for i in ids.split()]
        assert (cell.split, cell.limit) == (selection.get("split", "test"), selection.get("limit"))

    def test_the_eval_can_name_a_split(self, project: Project) -> None:
        project.eval('split = "dev"\n')
        assert project.plan()[0].split == "dev"
        assert project.plan(split="test")[0].split == "test"

    def test_unknown_split_names_the_nearest_split(self, project: Project) -> None:
        said = complaint(project, split="tset")
        assert said == "datasets/tickets/cases.jsonl: no cases in split 'tset' (did you mean 'test'?)"

    def test_unsplit_dataset_runs_all_cases(self, project: Project) -> None:
        project.cases([row(), row("t-2", "another")])
        cell = project.plan()[0]
        assert (len(cell.cases), cell.split) == (2, None)
        assert project.plan(split="all")[0].split == "all"

    def test_named_split_of_an_unsplit_dataset_is_an_error(self, project: Project) -> None:
        project.cases([row()])
        message = (
            "datasets/tickets/cases.jsonl: no cases in split 'dev': the dataset is not split (`all` takes every case)"
        )
        assert complaint(project, split="dev") == message
        project.eval('split = "dev"\n')
        assert complaint(project) == message


class TestMistakes:
    def test_an_undefined_variable_names_file_line_and_case(self, project: Project) -> None:
        project.cases([row("t-1"), {"id": "t-2", "inputs": {"txt": "hi"}, "expected": "general"}])
        said = complaint(project)
        assert said == "prompts/triage/v1/gpt.j2:2: 'text' is undefined (did you mean 'txt'?) (case t-2)"

    def test_failing_template_names_file_line_and_case(self, project: Project) -> None:
        project.prompt(local=LOCAL.replace("{{ text }}", "{{ text + '!' }}"))
        project.cases([row("t-1"), row("t-2", "") | {"inputs": {"text": 7}}])
        assert complaint(project).startswith("prompts/triage/v1/local.j2:2: cannot be rendered: unsupported operand")
        assert complaint(project).endswith("(case t-2)")

    def test_a_label_outside_the_list_names_the_case_and_the_nearest(self, project: Project) -> None:
        project.cases([row("t-1"), row("t-2", "another", "biling")])
        said = complaint(project)
        assert said == (
            "datasets/tickets/cases.jsonl: case t-2: expected 'biling' is not among the labels (did you mean 'billing'?)"
        )

    def test_many_unknown_labels_are_named_in_part_and_counted(self, project: Project) -> None:
        project.cases([row(f"t-{i}", f"text {i}", "spam") for i in range(25)])
        said = complaint(project).splitlines()
        assert len(said) == 20
        assert said[-1].endswith("(and 5 more)")

    def test_input_named_as_a_task_variable_is_rejected(self, project: Project) -> None:
        project.cases([{"id": "t-1", "inputs": {"text": "x", "labels": "mine"}, "expected": "billing"}])
        assert complaint(project) == (
            "datasets/tickets/cases.jsonl: case t-1: input 'labels' has the name of a variable that the task sets: "
            "rename it"
        )

    @pytest.mark.parametrize(
        ("spoil", "error"),
        [
            (lambda p: p.eval(text=EVAL.replace('"triage"', '"triag"')), "no prompt 'triag' in"),
            (lambda p: p.eval(text=EVAL.replace('"tickets"', '"ticket"')), "no dataset 'ticket'"),
            (lambda p: p.eval(text=EVAL.replace('"triage"', '"triage/v9"')), "prompt 'triage' has no version 'v9'"),
            (
                lambda p: p.config(CONFIG.replace('"local"', '"lokal"')),
                "has no variant 'lokal' (did you mean 'local'?)",
            ),
            (
                lambda p: p.prompt(gpt=GPT + "stray"),
                "text outside the role blocks: 'stray': move it into one (case",
            ),
            (lambda p: p.card('labels = ["a", "b"]\n', text=CARD), "is not among the card's labels"),
        ],
    )
    def test_errors_in_files_are_raised_while_planning(
        self, project: Project, spoil: Callable[[Project], object], error: str
    ) -> None:
        spoil(project)
        assert error in complaint(project, own_variant_only="lokal" in error)

    def test_unknown_requested_variant_is_an_error(self, project: Project) -> None:
        assert "has no variant 'lcal' (did you mean 'local'?)" in complaint(project, variant=("lcal",))

    def test_limit_without_cases_is_an_error(self, project: Project) -> None:
        with pytest.raises(DatasetError, match="limit is 0"):
            project.plan(limit=0)


class TestFingerprint:
    """A fingerprint changes exactly where the run changed, so that a comparison can name the cause."""

    @pytest.mark.parametrize(
        ("change", "parts"),
        [
            (lambda p: p.prompt(local=LOCAL.replace("one word", "a word")), {"prompt_hash", "rendered_hash"}),
            (lambda p: p.prompt(local=LOCAL + "{# a comment #}"), {"prompt_hash"}),
            (lambda p: p.prompt(gpt=GPT.replace("only", "just")), set()),
            (lambda p: p.prompt(version="v2"), {"prompt"}),
            (lambda p: p.cases([row("t-1", "new text", split="test"), *ROWS[1:]]), {"dataset_hash", "rendered_hash"}),
            (lambda p: p.cases([ROWS[0] | {"expected": "general"}, *ROWS[1:]]), {"dataset_hash"}),
            (lambda p: p.cases([row("t-5", "new text", split="dev"), *ROWS[:4]]), set()),
            (lambda p: p.cases(ROWS[::-1]), set()),
            (lambda p: p.cases([one | {"tags": ["x"]} for one in ROWS]), set()),
            (lambda p: p.eval("case_sensitive = false\n"), {"contract_hash"}),
            (lambda p: p.eval('[synonyms]\nmoney = "billing"\n'), {"contract_hash"}),
            (lambda p: p.eval("[sampling]\ntemperature = 0.5\n"), {"sampling"}),
            (lambda p: p.eval("[sampling]\nseed = 1\n"), {"sampling"}),
            (lambda p: p.eval("[gates]\nmin_accuracy = 0.5\n"), set()),
            (lambda p: p.eval("[traffic]\ndaily_calls = 5\n"), set()),
        ],
    )
    def test_fingerprint_changes_exactly_with_its_parts(
        self, project: Project, change: Callable[[Project], object], parts: set[str]
    ) -> None:
        def fingerprint() -> dict[str, str]:
            return project.plan(variant=("local",))[0].fingerprint()

        before = fingerprint()
        change(project)
        after = fingerprint()
        assert before.keys() == after.keys()
        assert {part for part in before if before[part] != after[part]} == parts

    def test_fingerprints_of_variants_differ_in_the_prompt_only(self, project: Project) -> None:
        gpt, local = (cell.fingerprint() for cell in project.plan())
        assert {part for part in gpt if gpt[part] != local[part]} == {"prompt", "prompt_hash", "rendered_hash"}
        assert (gpt["prompt"], gpt["dataset"], gpt["contract"].split("/")[0]) == ("triage/v1/gpt", "tickets", "label")
        assert json.loads(gpt["sampling"])["temperature"] == 0


def test_named_backends_override_those_an_eval_leaves_out(project: Project) -> None:
    project.eval('backends = ["other"]\n')
    assert project.plan() == []
    assert [cell.name for cell in project.plan(every_backend=True)] == ["gpt@fake", "local@fake"]

"""What a golden set can show, and gates that ask for more: refused before any model is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.analysis import dataset_power
from harness.analysis.stats import rate, required_n_margin
from harness.core.errors import ConfigError
from harness.core.types import Case
from harness.project.evals import GateConfig
from harness.project.run_options import RunOptions
from harness.runner import execution
from harness.store.runs import open_store

from ..support.cli import Terminal
from ..support.project import CONFIG, Project, row
from ..support.running import cases

PAIR = CONFIG + '[pair]\nreference = "fake"\ncandidate = "fake"\n'


def complaint(project: Project, gates: str, n: int, **options: Any) -> str:
    """What planning says to `gates` over `n` cases, without the folder; nothing where it has no objection."""
    cases(project, n)
    project.eval(gates)
    store = open_store("sqlite:///:memory:")
    try:
        execution.cells(project.with_store(store), [], RunOptions(**options))
    except ConfigError as error:
        return str(error).replace(f"{project.root}/", "")
    finally:
        store.close()
    return ""


@pytest.fixture
def paired(project: Project) -> Project:
    """A project with a pair."""
    project.config(PAIR)
    return project


class TestRefusal:
    @pytest.mark.parametrize(
        ("gate", "message"),
        [
            (
                "margin = 0.01",
                "margin 0.01 needs about 7,893 cases at 10% discordance; the set has 240 cases, and the smallest margin it can show is 0.062",
            ),
            (
                "max_regression = 0.02",
                "max_regression 0.02 needs about 549 cases at 2% discordance; the set has 240 cases, and the smallest max_regression it can show is 0.035",
            ),
            (
                "min_accuracy = 0.99",
                "min_accuracy 0.99 needs 381 cases, all of them right; the set has 240 cases, and the largest limit it "
                "can prove is 0.984",
            ),
            (
                "min_compliance = 1",
                "min_compliance 1 cannot be proven by any number of cases; the set has 240 cases, and the largest limit it can "
                "prove is 0.984",
            ),
            (
                "min_macro_f1 = 0.985",
                "min_macro_f1 0.985 needs 253 cases, all of them right; the set has 240 cases, and the largest limit it "
                "can prove is 0.984",
            ),
        ],
    )
    def test_a_gate_that_the_set_cannot_show_names_line_number_and_what_can_be(
        self, paired: Project, gate: str, message: str
    ) -> None:
        said = complaint(paired, f"[gates]\n{gate}\n", 240)
        assert said == f'evals/triage.toml:6: {message}. Add cases, change the limit, or set judge = "point"'

    @pytest.mark.parametrize(
        "gate",
        ["margin = 0.062", "max_regression = 0.035", "min_accuracy = 0.984", "min_compliance = 0.98", "max_flips = 0"],
    )
    def test_what_is_named_as_possible_is_accepted(self, paired: Project, gate: str) -> None:
        assert complaint(paired, f"[gates]\n{gate}\n", 240) == ""

    def test_of_several_each_is_named(self, paired: Project) -> None:
        said = complaint(paired, "[gates]\nmargin = 0.01\nmin_accuracy = 0.999\n", 50).splitlines()
        assert [line.split(" ")[0:2] for line in said] == [
            ["evals/triage.toml:6:", "margin"],
            ["evals/triage.toml:7:", "min_accuracy"],
        ]

    def test_a_handful_of_cases_shows_next_to_nothing(self, paired: Project) -> None:
        said = complaint(paired, "[gates]\nmargin = 0.5\n", 2)
        assert "the set has 2 cases, and the smallest margin it can show is 0.781" in said

    def test_point_is_the_way_out(self, paired: Project) -> None:
        assert complaint(paired, '[gates]\nmargin = 0.01\nmin_accuracy = 1\njudge = "point"\n', 20) == ""

    @pytest.mark.parametrize("options", [{"limit": 10}, {"split": "all"}, {"split": "test"}])
    def test_nothing_is_refused_where_somebody_asked_for_other_cases(
        self, paired: Project, options: dict[str, Any]
    ) -> None:
        assert complaint(paired, "[gates]\nmin_accuracy = 0.999\n", 20, **options) == ""

    def test_only_the_cases_of_the_evals_own_split_count(self, paired: Project) -> None:
        cases(paired, 30)
        rows = [row(f"c-{i}", f"ticket {i}", split="test" if i < 30 else "dev") for i in range(100)]
        paired.cases(rows)
        paired.eval("[gates]\nmin_accuracy = 0.9\n")
        with pytest.raises(ConfigError, match="the set has 30"):
            paired.plan()


class TestTags:
    def test_a_tag_is_held_against_its_own_cases(self, project: Project) -> None:
        rows = [row(f"c-{i}", f"ticket {i}", split="test", tags=["hard"] if i < 18 else []) for i in range(240)]
        project.cases(rows)
        project.eval("[gates]\nmin_accuracy = 0.95\n[gates.tag.hard]\nmin_compliance = 0.95\nmin_accuracy = 0.8\n")
        with pytest.raises(ConfigError) as caught:
            project.plan()
        assert str(caught.value).removeprefix(f"{project.root}/") == (
            "evals/triage.toml:8: min_compliance 0.95 needs 73 cases, all of them right; tag 'hard' has 18 cases, and the "
            'largest limit it can prove is 0.824. Add cases, change the limit, or set judge = "point"'
        )

    @pytest.mark.parametrize("judge", ["interval", "point"])
    def test_a_tag_that_no_case_has_is_refused_with_the_nearest(self, project: Project, judge: str) -> None:
        project.cases([row(f"c-{i}", f"ticket {i}", split="test", tags=["hard"]) for i in range(20)])
        project.eval(f'[gates]\njudge = "{judge}"\n[gates.tag.hrd]\nmin_accuracy = 0.5\n')
        with pytest.raises(ConfigError, match=r"triage\.toml:7: no case has tag 'hrd' \(did you mean 'hard'\?\)"):
            project.plan()


def test_a_margin_needs_a_pair(project: Project) -> None:
    said = complaint(project, "[gates]\nmargin = 0.1\n", 240)
    assert said == (
        "evals/triage.toml:6: margin asks how far the candidate is below the reference: "
        "name both in [pair] of harness.toml"
    )


def refused(n: int, **gates: Any) -> list[dataset_power.UndecidableGate]:
    """The gates that `n` cases cannot decide."""
    return dataset_power.refusals(GateConfig(**gates), [Case(f"c{i}", {"text": "?"}, "x") for i in range(n)])


@settings(max_examples=60)
@given(
    st.integers(5, 3000),
    st.sampled_from([("margin", dataset_power.TWO_MODELS), ("max_regression", dataset_power.ONE_MODEL)]),
)
def test_the_smallest_margin_is_accepted_and_a_smaller_one_refused(n: int, gate: tuple[str, float]) -> None:
    name, discordance = gate
    smallest = dataset_power.reach(n, discordance).margin
    assert refused(n, **{name: smallest}) == []
    if smallest > 0.002:
        assert len(refused(n, **{name: smallest - 0.0011})) == 1


@settings(max_examples=60)
@given(st.floats(0.01, 0.999))
def test_the_number_of_cases_that_proves_a_rate_is_the_smallest_that_does(limit: float) -> None:
    n = dataset_power.required_n_rate(limit)
    assert n is not None
    assert dataset_power.provable(n) >= limit - 1e-9
    assert n == 1 or dataset_power.provable(n - 1) < limit


def test_small_slices_are_labels_and_tags_but_not_texts() -> None:
    several = [
        Case(f"c{i}", {"text": "?"}, "rare" if i < 3 else "usual", ("hard",) if i < 7 else ()) for i in range(60)
    ]
    assert dataset_power.small_slices(several) == [("label", "rare", 3), ("tag", "hard", 7)]
    texts = [Case(f"c{i}", {"text": "?"}, f"summary {i}") for i in range(60)]
    assert dataset_power.small_slices(texts) == []


def test_the_page_about_datasets_has_the_figures_that_are_given() -> None:
    page = " ".join((Path(__file__).parents[2] / "docs/datasets.md").read_text().split())
    now, twice, fourfold = (dataset_power.reach(240 * times, dataset_power.TWO_MODELS) for times in (1, 2, 4))
    common = rate(216, 240)
    for told in (
        f"between {common.low:.0%} and {common.high:.0%} on such cases",
        f"can ask for more than {dataset_power.down(dataset_power.provable(240)):.3f}",
        f"within a margin of {now.margin:.3f}",
        f"true loss of {now.drop:.3f}",
        f"margin to {twice.margin:.3f}, four times as many to {fourfold.margin:.3f}",
        f"a margin of 0.01 needs {required_n_margin(0.01, dataset_power.TWO_MODELS):,} cases.",
        f"margin 0.01 needs about {required_n_margin(0.01, dataset_power.TWO_MODELS):,} cases at 10% discordance; the set has 240",
        f"fewer than {dataset_power.SMALL} cases",
    ):
        assert told in page, told


class TestCommand:
    def test_it_says_in_words_what_the_cases_can_show(self, harness: Terminal, project: Project) -> None:
        tagged = [row(f"c-{i:03}", f"ticket {i}", split="test", tags=["hard"] if i < 9 else []) for i in range(240)]
        project.cases([*tagged, row("d-1", "another", split="dev")])
        ended = harness("datasets", "power", "tickets")
        assert ended.code == 0, ended.err
        said = " ".join(ended.out.split())
        assert "tickets, split test: 240 cases" in said
        assert "10% 0.062 0.057 assumed for margin" in said
        assert "240 cases 0.062; 480 cases 0.043; 960 cases 0.030" in said
        assert "0.010 1,785 4,020 7,893 15,715 31,399" in said
        assert "tag hard (9)" in said

    def test_as_json_the_same_figures(self, harness: Terminal, project: Project) -> None:
        cases(project, 100)
        told = json.loads(harness("datasets", "power", "tickets", "--json").out)
        assert (told["dataset"], told["split"], told["n"]) == ("tickets", "test", 100)
        assert told["reach"][2] == {"n": 100, "discordance": 0.1, "margin": 0.103, "drop": 0.088}
        assert told["needed"][0] == {
            "margin": 0.05,
            "cases": {"0.02": 140, "0.05": 215, "0.1": 350, "0.2": 644, "0.4": 1259},
        }

    def test_with_an_eval_it_says_that_nothing_was_measured_yet(self, harness: Terminal, project: Project) -> None:
        ended = harness("datasets", "power", "tickets", "--eval", "triage", "--split", "all")
        assert "tickets, split all: 6 cases" in ended.out
        assert "Nothing measured yet: triage" in ended.out

    def test_another_datasets_eval_is_a_mistake(self, harness: Terminal, project: Project) -> None:
        project.card(name="other")
        project.cases(name="other")
        ended = harness("datasets", "power", "other", "--eval", "triage")
        assert (ended.code, ended.err) == (2, "error: eval triage is over dataset 'tickets', not 'other'\n")

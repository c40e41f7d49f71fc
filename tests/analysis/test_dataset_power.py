"""What a golden set can show, and gates that ask for more: refused before any request with `strict`."""

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
    """The error of planning strictly with `gates` over `n` cases, without the folder; empty if there is none."""
    cases(project, n)
    project.eval(gates)
    store = open_store("sqlite:///:memory:")
    try:
        execution.cells(project.with_store(store), [], RunOptions(**{"strict": True, **options}))
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
    def test_undecidable_gate_names_line_and_reachable_limit(self, paired: Project, gate: str, message: str) -> None:
        said = complaint(paired, f"[gates]\n{gate}\n", 240)
        assert said == f'evals/triage.toml:6: {message}. Add cases, change the limit, or set judge = "point"'

    @pytest.mark.parametrize(
        "gate",
        ["margin = 0.062", "max_regression = 0.035", "min_accuracy = 0.984", "min_compliance = 0.98", "max_flips = 0"],
    )
    def test_suggested_limit_is_accepted(self, paired: Project, gate: str) -> None:
        assert complaint(paired, f"[gates]\n{gate}\n", 240) == ""

    def test_without_strict_the_gates_do_not_stop_the_run(self, paired: Project) -> None:
        assert complaint(paired, "[gates]\nmargin = 0.01\nmin_accuracy = 0.999\n", 20, strict=False) == ""

    def test_every_undecidable_gate_is_named(self, paired: Project) -> None:
        said = complaint(paired, "[gates]\nmargin = 0.01\nmin_accuracy = 0.999\n", 50).splitlines()
        assert [line.split(" ")[0:2] for line in said] == [
            ["evals/triage.toml:6:", "margin"],
            ["evals/triage.toml:7:", "min_accuracy"],
        ]

    def test_few_cases_detect_only_large_effects(self, paired: Project) -> None:
        said = complaint(paired, "[gates]\nmargin = 0.5\n", 2)
        assert "the set has 2 cases, and the smallest margin it can show is 0.781" in said

    def test_judge_point_skips_the_check(self, paired: Project) -> None:
        assert complaint(paired, '[gates]\nmargin = 0.01\nmin_accuracy = 1\njudge = "point"\n', 20) == ""

    @pytest.mark.parametrize("options", [{"limit": 10}, {"split": "all"}, {"split": "test"}])
    def test_other_cases_on_request_skip_the_check(self, paired: Project, options: dict[str, Any]) -> None:
        assert complaint(paired, "[gates]\nmin_accuracy = 0.999\n", 20, **options) == ""

    def test_only_cases_of_the_split_count(self, paired: Project) -> None:
        cases(paired, 30)
        rows = [row(f"c-{i}", f"ticket {i}", split="test" if i < 30 else "dev") for i in range(100)]
        paired.cases(rows)
        paired.eval("[gates]\nmin_accuracy = 0.9\n")
        with pytest.raises(ConfigError, match="the set has 30"):
            paired.plan(strict=True)


class TestTags:
    def test_tag_gate_uses_the_cases_of_the_tag(self, project: Project) -> None:
        rows = [row(f"c-{i}", f"ticket {i}", split="test", tags=["hard"] if i < 18 else []) for i in range(240)]
        project.cases(rows)
        project.eval("[gates]\nmin_accuracy = 0.95\n[gates.tag.hard]\nmin_compliance = 0.95\nmin_accuracy = 0.8\n")
        with pytest.raises(ConfigError) as caught:
            project.plan(strict=True)
        assert str(caught.value).removeprefix(f"{project.root}/") == (
            "evals/triage.toml:8: min_compliance 0.95 needs 73 cases, all of them right; tag 'hard' has 18 cases, and the "
            'largest limit it can prove is 0.824. Add cases, change the limit, or set judge = "point"'
        )

    @pytest.mark.parametrize("judge", ["interval", "point"])
    def test_unknown_tag_names_the_nearest(self, project: Project, judge: str) -> None:
        project.cases([row(f"c-{i}", f"ticket {i}", split="test", tags=["hard"]) for i in range(20)])
        project.eval(f'[gates]\njudge = "{judge}"\n[gates.tag.hrd]\nmin_accuracy = 0.5\n')
        with pytest.raises(ConfigError, match=r"triage\.toml:7: no case has tag 'hrd' \(did you mean 'hard'\?\)"):
            project.plan()


def test_margin_needs_a_pair(project: Project) -> None:
    said = complaint(project, "[gates]\nmargin = 0.1\n", 240)
    assert said == (
        "evals/triage.toml:6: margin compares the candidate with the reference: name both in [pair] of harness.toml"
    )


def refused(n: int, **gates: Any) -> list[dataset_power.UndecidableGate]:
    """The gates that `n` cases cannot decide."""
    return dataset_power.undecidable(GateConfig(**gates), [Case(f"c{i}", {"text": "?"}, "x") for i in range(n)])


@settings(max_examples=60)
@given(
    st.integers(5, 3000),
    st.sampled_from([("margin", dataset_power.TWO_MODELS), ("max_regression", dataset_power.ONE_MODEL)]),
)
def test_smallest_reachable_margin_is_the_limit(n: int, gate: tuple[str, float]) -> None:
    name, discordance = gate
    smallest = dataset_power.reach(n, discordance).margin
    assert refused(n, **{name: smallest}) == []
    if smallest > 0.002:
        assert len(refused(n, **{name: smallest - 0.0011})) == 1


@settings(max_examples=60)
@given(st.floats(0.01, 0.999))
def test_required_cases_for_a_rate_are_minimal(limit: float) -> None:
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


def test_docs_page_has_the_computed_figures() -> None:
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
    def test_screen_has_detectable_effects(self, harness: Terminal, project: Project) -> None:
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

    def test_json_has_the_figures_of_the_screen(self, harness: Terminal, project: Project) -> None:
        cases(project, 100)
        told = json.loads(harness("datasets", "power", "tickets", "--json").out)
        assert (told["dataset"], told["split"], told["n"]) == ("tickets", "test", 100)
        assert told["reach"][2] == {"n": 100, "discordance": 0.1, "margin": 0.103, "drop": 0.088}
        assert told["needed"][0] == {
            "margin": 0.05,
            "cases": {"0.02": 140, "0.05": 215, "0.1": 350, "0.2": 644, "0.4": 1259},
        }

    def test_eval_without_runs_uses_assumed_discordance(self, harness: Terminal, project: Project) -> None:
        ended = harness("datasets", "power", "tickets", "--eval", "triage", "--split", "all")
        assert "tickets, split all: 6 cases" in ended.out
        assert "Nothing measured yet: triage" in ended.out

    def test_eval_of_another_dataset_is_an_error(self, harness: Terminal, project: Project) -> None:
        project.card(name="other")
        project.cases(name="other")
        ended = harness("datasets", "power", "other", "--eval", "triage")
        assert (ended.code, ended.err) == (2, "error: eval triage is over dataset 'tickets', not 'other'\n")

"""`[weights]` and `[costs]` of an eval: valid ones, and messages for mistakes."""

from __future__ import annotations

import pytest

from harness.core.errors import ConfigError

from ..support.project import Project


def test_weights_and_costs_are_read(project: Project) -> None:
    project.eval(
        '[weights.label]\nbilling = 0.5\ntechnical = 0.3\ngeneral = 0.2\n[costs]\n"billing->general" = 5\nmargin = 0.1\n'
    )
    definition = project.definition()
    assert project.plan()
    assert definition.weights is not None
    assert dict(definition.weights.label)["billing"] == 0.5
    assert definition.costs is not None
    assert (definition.costs.errors, definition.costs.margin) == ({"billing->general": 5.0}, 0.1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[weights.label]\nbilling = 1.0\n", "has label"),
        ("[weights.tag]\nhard = 1.0\n", "0 of the weighted tags"),
        ("[weights.label]\nbilling = -1.0\n", "greater than or equal to 0"),
        ("[weights]\n", "needs either"),
        ('[costs]\n"biling->general" = 5\n', "did you mean 'billing'"),
        ('[costs]\n"billing" = 5\n', "look like"),
        ('[costs]\n"billing->general" = -5\n', "look like"),
    ],
)
def test_mistakes_name_the_file(project: Project, text: str, message: str) -> None:
    project.eval(text)
    with pytest.raises(ConfigError, match=r"triage\.toml") as caught:
        project.plan()
    assert message in str(caught.value)

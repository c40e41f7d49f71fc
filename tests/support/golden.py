"""Load the small project's golden dataset, or return the error message."""

from __future__ import annotations

import pytest

from harness.core.errors import ConfigError
from harness.project import datasets
from harness.project.datasets import Dataset

from .project import Project

COLUMNS = '[columns]\nid = "nr"\nexpected = "label"\ninputs = { text = "ticket" }\n'


def load(project: Project) -> Dataset:
    return datasets.load(project.root, "tickets")


def complaint(project: Project) -> str:
    """Return the error message of loading the dataset, without the folder."""
    with pytest.raises(ConfigError) as caught:
        load(project)
    return str(caught.value).replace(f"{project.root}/datasets/tickets/", "")

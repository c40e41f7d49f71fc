"""The card of a golden dataset: `card.toml`."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from harness.core.toml import Names, StrictModel


class ColumnMapping(StrictModel):
    """`[columns]`: columns of the source. `inputs` maps a template variable to a column.

    `ignore`: columns of a CSV or JSONL file that are left out although they have the name of a field of a case.
    """

    id: str | None = None
    inputs: Mapping[str, str]
    expected: str
    tags: str | None = None
    split: str | None = None
    cluster: str | None = None
    ignore: Names = ()

    @property
    def used(self) -> tuple[str, ...]:
        """The columns of the source that are read, each once."""
        names = [self.id, *self.inputs.values(), self.expected, self.tags, self.split, self.cluster]
        return tuple(dict.fromkeys(name for name in names if name))


class Card(StrictModel):
    """`card.toml`: origin of the cases and their labels.

    `private`: the cases are not passed on, so they need no licence. `cluster`: the input that says which cases are not
    independent, such as `customer`.
    """

    name: str
    description: str
    licence: str = ""
    label_source: str = ""
    private: bool = False
    labels: Names = ()
    splits: Names = ()
    tags: Mapping[str, str] = Field(default_factory=dict)
    guidelines: str = ""
    provenance: str = ""
    source: str = "cases.jsonl"
    revision: str | None = None
    config: str | None = None
    cluster: str | None = None
    columns: ColumnMapping | None = None

    @property
    def missing(self) -> tuple[str, ...]:
        """Keys that the card should have, but need not have."""
        wanted = ("label_source",) if self.private else ("licence", "label_source")
        return tuple(name for name in wanted if not getattr(self, name))

"""A small project in a folder: `harness.toml`, one eval, one prompt pair, one golden dataset."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.project import config, evals
from harness.project.config import Config
from harness.project.evals import Eval
from harness.project.run_options import RunOptions
from harness.runner.plan import Cell, plan
from harness.runner.project import Project as OpenProject
from harness.store.runs import Store

LABELS = ("billing", "technical", "general")

CONFIG = """\
[backends.fake]
provider = "openai"
model = "fake-model"
base_url = "http://127.0.0.1:9/v1"
variant = "local"
"""

EVAL = """\
task = "classification"
prompt = "triage"
dataset = "tickets"
labels = ["billing", "technical", "general"]
"""

GPT = "{% system %}Respond with only the category: {{ labels | join(', ') }}.{% endsystem %}\n{% user %}{{ text }}{% enduser %}\n"
LOCAL = (
    "{% system %}Answer with one word: {{ labels | join(', ') }}.{% endsystem %}\n"
    "{% user %}Ticket: {{ text }}\nCategory:{% enduser %}\n"
)

CARD = """\
name = "tickets"
description = "Six tickets."
licence = "CC0-1.0"
label_source = "author"
"""

TEXTS = (
    ("I was charged twice for March", "billing", "test"),
    ("The billing page crashes", "technical", "test"),
    ("Are you open at Easter?", "general", "test"),
    ("Please refund the second seat", "billing", "test"),
    ("Error 500 on export", "technical", "dev"),
    ("Lovely product, thank you", "general", "dev"),
)


def row(
    case_id: str = "t-1", text: str = "I was charged twice", expected: Any = "billing", **more: Any
) -> dict[str, Any]:
    """One row of a `cases.jsonl`."""
    return {"id": case_id, "inputs": {"text": text}, "expected": expected, **more}


ROWS = tuple(row(f"t-{i}", text, label, split=split) for i, (text, label, split) in enumerate(TEXTS, 1))


class Project:
    """Writes a project's files, whole at first; every method writes one file anew and returns its path."""

    def __init__(self, root: Path) -> None:
        """Write a project that works into `root`."""
        self.root = root
        self.config()
        self.eval()
        self.prompt()
        self.card()
        self.cases()

    def write(self, path: str, text: str | bytes) -> Path:
        """Any file, by its path below the root."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text if isinstance(text, bytes) else text.encode())
        return target

    def config(self, text: str | bytes = CONFIG) -> Path:
        """`harness.toml`."""
        return self.write("harness.toml", text)

    def eval(self, extra: str = "", *, name: str = "triage", text: str = EVAL) -> Path:
        """`evals/<name>.toml`; `extra` comes after the keys of `text`."""
        return self.write(f"evals/{name}.toml", text + extra)

    def prompt(
        self, gpt: str = GPT, local: str = LOCAL, *, name: str = "triage", version: str = "v1", **more: str
    ) -> Path:
        """A version of a prompt; returns its folder."""
        for variant, source in {"gpt": gpt, "local": local, **more}.items():
            path = self.write(f"prompts/{name}/{version}/{variant}.j2", source)
        return path.parent

    def card(self, extra: str = "", *, name: str = "tickets", text: str = CARD) -> Path:
        """`datasets/<name>/card.toml`; `extra` comes after the keys of `text`."""
        return self.write(f"datasets/{name}/card.toml", text.replace('"tickets"', f'"{name}"') + extra)

    def cases(self, rows: Sequence[Mapping[str, Any]] = ROWS, *, name: str = "tickets") -> Path:
        """`datasets/<name>/cases.jsonl`."""
        lines = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in rows)
        return self.write(f"datasets/{name}/cases.jsonl", lines)

    def load(self) -> Config:
        """The project's configuration."""
        return config.load(self.root)

    def with_store(self, store: Store) -> OpenProject:
        """The project as it is opened, with a store of the test's."""
        return OpenProject(self.load(), store)

    def definition(self, name: str = "triage") -> Eval:
        """One of its evals."""
        return evals.load(self.root / "evals" / f"{name}.toml")

    def plan(self, **selection: Any) -> list[Cell]:
        """The cells of all evals on all backends; keywords are those of `RunOptions`."""
        return plan(self.root, evals.find(self.root), list(self.load().backends.values()), RunOptions(**selection))

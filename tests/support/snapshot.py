"""Compare a screen with a text file beside its test. `pytest --update-snapshots` rewrites the files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HINT = "if the new text is better, run pytest with --update-snapshots and review the difference in git"


@dataclass(frozen=True)
class Snapshot:
    """The snapshots of one test file: `<folder>/<name>.txt`."""

    folder: Path
    update: bool

    def __call__(self, name: str, text: str, masks: Mapping[str, str] | None = None) -> None:
        """Assert that `text` equals the snapshot.

        `masks` maps regular expressions to stand-ins for what differs between runs, such as paths and durations.
        """
        lines = [line.rstrip() for line in text.splitlines()]
        shown = "\n".join(lines).strip("\n") + "\n"
        for pattern, stand_in in (masks or {}).items():
            shown = re.sub(pattern, stand_in, shown)
        path = self.folder / f"{name}.txt"
        if self.update:
            path.parent.mkdir(exist_ok=True)
            path.write_text(shown, encoding="utf-8")
        assert path.is_file(), f"{path} is missing: {HINT}"
        assert shown == path.read_text(encoding="utf-8"), HINT

"""The Python examples of docs/reading.md run, and print what their comments promise."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

PAGE = (Path(__file__).parents[2] / "docs/reading.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def test_reading_examples_give_the_values_in_their_comments() -> None:
    names: dict[str, Any] = {}
    promised = []
    for example in EXAMPLES:
        exec(compile(example, "docs/reading.md", "exec"), names)
        for expression, value in re.findall(r"^(reading\.\S.*?)  # (.+)$", example, re.MULTILINE):
            promised.append(expression)
            assert eval(expression, names) == eval(value), expression
    assert len(promised) == 3

"""`harness read`: the reader alone."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

HEADING = "Replies and other tools"
ORDER = 5


def read(
    file: Annotated[Path | None, typer.Argument(help="Replies; standard input if not given.")] = None,
    labels: Annotated[str | None, typer.Option(help="The labels there are, with commas between them.")] = None,
    schema: Annotated[Path | None, typer.Option(help="A JSON Schema file, where the replies are to be JSON.")] = None,
) -> None:
    """Read replies under a contract, one a line, and print what each one says as JSON lines.

    A line is a reply, or a JSON object with `reply` and optionally `allowed` (its own labels), `id` and `truncated`.
    `strict` and `strict_ci`: the raw reply is a label, byte for byte or but for its case. `lenient`: the label that a
    careful reader has no doubt about, or null. With --schema, `strict` is `json.loads` and the schema, and `lenient`
    the value.

    Examples:

        echo "It is: technical" | harness read --labels billing,technical,general
        harness read replies.jsonl > readings.jsonl
    """
    from harness.contracts.read import json_contract, label_contracts, read_lines
    from harness.core.errors import ConfigError

    if schema and labels:
        msg = "a reply is read under --labels or under --schema, not both"
        raise ConfigError(msg)
    contract = json_contract(schema) if schema else None
    of_labels = label_contracts([label.strip() for label in labels.split(",")] if labels else [])
    if file is None and isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="strict")
    try:
        source = file.open(encoding="utf-8") if file else sys.stdin
    except OSError as error:
        msg = f"{file}: cannot be read: {error.strerror}"
        raise ConfigError(msg) from None
    try:
        with source as lines:
            for reading in read_lines(
                lines, lambda allowed: contract or of_labels(allowed), str(file) if file else "standard input"
            ):
                typer.echo(json.dumps(reading, ensure_ascii=False))
    except UnicodeDecodeError as error:
        msg = f"{file or 'standard input'}: not UTF-8 text (byte {error.start})"
        raise ConfigError(msg) from None

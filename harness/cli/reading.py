"""`harness read`: the reader alone."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from harness.contracts import Contract


def add_to(app: typer.Typer) -> None:
    """Register the command of this file."""
    app.command()(read)


def read(
    file: Annotated[Path | None, typer.Argument(help="Replies; standard input if not given.")] = None,
    labels: Annotated[str | None, typer.Option(help="The labels there are, with commas between them.")] = None,
    schema: Annotated[Path | None, typer.Option(help="A JSON Schema file, where the replies are to be JSON.")] = None,
    contract_name: Annotated[
        str | None, typer.Option("--contract", help="label, json, text, tools, or another by its name.")
    ] = None,
    options: Annotated[Path | None, typer.Option(help="TOML file with the options of --contract.")] = None,
) -> None:
    """Read replies under a contract, one a line, and print what each one says as JSON lines.

    A line is a reply, or a JSON object with `reply` and optionally `allowed` (its own labels), `id` and `truncated`.
    `strict` and `strict_ci`: the raw reply is a label, byte for byte or but for its case. `lenient`: the label that a
    careful reader has no doubt about, or null. With --schema, `strict` is `json.loads` and the schema, and `lenient`
    the value. --contract reads under any contract; its options are keys of the file --options.

    Examples:

        echo "It is: technical" | harness read --labels billing,technical,general
        harness read replies.jsonl > readings.jsonl
        harness read replies.jsonl --contract text --options limits.toml
    """
    from harness.contracts.read import json_contract, label_contracts, named_contract, read_lines
    from harness.core.errors import ConfigError
    from harness.core.toml import read_toml

    if sum(map(bool, (labels, schema, contract_name))) > 1:
        msg = "a reply is read under one of --labels, --schema and --contract"
        raise ConfigError(msg)
    if options and not contract_name:
        msg = "--options are those of a contract: name it with --contract"
        raise ConfigError(msg)
    contract: Contract | None = json_contract(schema) if schema else None
    if contract_name:
        contract = named_contract(contract_name, read_toml(options) if options else {}, str(options or "--contract"))
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

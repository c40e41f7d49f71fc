"""`harness read`."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from harness.contracts import Contract

HEADING = "Replies and other tools"
ORDER = 5


def read(
    file: Annotated[Path | None, typer.Argument(help="A file of replies. Default: standard input.")] = None,
    labels: Annotated[str | None, typer.Option(help="The allowed labels, separated by commas.")] = None,
    schema: Annotated[Path | None, typer.Option(help="A JSON Schema file: read the replies as JSON.")] = None,
    contract_name: Annotated[
        str | None, typer.Option("--contract", help="label, json, text, tools, or another contract by its name.")
    ] = None,
    options: Annotated[Path | None, typer.Option(help="A TOML file with the options of --contract.")] = None,
) -> None:
    """Parse replies, one per line, and print each reading as a line of JSON.

    An input line is a reply, or a JSON object with `reply` and optionally `allowed` (labels), `id` and `truncated`.

    Give one of --labels, --schema and --contract. An output line has three readings of the reply:

    - `strict`: the reply is exactly a label; with --schema, it is valid JSON that matches the schema.
    - `strict_ci`: as `strict`, but upper and lower case do not matter.
    - `lenient`: the label (with --schema, the value) that a person would read, or null if that is unclear.

    Examples:

        echo "It is: technical" | harness read --labels billing,technical,general
        harness read replies.jsonl > readings.jsonl
        harness read replies.jsonl --contract text --options limits.toml
    """
    from harness.contracts.read import json_contract, label_contracts, named_contract, read_lines
    from harness.core.errors import ConfigError
    from harness.core.toml import read_toml

    if sum(map(bool, (labels, schema, contract_name))) > 1:
        msg = "--labels, --schema and --contract exclude each other: give one of them"
        raise ConfigError(msg)
    if options and not contract_name:
        msg = "--options needs --contract: name the contract"
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

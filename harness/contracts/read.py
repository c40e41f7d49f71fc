"""Read replies from any source with a contract, without a run.

read("The category is: technical", LabelContract(("billing", "technical"))).lenient == "technical"
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from harness.contracts import Contract
from harness.contracts.json.contract import JsonContract
from harness.contracts.label.contract import LabelContract
from harness.core.errors import ConfigError
from harness.core.plugins import CONTRACTS
from harness.core.toml import hint
from harness.core.types import Reading, Response


def read(reply: str, contract: Contract, *, truncated: bool = False) -> Reading:
    """Read one reply with `contract`. `truncated`: the model stopped at its token limit. Never raises."""
    return contract.read(Response(text=reply, finish_reason="length" if truncated else ""))


def read_lines(
    lines: Iterable[str], contract_of: Callable[[Sequence[str] | None], Contract], source: str = "standard input"
) -> Iterator[dict[str, Any]]:
    """Yield one reading per line: text lines, or JSON lines with `reply` and optional `allowed`, `id`, `truncated`.

    The first line that is not blank decides the format. `contract_of` makes the contract for `allowed` labels, and gets
    `None` without them. Raises `ConfigError` with the line number.
    """
    is_json: bool | None = None
    for number, line in enumerate(lines, 1):
        where, row = f"{source}:{number}", _row(line)
        if is_json is None and line.strip():
            is_json = row is not None and "reply" in row
        if not is_json:
            row = {"reply": line.rstrip("\r\n")}
        elif not line.strip():
            continue
        if row is None or not isinstance(row.get("reply"), str):
            msg = f"{where}: expected a JSON object with a string `reply`"
            raise ConfigError(msg)
        yield _reading(row, contract_of, where)


def _row(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def _reading(
    row: Mapping[str, Any], contract_of: Callable[[Sequence[str] | None], Contract], where: str
) -> dict[str, Any]:
    allowed = row.get("allowed")
    if allowed is not None and not (isinstance(allowed, list) and all(isinstance(label, str) for label in allowed)):
        msg = f"{where}: `allowed` must be a list of strings"
        raise ConfigError(msg)
    try:
        contract = contract_of(allowed)
    except ValueError as error:
        msg = f"{where}: {error}"
        raise ConfigError(msg) from None
    reading = read(row["reply"], contract, truncated=bool(row.get("truncated")))
    row_id: dict[str, Any] = {"id": row["id"]} if "id" in row else {}
    strict = {"strict": reading.compliant}
    if isinstance(contract, LabelContract):
        strict["strict_ci"] = _equals_label_ignoring_case(row["reply"], contract.labels)
    return {**row_id, **strict, "lenient": reading.lenient, "violations": list(reading.violations)}


def _equals_label_ignoring_case(reply: str, labels: Sequence[str]) -> bool:
    return reply.strip().casefold() in {label.strip().casefold() for label in labels}


def label_contracts(labels: Sequence[str]) -> Callable[[Sequence[str] | None], Contract]:
    """Return a factory of label contracts for rows with their own labels. Without labels it raises `ValueError`."""

    @lru_cache(maxsize=256)
    def compiled(allowed: tuple[str, ...]) -> LabelContract:
        return LabelContract(allowed)

    def contract_of(allowed: Sequence[str] | None) -> Contract:
        chosen = tuple(labels if allowed is None else allowed)
        if not chosen:
            msg = "no labels: pass --labels, or add a list `allowed` to each row"
            raise ValueError(msg)
        return compiled(chosen)

    return contract_of


def contract_names() -> list[str]:
    """The names of all contracts that read texts."""
    return CONTRACTS.names()


def named_contract(name: str, options: Mapping[str, Any], source: str = "options") -> Contract:
    """The contract `name` with these values of its fields; raises `ConfigError` that starts with `source`."""
    if name not in CONTRACTS.names():
        msg = f"no contract {name!r}{hint(name, CONTRACTS.names())}"
        raise ConfigError(msg)
    kind = CONTRACTS.load(name)
    known = [field.name for field in fields(kind) if field.init]
    for key in options:
        if key not in known:
            msg = f"{source}: contract {name} has no option {key!r}{hint(key, known)}"
            raise ConfigError(msg)
    try:
        contract: Contract = TypeAdapter(kind).validate_python(dict(options))
    except ValidationError as error:
        first = error.errors()[0]
        where = ": ".join((source, f"contract {name}", *map(str, first["loc"])))
        msg = f"{where}: {first['msg'].removeprefix('Value error, ')}"
        raise ConfigError(msg) from None
    return contract


def json_contract(path: Path) -> JsonContract:
    """Load the contract of a JSON Schema file; raises `ConfigError` if the file cannot be read or used."""
    try:
        schema = json.loads(path.read_text(encoding="utf-8"))
        return JsonContract(schema)
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}"
        raise ConfigError(msg) from None
    except json.JSONDecodeError as error:
        msg = f"{path}:{error.lineno}: not valid JSON: {error.msg}"
        raise ConfigError(msg) from None
    except ValueError as error:  # not UTF-8, or an invalid schema
        msg = f"{path}: {error}"
        raise ConfigError(msg) from None

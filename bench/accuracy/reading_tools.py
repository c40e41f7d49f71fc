"""Measure the tool contract on calls of a public benchmark, written in the notations that models use.

    python bench/accuracy/reading_tools.py FILE [--left N]

Each row of the data (BFCL) has tools and accepted calls. The calls are written in each notation, and parsed by both
kinds of contract; no model is involved. A row counts as read if the lenient answer is exactly those calls, as wrong if
it has other calls, and as in doubt if there is no answer. The questions of the rows contain no calls, and must be
parsed as text answers.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.contracts.tools.contract import ToolContract
from harness.core.types import Reading, Response

TYPES = {"dict": "object", "float": "number", "tuple": "array"}
Calls = Sequence[Mapping[str, Any]]


def _python(call: Mapping[str, Any]) -> str:
    return f"{call['name']}({', '.join(f'{name}={value!r}' for name, value in call['arguments'].items())})"


def _lines(write: Callable[[Mapping[str, Any]], str]) -> Callable[[Calls], str]:
    return lambda calls: "\n".join(map(write, calls))


def _hermes(call: Mapping[str, Any]) -> str:
    return f"<tool_call>\n{json.dumps(call)}\n</tool_call>"


def _react(call: Mapping[str, Any]) -> str:
    return f"Thought: I need a tool.\nAction: {call['name']}\nAction Input: {json.dumps(call['arguments'])}"


def _xml(call: Mapping[str, Any]) -> str:
    given = "".join(
        f"<parameter={name}>\n{value if isinstance(value, str) else json.dumps(value)}\n</parameter>\n"
        for name, value in call["arguments"].items()
    )
    return f"<tool_call>\n<function={call['name']}>\n{given}</function>\n</tool_call>"


NOTATIONS: dict[str, Callable[[Calls], str]] = {
    "JSON, one a line": _lines(json.dumps),
    "JSON list": json.dumps,
    "fenced, with words around": lambda calls: f"I will do that:\n\n```json\n{json.dumps(calls, indent=2)}\n```\nDone.",
    "tool and args": _lines(lambda call: json.dumps({"tool": call["name"], "args": call["arguments"]})),
    "OpenAI's own, in text": lambda calls: json.dumps(
        {
            "tool_calls": [
                {"type": "function", "function": {**c, "arguments": json.dumps(c["arguments"])}} for c in calls
            ]
        }
    ),
    "Python's dict": _lines(repr),
    "Hermes, Qwen": _lines(_hermes),
    "Mistral": lambda calls: f"[TOOL_CALLS] {json.dumps(calls)}</s>",
    "Mistral, name first": lambda calls: "".join(
        f"[TOOL_CALLS]{call['name']}{json.dumps(call['arguments'])}" for call in calls
    ),
    "Llama 3": lambda calls: (
        "<|python_tag|>"
        + "; ".join(json.dumps({"name": call["name"], "parameters": call["arguments"]}) for call in calls)
    ),
    "function tag": _lines(lambda call: f"<function={call['name']}>{json.dumps(call['arguments'])}</function>"),
    "function tag, parameters": _lines(_xml),
    "Python, list": lambda calls: f"[{', '.join(map(_python, calls))}]",
    "Python, one a line": _lines(_python),
    "ReAct": _lines(_react),
}


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "file", type=Path, help="JSON Lines: function, question, gold_possible_answers, as BFCL publishes them"
    )
    parser.add_argument("--left", type=int, default=0, help="list that many replies that are not read")
    arguments = parser.parse_args()
    rows = [json.loads(line) for line in arguments.file.read_text(encoding="utf-8").splitlines()]
    contracts = [(ToolContract(tools_of(row)), row) for row in rows]
    calling = [(contract, row, calls_of(row)) for contract, row in contracts if calls_of(row)]
    print(f"{len(rows)} rows, {len(calling)} with calls\n\n{'notation':28}{'read':>8}{'wrong':>8}{'in doubt':>10}")
    left: list[str] = []
    for name, write in NOTATIONS.items():
        counted = Counter()
        for contract, _, calls in calling:
            reply = write(calls)
            reading = contract.read(Response(text=reply))
            counted[kind := _kind(reading, calls)] += 1
            if kind != "read":
                left.append(f"{name}, {kind} {reading.violations}\n  {reply!r:.300}\n  {reading.lenient}")
        print(f"{name:28}{counted['read']:8}{counted['wrong']:8}{counted['in doubt']:10}")
    native = Counter(_kind(contract.read(_protocol(calls)), calls) for contract, _, calls in calling)
    strict = sum(contract.read(_protocol(calls)).compliant for contract, _, calls in calling)
    print(f"{'of the protocol':28}{native['read']:8}{native['wrong']:8}{native['in doubt']:10}   {strict} strict")
    words = Counter(str(contract.read(Response(text=row["question"])).lenient) for contract, row in contracts)
    print(f"\nquestions read as words, no call: {words['[]']} of {len(rows)}; in doubt: {words['None']}")
    _rate(calling)
    print("\n".join(left[: arguments.left]))


def _kind(reading: Reading, calls: Calls) -> str:
    if reading.lenient is None:
        return "in doubt"
    return "read" if reading.lenient == list(calls) else "wrong"


def _protocol(calls: Calls) -> Response:
    made = [
        {"id": str(i), "type": "function", "function": {**call, "arguments": json.dumps(call["arguments"])}}
        for i, call in enumerate(calls)
    ]
    return Response(tool_calls=tuple(made), finish_reason="tool_calls")


def _rate(calling: Sequence[tuple[ToolContract, Any, Calls]]) -> None:
    for name in ("Hermes, Qwen", "Python, list"):
        replies = [(contract, Response(text=NOTATIONS[name](calls))) for contract, _, calls in calling]
        started = time.perf_counter()
        for contract, reply in replies:
            contract.read(reply)
        print(f"{name}: {len(replies) / (time.perf_counter() - started):,.0f} replies a second")


def tools_of(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The row's functions in the shape of the OpenAI protocol, their types in JSON Schema's words."""
    functions = row["function"] if isinstance(row["function"], list) else [row["function"]]
    unique = {function["name"]: function for function in functions}
    return [{"type": "function", "function": _in_json_schema(function)} for function in unique.values()]


def _in_json_schema(value: Any, key: str = "") -> Any:
    if isinstance(value, list):
        return [_in_json_schema(item) for item in value]
    if not isinstance(value, dict):
        return value
    named = key == "properties"
    kept = {k: v for k, v in value.items() if named or k not in {"optional", "required", "default", "enum"}}
    out = {k: _in_json_schema(v, k) for k, v in kept.items()}
    if not named and isinstance(kind := value.get("type"), str):
        out["type"] = TYPES.get(kind, kind)
        if out["type"] == "any":
            del out["type"]
        if isinstance(value.get("required"), list):
            out["required"] = value["required"]
    return out


def calls_of(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The first of the accepted calls; an argument that may be left out (an empty alternative) is."""
    accepted = row["gold_possible_answers"]
    if not isinstance(accepted, dict):
        return []
    names = {tool["function"]["name"] for tool in tools_of(row)}
    return [
        {
            "name": name if name in names else re.sub(r"[_ ]\d+$", "", name),
            "arguments": {key: _plain(values) for key, values in arguments.items() if "" not in values and values},
        }
        for name, arguments in accepted.items()
        if isinstance(arguments, dict)  # one row has a slip: an argument beside the calls
    ]


def _plain(values: Any) -> Any:
    """An accepted value; inside an object, each member is a list of such values again."""
    first = values[0] if isinstance(values, list) else values
    if isinstance(first, dict):
        return {key: _plain(inner) for key, inner in first.items()}
    return first


if __name__ == "__main__":
    main()

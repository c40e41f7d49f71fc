"""Tool calling: the expected calls of tools, or no call."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

from harness.analysis.metrics.calls import matcher, same
from harness.analysis.metrics.tool_calling import measures
from harness.contracts.tools.contract import Calls, ToolContract, as_schema
from harness.core.errors import ConfigError
from harness.core.plugins import TaskCapabilities
from harness.core.toml import Name, StrictModel, hint
from harness.core.types import JSON, Case, Constraint, Reading, Sampling, Score
from harness.tasks import Task

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""Names of functions that the OpenAI protocol allows."""


class ToolCallingOptions(StrictModel):
    """Keys of an eval whose task is tool calling."""

    tools_file: Name
    """JSON list of function tools of the OpenAI protocol; the path is relative to the folder of harness.toml."""
    calls: Calls = "native"
    """`native`: the request carries the tools. `text`: the prompt lists them, and the reply is JSON."""


@dataclass(frozen=True)
class ToolCallingTask(Task):
    """Exactly the calls that a case expects, in any order."""

    capabilities: ClassVar[TaskCapabilities] = TaskCapabilities(calls_tools=True, sections=frozenset({"tools"}))
    options_class: ClassVar[type[ToolCallingOptions]] = ToolCallingOptions

    contract: ToolContract
    sampling: Sampling = field(default=Sampling(max_tokens=256))

    @classmethod
    def build(cls, options: ToolCallingOptions, root: Path) -> Self:
        """Read the tools and create the task; raises `ConfigError` for unreadable or invalid tools."""
        return cls(ToolContract(read_tools(root / options.tools_file), options.calls))

    @property
    def constraint(self) -> Constraint | None:
        """A list of calls that satisfy their schemas; `None` for native calls.

        Also `None` if a tool's schema has a `$ref`, which would point to the wrong root inside the list.
        """
        if self.contract.calls == "native" or '"$ref"' in self._tools_json():
            return None
        return Constraint(schema=as_schema(self.contract.tools))

    def tools(self, _case: Case) -> tuple[Mapping[str, JSON], ...]:
        """The tools for native calls."""
        return self.contract.tools if self.contract.calls == "native" else ()

    def variables(self, case: Case) -> dict[str, Any]:
        """The case's inputs; `tools`, each with its name, description and parameters, the same as JSON; and `calls`."""
        functions = [tool["function"] for tool in self.contract.tools]
        return {**case.inputs, "tools": functions, "tools_json": self._tools_json(), "calls": self.contract.calls}

    def _tools_json(self) -> str:
        return json.dumps([tool["function"] for tool in self.contract.tools], ensure_ascii=False, default=dict)

    def check(self, case: Case) -> str | None:
        """Check that every expected call is executable."""
        expected = case.expected
        calls = expected.get("calls") if isinstance(expected, Mapping) and len(expected) == 1 else None
        if not isinstance(calls, list):
            return 'expected must be {"calls": [{"name": …, "arguments": {…}}]}, with an empty list for no call'
        problems = (
            f"expected call {i}: {problem}"
            for i, call in enumerate(calls, 1)
            if (problem := self._problem(call)) is not None
        )
        return next(problems, None)

    def _problem(self, call: JSON) -> str | None:
        if not isinstance(call, Mapping) or call.keys() != {"name", "arguments"}:
            return "must have a name and arguments, and nothing else"
        name, arguments = call["name"], call["arguments"]
        names = [tool["function"]["name"] for tool in self.contract.tools]
        if name not in names:
            return f"there is no tool {name!r:.60}{hint(str(name), names)}"
        if not isinstance(arguments, Mapping):
            return f"arguments must be an object, not {arguments!r:.60}"
        try:
            return self.contract.problem(name, {key: _values(value) for key, value in arguments.items()})
        except ValueError as error:
            return f"{name}: {error}"

    def score(self, reading: Reading, case: Case) -> Score:
        """Right if all calls match; measures grade the tools and their arguments."""
        expected = case.expected["calls"]
        return Score(
            strict=same(expected, reading.strict),
            lenient=same(expected, reading.lenient),
            measures=measures(expected, reading.lenient),
        )


def _values(expected: JSON) -> list[JSON]:
    """The accepted values of an argument, `None` for an absent argument; empty if a matcher leaves them open.

    Raises `ValueError` for an invalid matcher.
    """
    kind = matcher(expected)
    if kind == "any_of":
        if not isinstance(expected[kind], list) or not expected[kind]:
            message = '{"any_of": […]} needs a list of the accepted values'
            raise ValueError(message)
        return [value for option in expected[kind] for value in _values(option)]
    if kind is not None:
        if not (expected[kind] is True if kind == "anything" else _are_pieces(expected[kind])):
            message = f'{expected!r:.60} must be {{"anything": true}}, or {{"contains": […]}} with pieces of text'
            raise ValueError(message)
        return []
    if not isinstance(expected, Mapping | list):
        return [expected]
    parts = {name: _values(value) for name, value in _members(expected)}
    if not all(parts.values()):
        return []
    firsts = {name: values[0] for name, values in parts.items()}
    return [list(firsts.values()) if isinstance(expected, list) else firsts]


def _members(value: Mapping[str, JSON] | list[JSON]) -> Iterable[tuple[Any, JSON]]:
    return enumerate(value) if isinstance(value, list) else value.items()


def _are_pieces(value: JSON) -> bool:
    texts = [text for item in value for text in (item if isinstance(item, list) else [item])] if value else []
    return isinstance(value, list) and bool(texts) and all(isinstance(text, str) and text.strip() for text in texts)


def read_tools(path: Path) -> tuple[Mapping[str, JSON], ...]:
    """Read a file of function tools; raises `ConfigError` with the file, the tool and the problem."""
    try:
        tools = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}"
        raise ConfigError(msg) from None
    except json.JSONDecodeError as error:
        msg = f"{path}:{error.lineno}: not valid JSON: {error.msg}"
        raise ConfigError(msg) from None
    except ValueError:
        msg = f"{path}: not UTF-8 text: save the file as UTF-8"
        raise ConfigError(msg) from None
    if not isinstance(tools, list):
        msg = f"{path}: expected a JSON list of tools, not {type(tools).__name__}"
        raise ConfigError(msg)
    try:
        ToolContract(tuple(tools))
    except ValueError as error:
        msg = f"{path}: {error}"
        raise ConfigError(msg) from None
    for name in (tool["function"]["name"] for tool in tools):
        if not _NAME.fullmatch(name):
            msg = f"{path}: invalid function name {name!r}: use letters, digits, _ and - only"
            raise ConfigError(msg)
    return tuple(tools)


TASK = ToolCallingTask

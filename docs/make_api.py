"""Write docs/api.md from the docstrings of the public names: `python docs/make_api.py`."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import textwrap
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import harness
from harness import api
from harness.api import RunArguments

PAGE = Path(__file__).with_name("api.md")
ORDER = ("run", "arun", "RunOptions", "RunEvents", "Project", "build_report", "compare", "Comparison", "read")
"""Names that come first; the others follow in the order of the alphabet."""


class _Annotation(str):
    """An annotation that `inspect` shows without quotation marks."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def page() -> str:
    """The text of docs/api.md."""
    names = [*ORDER, *(name for name in harness.__all__ if name not in ORDER)]
    contents = "\n".join(
        f"- [`{name}`](#{anchor}): {_summary(getattr(harness, name))}"
        for name, anchor in zip(names, _anchors(names), strict=True)
    )
    parts = [
        "# The library",
        "Made from the docstrings by `python docs/make_api.py`. Every example is a test.",
        _markdown(inspect.getdoc(api) or ""),
        contents,
        *(_section(name, getattr(harness, name)) for name in names),
    ]
    return "\n\n".join(parts) + "\n"


def _anchors(names: list[str]) -> Iterator[str]:
    """The anchors of headings as GitHub makes them: small letters, and a number where two are alike."""
    used: Counter[str] = Counter()
    for name in map(str.lower, names):
        yield f"{name}-{used[name]}" if used[name] else name
        used[name] += 1


def _section(name: str, value: Any) -> str:
    title = f"## {name}"
    if isinstance(value, ModuleType):
        listed = ", ".join(f"`{each}`" for each in value.__all__)
        return f"{title}\n\n{_code(f'from harness import {name}')}\n\n{_summary(value)}\n\nNames: {listed}."
    head = f"class {name}" if isinstance(value, type) else _signature(name, value)
    parts = [title, _code(head), _markdown(inspect.getdoc(value) or "")]
    if isinstance(value, type):
        parts += [part for part in ("\n".join(_fields(value)), "\n\n".join(_members(value))) if part]
    elif "options" in inspect.signature(value).parameters:
        parts.append(f"Options: {', '.join(f'`{key}`' for key in RunArguments.__annotations__)}.")
    return "\n\n".join(parts)


def _signature(name: str, value: Any) -> str:
    """One line, or one line per parameter where that is too long."""
    word = "async def" if inspect.iscoroutinefunction(value) else "def"
    signature = _plain(value)
    line = f"{word} {name}{signature}"
    if len(line) <= 100:
        return line
    rows: list[str] = []
    kinds = [parameter.kind for parameter in signature.parameters.values()]
    for parameter in signature.parameters.values():
        starred = "*" in rows or inspect.Parameter.VAR_POSITIONAL in kinds
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            rows.append("*")
        rows.append(str(parameter))
    returns = str(signature).rpartition(" -> ")[2]
    return f"{word} {name}(\n    " + ",\n    ".join(rows) + f",\n) -> {returns}"


def _plain(function: Any) -> inspect.Signature:
    """The signature as it is written, without `self`."""
    signature = inspect.signature(function)
    shown = [
        each.replace(annotation=_Annotation(each.annotation) if isinstance(each.annotation, str) else each.annotation)
        for each in signature.parameters.values()
        if each.name != "self"
    ]
    return signature.replace(parameters=shown, return_annotation=_Annotation(signature.return_annotation))


def _fields(cls: type) -> Iterator[str]:
    if not dataclasses.is_dataclass(cls):
        return
    documented = _attribute_docs(cls)
    for field in dataclasses.fields(cls):
        if field.name.startswith("_") or not field.init:
            continue
        doc = field.metadata.get("doc") or documented.get(field.name, "")
        yield f"- `{field.name}: {field.type}`{': ' if doc else ''}{' '.join(doc.split())}"


def _attribute_docs(cls: type) -> dict[str, str]:
    """The strings that follow fields."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(tree, ast.ClassDef)
    docs: dict[str, str] = {}
    for field, after in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(after, ast.Expr):
            docs[field.target.id] = str(ast.literal_eval(after.value))
    return docs


def _members(cls: type) -> Iterator[str]:
    for name, value in vars(cls).items():
        function = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        if name.startswith("_"):
            continue
        doc = inspect.getdoc(getattr(cls, name)) or ""
        if isinstance(value, property) or type(value).__name__ == "cached_property":
            yield f"**`{name}`**: {_markdown(doc)}"
        elif inspect.isfunction(function):
            word = "async " if inspect.iscoroutinefunction(function) else ""
            yield f"**`{word}{name}{_plain(getattr(cls, name))}`**: {_markdown(doc)}"


def _summary(value: Any) -> str:
    return " ".join((inspect.getdoc(value) or "").split("\n\n")[0].split())


def _markdown(doc: str) -> str:
    """A docstring with its examples as code blocks and its sections as lists."""
    doc = re.sub(r"(?m)^(Args|Raises|Returns):\n((?:    .+\n?)+)", _listed, doc)
    return re.sub(r"(?m)^>>> (?:.+\n?)+", lambda match: _code(match[0].rstrip(), "pycon") + "\n", doc).rstrip()


def _listed(match: re.Match[str]) -> str:
    body = re.sub(r"\n {5,}", " ", textwrap.dedent(match[2]).replace("\n    ", " "))
    rows = [f"- `{name}`: {text}" for name, _, text in (line.partition(": ") for line in body.strip().splitlines())]
    title = {"Args": "Arguments"}.get(match[1], match[1])
    return f"{title}:\n\n" + "\n".join(rows) + "\n"


def _code(text: str, language: str = "python") -> str:
    return f"```{language}\n{text}\n```"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

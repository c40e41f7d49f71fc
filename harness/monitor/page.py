"""The label page: one file, complete in itself, that is worked with the keyboard, keeps labels and sends nothing."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.core.formatting import inputs_text, moment, value_text, visible
from harness.core.types import JSON
from harness.monitor.files import FORMAT, choices
from harness.monitor.sampling import SampledCall
from harness.monitor.sheets import UNCLEAR, Sheet
from harness.monitor.weeks import last_day
from harness.report.formats.html import embedded

_HERE = Path(__file__).parent / "assets"
_COLOURS = Path(__file__).parent.parent / "report" / "assets" / "report.css"


def render(sheet: Sheet, drawn: Sequence[SampledCall]) -> str:
    """The page of a sheet."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    script, style = _read("label.js"), _colours() + _read("label.css")
    env = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return env.from_string(_read("label.html.j2")).render(
        sheet=visible(sheet.sheet),
        since=sheet.since[:10],
        until=last_day(sheet.until),
        n=len(drawn),
        data=Markup(embedded(_data(sheet, drawn))),  # noqa: S704  escaped for where it goes
        style=Markup(style),  # noqa: S704  our own file
        script=Markup(script),  # noqa: S704  our own file
        policy=f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'",
    )


def _data(sheet: Sheet, drawn: Sequence[SampledCall]) -> Mapping[str, Any]:
    """What the page works on. Every text has its hidden characters spelled out."""
    tasks = {one.call.task: choices(sheet, one.call.task) for one in drawn}
    return {
        "format": FORMAT,
        "sheet": sheet.sheet,
        "unclear": UNCLEAR,
        "tasks": {t: {"choices": list(known), "byLabel": t in sheet.choices} for t, known in tasks.items()},
        "items": [_item(one) for one in drawn],
    }


def _item(one: SampledCall) -> Mapping[str, Any]:
    call = one.call
    return {
        "item": one.item,
        "task": call.task,
        "when": moment(call.called_at),
        "input": visible(inputs_text(call.inputs or {})),
        "reply": visible(call.reply or ""),
        "value": visible(_value(call.value)),
        "compliant": call.compliant,
    }


def _value(value: JSON) -> str:
    """What was read, a record with a line for each field."""
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False, indent=2)
    return value_text(value)


def _colours() -> str:
    """The colours and fonts of the report, light and dark: its rules for `:root`."""
    css = _COLOURS.read_text(encoding="utf-8")
    return css[: css.index("* { box-sizing")]


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"

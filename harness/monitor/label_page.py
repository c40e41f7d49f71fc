"""The label page: a self-contained HTML file, used with the keyboard, that stores labels locally and sends nothing."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.core.formatting import inputs_text, moment, value_text, visible
from harness.core.types import JSON
from harness.monitor.label_files import FORMAT, choices
from harness.monitor.sampling import SampledCall
from harness.monitor.sheets import UNCLEAR, Sheet
from harness.monitor.weeks import last_day
from harness.report.formats.html import embedded

_HERE = Path(__file__).parent / "assets"
_COLOURS = Path(__file__).parent.parent / "report" / "assets" / "report.css"


def render(sheet: Sheet, drawn: Sequence[SampledCall]) -> str:
    """Return the label page of a sheet as HTML."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    script, style = _read("label.js"), _colours() + _read("label.css")
    env = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return env.from_string(_read("label.html.j2")).render(
        sheet=visible(sheet.sheet),
        since=sheet.since[:10],
        until=last_day(sheet.until),
        n=len(drawn),
        data=Markup(embedded(_data(sheet, drawn))),  # noqa: S704  escaped for a script element
        style=Markup(style),  # noqa: S704  our own file
        script=Markup(script),  # noqa: S704  our own file
        policy=f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'",
    )


def _data(sheet: Sheet, drawn: Sequence[SampledCall]) -> Mapping[str, Any]:
    """Return the page's data. Hidden characters in texts are spelled out."""
    tasks = {sampled.call.task: choices(sheet, sampled.call.task) for sampled in drawn}
    return {
        "format": FORMAT,
        "sheet": sheet.sheet,
        "unclear": UNCLEAR,
        "tasks": {t: {"choices": list(known), "byLabel": t in sheet.choices} for t, known in tasks.items()},
        "items": [_item(sampled) for sampled in drawn],
    }


def _item(sampled: SampledCall) -> Mapping[str, Any]:
    call = sampled.call
    return {
        "item": sampled.item,
        "task": call.task,
        "when": moment(call.called_at),
        "input": visible(inputs_text(call.inputs or {})),
        "reply": visible(call.reply or ""),
        "value": visible(_value(call.value)),
        "compliant": call.compliant,
    }


def _value(value: JSON) -> str:
    """Return the value read from the reply; a record gets one line per field."""
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False, indent=2)
    return value_text(value)


def _colours() -> str:
    """Return the report's `:root` rules: colours and fonts, light and dark."""
    css = _COLOURS.read_text(encoding="utf-8")
    return css[: css.index("* { box-sizing")]


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"

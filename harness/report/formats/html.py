"""Render one self-contained page: no requests, and one script, whose hash is in the page's policy."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, Protocol

from harness.core.formatting import dollars, moment, number, one_line, percent, plural, seconds, visible
from harness.report import charts, comparison_text, sections, verdict_text
from harness.report.cards import VerdictCard, cards, gate_counts, headline
from harness.report.findings import counted
from harness.report.formats.json import dumps
from harness.report.gate_text import gate_text
from harness.report.headline import sentences
from harness.report.intervals import IntervalScale, scale
from harness.report.model import EvalReport, Report
from harness.report.notices import notices
from harness.report.portability_text import portability_text
from harness.report.rate_text import interval, rate_text, whole_percent

if TYPE_CHECKING:
    from jinja2 import Environment, Template

_HERE = Path(__file__).parent.parent
_MINUS = re.compile(r"(?:^|(?<=[ (]))-(?=\d)")
"""A hyphen that stands for a minus sign."""


class Section(Protocol):
    """Interface of the modules of `sections`. `lead(evals)` is optional: content before the first eval.

    A section with charts has `PICTURES`, their name in the line about missing charts. The first section is always
    shown. The others are closed at first, with `hint` of their context beside the title.
    """

    ORDER: int
    TITLE: str

    def context(self, report: EvalReport) -> dict[str, Any] | None:
        """The values for its template; `None` leaves the section out."""


def render(report: Report) -> str:
    """Render the page."""
    from markupsafe import Markup

    env = _environment()
    script = _asset("page.js") + _asset("cases.js")
    parts = [_part(env, e, f"e{i}") for i, e in enumerate(report.evals, 1)]
    by_eval = {part["eval"].name: part for part in parts}
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return env.get_template("page.html.j2").render(
        title=one_line(", ".join(e.name for e in report.evals), 80),
        parts=parts,
        missing_pictures=_missing_pictures(parts),
        cards=[(card, by_eval[card.eval], _drawn(card)) for card in cards(report)],
        headline=headline(cards(report)),
        counts=gate_counts(report.gates),
        gates=report.gates,
        findings=report.findings,
        counted=counted(report.findings),
        leads=list(_leads(env, report)),
        finished=max((run.manifest.finished_at or run.manifest.started_at for run in report.runs), default=""),
        versions=sorted({run.manifest.fingerprint.get("harness", "") for run in report.runs} - {""}),
        style=Markup(_asset("report.css")),  # noqa: S704  our own file
        script=Markup(script),  # noqa: S704  our own file
        policy=f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'",
    )


def _drawn(card: VerdictCard) -> IntervalScale | None:
    """The scale of a card's interval."""
    return None if card.paired is None else scale([card.paired], card.margin)


def _figure(text: str) -> str:
    """The number in bold, its interval beside it."""
    from markupsafe import Markup, escape

    number, _, rest = text.partition(" (")
    ends = Markup('<span class="ci">({})</span>').format(rest.removesuffix(")")) if rest else ""
    return Markup("<b>{}</b> {}").format(escape(_typeset(number)), _typeset(ends) if rest else "")


def _typeset(text: str) -> str:
    """Minus signs and arrows instead of hyphens."""
    return type(text)(_MINUS.sub("−", text).replace(" -> ", " → "))


def embedded(value: Any) -> str:
    """JSON that is safe inside a script element."""
    text = dumps(value)
    return text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")


def _leads(env: Environment, report: Report) -> Iterator[str]:
    """Render the leads of the sections that have one, before the first eval."""
    from markupsafe import Markup

    for name, section in _sections():
        lead = getattr(section, "lead", None)
        context = lead(report.evals) if lead else None
        if context is not None:
            # Already escaped by its own template.
            yield Markup(env.get_template(f"{name}_lead.html.j2").render(context))  # noqa: S704


def _part(env: Environment, report: EvalReport, anchor: str) -> dict[str, Any]:
    """Render one eval. A section gets its context, the eval, its own anchor, and the eval's anchor (`home`)."""
    from markupsafe import Markup

    shown = []
    for name, section in _sections():
        context = section.context(report)
        if context is not None:
            own = {"eval": report, "home": anchor, "anchor": f"{anchor}-{name}"}
            body = _template(env, name, section).render(context, **own)
            # Already escaped by its own template.
            head = {"id": f"{anchor}-{name}", "title": section.TITLE, "hint": context.get("hint", "")}
            shown.append({**head, "body": Markup(body), "section": section})  # noqa: S704
    return {
        "id": anchor,
        "eval": report,
        "sentences": sentences(report),
        "notices": notices(report),
        "verdicts": [
            (c, comparison_text.title(c), comparison_text.tone(c.verdict)) for c in report.analysis.comparisons
        ],
        "portability": portability_text(report.analysis.portability) if report.analysis.portability else "",
        "sections": shown,
    }


def _missing_pictures(parts: Sequence[Mapping[str, Any]]) -> str:
    """One line that names missing charts and how to get them; empty if none is missing."""
    pictures = [getattr(shown["section"], "PICTURES", "") for part in parts for shown in part["sections"]]
    named = list(dict.fromkeys(filter(None, pictures)))
    why = charts.unavailable() if named else ""
    return f"Charts left out: {', '.join(named)}. {why}" if why else ""


def _template(env: Environment, name: str, section: Section) -> Template:
    """The section's own `TEMPLATE`, or the file of its name."""
    inline = getattr(section, "TEMPLATE", None)
    return env.from_string(inline) if inline else env.get_template(f"{name}.html.j2")


def _sections() -> list[tuple[str, Section]]:
    modules = [(m.name, import_module(f"{sections.__name__}.{m.name}")) for m in iter_modules(sections.__path__)]
    return sorted(modules, key=lambda item: (item[1].ORDER, item[0]))


@cache
def _environment() -> Environment:
    """Jinja's environment, made once, because it caches compiled templates."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    def finalize(value: Any) -> Any:
        """Spell out hidden characters of every value; autoescaping follows."""
        return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    env = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=finalize,
    )
    env.filters |= {
        "embedded": lambda value: Markup(embedded(value)),  # noqa: S704  escaped for where it goes
        "interval": interval,
        "typeset": _typeset,
        "figure": _figure,
        "gate_text": gate_text,
        "dollars": dollars,
        "moment": moment,
        "number": number,
        "points": comparison_text.points,
        "percent": percent,
        "reason": verdict_text.reason_text,
        "rate": rate_text,
        "seconds": seconds,
        "whole_percent": whole_percent,
    }
    env.filters["unbroken"] = _unbroken
    env.globals["plural"] = plural
    return env


def _unbroken(text: str) -> str:
    """Keep each interval on one line."""
    from markupsafe import Markup, escape

    escaped = str(escape(visible(text)))
    return Markup(re.sub(r"(?:[\d.]+% )?\(\d+–\d+%?\)", r'<span class="nowrap">\g<0></span>', escaped))  # noqa: S704


def _asset(name: str) -> str:
    return (_HERE / "assets" / name).read_text(encoding="utf-8")

"""Format numbers, durations, money and replies for people."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from harness.core.types import Response

NOTHING = "–"
"""Shown in place of a missing figure."""

_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # control characters except tab, newline and carriage return
    "\u2028\u2029\u200b\ufeff"  # line separators that editors and scripts read as newlines, zero-width spaces
    "\u202a-\u202e\u2066-\u2069"  # bidi controls: they make text read differently from what it is
    "\ud800-\udfff"  # lone surrogates: not encodable
    "\U000e0000-\U000e007f]"  # tag characters: a known way to smuggle hidden instructions
)


def percent(hits: float, n: int) -> str:
    """Return a share with one decimal, rounded half up. Only 0 of n is `0.0%`, only n of n is `100.0%`."""
    if n == 0:
        return NOTHING
    tenths = int((2000 * hits + n) // (2 * n))
    if 0 < hits < n:
        tenths = min(max(tenths, 1), 999)
    return f"{tenths // 10}.{tenths % 10}%"


def seconds(value: float | None) -> str:
    """Return a duration such as `340 ms`, `1.24 s`, `12.3 s` or `135 s`."""
    if value is None:
        return NOTHING
    if round(value, 3) < 1:
        return f"{1000 * value:.0f} ms"
    decimals = max(0, 2 - int(math.log10(value)))
    return f"{value:,.{decimals}f} s"


def dollars(value: float | None) -> str:
    """Return an amount such as `$1,204`, `$48.00`, `$0.31` or `$0.00080`: two significant digits below 10 cents."""
    if value is None:
        return NOTHING
    if value < 0:
        return f"−{dollars(-value)}"
    if value >= 1000 or value == 0:
        return f"${value:,.0f}"
    if value >= 0.1:
        return f"${value:.2f}"
    return f"${value:.{1 - math.floor(math.log10(value))}f}" if value >= 1e-9 else "$0"


def moment(stamp: str) -> str:
    """Return an ISO 8601 time as `2025-06-01 10:04 UTC`; any other text unchanged."""
    try:
        time = datetime.fromisoformat(stamp)
    except ValueError:
        return stamp
    return f"{time:%Y-%m-%d %H:%M} {time.tzname() or ''}".strip()


def number(value: float | None) -> str:
    """Return a rounded number such as `12,345`."""
    return NOTHING if value is None else f"{value:,.0f}"


def plural(n: int, singular: str, plural_form: str = "") -> str:
    """Return `1 call`, `2 calls`. `plural_form`: for plurals without a simple `s`."""
    return f"{n:,} {singular if n == 1 else plural_form or singular + 's'}"


def listed(counts: tuple[tuple[str, int], ...], top: int | None = None) -> str:
    """Return the first `top` counts such as `preamble 120, quoted 4, 3 more`."""
    shown = counts[:top]
    rest = [f"{len(counts) - len(shown)} more"] if len(counts) > len(shown) else []
    return ", ".join([f"{name} {count:,}" for name, count in shown] + rest)


def visible(text: str) -> str:
    """Return the text with characters that hide or reorder text spelled out, such as `‹U+202E›`."""
    return _INVISIBLE.sub(lambda m: f"‹U+{ord(m[0]):04X}›", text)


def reply_text(response: Response) -> str:
    """Return the text of a reply, followed by its refusal and its tool calls."""
    refusal = [f"[refusal] {response.refusal}"] if response.refusal else []
    calls = [f"[tool call] {value_text(call)}" for call in response.tool_calls]
    return "\n".join([*([response.text] if response.text or not (refusal or calls) else []), *refusal, *calls])


def cut(text: str, limit: int) -> tuple[str, int | None]:
    """Cut a text in the middle; return the text and its full length, or `None` if it was not cut.

    Both ends are kept, because models answer at either end.
    """
    if len(text) <= limit:
        return text, None
    tail = limit // 3
    left_out = len(text) - limit
    return f"{text[: limit - tail]}\n[… {left_out:,} characters not shown …]\n{text[-tail:]}", len(text)


def one_line(text: str, limit: int) -> str:
    """Return the text on one line, cut at `limit` characters, for table cells and examples."""
    folded = " ".join(text[: 20 * limit].split())
    return folded if len(folded) <= limit else folded[: limit - 1] + "…"


def value_text(value: Any) -> str:
    """Return a value as text: a string unchanged, `None` as "", anything else as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True, default=dict)


def inputs_text(inputs: Mapping[str, Any]) -> str:
    """Return the inputs of a case as text: a single input alone, several as `name: text` lines."""
    if len(inputs) == 1:
        return value_text(next(iter(inputs.values())))
    return "\n".join(f"{name}: {value_text(value)}" for name, value in inputs.items())

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
"""Stands where there is no figure."""

_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # control characters except tab, newline and carriage return
    "\u2028\u2029\u200b\ufeff"  # line separators that editors and scripts read as newlines, zero-width spaces
    "\u202a-\u202e\u2066-\u2069"  # bidi controls: they make text read differently from what it is
    "\ud800-\udfff"  # lone surrogates: not encodable
    "\U000e0000-\U000e007f]"  # tag characters: a known way to smuggle hidden instructions
)


def percent(hits: float, n: int) -> str:
    """A share with one decimal, rounded half up. Only none is `0.0%` and only all is `100.0%`."""
    if n == 0:
        return NOTHING
    tenths = int((2000 * hits + n) // (2 * n))
    if 0 < hits < n:
        tenths = min(max(tenths, 1), 999)
    return f"{tenths // 10}.{tenths % 10}%"


def seconds(value: float | None) -> str:
    """`340 ms`, `1.24 s`, `12.3 s`, `135 s`."""
    if value is None:
        return NOTHING
    if round(value, 3) < 1:
        return f"{1000 * value:.0f} ms"
    decimals = max(0, 2 - int(math.log10(value)))
    return f"{value:,.{decimals}f} s"


def dollars(value: float | None) -> str:
    """`$1,204`, `$48.00`, `$0.31`, `$0.00080`; of less than ten cents, two figures that say something."""
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
    """`2025-06-01 10:04 UTC` of an ISO 8601 time; anything else as it is."""
    try:
        time = datetime.fromisoformat(stamp)
    except ValueError:
        return stamp
    return f"{time:%Y-%m-%d %H:%M} {time.tzname() or ''}".strip()


def number(value: float | None) -> str:
    """`12,345`."""
    return NOTHING if value is None else f"{value:,.0f}"


def plural(n: int, one: str, many: str = "") -> str:
    """`1 call`, `2 calls`."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def listed(counts: tuple[tuple[str, int], ...], top: int | None = None) -> str:
    """`preamble 120, quoted 4, 3 more`."""
    shown = counts[:top]
    rest = [f"{len(counts) - len(shown)} more"] if len(counts) > len(shown) else []
    return ", ".join([f"{name} {count:,}" for name, count in shown] + rest)


def visible(text: str) -> str:
    """The same text with every character that hides or rearranges text spelled out, as in `‹U+202E›`."""
    return _INVISIBLE.sub(lambda m: f"‹U+{ord(m[0]):04X}›", text)


def said(response: Response) -> str:
    """The reply, and what came beside it in fields of its own."""
    refusal = [f"[refusal] {response.refusal}"] if response.refusal else []
    calls = [f"[tool call] {value_text(call)}" for call in response.tool_calls]
    return "\n".join([*([response.text] if response.text or not (refusal or calls) else []), *refusal, *calls])


def cut(text: str, limit: int) -> tuple[str, int | None]:
    """The text, and `None`; or, where it is longer than `limit`, its two ends and its full length.

    Both ends are kept because models state the answer at either.
    """
    if len(text) <= limit:
        return text, None
    tail = limit // 3
    left_out = len(text) - limit
    return f"{text[: limit - tail]}\n[… {left_out:,} characters not shown …]\n{text[-tail:]}", len(text)


def one_line(text: str, limit: int) -> str:
    """White space folded and cut at the end, for table cells and examples."""
    folded = " ".join(text[: 20 * limit].split())
    return folded if len(folded) <= limit else folded[: limit - 1] + "…"


def value_text(value: Any) -> str:
    """A value read from a reply, or an expected one: text as it is, all else as JSON, nothing as nothing."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True, default=dict)


def inputs_text(inputs: Mapping[str, Any]) -> str:
    """What a case puts into the prompt: the text alone where there is one input, else `name: text` lines."""
    if len(inputs) == 1:
        return value_text(next(iter(inputs.values())))
    return "\n".join(f"{name}: {value_text(value)}" for name, value in inputs.items())

"""Export to Parquet: one row per case and cell, with the columns of the JSONL export.

Text answers (`strict`, `lenient`, `expected`) are stored as text, other answers as JSON. `tool_calls` is JSON.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

from harness.core.extras import needed
from harness.core.types import Run
from harness.report.case_rows import COLUMNS, rows

_FLOATS = frozenset({"latency_s"})
_COUNTS = frozenset({"repeat", "prompt_tokens", "completion_tokens"})
_FLAGS = frozenset({"compliant", "strict_correct", "lenient_correct", "cached"})
_LISTS = frozenset({"violations", "tags"})


def render(runs: Sequence[Run]) -> bytes:
    """Return the content of the Parquet file."""
    with needed("datasets", "A Parquet export needs pyarrow"):
        import pyarrow as pa
        import pyarrow.parquet as pq

    kinds = {
        **dict.fromkeys(_FLOATS, pa.float64()),
        **dict.fromkeys(_COUNTS, pa.int64()),
        **dict.fromkeys(_FLAGS, pa.bool_()),
        **dict.fromkeys(_LISTS, pa.list_(pa.string())),
    }
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in COLUMNS])
    table = pa.Table.from_pylist([{k: _cell(k, v) for k, v in row.items()} for row in rows(runs)], schema=schema)
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def _cell(name: str, value: Any) -> Any:
    if name in _LISTS:
        return [_unicode(item) for item in value]
    if value is None or name in _FLOATS or name in _COUNTS or name in _FLAGS:
        return value
    return _unicode(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=dict))


def _unicode(text: str) -> str:
    """Escape lone surrogates: a broken server can send them, and Parquet rejects them."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")

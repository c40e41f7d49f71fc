"""Facts and fingerprints: enough to repeat a run, and to see why runs may not be comparable."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from harness.core.formatting import NOTHING, moment, number, seconds
from harness.report.model import CellReport, EvalReport

ORDER = 90
TITLE = "About these runs"

FINGERPRINT = {
    "prompt": "version and variant",
    "prompt_hash": "hash of the variant’s template",
    "rendered_hash": "hash of all prompts as sent to the model",
    "dataset": "name of the dataset",
    "dataset_hash": "hash of the cases, independent of their order",
    "contract": "rules that read the replies, and their version",
    "contract_hash": "hash of these rules",
    "sampling": "temperature and the other parameters that change replies",
    "decoding": "free, or constrained to what the contract allows",
    "repeats": "replies per case",
    "model": "name at the backend",
    "model_digest": "hash of the model’s weights",
    "quantization": "how the weights are stored",
    "parameters": "size of the model",
    "engine": "software or service that ran the model",
    "engine_version": "version of the engine",
    "backend_hash": "hash of the backend’s settings",
    "harness": "version of this harness",
    "served_model": "model that the server reported",
}
"""Meaning of each part of a fingerprint. Other parts are shown without one."""


def context(report: EvalReport) -> dict[str, Any] | None:
    """Facts and fingerprints, a column per cell; parts that differ between the cells are marked."""
    facts = [_facts(cell) for cell in report.cells]
    parts = dict.fromkeys(part for cell in report.cells for part in cell.manifest.fingerprint)
    fingerprint = []
    for part in parts:
        values = [cell.manifest.fingerprint.get(part, NOTHING) or NOTHING for cell in report.cells]
        fingerprint.append((part, FINGERPRINT.get(part, ""), [_short(v) for v in values], len(set(values)) > 1))
    return {
        "facts": [(name, [f[name] for f in facts]) for name in facts[0]],
        "fingerprint": [row for row in fingerprint if row[-1]],
        "same": [row for row in fingerprint if not row[-1]],
        "notes": [(cell.name, note) for cell in report.cells for note in cell.manifest.notes],
    }


def _short(value: str) -> str:
    """The first digits of a hash; a .json report has all of it."""
    return re.sub(r"\b([0-9a-f]{12})[0-9a-f]{52}\b", r"\1…", value)


def _facts(cell: CellReport) -> dict[str, str]:
    m, summary = cell.manifest, cell.summary
    sources = Counter(r.case.label_source or "not stated" for r in cell.results)
    return {
        "run": m.run_id,
        "started": moment(m.started_at),
        "finished": moment(m.finished_at) if m.finished_at else "not finished",
        "wall time": seconds(m.wall_s),
        "prompt": f"{m.prompt} ({m.variant})",
        "dataset": f"{m.dataset} ({m.split})" if m.split else m.dataset,
        "cases": f"{number(m.n_cases)}{f' (limit {m.limit})' if m.limit is not None else ''}",
        "labelled by": ", ".join(f"{source} {count:,}" for source, count in sources.most_common()) or NOTHING,
        "labels": ", ".join(m.labels) or NOTHING,
        "calls": f"{summary.n:,}, of which {summary.cached:,} from the store",
    }

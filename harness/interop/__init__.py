"""Import the runs of other tools, and export ours.

May import runner, report and everything below them.
Never here: model calls.

found = read_run(Source(Path("samples.jsonl")), Naming("gpt-4"), Wanted(...))    a Run, and how it was read
    store.add(found.run)

A foreign format is one file of `formats`, an export one file of `exports`; both are found by their names. Everything
read is data: nothing of a file is run, and what a file may cost in memory has limits (`source.py`).
"""

from __future__ import annotations

from harness.interop.exporting import export, export_format, export_formats
from harness.interop.importing import ImportedRun, RunNaming, formats, is_imported, read_again, read_run
from harness.interop.rows import ColumnSelection, ImportedRow
from harness.interop.source import SourceFile

__all__ = [
    "ColumnSelection",
    "ImportedRow",
    "ImportedRun",
    "RunNaming",
    "SourceFile",
    "export",
    "export_format",
    "export_formats",
    "formats",
    "is_imported",
    "read_again",
    "read_run",
]

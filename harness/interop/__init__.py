"""Import the runs of other tools, and export ours.

May import runner, report and everything below them.
Never here: model calls.

    imported = read_run(SourceFile(Path("samples.jsonl")), RunNaming("gpt-4"), ColumnSelection(...))
    store.add(imported.run)

Each foreign format is a module in `formats`, each export format a module in `exports`. Both are discovered by module
name. Imported files are data: nothing in them is executed, and `source.py` limits the memory that a file can use.
"""

from __future__ import annotations

from harness.interop.exporting import export, export_format, export_formats
from harness.interop.importing import ImportedRun, RunNaming, formats, is_imported, read_run, rescore_imported
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
    "read_run",
    "rescore_imported",
]

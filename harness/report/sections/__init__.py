"""The sections of the page, one file each, found by file name.

Each has `ORDER` (where it stands), `TITLE`, and `context(eval_report) -> dict | None`, whose values its template of the
same name in ../templates shows; `None`: there is nothing to show, and the section is left out.
"""

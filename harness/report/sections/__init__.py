"""Sections of the page, one file each, found by file name.

A section file has `ORDER` (its place), `TITLE`, and `context(eval_report) -> dict | None`. `None` leaves it out.
Its template, which renders the context, is `TEMPLATE` in the file or `../templates/<name>.html.j2`.
A file with `lead(evals)` also renders `<name>_lead.html.j2` before the first eval.
"""

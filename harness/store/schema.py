"""Every table of the store, in one metadata, and the history of its format.

SQLAlchemy Core. Other modules import their tables from here. A change to a table needs a new `FORMAT`, a line below and
a step in migrations.py.

Format history:

1: `meta`, `runs`, `cases`, `results`. The tables `calls`, `batches`, `tallies`, `call_weeks`, `review_sheets`,
   `review_items` and `review_labels` had no version; their first write created them.
2: `runs` has `lease` and `lease_until`, so that two processes cannot resume the same run. PostgreSQL, too, sorts
   `results.case_id` by bytes.
3: A run's manifest has `origin` and `billing`, in place of notes and name prefixes. `runs` has columns for the
   filters of `RunQuery`, `run_tags` lists the tags of each run, and a new store has all tables from the start.
4: `review_verdicts` has a judge's verdicts on the logged replies of a sheet's period.
"""

from __future__ import annotations

import sqlalchemy as sa

FORMAT = 4
"""Format of the tables below."""

METADATA = sa.MetaData()

_BYTEWISE = sa.String().with_variant(sa.String(collation="C"), "postgresql")
"""Text in the order of SQLite and Python. The default order of PostgreSQL depends on the server's locale."""

META = sa.Table("meta", METADATA, sa.Column("key", sa.String, primary_key=True), sa.Column("value", sa.String))
"""The row `format` holds the format of the store."""

RUNS = sa.Table(
    "runs",
    METADATA,
    sa.Column("run_id", sa.String, primary_key=True),
    sa.Column("eval", sa.String, nullable=False, index=True),
    sa.Column("cell", sa.String, nullable=False),
    sa.Column("plan_key", sa.String, nullable=False, index=True),
    sa.Column("model_key", sa.String, nullable=False),
    sa.Column("started_at", sa.String, nullable=False, index=True),
    sa.Column("finished_at", sa.String),
    sa.Column("manifest", sa.Text, nullable=False),
    sa.Column("lease", sa.String),
    sa.Column("lease_until", sa.Float),
    # Copies of manifest fields that `RunQuery` filters by.
    sa.Column("backend", sa.String, nullable=False, server_default=""),
    sa.Column("variant", sa.String, nullable=False, server_default=""),
    sa.Column("decoding", sa.String, nullable=False, server_default=""),
    sa.Column("split", sa.String, nullable=False, server_default=""),
    sa.Column("origin", sa.String, nullable=False, server_default=""),
    sa.Column("case_limit", sa.Integer),
    sa.Index("ix_runs_eval_cell", "eval", "cell", "started_at"),
)

RUN_TAGS = sa.Table(
    "run_tags",
    METADATA,
    sa.Column("run_id", sa.String, sa.ForeignKey("runs.run_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("tag", sa.String, primary_key=True, index=True),
)

CASES = sa.Table(
    "cases", METADATA, sa.Column("row_hash", sa.String, primary_key=True), sa.Column("row", sa.Text, nullable=False)
)
"""Each distinct case once; `row_hash` is the hash of `row`."""

RESULTS = sa.Table(
    "results",
    METADATA,
    sa.Column("run_id", sa.String, sa.ForeignKey("runs.run_id"), primary_key=True),
    sa.Column("case_id", _BYTEWISE, primary_key=True),
    sa.Column("repeat", sa.Integer, primary_key=True),
    sa.Column("row_hash", sa.String, sa.ForeignKey("cases.row_hash"), nullable=False),
    sa.Column("request_key", sa.String, nullable=False, index=True),
    sa.Column("failed", sa.Boolean, nullable=False),
    sa.Column("answered_at", sa.String, nullable=False),
    sa.Column("record", sa.Text, nullable=False),
)

TALLIES = sa.Table(
    "tallies",
    METADATA,
    sa.Column("run_id", sa.String, primary_key=True),
    sa.Column("finished_at", sa.String, nullable=False),
    sa.Column("tally", sa.Text, nullable=False),
)
"""A cache: outcomes counted per run. All rows can be deleted at any time."""

BATCHES = sa.Table(
    "batches",
    METADATA,
    sa.Column("token", sa.String, primary_key=True),
    sa.Column("backend", sa.String, nullable=False),
    sa.Column("server", sa.String, nullable=False),
    sa.Column("cell", sa.String, nullable=False),
    sa.Column("title", sa.String, nullable=False),
    sa.Column("requests", sa.Integer, nullable=False),
    sa.Column("sent_at", sa.String, nullable=False),
    sa.Column("batch_id", sa.String, nullable=False),
)
"""Batches in progress at a provider."""

CALLS = sa.Table(
    "calls",
    METADATA,
    sa.Column("call_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("called_at", sa.String, nullable=False, index=True),
    sa.Column("task", sa.String, nullable=False),
    sa.Column("backend", sa.String, nullable=False),
    sa.Column("fallback", sa.String, nullable=False),
    sa.Column("error", sa.String, nullable=False),
    sa.Column("compliant", sa.Boolean),
    sa.Column("latency_s", sa.Float),
    sa.Column("usd", sa.Float),
    sa.Column("record", sa.Text, nullable=False),
    sa.Index("calls_of_a_task", "task", "called_at"),
)
"""Routed production calls."""

CALL_WEEKS = sa.Table(
    "call_weeks",
    METADATA,
    sa.Column("task", sa.String, primary_key=True),
    sa.Column("week", sa.String, primary_key=True),
    sa.Column("labels", sa.String, nullable=False),
    sa.Column("tally", sa.Text, nullable=False),
)
"""Routed calls counted per week. A week remains after `[log] keep_days` has deleted its calls."""

REVIEW_SHEETS = sa.Table(
    "review_sheets",
    METADATA,
    sa.Column("sheet", sa.String, primary_key=True),
    sa.Column("drawn_at", sa.String, nullable=False),
    sa.Column("head", sa.Text, nullable=False),
)
"""Samples of routed calls for human review."""

REVIEW_ITEMS = sa.Table(
    "review_items",
    METADATA,
    sa.Column("sheet", sa.String, primary_key=True),
    sa.Column("item", sa.Integer, primary_key=True),
    sa.Column("record", sa.Text, nullable=False),
)

REVIEW_LABELS = sa.Table(
    "review_labels",
    METADATA,
    sa.Column("sheet", sa.String, primary_key=True),
    sa.Column("item", sa.Integer, primary_key=True),
    sa.Column("reviewer", sa.String, primary_key=True),
    sa.Column("imported_at", sa.String, nullable=False),
    sa.Column("record", sa.Text, nullable=False),
)

REVIEW_VERDICTS = sa.Table(
    "review_verdicts",
    METADATA,
    sa.Column("sheet", sa.String, primary_key=True),
    sa.Column("call_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("task", sa.String, nullable=False),
    sa.Column("backend", sa.String, nullable=False),
    sa.Column("outcome", sa.String, nullable=False),
    sa.Column("compliant", sa.Boolean, nullable=False),
    sa.Column("accepted", sa.Boolean, nullable=False),
    sa.Column("judge", sa.String, nullable=False),
    sa.Column("judge_key", sa.String, nullable=False),
)
"""A judge's verdict on each routed call of a sheet's period. Holds no text, so that it may outlive the calls."""

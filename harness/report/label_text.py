"""Words for label issues."""

from __future__ import annotations

from harness.analysis.label_issues import ALL_BACKENDS


def group_text(group: str) -> str:
    """`all backends`, or `all variants on NAME`."""
    return "all backends" if group == ALL_BACKENDS else f"all variants on {group}"

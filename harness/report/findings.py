"""Findings of an unattended run as Markdown for a step summary, and as annotations of GitHub Actions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from harness.core.formatting import visible
from harness.core.markdown import SAFE, inert
from harness.report.model_findings import Finding, FindingStatus

_PLAIN = SAFE + "-"
"""Hyphens stay as they are: within a line they are no markup."""
SUMMARY_BYTES = 1_000_000
"""GitHub rejects a step summary of more than 1 MiB."""


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort by status, failed first; stable."""
    order = list(FindingStatus)
    return tuple(sorted(findings, key=lambda finding: order.index(finding.status)))


def counted(findings: Iterable[Finding]) -> str:
    """`1 failed, 3 passed`."""
    counts = Counter(finding.status for finding in findings)
    return ", ".join(f"{counts[status]} {status}" for status in FindingStatus if counts[status]) or "nothing judged"


def markdown(title: str, findings: Sequence[Finding]) -> str:
    """Render a heading with the counts and a line per finding. Names cannot inject markup."""
    lines = [f"- **{finding.status}** {inert(finding.text, _PLAIN)}" for finding in findings]
    return "\n".join([f"# {inert(title, _PLAIN)}: {counted(findings)}\n", *lines, ""])


def commands(title: str, findings: Iterable[Finding]) -> list[str]:
    """Render workflow commands that annotate a GitHub run with failed and undecided findings."""
    kinds = {FindingStatus.FAILED: "error", FindingStatus.UNDECIDED: "warning"}
    return [
        f"::{kinds[finding.status]} title={_property(title)}::{_data(visible(finding.text))}"
        for finding in findings
        if finding.status in kinds
    ]


def _data(text: str) -> str:
    """As `@actions/core` escapes the message of a command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """As `@actions/core` escapes the value of a property."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")

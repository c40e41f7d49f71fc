"""What an unattended run found: one line each, as Markdown for a step summary, and as annotations of GitHub Actions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from harness.core.formatting import visible
from harness.core.markdown import SAFE, inert
from harness.report.model_findings import Finding, FindingStatus

_PLAIN = SAFE + "-"
"""A hyphen within a line, as in a date, is no list, rule or heading."""
SUMMARY_BYTES = 1_000_000
"""What GitHub takes as a step summary is 1 MiB; more is refused as a whole."""


def ordered(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """What failed first; among equals as they came."""
    order = list(FindingStatus)
    return tuple(sorted(found, key=lambda finding: order.index(finding.standing)))


def counted(found: Iterable[Finding]) -> str:
    """`1 failed, 3 passed`."""
    counts = Counter(finding.standing for finding in found)
    return (
        ", ".join(f"{counts[standing]} {standing}" for standing in FindingStatus if counts[standing])
        or "nothing judged"
    )


def markdown(title: str, found: Sequence[Finding]) -> str:
    """A heading that tells the outcome, and a line each; inert whatever a case or a model is called."""
    lines = [f"- **{finding.standing}** {inert(finding.text, _PLAIN)}" for finding in found]
    return "\n".join([f"# {inert(title, _PLAIN)}: {counted(found)}\n", *lines, ""])


def commands(title: str, found: Iterable[Finding]) -> list[str]:
    """Workflow commands that put what failed, and what is undecided, onto the page of a run on GitHub."""
    kinds = {FindingStatus.FAILED: "error", FindingStatus.UNDECIDED: "warning"}
    return [
        f"::{kinds[finding.standing]} title={_property(title)}::{_data(visible(finding.text))}"
        for finding in found
        if finding.standing in kinds
    ]


def _data(text: str) -> str:
    """As `@actions/core` escapes the message of a command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """As `@actions/core` escapes the value of a property."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")

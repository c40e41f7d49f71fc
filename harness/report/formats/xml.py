"""JUnit XML, for CI systems: a test case per gate and per verdict, without characters that XML forbids."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from harness.analysis.gates import GateResult, GateStatus
from harness.core.formatting import visible
from harness.report.cards import VerdictCard, cards
from harness.report.gate_text import outcome_text
from harness.report.model import Report

_FORBIDDEN = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


def render(report: Report) -> str:
    """A test suite per eval. Failed gates and bad verdicts fail, undecided ones are skipped with the reason."""
    root = Element("testsuites", name="harness")
    by_eval = {card.eval: card for card in cards(report)}
    for e in report.evals:
        gates = [gate for gate in report.gates if gate.cell.partition(" ")[0] == e.name]
        suite = SubElement(root, "testsuite", name=_text(e.name))
        results = [*_verdict(by_eval[e.name]), *map(_gate, gates)]
        for name, status, text in results:
            test = SubElement(suite, "testcase", classname=_text(e.name), name=_text(name))
            if status is GateStatus.FAILED:
                SubElement(test, "failure", message=_text(text))
            elif status is GateStatus.UNDECIDED:
                SubElement(test, "skipped", message=_text(text))
            else:
                SubElement(test, "system-out").text = _text(text)
        statuses = [status for _, status, _ in results]
        suite.set("tests", str(len(results)))
        suite.set("failures", str(statuses.count(GateStatus.FAILED)))
        suite.set("skipped", str(statuses.count(GateStatus.UNDECIDED)))
    indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _verdict(card: VerdictCard) -> Iterator[tuple[str, GateStatus, str]]:
    if card.paired is not None:
        status = {"good": GateStatus.PASSED, "bad": GateStatus.FAILED, "open": GateStatus.UNDECIDED}[card.tone]
        yield f"verdict {card.title}", status, f"{card.label}: {card.figure}. {card.why}"


def _gate(gate: GateResult) -> tuple[str, GateStatus, str]:
    return f"{gate.gate} {gate.cell.partition(' ')[2]}", gate.status, outcome_text(gate)


def _text(text: str) -> str:
    return _FORBIDDEN.sub("", visible(text))

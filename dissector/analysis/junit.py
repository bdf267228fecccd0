"""Findings as a JUnit report for continuous integration: a test suite per trace, a test case per code."""

import re
from dataclasses import dataclass, field
from xml.etree import ElementTree

from vtctap.dissector.analysis.findings import KINDS, SEVERITIES, Finding

MAX_WRITTEN = 100
"""Most findings of one code written out per trace; the report counts the others."""


_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML cannot hold in any form, but file names can."""


class JunitReport:
    """Collects the findings of traces.

    Findings of severity ``fail_on`` or above (``never``: none) fail their code's test case; the others are its output.
    """

    def __init__(self, fail_on: str = "warning") -> None:
        self._failing = SEVERITIES[SEVERITIES.index(fail_on) :] if fail_on in SEVERITIES else ()
        self._root = ElementTree.Element("testsuites", name="vtctap check")
        self._found: dict[tuple[str, bool], _Found] = {}
        self._trace = ""

    def begin(self, trace: str) -> None:
        """Starts the test suite of ``trace``."""
        self._finish()
        self._trace = _NOT_XML.sub("?", trace)

    def feed(self, finding: Finding) -> None:
        """Collects the next finding."""
        found = self._found.setdefault((finding.code, finding.severity in self._failing), _Found())
        found.count += 1
        if len(found.first) < MAX_WRITTEN:
            found.first.append(finding)

    def text(self) -> str:
        """Returns the report: XML in ASCII."""
        self._finish()
        ElementTree.indent(self._root)
        return '<?xml version="1.0" encoding="US-ASCII"?>\n' + ElementTree.tostring(self._root).decode("ascii") + "\n"

    def _finish(self) -> None:
        if not self._trace:
            return
        suite = ElementTree.SubElement(self._root, "testsuite", name=self._trace, tests=str(len(KINDS)))
        failures = 0
        for code in KINDS:
            case = ElementTree.SubElement(suite, "testcase", classname=self._trace, name=code)
            graver, notes = self._found.get((code, True)), self._found.get((code, False))
            if graver:
                failures += 1
                shown = graver.first[0]
                failure = ElementTree.SubElement(case, "failure", message=shown.message, type=shown.severity)
                failure.text = graver.lines()
            if notes:
                ElementTree.SubElement(case, "system-out").text = notes.lines()
        suite.set("failures", str(failures))
        self._found, self._trace = {}, ""


@dataclass(slots=True)
class _Found:
    """Findings of one code, either failing or not: the first ones, and the number of all."""

    first: list[Finding] = field(default_factory=list)
    count: int = 0

    def lines(self) -> str:
        lines = [
            f"{finding.severity}: {finding.message} (record {', '.join(map(str, finding.frames[:6])) or 'none'}; "
            f"source: {finding.source})"
            for finding in self.first
        ]
        more = self.count - len(self.first)
        return "\n".join(lines + ([f"... and {more} more"] if more else []))

"""Findings as a JUnit report, which continuous integrations show: a test suite a trace, a test case a code."""

from xml.etree import ElementTree

from vtctap.dissector.analysis.findings import KINDS, SEVERITIES, Finding

MOST = 100
"""So many findings of one code are written out for a trace; the others are counted."""


class Report:
    """Collects the findings of traces: those of the severity ``fail_on`` or above (``never``: none) fail their code's
    test case, the others are its output."""

    def __init__(self, fail_on: str = "warning") -> None:
        self._failing = SEVERITIES[SEVERITIES.index(fail_on) :] if fail_on in SEVERITIES else ()
        self._root = ElementTree.Element("testsuites", name="vtctap check")
        self._found: dict[str, list[Finding]] = {}
        self._counts: dict[str, int] = {}
        self._trace = ""

    def begin(self, trace: str) -> None:
        """The findings that follow are those of ``trace``."""
        self._finish()
        self._trace = trace

    def add(self, finding: Finding) -> None:
        """One finding."""
        self._counts[finding.code] = self._counts.get(finding.code, 0) + 1
        found = self._found.setdefault(finding.code, [])
        if len(found) < MOST:
            found.append(finding)

    def text(self) -> str:
        """The report, XML in ASCII."""
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
            found = self._found.get(code, [])
            graver = [finding for finding in found if finding.severity in self._failing]
            notes = [finding for finding in found if finding.severity not in self._failing]
            if graver:
                failures += 1
                failure = ElementTree.SubElement(case, "failure", message=graver[0].message, type=graver[0].severity)
                failure.text = self._lines(graver, code)
            if notes:
                ElementTree.SubElement(case, "system-out").text = self._lines(notes, code)
        suite.set("failures", str(failures))
        self._found, self._counts, self._trace = {}, {}, ""

    def _lines(self, findings: list[Finding], code: str) -> str:
        lines = [
            f"{finding.severity}: {finding.message} (record {', '.join(map(str, finding.frames[:6]))}; "
            f"source: {finding.source})"
            for finding in findings
        ]
        more = self._counts[code] - len(self._found[code])
        return "\n".join(lines + ([f"... and {more} more"] if more else []))

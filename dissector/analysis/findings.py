"""Findings: what a check of a trace can find, by code.

The table is the only place that says what a code means, how severe it is and what it rests on; docs/findings.md is made
from it (``make docs``). Sources are clauses of public knowledge; where the rule is our conclusion the source says so.
"""

from dataclasses import dataclass
from typing import Final

SEVERITIES: Final = ("note", "warning", "error")
"""From the least to the most severe."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of finding. ``severity`` is the usual one; a finding may be milder or graver and says so itself."""

    code: str
    severity: str
    about: str
    source: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: its code, severity, the numbers of the records that show it, a plain sentence, the source, and when
    the first of these records began (ns since 1970 UTC; None where that is not known any more)."""

    code: str
    severity: str
    frames: tuple[int, ...]
    message: str
    source: str
    time: int | None = None


_SYNTAX: Final = "IEC 62056-21 clause 6.3 (messages)"
_TIMING: Final = "the profile's timing"
_OURS: Final = "vtctap's own rule"

KINDS: Final = {
    kind.code: kind
    for kind in (
        Kind(
            "bcc-bad",
            "error",
            "A check character, or a Telegram's CRC, is wrong",
            "IEC 62056-21 (block check character of ISO 1155)",
        ),
        Kind(
            "bcc-missing",
            "warning",
            "A message that needs a check character has none",
            "IEC 62056-21 (block check character of ISO 1155)",
        ),
        Kind(
            "bcc-rule-changed",
            "warning",
            "A side's check characters are sums here and exclusive ors there",
            "IEC 62056-21 knows the exclusive or alone; real meters use both",
        ),
        Kind("parity", "error", "Octets have wrong parity", "IEC 62056-21 (character format)"),
        Kind("framing-error", "error", "Octets have no stop bit", "IEC 62056-21 (character format)"),
        Kind(
            "break",
            "warning",
            "The line was held at space for longer than a character",
            "IEC 62056-21 (character format)",
        ),
        Kind("tap-lost", "warning", "A tap's port was gone: what was said meanwhile was not heard", _OURS),
        Kind("overrun", "error", "The tap lost octets before they could be read", _OURS),
        Kind("missed", "error", "Another program read octets from a tap's port: they are not in the trace", _OURS),
        Kind("cut", "warning", "A message did not reach its end", _SYNTAX),
        Kind("noise", "warning", "Octets are part of no message", _SYNTAX),
        Kind("no-response", "warning", "Nothing answered a request", _TIMING),
        Kind("response-late", "warning", "An answer came later than the profile allows", _TIMING),
        Kind("response-early", "warning", "An answer came sooner than the profile allows", _TIMING),
        Kind("char-gap", "warning", "A pause inside a message is longer than the profile allows", _TIMING),
        Kind(
            "unexpected-answer",
            "warning",
            "The server sent what nothing asked for, or what does not answer its request",
            "IEC 62055-52 Annex A (the server speaks when asked; derived), IEC 62056-21 (modes A to E)",
        ),
        Kind("undefined-command", "warning", "A command that neither standard names", "IEC 62055-52 figure A.5"),
        Kind(
            "out-of-sequence",
            "warning",
            "A message that has no place there: a command after a break, an option select without an identification",
            "IEC 62056-21 (modes A to E); IEC 62055-52 Annex A is not public",
        ),
        Kind("syntax", "warning", "A message is not formed as it should be", _SYNTAX),
        Kind(
            "field-width",
            "note",
            "A field is longer than the standard lets it be",
            "IEC 62056-21 (lengths of fields; derived)",
        ),
        Kind("nak", "warning", "A message was not accepted; a note where it was damaged or came again", _SYNTAX),
        Kind("nak-loop", "warning", "The same message was refused three times or more", _OURS),
        Kind("repeat", "note", "A message was sent again", _SYNTAX),
        Kind("token-rejected", "note", "The meter did not take a token", "IEC 62055-52 clause 7.8 (values derived)"),
        Kind(
            "token-lockout",
            "warning",
            "The meter takes no tokens for now, after too many that it rejected",
            "IEC 62055-52 clause 6.6 (TokenLockout)",
        ),
        Kind(
            "server-state",
            "note",
            "The server did what its state, followed from outside, gave it no way to do",
            "IEC 62055-52 clause 6.6 and Annex A, whose text is not public: the states are vtctap's own (derived)",
        ),
        Kind(
            "speed-mismatch",
            "warning",
            "The speed that was agreed on is not the speed that was used or offered",
            "IEC 62056-21 (identification and option select, modes B and C)",
        ),
    )
}


def finding(code: str, frames: tuple[int, ...], message: str, *, severity: str = "", source: str = "") -> Finding:
    """A finding of that code, of its usual severity and source where none is given."""
    kind = KINDS[code]
    return Finding(code, severity or kind.severity, frames, message, source or kind.source)


def reference() -> str:
    """The reference of all findings, as Markdown: docs/findings.md."""
    rows = [f"| `{kind.code}` | {kind.severity} | {kind.about} | {kind.source} |" for kind in KINDS.values()]
    return _REFERENCE.format(rows="\n".join(rows))


_REFERENCE: Final = """# Findings

Made from `dissector/analysis/findings.py` by `make docs`; do not edit.

What `vtctap check` can find. A finding names its code, its severity, the numbers of the records that show it, a plain
sentence, and what it rests on. The severity here is the usual one: a NAK is a note where the message that it refuses
was damaged or came again. Limits of time are the profile's, and a device is accused only of what the tap could see:
the uncertainty of both time stamps is taken off first, and where it is not known nothing is said.

| code | severity | what was found | source |
|---|---|---|---|
{rows}
"""


if __name__ == "__main__":
    print(reference(), end="")

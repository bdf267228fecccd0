"""Findings: everything that a check of a trace can find, by code.

This table is the only place that states a code's meaning, severity and source; docs/findings.md is generated from it
(``make pages``). Sources are clauses of public standards; where a rule is vtctap's own conclusion, the source says so.
"""

from dataclasses import dataclass
from typing import Final

from vtctap.dissector.protocol.rules import MessageName

SEVERITIES: Final = ("note", "warning", "error")
"""The severities, the least severe first."""


@dataclass(frozen=True, slots=True)
class FindingKind:
    """One kind of finding. ``severity`` is the usual one; a finding may state a milder or graver one.

    ``group`` is the group of its Wireshark expert info, which has the same name, text and severity. Where Wireshark
    does not report it, ``untold`` says why. ``formerly`` is the expert's former name.
    """

    code: str
    severity: str
    about: str
    source: str
    group: str = ""
    untold: str = ""
    formerly: str = ""

    @property
    def expert(self) -> str:
        """The expert's name, without ``vtc.expert.``."""
        return self.code.replace("-", "_")


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding.

    It has a code, a severity, the numbers of the records that show it, a sentence and a source. ``time_ns`` is the
    start of the first record (ns since 1970 UTC), None where it is no longer known.
    """

    code: str
    severity: str
    frames: tuple[int, ...]
    message: str
    source: str
    time_ns: int | None = None

    def as_json(self) -> dict[str, str | list[int]]:
        """Returns all but the time, which each output states in its own way."""
        return {
            "code": self.code,
            "severity": self.severity,
            "frames": list(self.frames),
            "message": self.message,
            "source": self.source,
        }


_SYNTAX: Final = "IEC 62056-21 clause 6.3 (messages)"
_TIMING: Final = "the profile's timing"
_OURS: Final = "vtctap's own rule"

_BCC: Final = "IEC 62056-21 (block check character of ISO 1155)"
_HDLC: Final = "IEC 62056-46 clause 6.4 (HCS and FCS of ISO/IEC 13239)"
_FORMAT: Final = "IEC 62056-21 (character format)"
_JUDGED: Final = "it needs the meaning of the exchange, which the Lua dissector does not track"
_FORM: Final = "the Lua dissector decodes messages and leaves their form to the check"

_KINDS: Final = (
    FindingKind(
        "trace-damaged",
        "error",
        "A part of the trace is damaged or missing",
        _OURS,
        untold="Wireshark stops at a damaged block, and shows a damaged record as data",
    ),
    FindingKind("bcc-bad", "error", "A check character, or a Telegram's CRC, is wrong", _BCC, "CHECKSUM"),
    FindingKind("fcs-bad", "error", "A check sequence of an HDLC frame is wrong", _HDLC, "CHECKSUM"),
    FindingKind(
        "bcc-missing",
        "warning",
        "A message that needs a check character has none",
        _BCC,
        "CHECKSUM",
    ),
    FindingKind(
        "bcc-rule-changed",
        "warning",
        "A side's check characters change between sum and exclusive or with the same meter",
        "IEC 62056-21 defines only the exclusive or; real meters use both",
        untold="`vtc.bcc.rule` says which rule each message follows",
    ),
    FindingKind("parity", "error", "Octets have wrong parity", _FORMAT, "CHECKSUM"),
    FindingKind("framing-error", "error", "Octets have no stop bit", _FORMAT, "PROTOCOL", formerly="framing"),
    FindingKind("break", "warning", "The line was held at space for longer than a character", _FORMAT, "SEQUENCE"),
    FindingKind(
        "tap-lost",
        "warning",
        "A tap was disconnected: traffic during that time is missing",
        _OURS,
        untold="`vtc.event` says when it was lost and opened",
    ),
    FindingKind(
        "taps-swapped",
        "warning",
        "Requests come from the server's tap alone, and answers from the client's",
        _OURS,
        untold="only the whole trace shows it; `vtc.sender` is the side whose tap heard the message",
    ),
    FindingKind("overrun", "error", "The tap lost octets before they could be read", _OURS, "SEQUENCE"),
    FindingKind(
        "missed",
        "error",
        "Another program read octets from a tap's port, so they are missing",
        _OURS,
        untold="`vtc.event` says when it did",
    ),
    FindingKind("cut", "warning", "A message did not reach its end", _SYNTAX, "SEQUENCE"),
    FindingKind("noise", "warning", "Octets belong to no message", _SYNTAX, untold="`vtc.kind` says it"),
    FindingKind("no-response", "warning", "A request got no answer", _TIMING, "SEQUENCE"),
    FindingKind("response-late", "warning", "An answer came later than the profile allows", _TIMING, "SEQUENCE"),
    FindingKind("response-early", "warning", "An answer came sooner than the profile allows", _TIMING, "SEQUENCE"),
    FindingKind(
        "char-gap", "warning", "A pause inside a message is longer than the profile allows", _TIMING, "PROTOCOL"
    ),
    FindingKind(
        "unexpected-answer",
        "warning",
        "The server sent a message without a request, or one that does not answer the request",
        "IEC 62055-52 Annex A (the server speaks when asked; derived), IEC 62056-21 (modes A to E)",
        untold=_JUDGED,
    ),
    FindingKind(
        "undefined-command",
        "warning",
        "A command that neither standard names",
        "IEC 62055-52 figure A.5",
        "UNDECODED",
        formerly="undefined",
    ),
    FindingKind(
        "out-of-sequence",
        "warning",
        "A message is out of sequence: a command after a break, an option select without an identification",
        "IEC 62056-21 (modes A to E); IEC 62055-52 Annex A is not public",
        untold=_JUDGED,
    ),
    FindingKind(
        "syntax", "warning", "A message does not have the form that the standard requires", _SYNTAX, untold=_FORM
    ),
    FindingKind(
        "field-width",
        "note",
        "A field is longer than the standard allows",
        "IEC 62056-21 (lengths of fields; derived)",
        untold=_FORM,
    ),
    FindingKind("nak", "warning", "A message was not accepted", _SYNTAX, "RESPONSE_CODE"),
    FindingKind(
        "nak-loop",
        "warning",
        "The same message was refused three times or more",
        _OURS,
        untold="each refusal is a `vtc.expert.nak`",
    ),
    FindingKind("repeat", "note", "A message was sent again", _SYNTAX, "SEQUENCE"),
    FindingKind(
        "token-rejected",
        "note",
        "The meter rejected a token",
        "IEC 62055-52 clause 7.8 (values derived)",
        "RESPONSE_CODE",
        formerly="rejected",
    ),
    FindingKind(
        "token-lockout",
        "warning",
        "The meter accepts no tokens for now, after too many rejected ones",
        "IEC 62055-52 clause 6.6 (TokenLockout)",
        "RESPONSE_CODE",
        formerly="lockout",
    ),
    FindingKind(
        "server-state",
        "note",
        "The server did something that its state, as inferred from the traffic, does not allow",
        "IEC 62055-52 clause 6.6 and Annex A, whose text is not public: the states are vtctap's own (derived)",
        untold=_JUDGED,
    ),
    FindingKind(
        "speed-mismatch",
        "warning",
        "The selected speed was not offered, or not used",
        "IEC 62056-21 (identification and option select, modes B and C)",
        untold=_JUDGED,
    ),
)

KINDS: Final = {kind.code: kind for kind in _KINDS}

MARKS: Final = (
    FindingKind("echo", "note", "Octets of the other side, heard on this tap", _OURS, "SEQUENCE"),
    FindingKind("speed", "note", "The line goes on at another speed", _OURS, "SEQUENCE"),
    FindingKind("token-crc", "warning", "A token that is not encrypted has a wrong CRC", "IEC 62055-41", "CHECKSUM"),
)
"""Marks that only Wireshark shows: they are no fault of the link."""

MESSAGE_FINDINGS: Final = {MessageName.UndefinedCommand: "undefined-command", MessageName.NAK: "nak"}
"""The finding that a message is by itself."""
OUTCOME_FINDINGS: Final = {"rejected": "token-rejected", "locked out": "token-lockout"}
"""The finding that a token status is, by the outcome that its profile assigns."""


def finding(code: str, frames: tuple[int, ...], message: str, *, severity: str = "", source: str = "") -> Finding:
    """Creates a finding of that code, with its usual severity and source unless given."""
    kind = KINDS[code]
    return Finding(code, severity or kind.severity, frames, message, source or kind.source)


def reference() -> str:
    """Returns the reference of all findings as Markdown, for docs/findings.md."""
    rows = [
        f"| `{kind.code}` | {kind.severity} | {kind.about} | {kind.source} | {_in_wireshark(kind)} |"
        for kind in KINDS.values()
    ]
    marks = [f"| `vtc.expert.{kind.expert}` | {kind.severity} | {kind.about} |" for kind in MARKS]
    return _REFERENCE.format(rows="\n".join(rows), marks="\n".join(marks))


def _in_wireshark(kind: FindingKind) -> str:
    if not kind.group:
        return f"no: {kind.untold}"
    formerly = f" (formerly `vtc.expert.{kind.formerly}`)" if kind.formerly else ""
    return f"`vtc.expert.{kind.expert}`{formerly}"


_REFERENCE: Final = """# Findings

Generated from `dissector/analysis/findings.py` by `make pages`; do not edit.

Everything that `vtctap check` can find. A finding has a code, a severity, the numbers of the records that show it, a
sentence and a source. The severity here is the usual one: a NAK is a note where the message that it refuses
was damaged or repeated, and a side that never sends check characters is noted once. Time limits are the profile's.
A device is accused only of what the tap could see: the uncertainty of both timestamps is subtracted first, and
nothing is reported where it is unknown, where the order of the records is uncertain, or where nobody measured the
speed.

Wireshark reports most of them by the same rules in *Analyze > Expert Information*, with the same text and
the usual severity; it reports a token's rejection wherever the meter states it. The filters' former names work
for one more release, and `vtc.expert.crc_bad` finds those wrong check characters that are a Telegram's CRC.

| code | severity | what was found | source | filter in Wireshark |
|---|---|---|---|---|
{rows}

Wireshark also marks these, which are no fault of the link:

| filter | severity | what is there |
|---|---|---|
{marks}
"""


if __name__ == "__main__":
    print(reference(), end="")

"""The check: stories written by hand, each with exactly the findings that it must give, and the demo, whose faults the
simulated line itself lists."""

import ast
import tracemalloc
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from vtctap.dissector.analysis import findings
from vtctap.dissector.analysis.check import check
from vtctap.dissector.analysis.exchange_rules import MAX_SILENT
from vtctap.dissector.analysis.findings import KINDS, SEVERITIES, Finding
from vtctap.dissector.analysis.junit import MAX_WRITTEN, JunitReport
from vtctap.dissector.dissect import Dissector
from vtctap.dissector.profiles.files import load
from vtctap.dissector.protocol.checksums import crc16
from vtctap.pcap import Flag, Kind, Line, Record, Sender, Skipped
from vtctap.sniffer import virtual
from vtctap.sniffer.simulated.named import GUESS
from vtctap.sniffer.simulated.octets import with_check
from vtctap.sniffer.simulated.session import EPOCH, play

MS = 1_000_000
SECOND = 1000 * MS
SEVEN = Line(7, "E", 1)
PROFILE = load()
CALL, IDENT = b"/?!\r\n", b"/LGZ5vtc\r\n"
READ, DATA = b"\x01R1\x02FFFE()\x03`", b"\x02FFFE(01)\x03\x00"
WRITE, BREAK = b"\x01W1\x02FFFF(1)\x03W", b"\x01B0\x03q"
ACK, NAK, NULS, SELECT = b"\x06", b"\x15", bytes(9), b"\x06051\r\n"
STATUS = {value: b"\x02FFFE(%02X)\x03" % value for value in range(17)}
STATUS = {value: text + bytes([reduce(int.__xor__, text[1:])]) for value, text in STATUS.items()}
UNDEFINED = with_check(b"\x01X1\x02a()\x03")
SUM_READ = READ[:-1] + bytes([sum(READ[1:-1]) % 128])

Frame = tuple[str, bytes] | tuple[str, bytes, dict[str, Any]]


def found(story: Sequence[Frame], *, quiet: int = 5 * SECOND) -> list[tuple[str, str, tuple[int, ...]]]:
    """Returns the findings in a story: ``C`` client, ``S`` server, ``N`` noise by the client, ``E`` event. Each frame
    lasts 10 ms, and the next one begins 250 ms later unless ``after`` (ns) says otherwise. The capture continues for
    ``quiet`` (ns)."""
    dissector = Dissector(PROFILE)
    records = []
    time = EPOCH
    for side, octets, *more in story:
        special: dict[str, Any] = {"uncertainty": MS, "line": SEVEN, "speed": 9600, **(more[0] if more else {})}
        time += special.pop("after", 250 * MS)
        sender = Sender.SERVER if side == "S" else Sender.CLIENT
        kind = {"N": Kind.NOISE, "E": Kind.EVENT}.get(side, Kind.FRAME)
        records.append(Record(time, octets, kind, sender, duration=10 * MS, **special))
        time += 10 * MS
    records.append(Record(time + quiet, b"", Kind.EVENT, event="closed"))
    findings = list(check(map(dissector.dissect, records), PROFILE))
    assert all(finding.source and finding.message for finding in findings)
    return sorted((finding.code, finding.severity, finding.frames) for finding in findings)


GOOD: list[Frame] = [("C", CALL), ("S", IDENT), ("C", READ), ("S", DATA)]


def test_a_good_session() -> None:
    assert found([*GOOD, ("C", WRITE), ("S", ACK), ("C", READ), ("S", STATUS[16]), ("C", READ), ("S", STATUS[1]),
                  ("C", BREAK), ("C", NULS), ("C", CALL), ("S", IDENT), ("C", BREAK)]) == []  # fmt: skip


DAMAGE: list[tuple[list[Frame], list[tuple[str, str, tuple[int, ...]]]]] = [
    ([("C", READ), ("S", DATA[:-1] + b"8")], [("bcc-bad", "error", (2,))]),
    ([("C", READ), ("S", DATA[:-1])], [("bcc-missing", "warning", (2,))]),
    ([("C", READ), ("S", DATA, {"flags": Flag.PARITY, "parity_errors": (3,)})], [("parity", "error", (2,))]),
    ([("C", READ), ("S", DATA, {"flags": Flag.FRAMING, "framing_errors": (3,)})], [("framing-error", "error", (2,))]),
    ([("N", b"\0", {"flags": Flag.BREAK | Flag.FRAMING, "framing_errors": (0,)})], [("break", "warning", (1,))]),
    ([("N", b"abc")], [("noise", "warning", (1,))]),
    ([("C", READ, {"flags": Flag.OVERRUN}), ("S", DATA)], [("overrun", "error", (1,))]),
    ([("C", READ), ("S", DATA[:5], {"flags": Flag.CUT})], [("cut", "warning", (2,))]),
    ([("S", b"/LGZ5x\r\n\r\n1.8(1)\r\n!0000\r\n")], [("bcc-bad", "error", (1,))]),
    (
        [("C", b"\x7e\xa0\x07\x03\x21\x93\x0f\x01\x7e"), ("S", b"\x7e\xa0\x07\x21\x03\x73\x73\x76\x7e")],
        [("fcs-bad", "error", (2,))],
    ),
    ([("C", READ), ("S", DATA, {"pauses_us": ((3, 1_600_000),)})], [("char-gap", "warning", (2,))]),
    ([("C", READ), ("S", DATA, {"pauses_us": ((3, 1_501_000),)})], []),
    ([("C", READ), ("S", DATA, {"pauses_us": ((3, 1_600_000),), "uncertainty": 60 * MS})], []),
    ([("C", READ), ("S", DATA, {"pauses_us": ((3, 1_600_000),), "uncertainty": None})], []),
    ([("C", READ), ("S", DATA, {"pauses_us": ((3, 1_600_000),), "flags": Flag.SYNTHETIC})], []),
]

FORM: list[tuple[list[Frame], list[tuple[str, str, tuple[int, ...]]]]] = [
    ([("C", CALL), ("S", b"/L1Z5vtc\r\n")], [("syntax", "warning", (2,))]),
    ([("C", CALL), ("S", b"/LgZ5vtc\r\n")], [("syntax", "note", (2,))]),
    ([("C", CALL), ("S", b"/LGz5vtc\r\n")], []),
    ([("C", CALL), ("S", b"/LGZ9vtc\r\n")], [("syntax", "note", (2,))]),
    ([("C", CALL), ("S", IDENT), ("C", b"\x0605\r\n"), ("S", DATA)], [("syntax", "warning", (3,))]),
    ([("C", b"/?" + b"1" * 32 + b"!\r\n"), ("S", IDENT)], []),
    ([("C", b"/?" + b"1" * 33 + b"!\r\n"), ("S", IDENT)], [("field-width", "note", (1,))]),
    ([("C", CALL), ("S", b"/LGZ5" + b"x" * 17 + b"\r\n")], [("field-width", "note", (2,))]),
    ([("C", UNDEFINED), ("S", NAK)], [("nak", "note", (2,)), ("undefined-command", "warning", (1,))]),
]

SEQUENCE: list[tuple[list[Frame], list[tuple[str, str, tuple[int, ...]]]]] = [
    ([*GOOD, ("C", READ), ("C", READ, {"after": 2 * SECOND}), ("S", DATA)],
     [("no-response", "warning", (5,)), ("repeat", "note", (6,))]),
    ([*GOOD, ("C", READ)], [("no-response", "warning", (5,))]),
    ([("C", READ), ("C", READ), ("S", DATA)], [("no-response", "warning", (1,)), ("repeat", "note", (2,))]),
    ([("C", CALL), ("C", READ), ("C", READ)], [("no-response", "note", (1, 2, 3)), ("repeat", "note", (3,))]),
    ([("C", b"/?1!"), ("C", READ), ("S", DATA)], []),
    ([*GOOD, ("C", READ[:4], {"flags": Flag.CUT}), ("C", READ), ("S", DATA)],
     [("cut", "warning", (5,))]),
    ([("C", READ), ("S", DATA, {"after": 1_600 * MS})], [("response-late", "warning", (2,))]),
    ([("C", READ), ("S", DATA, {"after": 1_501 * MS})], []),
    ([("C", READ), ("S", DATA, {"after": 1_502 * MS})], []),
    ([("C", READ), ("S", DATA, {"after": 1_502 * MS + 1})], [("response-late", "warning", (2,))]),
    ([("C", READ), ("S", DATA, {"after": 1_600 * MS, "uncertainty": 100 * MS})], []),
    ([("C", READ, {"uncertainty": None}), ("S", DATA, {"after": 1_600 * MS})], []),
    ([("C", READ), ("S", DATA, {"after": 1_600 * MS, "flags": Flag.ORDER_UNCERTAIN})], []),
    ([("C", READ), ("S", DATA, {"after": 10 * MS})], [("response-early", "warning", (2,))]),
    ([("C", READ), ("S", DATA, {"after": 19 * MS})], []),
    ([*GOOD, ("S", DATA)], [("unexpected-answer", "warning", (5,))]),
    ([("S", DATA), *GOOD], []),
    ([*GOOD, ("C", BREAK), ("S", DATA, {"after": 200 * SECOND})], [("unexpected-answer", "warning", (6,))]),
    ([("C", CALL), ("S", IDENT), ("S", DATA)], []),
    ([("C", WRITE), ("S", DATA)], [("unexpected-answer", "warning", (1, 2))]),
    ([("C", READ), ("S", ACK)], [("unexpected-answer", "warning", (1, 2))]),
    ([("C", READ), ("S", BREAK)], []),
    ([*GOOD, ("C", BREAK), ("C", READ), ("S", DATA)], [("out-of-sequence", "warning", (6,))]),
    ([("C", CALL), ("C", SELECT), ("S", DATA)],
     [("no-response", "warning", (1,)), ("out-of-sequence", "warning", (2,))]),
    ([("C", SELECT), ("S", DATA)], []),
    # Pairs of devices without a sign-on send a break all the same.
    ([("C", READ), ("S", DATA), ("C", BREAK), ("C", READ, {"after": 600 * SECOND}), ("S", DATA)], []),
    ([("C", READ), ("S", NAK), ("C", READ), ("S", DATA)], [("nak", "note", (2,)), ("repeat", "note", (3,))]),
    ([("C", WRITE), ("S", NAK), ("C", READ), ("S", DATA)], [("nak", "warning", (2,))]),
    ([("C", READ[:-1] + b"x"), ("S", NAK)], [("bcc-bad", "error", (1,)), ("nak", "note", (2,))]),
    ([("C", READ), ("S", DATA), ("C", NAK), ("S", DATA)], [("nak", "note", (3,)), ("repeat", "note", (4,))]),
    ([("C", WRITE), ("S", NAK), ("C", WRITE), ("S", NAK), ("C", WRITE), ("S", NAK)],
     [("nak", "note", (2,)), ("nak", "note", (4,)), ("nak", "warning", (6,)), ("nak-loop", "warning", (5, 6)),
      ("repeat", "note", (3,)), ("repeat", "note", (5,))]),
    ([("C", READ), ("S", DATA), ("C", SUM_READ), ("S", DATA)], [("bcc-rule-changed", "warning", (3,))]),
    ([("C", SUM_READ), ("S", DATA)], []),
]  # fmt: skip

SIGN_ON = [("C", b"/?1!\r\n"), ("S", IDENT)], [("C", b"/?2!\r\n"), ("S", IDENT)]
"""Sessions with two meters of the same make."""
BARE_READ, BARE_DATA = READ[:-1], DATA[:-1]
CHECKS: list[tuple[list[Frame], list[tuple[str, str, tuple[int, ...]]]]] = [
    # The rule belongs to the meter, not to the link: another address or identification shows another meter.
    ([*SIGN_ON[0], ("C", READ), ("S", DATA), ("C", BREAK), *SIGN_ON[1], ("C", SUM_READ), ("S", DATA)], []),
    ([*SIGN_ON[0], ("C", READ), ("S", DATA), *SIGN_ON[0], ("C", SUM_READ), ("S", DATA)],
     [("bcc-rule-changed", "warning", (7,))]),
    ([*SIGN_ON[0], ("C", READ), ("S", DATA), *SIGN_ON[1], ("C", SUM_READ), ("S", DATA), *SIGN_ON[0], ("C", SUM_READ),
      ("S", DATA)], [("bcc-rule-changed", "warning", (11,))]),
    ([*GOOD, ("C", BREAK), ("C", CALL), ("S", b"/ISK5other\r\n"), ("C", SUM_READ), ("S", DATA)], []),
    ([*GOOD, ("C", BREAK), ("C", CALL), ("S", IDENT), ("C", SUM_READ), ("S", DATA)],
     [("bcc-rule-changed", "warning", (8,))]),
    ([*GOOD, ("C", BREAK), ("C", CALL), ("C", SUM_READ), ("S", DATA)], [("no-response", "warning", (6,))]),
    ([("C", READ), ("S", DATA), ("C", SUM_READ, {"after": 600 * SECOND}), ("S", DATA)], []),
    # A side that never sends check characters does so by habit.
    ([("C", BARE_READ), ("S", DATA)], [("bcc-missing", "warning", (1,))]),
    ([("C", BARE_READ), ("S", DATA)] * 3, [("bcc-missing", "note", (1, 3, 5))]),
    ([("C", BARE_READ), ("S", BARE_DATA)] * 2, [("bcc-missing", "note", (1, 3)), ("bcc-missing", "note", (2, 4))]),
    ([("C", BARE_READ), ("S", DATA)] * 2 + [("C", READ), ("S", DATA), ("C", BARE_READ), ("S", DATA)],
     [("bcc-missing", "warning", (1,)), ("bcc-missing", "warning", (3,)), ("bcc-missing", "warning", (7,))]),
    # A habit is reported once, and later messages are compared with the habit.
    ([("C", BARE_READ), ("S", DATA)] * 30, [("bcc-missing", "note", tuple(range(1, 40, 2)))]),
    ([("C", BARE_READ), ("S", DATA)] * 30 + [("C", READ), ("S", DATA), ("C", BARE_READ), ("S", DATA)],
     [("bcc-missing", "note", tuple(range(1, 40, 2))), ("bcc-missing", "warning", (63,))]),
]  # fmt: skip

TOKENS: list[tuple[list[Frame], list[tuple[str, str, tuple[int, ...]]]]] = [
    ([("C", WRITE), ("S", ACK), ("C", READ), ("S", STATUS[16]), ("C", READ), ("S", STATUS[10]), ("C", READ),
      ("S", STATUS[10])], [("token-rejected", "note", (1, 6))]),
    ([("C", WRITE), ("S", ACK), ("C", READ), ("S", STATUS[10]), ("C", WRITE), ("S", ACK), ("C", READ),
      ("S", STATUS[10])], [("token-rejected", "note", (1, 4)), ("token-rejected", "note", (5, 8))]),
    ([("C", READ), ("S", STATUS[13])], [("token-rejected", "note", (2,))]),
    ([("C", WRITE), ("S", ACK), ("C", READ), ("S", STATUS[15])], [("token-lockout", "warning", (1, 4))]),
    ([("C", READ), ("S", STATUS[13][:-1] + b"x")], [("bcc-bad", "error", (2,))]),
    *(([("C", WRITE), ("S", ACK), ("C", READ), ("S", STATUS[value])], []) for value in (0, 1, 2, 3, 16)),
]  # fmt: skip

SERVER: list[tuple[list[Frame], list[tuple[str, str, tuple[int, ...]]]]] = [
    ([*GOOD, ("C", READ), ("S", STATUS[16])], [("server-state", "note", (5, 6))]),
]

SPEED: list[tuple[list[Frame], list[tuple[str, str, tuple[int, ...]]]]] = [
    ([("C", CALL), ("S", IDENT), ("C", SELECT), ("S", DATA)], []),
    ([("C", CALL), ("S", IDENT), ("C", b"\x06041\r\n"), ("S", DATA, {"speed": 4800})],
     [("speed-mismatch", "warning", (3,))]),
    ([("C", CALL), ("S", IDENT), ("C", b"\x06001\r\n"), ("S", DATA, {"speed": 300})], []),
    ([("C", CALL), ("S", IDENT), ("C", SELECT), ("S", DATA, {"speed": 300})],
     [("speed-mismatch", "warning", (3, 4))]),
    ([("C", CALL), ("S", IDENT), ("C", SELECT), ("S", DATA, {"speed": 0})], []),
    # The speed of an imported recording is the one that the user stated.
    ([("C", CALL), ("S", IDENT), ("C", SELECT), ("S", DATA, {"speed": 300, "uncertainty": None})], []),
]  # fmt: skip


STORIES = [*DAMAGE, *FORM, *SEQUENCE, *CHECKS, *TOKENS, *SERVER, *SPEED]


@pytest.mark.parametrize(("story", "expected"), STORIES)
def test_stories(story: list[Frame], expected: list[tuple[str, str, tuple[int, ...]]]) -> None:
    assert found(story) == expected


def swapped(story: Sequence[Frame]) -> list[Frame]:
    """The story as two taps tell it of which each is on the other side's wire."""
    return [({"C": "S", "S": "C"}.get(side, side), *more) for side, *more in story]  # type: ignore[list-item]


WHOLE = [*GOOD, ("C", WRITE), ("S", ACK), ("C", READ), ("S", STATUS[16]), ("C", BREAK), ("C", NULS), *GOOD]
TAPS: list[tuple[list[Frame], list[tuple[str, str, tuple[int, ...]]]]] = [
    (swapped(WHOLE), [("taps-swapped", "warning", (1, 2))]),
    (swapped(GOOD[2:]), [("taps-swapped", "warning", (1, 2))]),
    # Damage is said all the same, and is no evidence.
    ([*swapped(GOOD), ("C", DATA[:-1] + b"8")], [("bcc-bad", "error", (5,)), ("taps-swapped", "warning", (1, 2))]),
    ([*swapped(GOOD), ("S", DATA[:-1] + b"8")], [("bcc-bad", "error", (5,)), ("taps-swapped", "warning", (1, 2))]),
    # Echoes of the swapped sides are none of their messages.
    ([("S", CALL), ("C", CALL, {"flags": Flag.ECHO}), ("C", IDENT)], [("taps-swapped", "warning", (1, 3))]),
]
NOT_SWAPPED: list[list[Frame]] = [
    WHOLE,
    [*swapped(GOOD), ("C", READ)],  # a tap that hears both
    [*swapped(GOOD), ("S", DATA)],
    [("S", CALL), ("S", READ)],  # one tap alone
    [("C", IDENT), ("C", DATA)],
    [("C", ACK), ("S", NULS), ("C", NAK)],  # either side sends these, or noise looks like them
    [(side, octets, {"inferred": True}) for side, octets in swapped(GOOD)],  # type: ignore[misc]
    [("S", CALL), ("C", DATA[:-1] + b"8")],
]


@pytest.mark.parametrize(("story", "expected"), TAPS)
def test_swapped_taps(story: list[Frame], expected: list[tuple[str, str, tuple[int, ...]]]) -> None:
    """Said once, and nothing else that follows from it: no device is accused."""
    assert found(story) == expected


@pytest.mark.parametrize("story", NOT_SWAPPED)
def test_taps_that_another_reading_explains(story: list[Frame]) -> None:
    assert "taps-swapped" not in {code for code, *_ in found(story)}


def test_each_link_has_its_own_taps() -> None:
    story = [*WHOLE, *((side, octets, {"link": 1}) for side, octets in swapped(GOOD))]  # type: ignore[misc]
    assert found(story) == [("taps-swapped", "warning", (len(WHOLE) + 1, len(WHOLE) + 2))]


LOST, BACK = {"event": "lost octets=7", "tap": 1}, {"event": "opened port=x", "tap": 1}
MISSED = {"event": "missed octets=7", "tap": 1}
UNREAD = {"event": "overrun unread=7", "tap": 1}
FULL = {"event": "overrun overrun=1 buf_overrun=0", "tap": 1}
OUTAGE: list[tuple[list[Frame], list[tuple[str, str, tuple[int, ...]]]]] = [
    # No device is accused of messages while a tap was away. Before and after that time, devices are.
    ([*GOOD, ("E", b"", LOST), ("C", READ), ("C", READ), ("E", b"", BACK), ("C", READ), ("S", DATA)],
     [("tap-lost", "warning", (5, 8))]),
    ([*GOOD, ("C", READ), ("E", b"", LOST), ("E", b"", BACK), ("C", WRITE), ("S", ACK)],
     [("tap-lost", "warning", (6, 7))]),
    ([*GOOD, ("E", b"", LOST), ("C", READ)], [("tap-lost", "warning", (5,))]),
    ([*GOOD, ("E", b"", LOST), ("E", b"", BACK), ("C", READ), ("C", WRITE), ("S", ACK), ("C", WRITE), ("S", ACK)],
     [("no-response", "warning", (7,)), ("tap-lost", "warning", (5, 6))]),
    ([*GOOD, ("E", b"", LOST | {"link": 1}), ("C", READ), ("C", WRITE), ("S", ACK)],
     [("no-response", "warning", (6,)), ("tap-lost", "warning", (5,))]),
    ([("E", b"", BACK), *GOOD], []),
    # Another program reads the tap's port: no device is accused of the missing octets.
    ([*GOOD, ("C", READ), ("E", b"", MISSED), ("C", WRITE), ("S", ACK)], [("missed", "error", (6,))]),
    ([*GOOD, ("C", READ), ("E", b"", UNREAD), ("C", WRITE), ("S", ACK)], [("overrun", "error", (6,))]),
    ([*GOOD, ("C", READ), ("E", b"", FULL), ("C", WRITE), ("S", ACK)], []),
    # What the server sends after an outage may answer what was not seen.
    ([*GOOD, ("C", READ), ("E", b"", LOST), ("E", b"", BACK), ("S", ACK, {"after": 9 * SECOND}), ("C", READ),
      ("S", DATA)], [("tap-lost", "warning", (6, 7))]),
    ([*GOOD, ("C", READ), ("E", b"", BACK), ("S", NAK), ("C", READ), ("S", DATA)], []),
    # An answer before the outage is judged. What is counted a second later may have been lost before it.
    ([*GOOD, ("C", READ), ("S", ACK), ("E", b"", UNREAD)],
     [("overrun", "error", (7,)), ("unexpected-answer", "warning", (5, 6))]),
    ([*GOOD, ("C", READ), ("S", ACK), ("E", b"", MISSED | {"after": 4 * SECOND})],
     [("missed", "error", (7,)), ("unexpected-answer", "warning", (5, 6))]),
    ([*GOOD, ("C", READ), ("S", ACK), ("E", b"", MISSED | {"after": 2 * SECOND})], [("missed", "error", (7,))]),
    ([*GOOD, ("C", READ), ("S", ACK), ("E", b"", MISSED | {"after": 2 * SECOND}),
      ("E", b"", MISSED | {"after": 9 * SECOND})], [("missed", "error", (7,)), ("missed", "error", (8,))]),
    ([*GOOD, ("C", READ), ("C", WRITE), ("S", ACK), ("C", READ), ("S", DATA), ("E", b"", MISSED)],
     [("missed", "error", (10,))]),
    ([*GOOD, ("C", READ), ("C", READ), ("S", NAK), ("C", WRITE), ("S", ACK), ("E", b"", FULL)], []),
    ([*GOOD, ("C", READ), ("C", WRITE), ("S", ACK), ("E", b"", MISSED | {"link": 1})],
     [("missed", "error", (8,)), ("no-response", "warning", (5,))]),
    ([*GOOD, ("C", READ), ("S", DATA, {"after": 2 * SECOND}), ("E", b"", LOST)],
     [("response-late", "warning", (6,)), ("tap-lost", "warning", (7,))]),
]  # fmt: skip


@pytest.mark.parametrize(("story", "expected"), OUTAGE)
def test_outages(story: list[Frame], expected: list[tuple[str, str, tuple[int, ...]]]) -> None:
    assert found(story) == expected


OF_EXCHANGES = {"no-response", "response-late", "response-early", "unexpected-answer", "repeat", "nak", "nak-loop",
                "out-of-sequence", "speed-mismatch", "bcc-rule-changed", "server-state"}  # fmt: skip


@pytest.mark.parametrize("outage", [[LOST, BACK], [MISSED], [UNREAD], [FULL], [BACK]])
@pytest.mark.parametrize("story", [story for story, said in (*SEQUENCE, *OUTAGE) if said])
def test_after_an_outage_no_frame_is_judged_by_those_before(story: list[Frame], outage: list[dict[str, Any]]) -> None:
    """With an outage before each frame, another reading explains whatever two frames seem to say."""
    links = {frame[2].get("link", 0) if len(frame) > 2 else 0 for frame in story}
    events: list[Frame] = [("E", b"", event | {"link": link}) for link in links for event in outage]
    apart = [one for frame in story for one in (frame, *events)]
    assert OF_EXCHANGES & {code for code, *_ in found(apart)} == set()


@pytest.mark.parametrize("digits", [1, 19, 20, 5000])
def test_a_number_of_octets_of_any_length(digits: int) -> None:
    for event, code in (("missed octets=", "missed"), ("overrun unread=", "overrun")):
        said = found([("E", b"", {"event": event + "9" * digits})])
        assert said == ([(code, "error", (1,))] if digits < 20 or code == "missed" else [])


@pytest.mark.parametrize("outage", [[], [LOST, BACK], [MISSED], [UNREAD]])
def test_a_verdict_after_an_outage_names_no_token(outage: list[dict[str, Any]]) -> None:
    octets = (with_check(b"\x01W1\x02FFFF(00000000000150997584)\x03"), ACK, READ, STATUS[10])
    records = [
        Record(EPOCH + at * SECOND, text, sender=(Sender.CLIENT, Sender.SERVER)[at % 2])
        for at, text in enumerate(octets)
    ]
    events = [Record(EPOCH + 2 * SECOND - 1, kind=Kind.EVENT, event=each["event"]) for each in outage]
    said = [each.message for each in check([*records[:2], *events, *records[2:]], PROFILE) if "token" in each.code]
    about = "" if outage else "token 00000000000150997584: "
    assert said == [f"{about}the meter says UsedError (10): the token was entered before"]


def test_a_rejected_token_is_named() -> None:
    dissector = Dissector(PROFILE)
    octets = (with_check(b"\x01W1\x02FFFF(00000000000150997584)\x03"), ACK, READ, STATUS[10])
    records = [
        Record(EPOCH + at * SECOND, text, sender=(Sender.CLIENT, Sender.SERVER)[at % 2])
        for at, text in enumerate(octets)
    ]
    (rejected,) = check(map(dissector.dissect, records), PROFILE)
    assert rejected.message == "token 00000000000150997584: the meter says UsedError (10): the token was entered before"
    assert (rejected.frames, rejected.time_ns) == ((1, 4), EPOCH)


P1 = b"/ISk5\\2M550T-1013\r\n\r\n1-3:0.2.8(50)\r\n1-0:1.8.1(009418.807*kWh)\r\n!"
P1 += b"%04X\r\n" % crc16(P1)
LINES = with_check(b"\x021.8.0(1)\r\n2.8.0(2)\r\n1.8.1(4)\r\n!\x03")


@pytest.mark.parametrize("octets", [P1, LINES], ids=["CRC", "check character"])
@pytest.mark.parametrize(("kept", "lost"), [(b"\n", True), (b"\r", True), (b"\r\n", False)])
def test_line_ends_that_the_recording_lost(octets: bytes, kept: bytes, lost: bool) -> None:
    """A check character that is wrong either way stays wrong. If it is right with CR LF, the recording lost the CRs and
    the device is sound."""
    for damage in (b"8", b"9"):
        text = octets.replace(b"\r\n", kept).replace(b"8", damage)
        record = Record(EPOCH, text, sender=Sender.SERVER)
        said = [found.message for found in check([record], PROFILE) if found.code == "bcc-bad"]
        assert len(said) == (lost or damage != b"8")
        assert all(("the recording lost them" in one) == (lost and damage == b"8") for one in said)


def test_findings_come_in_the_order_of_the_records() -> None:
    playing = play(3, faults=("bcc-bad", "no-response", "cut", "noise", "response-late"), sessions=5, dialect=GUESS)
    records = virtual.capture(playing, start=EPOCH, speed=9600, line=SEVEN, gap_limit_ns=1_500 * MS, profile="demo")
    records = list(records)
    findings = list(check(records, PROFILE))
    firsts = [min(finding.frames) for finding in findings]
    assert firsts == sorted(firsts)
    assert [finding.time_ns for finding in findings] == [records[first - 1].time for first in firsts]


def long_frame(link: int, began: float, lasted: float) -> Record:
    """A frame of the server with a wrong check character, with times in seconds."""
    times = {"time": EPOCH + int(began * SECOND), "duration": int(lasted * SECOND)}
    return Record(octets=DATA[:-1] + b"8", sender=Sender.SERVER, link=link, **times)


def bad_exchanges(*times: float) -> list[Record]:
    """A call at each of the times (s), and an answer with an error one second later."""
    return [record for at in times for record in (call(at), long_frame(0, at + 1, 1))]


def event(text: str, at: float) -> Record:
    return Record(EPOCH + int(at * SECOND), b"", Kind.EVENT, tap=1, event=text)


def call(at: float) -> Record:
    return Record(EPOCH + int(at * SECOND), CALL, sender=Sender.CLIENT, duration=10 * MS)


@pytest.mark.parametrize(
    "records",
    [
        # A link's first frame to end was the last to begin.
        [long_frame(0, 5, 1), long_frame(1, 2, 8), long_frame(0, 100, 1)],
        # An outage is found when it is over.
        [event("lost", 1), *bad_exchanges(70, 140, 210), event("opened", 300)],
        # Requests wait until the server was received.
        [replace(call(at), link=1) for at in (1, 2)] + bad_exchanges(70, 140, 210) +
        [replace(record, link=1) for record in [call(215), *bad_exchanges(220)]],
    ],
)  # fmt: skip
def test_findings_come_in_the_order_of_time(records: list[Record]) -> None:
    times = [finding.time_ns or 0 for finding in check(records, PROFILE)]
    assert len(times) >= 3
    assert times == sorted(times)


def test_findings_do_not_wait_for_the_end() -> None:
    read = 0

    def endless() -> Iterator[Record]:
        nonlocal read
        for read in range(10, 1000, 10):
            yield from bad_exchanges(read)
        pytest.fail("nothing came")

    assert next(check(endless(), PROFILE)).time_ns == EPOCH + 11 * SECOND
    assert read == 80, "a minute later"


def test_every_code_that_a_rule_names_has_a_row() -> None:
    named = {
        call.args[0].value
        for path in Path(findings.__file__).parent.glob("*.py")
        for call in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "finding" and isinstance(call.args[0], ast.Constant)
    }
    assert len(named) > 20
    assert named <= set(KINDS), f"no row in findings.py: {named - set(KINDS)}"


def test_every_code_is_shown_by_a_story() -> None:
    told = {code for _, expected in (*STORIES, *OUTAGE, *TAPS) for code, _, _ in expected}
    assert told | {"trace-damaged"} == KINDS.keys()


def test_what_a_reader_skipped_is_a_finding_in_its_place() -> None:
    """A packet that is no record has its number; other damage has none. All later numbers stay those of Wireshark."""
    records = bad_exchanges(1, 2, 3)
    whole = list(check(records, PROFILE))
    skipped = Skipped(100, 76, "a block of 0 octets is impossible", "t.pcapng"), Skipped(200, 9, "no record", "", 7)
    told = list(check([records[0], *skipped, *records[1:]], PROFILE))
    damage = [each for each in told if each.code == "trace-damaged"]
    assert [(each.frames, each.time_ns) for each in damage] == [((), None), ((2,), None)]
    assert (
        damage[0].message == "t.pcapng is damaged at offset 100, 76 octets skipped: a block of 0 octets is impossible"
    )
    assert [each.frames for each in told if each not in damage] == [
        tuple(number + (number > 1) for number in each.frames) for each in whole
    ]


@pytest.mark.parametrize("times", [2, 3, 4, 9])
def test_a_loop_of_refusals_is_one_finding(times: int) -> None:
    loops = [each for each in found([("C", WRITE), ("S", NAK)] * times) if each[0] == "nak-loop"]
    assert loops == ([("nak-loop", "warning", (5, 6))] if times > 2 else [])


def test_unanswered_requests_have_a_limit_until_the_server_is_heard() -> None:
    """The trace of a tap on the wrong wire does not fill the memory."""
    story: list[Frame] = [("C", READ)] * (MAX_SILENT + 5)
    silent = [each for each in found([*story, ("S", DATA)]) if each[0] == "no-response"]
    assert [each[2] for each in silent] == [(number,) for number in range(1, MAX_SILENT + 1)]


def test_what_the_end_of_the_capture_hides() -> None:
    """The capture ends before the last request could be answered."""
    assert found([*GOOD, ("C", READ)], quiet=100 * MS) == []
    assert found([*GOOD, ("C", READ)], quiet=1_500 * MS) == []
    assert found([*GOOD, ("C", READ)], quiet=1_500 * MS + 1) == [("no-response", "warning", (5,))]


def test_a_tap_on_one_wire() -> None:
    """Nothing is reported on a side without a tap."""
    assert found([("S", IDENT), ("S", DATA), ("S", DATA)]) == []
    assert found([("C", CALL), ("C", READ), ("C", BREAK)]) == [("no-response", "note", (1, 2))]


def test_links_are_told_apart() -> None:
    other = {"link": 1}
    assert found([("C", READ), ("C", READ, other), ("S", DATA), ("S", DATA, other)]) == []


@pytest.mark.parametrize("seed", range(8))
def test_the_demonstration(seed: int) -> None:
    """Each fault is found at the record that shows it, and all other findings are notes."""
    codes = ("bcc-bad", "parity", "no-response", "cut", "noise", "response-late", "char-gap", "undefined-command",
             "break")  # fmt: skip
    playing = play(seed, faults=codes, sessions=2, dialect=GUESS)
    records = virtual.capture(playing, start=EPOCH, speed=9600, line=SEVEN, gap_limit_ns=1_500 * MS, profile="demo")
    dissections = list(map(Dissector(PROFILE).dissect, records))
    grave = [finding for finding in check(dissections, PROFILE) if finding.severity != "note"]
    starts = {dissection.number: dissection.record for dissection in dissections}
    assert Counter(finding.code for finding in grave) == Counter(fault.code for fault in playing.faults)
    for fault in playing.faults:
        near = [
            finding
            for finding in grave
            if finding.code == fault.code
            and starts[finding.frames[0]].sender.name.lower() == fault.side
            and abs(starts[finding.frames[0]].time - fault.time) < 5 * MS
        ]
        assert len(near) == 1, fault


@pytest.mark.parametrize("kind", [*KINDS.values(), *findings.MARKS], ids=lambda kind: kind.code)
def test_each_finding_is_an_expert_or_says_why_not(kind: findings.FindingKind) -> None:
    """Each Wireshark filter of a finding is used as an expert in the Lua code."""
    assert bool(kind.group) != bool(kind.untold)
    assert kind.severity in SEVERITIES
    assert kind.group in ("", "CHECKSUM", "SEQUENCE", "RESPONSE_CODE", "PROTOCOL", "UNDECODED")
    lua = Path(findings.__file__).parents[1] / "wireshark" / "lua"
    code = "".join(path.read_text() for path in lua.glob("*.lua"))
    said = {*findings.MESSAGE_FINDINGS.values(), *findings.OUTCOME_FINDINGS.values()}
    flags = {name.lower() for name in vars(Flag) if name.isupper()}
    used = f'"{kind.expert}"' in code or kind.code in said | flags
    assert used or kind.untold, "complain(tree, item, NAME) marks it"


def test_the_reference_is_current() -> None:
    written = Path(__file__).parents[3] / "docs" / "findings.md"
    assert written.read_text() == findings.reference(), "docs/findings.md: make pages"
    assert all(f"`{code}`" in written.read_text() for code in KINDS)
    assert {kind.severity for kind in KINDS.values()} == set(SEVERITIES)


@pytest.mark.parametrize(("fail_on", "failures"), [("note", 2), ("warning", 1), ("error", 0), ("never", 0)])
def test_junit_fails_on_what_is_asked(fail_on: str, failures: int) -> None:
    report = JunitReport(fail_on)
    report.begin("t")
    report.feed(Finding("cut", "warning", (1,), "cut", "s"))
    report.feed(Finding("nak", "note", (2,), "nak", "s"))
    (suite,) = ElementTree.fromstring(report.text()).findall("testsuite")
    assert suite.get("failures") == str(failures) == str(len(suite.findall("testcase/failure")))
    assert len(suite.findall("testcase/system-out")) == 2 - failures


def test_junit_forgets_no_failure_for_many_notes() -> None:
    report = JunitReport()
    report.begin("t")
    for _ in range(MAX_WRITTEN + 7):
        report.feed(Finding("nak", "note", (1,), "mild", "s"))
    report.feed(Finding("nak", "warning", (2,), "grave", "s"))
    (suite,) = ElementTree.fromstring(report.text()).findall("testsuite")
    assert suite.get("failures") == "1"
    assert "grave" in (suite.findtext("testcase/failure") or "")
    assert "more" not in (suite.findtext("testcase/failure") or "")
    assert (suite.findtext("testcase/system-out") or "").endswith("... and 7 more")


def test_junit() -> None:
    report = JunitReport()
    report.begin("a<b.pcapng")
    bad = Finding("bcc-bad", "error", (1, 2), 'wrong & "bad" \x80', "a source")
    for _ in range(MAX_WRITTEN + 7):
        report.feed(bad)
    report.feed(replace(bad, code="nak", severity="note"))
    report.begin("second\x1b\udcff")
    root = ElementTree.fromstring(report.text())
    first, second = root.findall("testsuite")
    assert (first.get("name"), first.get("tests"), first.get("failures")) == ("a<b.pcapng", str(len(KINDS)), "1")
    assert (second.get("name"), second.get("failures")) == ("second??", "0")
    cases = {case.get("name"): case for case in first}
    assert cases.keys() == KINDS.keys()
    failure = cases["bcc-bad"].find("failure")
    assert failure is not None
    assert failure.get("message") == bad.message
    assert (failure.text or "").endswith("... and 7 more")
    assert cases["nak"].find("failure") is None
    assert "a source" in (cases["nak"].findtext("system-out") or "")


def test_memory_does_not_grow_with_telegrams_that_nobody_asked_for() -> None:
    """A P1 port sends one Telegram a second. Only the times of the last 10 000 records are kept, and few records."""
    body = b"/KFM5KAIFA-METER\r\n\r\n" + b"1-0:1.8.1(001581.123*kWh)\r\n" * 20 + b"!"
    telegram = body + b"%04X\r\n" % crc16(body)

    def peak(count: int) -> int:
        records = (Record(EPOCH + at * SECOND, telegram, sender=Sender.SERVER, speed=115200) for at in range(count))
        tracemalloc.start()
        assert list(check(records, load("iec62056-21"))) == []
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(10)
    assert peak(600) < peak(100) + 500 * 500 + 5 * 10_000

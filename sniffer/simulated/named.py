"""The dialects that have a name.

``iec62055-52`` is the port as two public programs speak it, and ``iec62055-52-bare`` the same with answers that do not
name their register. Neither has a sign-on, a break or an undefined command, because no public source shows one on this
port; the variants have them, and their notes say so. ``iec62056-21`` is the parent standard, mode C, with the same
registers.
"""

from dataclasses import replace
from typing import Final

from vtctap.sniffer.simulated.dialect import (
    DeviceTiming,
    Dialect,
    DialectRegister,
    IdentificationPart,
    Refusals,
    Registers,
    SessionStyle,
    Story,
    Syntax,
    Tokens,
    Wiring,
)

_HEX: Final = "hexadecimal"

KNOWN: Final = Dialect(
    name="iec62055-52",
    note="",
    wiring=Wiring("7E1", 2400, 2400),
    syntax=Syntax(read="R", write="W", brackets=False, count="open", ids=True, check="xor", client_check=True),
    session=SessionStyle(False, False, False, (), "", "", False),
    registers=Registers(
        4,
        16,
        ("20", "FF"),
        (
            DialectRegister("version", "2000", _HEX, 1),
            DialectRegister("meterStatus", "2002", _HEX, 1),
            DialectRegister("meterNumber", "2006", "digits", 11),
            DialectRegister("tariffIndex", "2009", _HEX, 1),
            DialectRegister("keyRevisionAndType", "200A", _HEX, 1),
            DialectRegister("maximumPower", "200C", _HEX, 2),
            DialectRegister("phaseUnbalance", "200D", _HEX, 2),
            DialectRegister("credit", "2010", _HEX, 4),
            DialectRegister("consumption", "2011", _HEX, 4),
            DialectRegister("tamperStatus", "2014", _HEX, 2),
            DialectRegister("supplyGroupCode", "2016", _HEX, 3),
            DialectRegister("tokenStatus", "FFFE", _HEX, 1),
            DialectRegister("tokenData", "FFFF", "digits", 20),
        ),
    ),
    tokens=Tokens(
        "decimal",
        {
            "none": "00",
            "accepted": "01",
            "first key change": "02",
            "second key change": "03",
            "format error": "06",
            "used": "0A",
            "CRC error": "0D",
            "locked out": "0F",
            "pending": "10",
        },
        lockout_after=3,
        lockout_ms=10_000,
        lockout_doubles=True,
    ),
    refusals=Refusals("nak", "nak", "nak", "nak", "ER01", "nak"),
    timing=DeviceTiming(
        reaction=(20, 300),
        processing=(900, 1_100),
        meter_gap=0,
        character_timeout=1_500,
        session_timeout=120_000,
        pause=(20, 300),
        poll=(200, 300),
        client_gap=0,
        response_timeout=2_500,
        repeats=3,
        session_pause=300_000,
    ),
    story=Story(("registers", "credit", "key change", "used", "lockout", "test"), ()),
)
"""IEC 62055-52 as it is known. What is not known is as in IEC 62056-21 (timing; registers in answers, which its client
takes with or without), or this project's own (when a lockout begins, and how long it lasts)."""

IDENTIFICATION: Final = "ZZz5vtctap-demo"
"""An identification, without its slash. No maker of prepayment meters has these FLAG letters. The small third letter
announces reactions from 20 ms on (IEC 62056-21 clause 6.3.2); 5 is 9600 bit/s in mode C."""
_DEMO: Final = (IdentificationPart("constant", IDENTIFICATION),)

_UNSEEN: Final = "nobody has seen {} on this port; it is played as in IEC 62056-21"

GUESS: Final = replace(
    KNOWN,
    name="iec62055-52-guess",
    note=_UNSEEN.format("9600 bit/s, type digits, brackets in reads, registers in answers, a sign-on or a break"),
    wiring=Wiring("7E1", 9600, 9600),
    syntax=Syntax(read="R1", write="W1", brackets=True, count="none", ids=True, check="xor", client_check=True),
    session=SessionStyle(True, True, False, _DEMO, "", "", True),
    registers=replace(
        KNOWN.registers,
        entries=tuple(entry for entry in KNOWN.registers.entries if entry.id not in ("2009", "200C", "200D")),
    ),
    refusals=replace(KNOWN.refusals, unknown_register="error"),
    timing=replace(KNOWN.timing, session_pause=1_000),
    story=Story(("registers", "credit", "used", "test"), ()),
)
"""The port as it was guessed before anybody had seen it."""

PARENT: Final = replace(
    GUESS,
    name="iec62056-21",
    note="",
    wiring=Wiring("7E1", 9600, 300),
    session=replace(GUESS.session, option="051", password="00000000"),
)

NAMED: Final = {
    dialect.name: dialect
    for dialect in (
        KNOWN,
        replace(KNOWN, name="iec62055-52-bare", syntax=replace(KNOWN.syntax, ids=False)),
        replace(
            KNOWN,
            name="iec62055-52-sign-on",
            note=_UNSEEN.format("a sign-on or a break"),
            session=SessionStyle(True, True, False, _DEMO, "", "", True),
        ),
        replace(
            KNOWN,
            name="iec62055-52-undefined",
            note=_UNSEEN.format("an undefined command"),
            story=Story(("registers", "undefined command", *KNOWN.story.pieces[1:]), ()),
        ),
        GUESS,
        PARENT,
    )
}
"""The named dialects. A note states what no public source shows."""

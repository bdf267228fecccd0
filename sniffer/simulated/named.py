"""The dialects that have a name.

``iec62055-52`` is the port as two public programs speak it. What nobody has seen on this port is in none of its
choices; the variants of it play one such choice each, and their notes say so. ``iec62056-21`` is the parent standard,
mode C, with the registers of this project's own.
"""

from dataclasses import replace
from typing import Final

from vtctap.sniffer.simulated.dialect import (
    Dialect,
    Part,
    Refusals,
    Register,
    Registers,
    Session,
    Story,
    Syntax,
    Timing,
    Tokens,
    Wiring,
)

_HEX: Final = "hexadecimal"

KNOWN: Final = Dialect(
    name="iec62055-52",
    note="",
    wiring=Wiring("7E1", 2400, 2400),
    syntax=Syntax(read="R", write="W", brackets=False, count="open", ids=False, check="xor", client_check=True),
    session=Session(False, False, False, (), "", "", False),
    registers=Registers(
        4,
        16,
        ("20", "FF"),
        (
            Register("version", "2000", _HEX, 1),
            Register("meterStatus", "2002", _HEX, 2),
            Register("meterNumber", "2006", "digits", 11),
            Register("tariffIndex", "2009", _HEX, 1),
            Register("keyRevisionAndType", "200A", _HEX, 1),
            Register("maximumPower", "200C", _HEX, 2),
            Register("phaseUnbalance", "200D", _HEX, 2),
            Register("credit", "2010", _HEX, 4),
            Register("consumption", "2011", _HEX, 4),
            Register("tamperStatus", "2014", _HEX, 2),
            Register("supplyGroupCode", "2016", _HEX, 3),
            Register("tokenStatus", "FFFE", _HEX, 1),
            Register("tokenData", "FFFF", "digits", 20),
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
    timing=Timing(
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
"""IEC 62055-52 as it is known. What it does not tell is as in IEC 62056-21 (timing), or of this project's own (the
number of wrong tokens before a lockout, and how long it lasts)."""

_DEMO: Final = (Part("constant", "ZZz5vtctap-demo"),)
"""An identification of no maker of prepayment meters. Its small third letter announces reactions from 20 ms on (IEC
62056-21 clause 6.3.2); 5 is 9600 bit/s in mode C."""

PARENT: Final = replace(
    KNOWN,
    name="iec62056-21",
    wiring=Wiring("7E1", 9600, 300),
    syntax=Syntax(read="R1", write="W1", brackets=True, count="none", ids=True, check="xor", client_check=True),
    session=Session(True, True, False, _DEMO, "051", "00000000", True),
    registers=Registers(
        0,
        0,
        (),
        (
            Register("version", "0.2.0", "digits", 4),
            Register("meterNumber", "0.0.0", "digits", 11),
            Register("credit", "C.51.1", "decimal", 7, 1, "kWh"),
            Register("consumption", "1.8.0", "decimal", 7, 1, "kWh"),
            Register("tokenStatus", "C.51.3", "decimal", 2),
            Register("tokenData", "C.51.4", "digits", 20),
        ),
    ),
    tokens=replace(
        KNOWN.tokens, statuses={outcome: f"{int(text, 16):02}" for outcome, text in KNOWN.tokens.statuses.items()}
    ),
    refusals=replace(KNOWN.refusals, unknown_register="error"),
    timing=replace(KNOWN.timing, session_pause=1_000),
    story=Story(("registers", "credit", "used", "test"), ()),
)

_UNSEEN: Final = "nobody has seen {} on this port; it is played as in IEC 62056-21"

NAMED: Final = {
    dialect.name: dialect
    for dialect in (
        KNOWN,
        replace(
            KNOWN,
            name="iec62055-52-sign-on",
            note=_UNSEEN.format("a sign-on or a break"),
            session=Session(True, True, False, _DEMO, "", "", True),
        ),
        replace(
            KNOWN,
            name="iec62055-52-undefined",
            note=_UNSEEN.format("an undefined command"),
            story=Story(("registers", "undefined command", *KNOWN.story.pieces[1:]), ()),
        ),
        PARENT,
    )
}
"""The named dialects. A note says what of a dialect nobody has seen."""

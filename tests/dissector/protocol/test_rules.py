"""The rules: one complete row for each message, consistent with decoding."""

import json

import pytest

from vtctap.dissector.framing.senders import natural_sender
from vtctap.dissector.protocol.messages import decode
from vtctap.dissector.protocol.rules import (
    ALONE,
    COMMANDS,
    ENDING,
    MAY_ANSWER,
    MAY_FOLLOW,
    NEEDS_NO_ANSWER,
    NOT_REPEATED,
    NOT_REQUESTS,
    OPENING,
    READOUT,
    RULES,
    UNASKED,
    MessageName,
    Rule,
)
from vtctap.pcap.record import Sender

EXAMPLES = {
    "IDRequest": b"/?!\r\n",
    "IDResponse": b"/ABC5x\r\n",
    "ReadCommand": b"\x01R1\x020004()\x03\x67",
    "WriteCommand": b"\x01W1\x020010(1)\x03\x00",
    "BreakCommand": b"\x01B0\x03\x71",
    "ACK": b"\x06",
    "NAK": b"\x15",
    "Data": b"\x020004(16)\x03\x01",
    "OptionSelect": b"\x06050\r\n",
    "PasswordCommand": b"\x01P1\x02(00000000)\x03\x61",
    "ExecuteCommand": b"\x01E2\x02A()\x03\x00",
    "UndefinedCommand": b"\x01X1\x03\x00",
    "Error": b"\x02(ER01)\x03\x00",
    "PartialData": b"\x021(2)\x04\x00",
    "Telegram": b"/ABC5x\r\n\r\n1(2)\r\n!\r\n",
    "WakeUp": bytes(8),
    "HDLC": b"\x7e\xa0\x07\x03\x21\x93\x0f\x01\x7e",
}
"""Octets of each message, written by hand from IEC 62056-21."""

each = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)


def test_each_message_has_one_row() -> None:
    assert [rule.name for rule in RULES] == list(MessageName) == list(EXAMPLES)
    assert all(name == name.name for name in MessageName)


@each
def test_octets_and_rows_agree(rule: Rule) -> None:
    octets = EXAMPLES[rule.name]
    message = decode(octets)
    assert (message.message, octets[0]) == (rule.name, rule.first)
    assert natural_sender(message) is rule.sender
    assert (message.cmd or "").startswith(rule.letter)
    assert not rule.alone or decode(octets[:1]).message == rule.name


def test_names_are_plain_strings() -> None:
    assert f"{MessageName.ACK} {MessageName.ACK!r} {json.dumps(MessageName.ACK)}" == "ACK 'ACK' \"ACK\""


def test_the_derived_tables_are_those_of_the_standard() -> None:
    """The derived tables are those of IEC 62056-21, clauses 6.3 and 6.4 and annex A, written here a second time."""
    assert COMMANDS == {
        "R": "ReadCommand", "W": "WriteCommand", "B": "BreakCommand", "P": "PasswordCommand", "E": "ExecuteCommand",
    }  # fmt: skip
    assert ALONE == {0x15: "NAK", 0: "WakeUp"}
    assert ({"WakeUp"}, {"IDRequest", "WakeUp"}, {"BreakCommand"}) == (NOT_REQUESTS, OPENING, ENDING)
    assert ({"BreakCommand", "WakeUp"}, {"ACK", "NAK", "WakeUp"}) == (NEEDS_NO_ANSWER, NOT_REPEATED)
    assert ({"Telegram", "HDLC"}, {"Data", "PartialData", "Telegram"}) == (UNASKED, READOUT)
    assert set(MAY_ANSWER) == {rule.name for rule in RULES if rule.sender is not Sender.SERVER}
    assert MAY_FOLLOW["IDRequest"] == {"IDResponse", "Telegram", "NAK"}
    assert MAY_FOLLOW["WriteCommand"] == {"ACK", "Error", "NAK"}
    assert MAY_FOLLOW["PartialData"] == {"ACK", "NAK"}
    assert MAY_FOLLOW["NAK"] == MAY_FOLLOW["UndefinedCommand"] == set(MessageName)

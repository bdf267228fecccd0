"""A parity error in any octet of any message is reported at that octet's position, and nowhere else.

The assembler is tested with every kind of message that has parity (HDLC has none), and ``vtctap capture`` with every
octet of a session.
"""

import json
import signal
import time
from collections.abc import Callable, Iterator
from functools import reduce
from operator import xor
from pathlib import Path
from typing import Any

import pytest

from equipment import PATIENCE
from vtctap.dissector.framing.assembler import Assembler, Tap
from vtctap.dissector.framing.pieces import Octet
from vtctap.pcap.record import Flag, Kind, Line, Record, Sender

MS = 1_000_000
CLIENT, SERVER, UNKNOWN = Sender.CLIENT, Sender.SERVER, Sender.UNKNOWN
EVEN, ODD = Line(7, "E", 1), Line(7, "O", 1)
SPEED = 9600
Said = tuple[Sender, bytes]


def checked(message: bytes) -> bytes:
    return message + bytes([reduce(xor, message[1:])])


SESSION: list[Said] = [
    (CLIENT, b"/?!\r\n"),
    (SERVER, b"/ZZz5vtctap-demo\r\n"),
    (CLIENT, b"\x06051\r\n"),
    (SERVER, checked(b"\x01P0\x02(00000000)\x03")),
    (CLIENT, checked(b"\x01P1\x02(00000000)\x03")),
    (SERVER, b"\x06"),
    (CLIENT, checked(b"\x01R1\x020021()\x03")),
    (SERVER, checked(b"\x020021(00123.4*kWh)\x03")),
    (CLIENT, checked(b"\x01W1\x020010(56493153725450313471)\x03")),
    (SERVER, b"\x15"),
    (CLIENT, checked(b"\x01B0\x03")),
]
REST: list[Said] = [
    (CLIENT, b"\x00" * 20),
    (CLIENT, b"/?00123456782!\r\n"),
    (CLIENT, checked(b"\x01E2\x02RUN(1;2)\x03")),
    (CLIENT, checked(b"\x01X9\x02A(1)\x03")),
    (SERVER, checked(b"\x02(ER01)\x03")),
    (SERVER, checked(b"\x021.8.0(00123.4*kWh)\r\n2.8.0(1)\r\n!\r\n\x03")),
    (SERVER, checked(b"\x02P.01(1)(2)\r\n\x04")),
    (SERVER, b"/ISK5MT382\r\n\r\n1.8.0(1*kWh)\r\n!\r\n"),
    (SERVER, b"/ISK5MT382\r\n\r\n1.8.0(1*kWh)\r\n!1A2B\r\n"),
]


def on_the_line(octets: bytes, line: Line, wrong: int = -1) -> bytes:
    """Returns the octets with their parity bits; the parity bit of octet ``wrong`` is inverted."""
    odd = line.parity == "O"
    return bytes(octet | (octet.bit_count() % 2 ^ odd ^ (at == wrong)) << 7 for at, octet in enumerate(octets))


def assembled(said: list[tuple[Sender, bytes]], line: Line, *, merged: bool) -> list[Record]:
    """Returns the records of messages with 200 ms between them. ``merged``: one tap receives both sides."""
    senders = [UNKNOWN] if merged else [CLIENT, SERVER]
    taps = [Tap(number, sender, line, SPEED) for number, sender in enumerate(senders)]
    new = Assembler(0, taps, gap_limit_ns=1_500 * MS)
    character, now, records = line.character_time_ns(SPEED), 1_700_000_000_000_000_000, []
    for sender, octets in said:
        now += 200 * MS
        tap = 0 if merged else senders.index(sender)
        records += new.feed(tap, [Octet(octet, now + at * character) for at, octet in enumerate(octets)])
        now += len(octets) * character
    return records + new.close()


@pytest.mark.parametrize("merged", [False, True], ids=["two taps", "one tap"])
@pytest.mark.parametrize("line", [EVEN, ODD], ids=str)
@pytest.mark.parametrize("said", [*SESSION, *REST], ids=str)
def test_each_octet_of_each_message(said: Said, line: Line, merged: bool) -> None:
    before, after = (CLIENT, b"/?!\r\n"), (SERVER, b"/ABC5x\r\n")
    sent = [before, said, after]
    for wrong in range(len(said[1])):
        damaged = [(sender, on_the_line(octets, line, wrong if number == 1 else -1))
                   for number, (sender, octets) in enumerate(sent)]  # fmt: skip
        records = assembled(damaged, line, merged=merged)
        assert [(record.kind, record.octets) for record in records] == [(Kind.FRAME, octets) for _, octets in sent]
        assert [record.parity_errors for record in records] == [(), (wrong,), ()]
        assert [record.flags for record in records] == [0, Flag.PARITY, 0]


def test_each_octet_of_a_session(
    taps: Any,
    tmp_path: Path,
    start: Callable[..., Any],
    listening: Callable[[Path], None],
    until: Callable[[Callable[[], bool]], None],
    vtctap: Callable[..., Any],
) -> None:
    """Each message is sent as often as it has octets, each time with a parity error in another octet, and once without
    an error."""
    path = tmp_path / "t.pcapng"
    process = start("capture", "--client", taps.names[0], "--server", taps.names[1], "-w", path,
                    "--speed", "9600", "--line", "7E1")  # fmt: skip
    listening(path)
    for sender, octets, wrong in damages():
        taps.put(sender is SERVER, on_the_line(octets, EVEN, wrong))
        until(lambda: taps.read(0) and taps.read(1))
        time.sleep(0.02)  # The time that a side waits before it answers.
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 0

    entries = map(json.loads, vtctap("read", path, "--json").stdout.splitlines())
    heard = [entry for entry in entries if entry["vtc.kind"] != "event"]
    assert len(heard) == len(list(damages()))
    for side in (CLIENT, SERVER):
        found = [
            (entry["vtc.kind"], bytes.fromhex(entry["vtc.octets"]), entry.get("vtc.error.parity"))
            for entry in heard
            if entry["vtc.sender"] == side.name.lower()
        ]
        assert found == [
            ("frame", octets, None if wrong < 0 else [wrong]) for sender, octets, wrong in damages() if sender is side
        ]


def damages() -> Iterator[tuple[Sender, bytes, int]]:
    for sender, octets in SESSION:
        for wrong in range(-1, len(octets)):
            yield sender, octets, wrong

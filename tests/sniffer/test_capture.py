"""Captures in this process, over real pseudo-terminals: the octets of the line are in the records, once and in order.

A real machine reads with an unknown delay, so timestamps are tested in virtual time (test_capture_times.py).
"""

import contextlib
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from operator import xor
from pathlib import Path
from typing import Any

import pytest

from equipment import PATIENCE
from equipment.patient import PatientTaps
from vtctap.pcap.record import Flag, Kind, Line, Record, Sender
from vtctap.sniffer.adapter import Adapter, LowLatency
from vtctap.sniffer.capture import Capture, Link, Opening, Wire
from vtctap.sniffer.clock import Clock
from vtctap.sniffer.counters import Counters
from vtctap.sniffer.opening import open_port
from vtctap.sniffer.port import PortError, Settings
from vtctap.sniffer.simulated.wire import Side, WireOctet

termios = pytest.importorskip("termios")
pty = pytest.importorskip("pty")
tty = pytest.importorskip("tty")

MS = 1_000_000
SEVEN_EVEN = Line(7, "E", 1)
SETTINGS = Settings(9600, SEVEN_EVEN)
CHARACTER = SEVEN_EVEN.character_time_ns(9600)

Said = tuple[Side, bytes]
SESSION: list[Said] = [
    ("client", b"/?!\r\n"),
    ("server", b"/ZZz5vtctap-test\r\n"),
    ("client", b"\x01R1\x020021()\x03\x60"),
    ("server", b"\x020021(00123.4*kWh)\x03\x55"),
    ("client", b"\x01W1\x020010(1)\x03\x55"),
    ("server", b"\x06"),
    ("client", b"\x01W1\x020020(1)\x03\x55"),
    ("server", b"\x15"),
    ("client", b"\x01B0\x03\x71"),
]
SENDERS = {"client": Sender.CLIENT, "server": Sender.SERVER}


def even(octets: bytes) -> bytes:
    return bytes(octet | (octet.bit_count() & 1) << 7 for octet in octets)


def played(session: Sequence[Said], pause: int = 30 * MS) -> list[WireOctet]:
    """Returns a session at 9600 bit/s, as a 7E1 line carries it."""
    octets, at = [], 20 * MS
    for side, message in session:
        for octet in even(message):
            octets.append(WireOctet(side, octet, at, at + CHARACTER))
            at += CHARACTER
        at += pause
    return octets


def capture(links: Sequence[Link], lines: Iterable[tuple[PatientTaps, Sequence[Said]]], **options: int) -> list[Record]:
    """Returns the records of a capture of these links once all lines are played."""
    lines = list(lines)
    sent = sum(len(octets) for _, session in lines for _, octets in session)
    records = []
    with Capture(links, SETTINGS, gap_limit_ns=1_500 * MS, profile="p") as tap:
        for taps, session in lines:
            taps.start(played(session), beginning=0)
        while any(taps.playing for taps, _ in lines):
            records += tap.poll(0.02)
        end = time.monotonic() + PATIENCE
        while tap.octets < sent and time.monotonic() < end:
            records += tap.poll(0.02)
        records += tap.close()
        assert tap.octets == sent
        assert tap.lost == []
    return records


def frames(records: Iterable[Record]) -> list[Record]:
    return [record for record in records if record.kind is not Kind.EVENT]


def events(records: Iterable[Record]) -> list[str]:
    return [record.event for record in records if record.kind is Kind.EVENT]


@pytest.fixture
def taps() -> Iterator[PatientTaps]:
    with PatientTaps() as taps:
        yield taps


def pair(taps: PatientTaps, name: str = "") -> Link:
    return Link((Wire(taps.client, Sender.CLIENT), Wire(taps.server, Sender.SERVER)), name)


def test_two_taps(taps: PatientTaps) -> None:
    records = capture([pair(taps)], [(taps, SESSION)])
    heard = frames(records)
    assert [(record.sender, record.octets) for record in heard] == [(SENDERS[side], octets) for side, octets in SESSION]
    assert [record.tap for record in heard] == [0 if side == "client" else 1 for side, _ in SESSION]
    assert all(record.kind is Kind.FRAME and not record.inferred for record in heard)
    assert all(record.flags & ~Flag.ORDER_UNCERTAIN == 0 for record in heard)
    assert all((record.line, record.speed, record.link) == (SEVEN_EVEN, 9600, 0) for record in heard)
    assert all(record.uncertainty is not None and record.uncertainty > 0 for record in heard)
    opened, closed = events(records)[:2], events(records)[2:]
    assert [text.split()[:4] for text in opened] == [["opened", "profile=p", "speed=9600", "line=7E1"]] * 2
    assert [text.split()[-1] for text in opened] == [f"port={taps.client}", f"port={taps.server}"]
    sizes = {side: sum(len(octets) for sender, octets in SESSION if sender == side) for side in ("client", "server")}
    assert closed == [f"closed octets={sizes['client']}", f"closed octets={sizes['server']}"]
    assert records[:2] + records[-2:] == [record for record in records if record.kind is Kind.EVENT]


def test_one_wire_that_carries_both() -> None:
    with PatientTaps(merged=True) as taps:
        records = capture([Link((Wire(taps.client),))], [(taps, SESSION)])
    heard = frames(records)
    assert [(record.sender, record.octets) for record in heard] == [(SENDERS[side], octets) for side, octets in SESSION]
    assert all(record.inferred and record.tap == 0 for record in heard)
    assert [record.sender for record in records if record.kind is Kind.EVENT] == [Sender.UNKNOWN] * 2


def test_two_links(taps: PatientTaps) -> None:
    other: list[Said] = [("client", b"\x01R1\x020000()\x03\x62"), ("server", b"\x02(ER01)\x03\x64")]
    with PatientTaps(merged=True) as second:
        links = [pair(taps, "A"), Link((Wire(second.client),), "B")]
        records = capture(links, [(taps, SESSION), (second, other)])
    for link, session in ((0, SESSION), (1, other)):
        own = [record for record in records if record.link == link]
        assert [record.octets for record in frames(own)] == [octets for _, octets in session]
        assert [record.sender for record in frames(own)] == [SENDERS[side] for side, _ in session]
    assert {(record.link, record.tap) for record in records} == {(0, 0), (0, 1), (1, 2)}


def test_parity_is_checked(taps: PatientTaps) -> None:
    octets = [
        WireOctet(octet.side, octet.octet ^ (0x80 if number in (2, 4) else 0), octet.start, octet.end)
        for number, octet in enumerate(played([("client", b"/?!\r\n")]))
    ]
    with Capture([pair(taps)], SETTINGS, gap_limit_ns=1_500 * MS, profile="p") as tap:
        taps.start(octets, beginning=0)
        records = until(tap, heard(tap, len(octets))) + tap.close()
    (record,) = frames(records)
    assert (record.octets, record.parity_errors, record.flags) == (b"/?!\r\n", (2, 4), Flag.PARITY)


def test_records_come_when_the_other_side_speaks(taps: PatientTaps) -> None:
    """A message is delivered as soon as its end and its order are certain, not only at the end of the capture."""
    with Capture([pair(taps)], SETTINGS, gap_limit_ns=1_500 * MS, profile="p") as tap:
        taps.start(played(SESSION[:4]), beginning=0)
        records: list[Record] = []
        end = time.monotonic() + PATIENCE
        while len(frames(records)) < 4 and time.monotonic() < end:
            records += tap.poll(0.02)
    assert [record.octets for record in frames(records)] == [octets for _, octets in SESSION[:4]]


class Hardware:
    """A pseudo-terminal that can be unplugged and plugged in again. Its name is a link, as in /dev/serial/by-id. The
    capture must not touch a device that another program opens under the number that is then free."""

    def __init__(self, name: Path) -> None:
        self.name = str(name)
        self.far = self.near = -1
        self.plug()

    def plug(self, waiting: bytes = b"") -> None:
        self.far, self.near = pty.openpty()
        tty.setraw(self.near)
        self.say(waiting)
        os.symlink(os.ttyname(self.near), self.name)

    def unplug(self) -> None:
        if self.far >= 0:
            os.unlink(self.name)
            os.close(self.far)
            os.close(self.near)
            self.far = self.near = -1

    def say(self, octets: bytes) -> None:
        os.write(self.far, even(octets))

    @property
    def speed(self) -> int:
        return int(termios.tcgetattr(self.near)[5])


@pytest.fixture
def hardware(tmp_path: Path) -> Iterator[tuple[Hardware, Hardware]]:
    both = Hardware(tmp_path / "client"), Hardware(tmp_path / "server")
    yield both
    for one in both:
        one.unplug()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opens ports again without delay, and checks slow changes each time."""
    monkeypatch.setattr("vtctap.sniffer.reopening.PERIOD", 0.02)
    monkeypatch.setattr("vtctap.sniffer.capture._WATCH_NS", 0)


def link_of(*hardware: Hardware) -> Link:
    senders = (Sender.CLIENT, Sender.SERVER) if len(hardware) == 2 else (Sender.UNKNOWN,)
    return Link(tuple(Wire(one.name, sender) for one, sender in zip(hardware, senders, strict=True)))


def until(tap: Capture, holds: Callable[[list[Record]], object]) -> list[Record]:
    """Returns a capture's records once a condition holds for them."""
    records: list[Record] = []
    end = time.monotonic() + PATIENCE
    while not holds(records):
        assert time.monotonic() < end, events(records)
        records += tap.poll(0.02)
    return records


def heard(tap: Capture, octets: int) -> Callable[[list[Record]], bool]:
    return lambda _: tap.octets == octets


def said(records: Iterable[Record], sender: Sender = Sender.UNKNOWN) -> bytes:
    return b"".join(record.octets for record in records if sender in (Sender.UNKNOWN, record.sender))


def test_a_lost_port_and_one_that_goes_on(hardware: tuple[Hardware, Hardware]) -> None:
    client, server = hardware
    with Capture([link_of(*hardware)], SETTINGS, gap_limit_ns=1_500 * MS, profile="p") as tap:
        client.say(b"/?!\r\n")
        server.say(b"/ZZz5v")
        records = until(tap, lambda _: tap.octets == 11)
        client.unplug()
        records += until(tap, lambda _: tap.lost)
        assert tap.live
        assert tap.lost == [f"{client.name}: the device is gone"]
        server.say(b"tctap\r\n")
        records += until(tap, lambda _: tap.octets == 18)
        server.unplug()
        records += until(tap, lambda new: not tap.live and "lost octets=13" in events(new))
        assert tap.poll(0.01) == []
        assert tap.lost == [f"{name}: the device is gone" for name in (client.name, server.name)]
        records += tap.close()
    heard = {record.sender: record.octets for record in frames(records)}
    assert heard == {Sender.CLIENT: b"/?!\r\n", Sender.SERVER: b"/ZZz5vtctap\r\n"}
    assert [text for text in events(records) if not text.startswith("opened")] == [
        "lost octets=5", "lost octets=13", "closed octets=5", "closed octets=13",
    ]  # fmt: skip


def test_lost_and_back(hardware: tuple[Hardware, Hardware]) -> None:
    """The trace continues: the tap is lost, then opened again, and the other tap receives all the while."""
    client, server = hardware
    before = len(os.listdir("/dev/fd"))
    with Capture([link_of(*hardware)], SETTINGS, gap_limit_ns=1_500 * MS, profile="p") as tap:
        open_files = len(os.listdir("/dev/fd"))
        records: list[Record] = []
        for round_ in range(1, 4):
            client.say(b"/?!\r\n")
            records += until(tap, heard(tap, 23 * round_ - 18))
            client.unplug()
            records += until(tap, lambda _: tap.lost)
            # Both ends of the pseudo-terminal, and the tap's own descriptor.
            assert len(os.listdir("/dev/fd")) == open_files - 3
            server.say(b"/ZZz5vtctap-test\r\n")
            records += until(tap, heard(tap, 23 * round_))
            client.plug()
            records += until(tap, lambda _: not tap.lost)
            assert len(os.listdir("/dev/fd")) == open_files
        records += tap.close()
    assert len(os.listdir("/dev/fd")) == before
    assert [record.octets for record in frames(records)] == [b"/?!\r\n", b"/ZZz5vtctap-test\r\n"] * 3
    own = [record for record in records if record.tap == 0]
    assert [text.split()[0] for text in events(own)] == ["opened", *["lost", "opened"] * 3, "closed"]
    assert events(own)[-1] == "closed octets=15"
    opened = [text for text in events(own) if text.startswith("opened")]
    assert len({re.sub("octets=[0-9]+ ", "", text) for text in opened}) == 1
    assert [re.findall("octets=([0-9]+) ", text) for text in opened] == [["0"], ["5"], ["10"], ["15"]]
    assert {record.sender for record in own} == {Sender.CLIENT}
    assert [record.time for record in own] == sorted(record.time for record in own)


def test_what_was_open_ends_with_the_port(hardware: tuple[Hardware, Hardware]) -> None:
    """Octets that arrive after the port is back do not complete an earlier message, because octets between them are
    missing."""
    client, _ = hardware
    with Capture([link_of(client)], SETTINGS, gap_limit_ns=60_000 * MS, profile="p") as tap:
        client.say(b"\x01R1\x0200")
        records = until(tap, lambda _: tap.octets == 6)
        client.unplug()
        records += until(tap, lambda _: tap.lost)
        client.plug()
        records += until(tap, lambda _: not tap.lost)
        client.say(b"21()\x03\x60")
        records += until(tap, lambda _: tap.octets == 12)
        records += tap.close()
    first, second = frames(records)
    assert (first.octets, first.flags & Flag.CUT) == (b"\x01R1\x0200", Flag.CUT)
    assert (second.octets, second.kind) == (b"21()\x03\x60", Kind.NOISE)


def test_back_at_the_speed_that_the_link_has_then(hardware: tuple[Hardware, Hardware]) -> None:
    client, server = hardware
    with Capture([link_of(*hardware)], Settings(300, SEVEN_EVEN), gap_limit_ns=1_500 * MS, profile="p",
                 following="follow") as tap:  # fmt: skip
        client.unplug()
        records = until(tap, lambda _: tap.lost)
        tap.set(Settings(2400, SEVEN_EVEN))
        client.plug()
        records += until(tap, lambda _: not tap.lost)
        records += tap.close()
        assert client.speed == server.speed == termios.B2400
    assert events(records)[-3].startswith("opened profile=p speed=2400 line=7E1 octets=0 port=")


def test_a_port_that_takes_long_to_open_delays_nobody(
    hardware: tuple[Hardware, Hardware], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, server = hardware
    opening, go_on = threading.Event(), threading.Event()

    def slowly(name: str, settings: Settings, *, power: bool) -> Any:
        opening.set()
        assert go_on.wait(10)
        return open_port(name, settings, power=power)

    with Capture([link_of(*hardware)], SETTINGS, gap_limit_ns=1_500 * MS, profile="p") as tap:
        monkeypatch.setattr("vtctap.sniffer.opening.open_port", slowly)
        client.unplug()
        client.plug()
        records = until(tap, lambda _: opening.is_set())
        server.say(b"\x06")
        records += until(tap, lambda _: tap.octets == 1)
        assert tap.lost
        tap.set(Settings(2400, SEVEN_EVEN))
        go_on.set()
        records += until(tap, lambda _: not tap.lost)
        assert client.speed == termios.B2400  # The speed set while the port was being opened.
        go_on.clear()
        opening.clear()
        client.unplug()
        until(tap, lambda _: opening.is_set())
        open_files = len(os.listdir("/dev/fd"))
        client.plug()
    go_on.set()  # The port opens too late: no capture wants it any more, so it is closed.
    end = time.monotonic() + PATIENCE
    while any(thread.name == "reopening" for thread in threading.enumerate()) and time.monotonic() < end:
        time.sleep(0.01)
    # The terminal's descriptors remain; the server's port and the reader are closed.
    assert len(os.listdir("/dev/fd")) == open_files + 2 - 2


def test_a_port_that_is_back_just_before_the_end(hardware: tuple[Hardware, Hardware]) -> None:
    """What was read from it when it was opened again is in the records."""
    client, _ = hardware
    with Capture([link_of(client)], SETTINGS, gap_limit_ns=1_500 * MS, profile="p") as tap:
        client.unplug()
        records = until(tap, lambda _: tap.lost)
        client.plug(waiting=b"/?!\r\n")
        tap._reopening[0]._thread.join(PATIENCE)
        records += tap.close()
        assert tap.lost == []
    assert [text.split()[:1] for text in events(records)] == [["opened"], ["lost"], ["opened"], ["closed"]]
    assert (tap.octets, said(records)) == (5, b"/?!\r\n")


def test_a_network_port_that_ends_and_comes_back() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"socket://127.0.0.1:{listening.getsockname()[1]}"
        with Capture([Link((Wire(url),))], SETTINGS, gap_limit_ns=1_500 * MS, profile="p") as tap:
            records: list[Record] = []
            for round_ in (1, 2):
                records += until(tap, lambda _: tap.live)
                connection, _ = listening.accept()
                with connection:
                    connection.sendall(even(b"/?!\r\n"))
                    records += until(tap, heard(tap, 5 * round_))
                records += until(tap, lambda _: tap.lost)
            records += tap.close()
    assert said(records) == b"/?!\r\n" * 2
    names = [text.split()[0] for text in events(records)]
    assert names[:4] == ["opened", "lost", "opened", "lost"]
    assert names[-1] == "closed"


# Octets that arrived before the capture began.


def test_octets_that_were_waiting_have_no_known_time(hardware: tuple[Hardware, Hardware]) -> None:
    client, server = hardware
    server.say(b"\x06/ZZz")
    with Capture([link_of(*hardware)], SETTINGS, gap_limit_ns=1_500 * MS, profile="p") as tap:
        assert tap.octets == 5
        server.say(b"5vtctap\r\n")
        time.sleep(0.05)
        client.say(b"/?!\r\n")
        records = until(tap, lambda _: tap.octets == 19)
        records += tap.close()
    assert [text.split()[0] for text in events(records)[:2]] == ["opened"] * 2
    assert all(record.kind is Kind.EVENT for record in records[:2])
    assert [record.flags for record in records[:2]] == [0, 0]
    ack, ident = [record for record in frames(records) if record.sender is Sender.SERVER]
    assert (ack.octets, ident.octets) == (b"\x06", b"/ZZz5vtctap\r\n")
    assert ack.uncertainty is ident.uncertainty is None
    assert ack.flags == ident.flags == Flag.ORDER_UNCERTAIN
    assert ack.time > records[1].time
    (request,) = [record for record in frames(records) if record.sender is Sender.CLIENT]
    assert request.uncertainty is not None
    assert request.flags == 0
    assert ident.duration >= 0


def test_what_follows_what_was_waiting_is_not_stamped_before_it(hardware: tuple[Hardware, Hardware]) -> None:
    client, _ = hardware
    client.say(b"/?!\r\n")
    with Capture([link_of(client)], SETTINGS, gap_limit_ns=1_500 * MS, profile="p") as tap:
        # The octets arrive at once. By its length alone, the message would have begun 5 ms earlier.
        client.say(b"\x01B0\x03\x71")
        records = until(tap, heard(tap, 10)) + tap.close()
    assert [record.octets for record in frames(records)] == [b"/?!\r\n", b"\x01B0\x03\x71"]
    assert [record.time for record in records] == sorted(record.time for record in records)


def test_waiting_in_a_port_that_is_back(hardware: tuple[Hardware, Hardware]) -> None:
    client, _ = hardware
    with Capture([link_of(client)], SETTINGS, gap_limit_ns=1_500 * MS, profile="p") as tap:
        client.unplug()
        records = until(tap, lambda _: tap.lost)
        client.plug(b"\x06")
        records += until(tap, lambda _: not tap.lost) + tap.close()
    (ack,) = frames(records)
    assert (ack.octets, ack.uncertainty) == (b"\x06", None)


def test_waiting_on_the_only_tap_has_no_other_to_be_in_order_with(hardware: tuple[Hardware, Hardware]) -> None:
    client, _ = hardware
    client.say(b"\x06")
    with Capture([link_of(client)], SETTINGS, gap_limit_ns=1_500 * MS, profile="p") as tap:
        records = tap.poll(0) + tap.close()
    (ack,) = frames(records)
    assert (ack.octets, ack.uncertainty, ack.flags) == (b"\x06", None, 0)


def test_what_came_before_the_first_look_says_how_late_it_may_be(hardware: tuple[Hardware, Hardware]) -> None:
    """A trace is created after the ports are opened, perhaps on a slow disk."""
    client, _ = hardware
    with Capture([link_of(client)], SETTINGS, gap_limit_ns=1_500 * MS, profile="p") as tap:
        before = time.time_ns()
        client.say(b"\x06")
        time.sleep(0.1)
        records = until(tap, heard(tap, 1)) + tap.close()
    (ack,) = frames(records)
    assert ack.uncertainty is not None
    assert ack.time - ack.uncertainty <= before


def test_what_came_while_a_port_was_being_opened_again(
    hardware: tuple[Hardware, Hardware], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The octets arrived after the opening and before the first read, at an unknown time."""
    client, _ = hardware
    with Capture([link_of(client)], SETTINGS, gap_limit_ns=1_500 * MS, profile="p") as tap:
        client.unplug()
        records = until(tap, lambda _: tap.lost)

        def speak(name: str) -> Adapter:
            client.say(b"\x06")
            time.sleep(0.02)
            return Adapter()

        # The facts that are read once the port is open.
        monkeypatch.setattr("vtctap.sniffer.opening.find_adapter", speak)
        client.plug()
        records += until(tap, lambda _: not tap.lost) + tap.close()
    (ack,) = frames(records)
    assert (ack.octets, ack.uncertainty) == (b"\x06", None)


def test_the_last_octets_are_read_when_a_capture_ends(hardware: tuple[Hardware, Hardware]) -> None:
    client, _ = hardware
    with Capture([link_of(client)], SETTINGS, gap_limit_ns=1_500 * MS, profile="p") as tap:
        records = tap.poll(0)
        client.say(b"\x06/?!")
        time.sleep(0.05)
        records += tap.close()
    assert said(records) == b"\x06/?!"
    assert events(records)[-1].startswith("closed octets=4")


def test_what_was_waiting_does_not_change_the_speed(hardware: tuple[Hardware, Hardware]) -> None:
    """The octets belong to an earlier session."""
    client, server = hardware
    client.say(b"\x06051\r\n")
    with Capture([link_of(*hardware)], Settings(300, SEVEN_EVEN), gap_limit_ns=1_500 * MS, profile="p",
                 following="follow") as tap:  # fmt: skip
        tap.poll(0.05)
        assert client.speed == server.speed == termios.B300


# Errors, counters and the clock.


class Counting:
    """A driver's counters, in place of TIOCGICOUNT."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.totals: Counters | None = Counters(frame=3, overrun=2, parity=1, brk=0, buf_overrun=7)
        monkeypatch.setattr("vtctap.sniffer.counters.read", lambda descriptor: self.totals)


def test_overruns(hardware: tuple[Hardware, Hardware], monkeypatch: pytest.MonkeyPatch) -> None:
    """The event comes at once, and the next record has the flag. Overruns of earlier programs do not count."""
    client, _ = hardware
    counting = Counting(monkeypatch)
    with Capture([link_of(client)], SETTINGS, gap_limit_ns=1_500 * MS, profile="p") as tap:
        client.say(b"/?!\r\n")
        records = until(tap, frames)
        assert tap.drops == {0: 0}
        counting.totals = Counters(frame=4, overrun=3, parity=1, brk=0, buf_overrun=17)
        records += until(tap, lambda new: any("overrun" in text for text in events(new)))
        client.say(b"\x01B0\x03\x71")
        records += until(tap, frames)
        client.say(b"/?!\r\n")
        records += until(tap, frames)
        counting.totals = Counters(frame=4, overrun=4, parity=1, brk=0, buf_overrun=17)
        records += tap.close()
        assert tap.drops == {0: 12}
    assert [record.flags for record in frames(records)] == [0, Flag.OVERRUN, 0]
    assert events(records)[1:] == [
        "overrun overrun=1 buf_overrun=10",
        "overrun overrun=1 buf_overrun=0",
        "closed octets=15 frame=1 overrun=2 parity=0 brk=0 buf_overrun=10",
    ]


def test_octets_that_another_program_reads(
    hardware: tuple[Hardware, Hardware], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver counted eight octets, and five arrived. This is reported two checks later, when every counted octet
    must have arrived."""
    client, _ = hardware
    counting = Counting(monkeypatch)
    with Capture([link_of(client)], SETTINGS, gap_limit_ns=1_500 * MS, profile="p") as tap:
        client.say(b"/?!\r\n")
        counting.totals = Counters(frame=3, overrun=2, parity=1, brk=0, buf_overrun=7, rx=8)
        records = until(tap, lambda new: any("missed" in text for text in events(new)))
        records += until(tap, heard(tap, 5)) + tap.close()
        assert tap.drops == {0: 3}
    assert "missed octets=3" in events(records)


def test_overruns_of_a_port_that_was_lost_add_up(
    hardware: tuple[Hardware, Hardware], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, _ = hardware
    counting = Counting(monkeypatch)
    with Capture([link_of(client)], SETTINGS, gap_limit_ns=1_500 * MS, profile="p") as tap:
        counting.totals = Counters(overrun=5)
        until(tap, lambda new: any("overrun" in text for text in events(new)))
        assert tap.drops == {0: 3}
        client.unplug()
        until(tap, lambda _: tap.lost)
        counting.totals = Counters(overrun=100)
        client.plug()
        until(tap, lambda _: not tap.lost)
        counting.totals = Counters(overrun=101)
        until(tap, lambda new: any("overrun" in text for text in events(new)))
        assert tap.drops == {0: 4}


def test_a_driver_that_does_not_count(taps: PatientTaps) -> None:
    with Capture([pair(taps)], SETTINGS, gap_limit_ns=1_500 * MS, profile="p") as tap:
        tap.poll(0.01)
        assert tap.drops == {}


def test_a_stepped_clock(hardware: tuple[Hardware, Hardware]) -> None:
    """Timestamps stay in order, and an event on each link states their difference from the wall clock from then on."""
    steps = [0]
    clock = Clock(time.monotonic_ns, lambda: time.time_ns() + steps[0])
    client, server = hardware
    with Capture(
        [link_of(client), link_of(server)], SETTINGS, gap_limit_ns=1_500 * MS, profile="p", clock=clock
    ) as tap:
        records = tap.poll(0.01)
        for steps[0] in (3_200 * MS, -5_000 * MS):
            client.say(b"/?!\r\n")
            records += until(tap, frames)
        records += tap.close()
    for link in (0, 1):
        own = [record for record in records if record.link == link]
        clocks = [text for text in events(own) if text.startswith("clock")]
        assert [text.split() for text in clocks] == [
            ["clock", "step=+3.200s", "ahead=+3.200s"],
            ["clock", "step=-8.200s", "ahead=-5.000s"],
        ]
        assert [record.time for record in own] == sorted(record.time for record in own)
    assert len(frames(records)) == 2


# The operator's commands.


def test_a_mark(hardware: tuple[Hardware, Hardware]) -> None:
    client, server = hardware
    with Capture([link_of(client), link_of(server)], SETTINGS, gap_limit_ns=1_500 * MS, profile="p") as tap:
        tap.mark("token 1 of\t2")
        records = until(tap, lambda new: len(events(new)) >= 4)
    marks = [record for record in records if record.event.startswith("mark")]
    assert [(record.event, record.link, record.tap) for record in marks] == [
        ("mark note=token_1_of_2", 0, 0),
        ("mark note=token_1_of_2", 1, 1),
    ]


@pytest.mark.parametrize("following", ["fixed", "follow", "auto"])
def test_the_operator_sets_the_speed(hardware: tuple[Hardware, Hardware], following: Any) -> None:
    """The capture follows the speed from the one that the operator set."""
    client, server = hardware
    with Capture([link_of(*hardware)], Settings(300, SEVEN_EVEN), gap_limit_ns=1_500 * MS, profile="p",
                 following=following) as tap:  # fmt: skip
        records = tap.poll(0.01)
        before = client.speed
        tap.set(Settings(2400, SEVEN_EVEN))
        assert before != client.speed == server.speed == termios.B2400
        client.say(b"/?!\r\n")
        records += until(tap, frames)
        client.say(b"\x06050\r\n")
        records += until(tap, frames)
        assert client.speed == server.speed == (termios.B2400 if following == "fixed" else termios.B9600)
        records += tap.close()
    speeds = [text for text in events(records) if text.startswith("speed")]
    start = 115200 if following == "auto" else 300
    assert speeds[0] == f"speed from={start} to=2400 line=7E1 why=operator"
    assert speeds[1:] == ([] if following == "fixed" else ["speed from=2400 to=9600 line=7E1 why=OptionSelect"])
    request, _ = frames(records)
    assert (request.speed, request.octets, request.kind) == (2400, b"/?!\r\n", Kind.FRAME)


@pytest.mark.parametrize("following", ["fixed", "follow"])
def test_the_operator_asks_for_a_speed_that_cannot_be_set(hardware: tuple[Hardware, Hardware], following: Any) -> None:
    """The trace still states the speed that the ports have."""
    client, _ = hardware
    with Capture([link_of(*hardware)], SETTINGS, gap_limit_ns=1_500 * MS, profile="p", following=following) as tap:
        with pytest.raises(PortError, match="12345 bit/s is not a speed"):
            tap.set(Settings(12345, SEVEN_EVEN))
        client.say(b"\x06")
        records = until(tap, heard(tap, 1)) + tap.close()
    assert {record.speed for record in records} == {SETTINGS.speed}
    assert not any("speed failed" in text for text in events(records))


def test_one_side_without_parity(hardware: tuple[Hardware, Hardware]) -> None:
    """The missing parity is noted once, on the tap of that side. From then on no octet of that side has a parity error,
    and the other side is still checked."""
    client, server = hardware
    answer = b"\x020021(00123.4*kWh)(4711)(AAAA)\x03"
    answer += bytes([reduce(xor, answer[1:])])
    with Capture([link_of(*hardware)], SETTINGS, gap_limit_ns=1_500 * MS, profile="p", following="follow") as tap:
        records: list[Record] = []
        for round_ in range(1, 6):
            client.say(b"\x01R1\x020021()\x03\x60")
            records += until(tap, heard(tap, round_ * 12 + (round_ - 1) * len(answer)))
            time.sleep(0.03)
            os.write(server.far, answer)
            records += until(tap, heard(tap, round_ * (12 + len(answer))))
            time.sleep(0.03)
        records += tap.close()
    (noted,) = [record for record in records if record.event.startswith("speed")]
    assert noted.event == "speed from=9600 to=9600 line=8N1 why=no-parity sender=server"
    assert (noted.tap, noted.sender) == (1, Sender.SERVER)
    assert len(frames(records)) == 10
    assert all(record.kind is Kind.FRAME for record in frames(records))
    for record in frames(records):
        if record.sender is Sender.CLIENT:
            assert (record.line, record.parity_errors) == (SEVEN_EVEN, ())
        else:
            assert record.octets == answer
            later = record.time > noted.time
            assert (str(record.line), record.parity_errors == ()) == (("8N1", True) if later else ("7E1", False))
    assert sum(str(record.line) == "8N1" for record in frames(records)) >= 3


# The facts on the adapters.


def test_a_threshold_that_the_driver_lowers_with_the_speed_is_seen(
    hardware: tuple[Hardware, Hardware], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linux's 8250 driver sets the threshold to one octet below 2400 bit/s."""
    client, _ = hardware
    now = [11]
    monkeypatch.setattr(
        "vtctap.sniffer.opening.find_adapter", lambda name: Adapter("", characters=now[0], source="fifo")
    )
    with Capture([link_of(client)], SETTINGS, gap_limit_ns=5_000 * MS, profile="p") as tap:
        now[0] = 0
        tap.set(Settings(300, SEVEN_EVEN))
        client.say(b"\x06")
        records = until(tap, heard(tap, 1)) + tap.close()
    (frame,) = frames(records)
    assert frame.uncertainty is not None
    assert frame.uncertainty < 100 * MS  # Not 366 ms.


@pytest.mark.parametrize("reached", [True, False])
def test_low_latency_is_put_back(
    hardware: tuple[Hardware, Hardware], monkeypatch: pytest.MonkeyPatch, reached: bool
) -> None:
    client, _ = hardware
    done: list[str] = []

    def ask(name: str, descriptor: int) -> LowLatency:
        assert os.ttyname(descriptor) == os.ttyname(client.near)
        done.append("asked")
        return LowLatency(reached, lambda: done.append("put back"))

    monkeypatch.setattr("vtctap.sniffer.opening.ask_low_latency", ask)
    with Capture(
        [link_of(client)], SETTINGS, gap_limit_ns=1_500 * MS, profile="p", opening=Opening(low_latency=True)
    ) as tap:
        assert f"low_latency={'yes' if reached else 'no'}" in events(tap.poll(0) + tap.close())[0].split()
        assert done == ["asked"]
    assert done == ["asked", "put back"]


def test_low_latency_is_put_back_where_a_signal_ends_the_opening(
    hardware: tuple[Hardware, Hardware], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, _ = hardware
    done: list[str] = []

    def interrupted(name: str) -> Adapter:
        raise KeyboardInterrupt

    monkeypatch.setattr(
        "vtctap.sniffer.opening.ask_low_latency", lambda *port: LowLatency(True, lambda: done.append("put back"))
    )
    monkeypatch.setattr("vtctap.sniffer.opening.find_adapter", interrupted)
    before = len(os.listdir("/dev/fd"))
    with pytest.raises(KeyboardInterrupt):
        Opening(low_latency=True).open(client.name, SETTINGS)
    assert done == ["put back"]
    assert len(os.listdir("/dev/fd")) == before


@pytest.mark.parametrize("power", [False, True])
def test_power_is_asked_for_each_time(
    hardware: tuple[Hardware, Hardware], monkeypatch: pytest.MonkeyPatch, power: bool
) -> None:
    client, _ = hardware
    asked: list[bool] = []

    def opening(name: str, settings: Settings, *, power: bool) -> Any:
        asked.append(power)
        return open_port(name, settings)

    monkeypatch.setattr("vtctap.sniffer.opening.open_port", opening)
    with Capture(
        [link_of(client)], SETTINGS, gap_limit_ns=1_500 * MS, profile="p", opening=Opening(power=power)
    ) as tap:
        client.unplug()
        until(tap, lambda _: tap.lost)
        client.plug()
        until(tap, lambda _: not tap.lost)
    assert set(asked) == {power}


def test_one_port_that_is_missing_leaves_the_other_alone(taps: PatientTaps) -> None:
    before = len(os.listdir("/dev/fd"))
    links = [Link((Wire(taps.client, Sender.CLIENT), Wire("/dev/no-such-port", Sender.SERVER)))]
    with (
        pytest.raises(PortError, match="there is no such port"),
        Capture(links, SETTINGS, gap_limit_ns=1_500 * MS, profile="p"),
    ):
        pytest.fail("it opened")
    assert len(os.listdir("/dev/fd")) == before
    with Capture([pair(taps)], SETTINGS, gap_limit_ns=1_500 * MS, profile="p"):
        assert len(os.listdir("/dev/fd")) == before + 2 + 1  # The system's count of the reader's delays.
    assert len(os.listdir("/dev/fd")) == before


def test_port_names_are_one_word(taps: PatientTaps, tmp_path: os.PathLike[str]) -> None:
    name = os.path.join(tmp_path, "the meter's port")
    os.symlink(taps.client, name)
    with Capture([Link((Wire(name),))], SETTINGS, gap_limit_ns=1_500 * MS, profile="p") as tap:
        (opened, _) = events(tap.close())
    assert opened.split()[-1] == f"port={name.replace(' ', '_')}"


def test_ports_are_given_back_when_something_goes_wrong(taps: PatientTaps) -> None:
    before = len(os.listdir("/dev/fd"))
    with (
        contextlib.suppress(RuntimeError),
        Capture([pair(taps)], SETTINGS, gap_limit_ns=1_500 * MS, profile="p"),
    ):
        raise RuntimeError
    assert len(os.listdir("/dev/fd")) == before


def test_what_came_since_the_last_poll_is_in_the_trace() -> None:
    """Nothing is polled here; the end of the capture reads the waiting octets."""
    far, near = pty.openpty()
    tty.setraw(near)
    try:
        with Capture([Link((Wire(os.ttyname(near)),))], SETTINGS, gap_limit_ns=1_500 * MS, profile="test") as capture:
            os.write(far, even(b"/?!\r\n"))
            time.sleep(0.05)
            records = capture.close()
        assert b"".join(record.octets for record in records) == b"/?!\r\n"
        assert capture.octets == 5
    finally:
        os.close(far)
        os.close(near)

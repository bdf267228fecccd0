"""Captures in one process, over real pseudo-terminals: what the line says is in the records, once, in order."""

import contextlib
import os
import time
from collections.abc import Iterable, Iterator, Sequence

import pytest

from vtctap.pcap.record import Flag, Kind, Line, Record, Sender
from vtctap.sniffer.capture import Capture, Link, Wire
from vtctap.sniffer.port import PortError, Settings
from vtctap.sniffer.simulated.ptys import PtyTaps
from vtctap.sniffer.simulated.wire import Side, WireOctet

pytest.importorskip("termios")

MS = 1_000_000
SEVEN_EVEN = Line(7, "E", 1)
SETTINGS = Settings(9600, SEVEN_EVEN)
CHARACTER = SEVEN_EVEN.character_time(9600)

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
    """A session at 9600 bit/s, as a line of 7E1 carries it."""
    octets, at = [], 20 * MS
    for side, message in session:
        for octet in even(message):
            octets.append(WireOctet(side, octet, at, at + CHARACTER))
            at += CHARACTER
        at += pause
    return octets


def capture(links: Sequence[Link], lines: Iterable[tuple[PtyTaps, Sequence[Said]]], **options: int) -> list[Record]:
    """What a capture of these links has when all lines were played."""
    lines = list(lines)
    records = []
    with Capture(links, SETTINGS, gap_limit=1_500 * MS, profile="p") as tap:
        for taps, session in lines:
            taps.start(played(session), beginning=0)
        while any(taps.playing for taps, _ in lines):
            records += tap.poll(0.02)
        end = time.monotonic() + 0.1
        while time.monotonic() < end:
            records += tap.poll(0.02)
        records += tap.close()
        assert tap.octets == sum(len(octets) for _, session in lines for _, octets in session)
        assert tap.lost == []
    return records


def frames(records: Iterable[Record]) -> list[Record]:
    return [record for record in records if record.kind is not Kind.EVENT]


def events(records: Iterable[Record]) -> list[str]:
    return [record.event for record in records if record.kind is Kind.EVENT]


@pytest.fixture
def taps() -> Iterator[PtyTaps]:
    with PtyTaps() as taps:
        yield taps


def pair(taps: PtyTaps, name: str = "") -> Link:
    return Link((Wire(taps.client, Sender.CLIENT), Wire(taps.server, Sender.SERVER)), name)


def test_two_taps(taps: PtyTaps) -> None:
    records = capture([pair(taps)], [(taps, SESSION)])
    heard = frames(records)
    assert [(record.sender, record.octets) for record in heard] == [(SENDERS[side], octets) for side, octets in SESSION]
    assert [record.tap for record in heard] == [0 if side == "client" else 1 for side, _ in SESSION]
    assert all(record.kind is Kind.FRAME and not record.inferred and record.flags == 0 for record in heard)
    assert all((record.line, record.speed, record.link) == (SEVEN_EVEN, 9600, 0) for record in heard)
    assert all(record.uncertainty is not None and 0 < record.uncertainty <= 2 * MS for record in heard)
    assert [record.time for record in records] == sorted(record.time for record in records)
    opened, closed = events(records)[:2], events(records)[2:]
    assert [text.split()[:4] for text in opened] == [["opened", "profile=p", "speed=9600", "line=7E1"]] * 2
    assert [text.split()[-1] for text in opened] == [f"port={taps.client}", f"port={taps.server}"]
    sizes = {side: sum(len(octets) for sender, octets in SESSION if sender == side) for side in ("client", "server")}
    assert closed == [f"closed octets={sizes['client']}", f"closed octets={sizes['server']}"]
    assert records[:2] + records[-2:] == [record for record in records if record.kind is Kind.EVENT]


def test_times_are_the_lines(taps: PtyTaps) -> None:
    """The median of nine messages is within 2 ms of the truth, though the machine may be busy with other things."""
    heard = frames(capture([pair(taps)], [(taps, SESSION)]))
    at, starts = 20 * MS, []
    for _, octets in SESSION:
        starts.append(at + taps.offset)
        at += len(octets) * CHARACTER + 30 * MS
    errors = sorted(record.time - start for record, start in zip(heard, starts, strict=True))
    assert -MS < errors[len(errors) // 2] < 2 * MS


def test_one_wire_that_carries_both() -> None:
    with PtyTaps(merged=True) as taps:
        records = capture([Link((Wire(taps.client),))], [(taps, SESSION)])
    heard = frames(records)
    assert [(record.sender, record.octets) for record in heard] == [(SENDERS[side], octets) for side, octets in SESSION]
    assert all(record.inferred and record.tap == 0 for record in heard)
    assert [record.sender for record in records if record.kind is Kind.EVENT] == [Sender.UNKNOWN] * 2


def test_two_links(taps: PtyTaps) -> None:
    other: list[Said] = [("client", b"\x01R1\x020000()\x03\x62"), ("server", b"\x02(ER01)\x03\x64")]
    with PtyTaps(merged=True) as second:
        links = [pair(taps, "A"), Link((Wire(second.client),), "B")]
        records = capture(links, [(taps, SESSION), (second, other)])
    for link, session in ((0, SESSION), (1, other)):
        own = [record for record in records if record.link == link]
        assert [record.octets for record in frames(own)] == [octets for _, octets in session]
        assert [record.sender for record in frames(own)] == [SENDERS[side] for side, _ in session]
        assert [record.time for record in own] == sorted(record.time for record in own)
    assert {(record.link, record.tap) for record in records} == {(0, 0), (0, 1), (1, 2)}


def test_parity_is_checked(taps: PtyTaps) -> None:
    octets = [
        WireOctet(octet.side, octet.octet ^ (0x80 if number in (2, 4) else 0), octet.start, octet.end)
        for number, octet in enumerate(played([("client", b"/?!\r\n")]))
    ]
    with Capture([pair(taps)], SETTINGS, gap_limit=1_500 * MS, profile="p") as tap:
        taps.start(octets, beginning=0)
        taps.wait(5)
        records = tap.poll(1) + tap.poll(0.1) + tap.close()
    (record,) = frames(records)
    assert (record.octets, record.parity_errors, record.flags) == (b"/?!\r\n", (2, 4), Flag.PARITY)


def test_records_come_when_the_other_side_speaks(taps: PtyTaps) -> None:
    """Not only at the end: a message is there as soon as its framing and its place among the others are decided."""
    with Capture([pair(taps)], SETTINGS, gap_limit=1_500 * MS, profile="p") as tap:
        taps.start(played(SESSION[:4]), beginning=0)
        records: list[Record] = []
        end = time.monotonic() + 5
        while len(frames(records)) < 4 and time.monotonic() < end:
            records += tap.poll(0.02)
    assert [record.octets for record in frames(records)] == [octets for _, octets in SESSION[:4]]


class Hardware:
    """A pseudo-terminal that can be unplugged."""

    def __init__(self) -> None:
        import pty

        self.far, self.near = pty.openpty()
        self.name = os.ttyname(self.near)

    def unplug(self) -> None:
        os.close(self.far)
        os.close(self.near)


def test_a_lost_port_and_one_that_goes_on() -> None:
    client, server = Hardware(), Hardware()
    links = [Link((Wire(client.name, Sender.CLIENT), Wire(server.name, Sender.SERVER)))]
    with Capture(links, SETTINGS, gap_limit=1_500 * MS, profile="p") as tap:
        os.write(client.far, even(b"/?!\r\n"))
        os.write(server.far, even(b"/ZZz5v"))
        records = tap.poll(1) + tap.poll(0.1)
        client.unplug()
        records += tap.poll(1) + tap.poll(0.1)
        assert tap.live
        assert tap.lost == [f"{client.name}: the device is gone"]
        os.write(server.far, even(b"tctap\r\n"))
        records += tap.poll(1) + tap.poll(0.05)
        server.unplug()
        records += tap.poll(1) + tap.poll(0.05)
        assert not tap.live
        assert tap.poll(0.01) == []
        records += tap.close()
    assert tap.lost == [f"{name}: the device is gone" for name in (client.name, server.name)]
    heard = {record.sender: record.octets for record in frames(records)}
    assert heard == {Sender.CLIENT: b"/?!\r\n", Sender.SERVER: b"/ZZz5vtctap\r\n"}
    assert [text for text in events(records) if not text.startswith("opened")] == [
        "lost octets=5", "lost octets=13", "closed octets=5", "closed octets=13",
    ]  # fmt: skip


def test_one_port_that_is_missing_leaves_the_other_alone(taps: PtyTaps) -> None:
    before = len(os.listdir("/dev/fd"))
    links = [Link((Wire(taps.client, Sender.CLIENT), Wire("/dev/no-such-port", Sender.SERVER)))]
    with (
        pytest.raises(PortError, match="there is no such port"),
        Capture(links, SETTINGS, gap_limit=1_500 * MS, profile="p"),
    ):
        pytest.fail("it opened")
    assert len(os.listdir("/dev/fd")) == before
    with Capture([pair(taps)], SETTINGS, gap_limit=1_500 * MS, profile="p"):
        assert len(os.listdir("/dev/fd")) == before + 2
    assert len(os.listdir("/dev/fd")) == before


def test_port_names_are_one_word(taps: PtyTaps, tmp_path: os.PathLike[str]) -> None:
    name = os.path.join(tmp_path, "the meter's port")
    os.symlink(taps.client, name)
    with Capture([Link((Wire(name),))], SETTINGS, gap_limit=1_500 * MS, profile="p") as tap:
        (opened, _) = events(tap.close())
    assert opened.split()[-1] == f"port={name.replace(' ', '_')}"


def test_ports_are_given_back_when_something_goes_wrong(taps: PtyTaps) -> None:
    before = len(os.listdir("/dev/fd"))
    with (
        contextlib.suppress(RuntimeError),
        Capture([pair(taps)], SETTINGS, gap_limit=1_500 * MS, profile="p"),
    ):
        raise RuntimeError
    assert len(os.listdir("/dev/fd")) == before

"""A link without ports: how often its octets are framed and decoded on their way to the screen."""

import random
from collections import Counter
from collections.abc import Iterable
from itertools import cycle, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtctap.capturing.counts import Counts
from vtctap.dissector.analysis.exchanges import exchanges
from vtctap.dissector.dissect import Dissector
from vtctap.dissector.framing.assembler import Tap
from vtctap.dissector.framing.framer import Framer
from vtctap.dissector.framing.pieces import Octet, Piece
from vtctap.dissector.profiles.files import load
from vtctap.dissector.protocol import common_frames, messages
from vtctap.dissector.protocol.messages import Message
from vtctap.pcap.record import Kind, Line, Record, Sender
from vtctap.sniffer.adapter import Adapter
from vtctap.sniffer.clock import Clock
from vtctap.sniffer.link import OpenLink, OpenTap, Wire
from vtctap.sniffer.port import Settings
from vtctap.sniffer.speed import SpeedFollower

MS = 1_000_000
GAP = 1_500 * MS
SETTINGS = Settings(9600, Line(7, "E", 1))
CHARACTER = SETTINGS.line.character_time_ns(SETTINGS.speed)

LONG = b"\x02" + b"".join(b"1-0:%d.8.0(%06d*kWh)\r\n" % (at, at) for at in range(40)) + b"!\r\n\x03"
SESSION = [
    (Sender.CLIENT, b"/?!\r\n"),
    (Sender.SERVER, b"/ZZz5vtctap-test\r\n"),
    (Sender.CLIENT, b"\x06050\r\n"),
    (Sender.SERVER, LONG + bytes([messages.bcc_xor(LONG[1:])])),
    (Sender.CLIENT, b"\x01R1\x020021()\x03\x60"),
    (Sender.SERVER, b"\x020021(00123.4*kWh)\x03\x55"),
    (Sender.CLIENT, b"\x01W1\x020010(1)\x03\x55"),
    (Sender.SERVER, b"\x06"),
    (Sender.CLIENT, b"\x01W1\x020020(2)\x03\x55"),
    (Sender.SERVER, b"\x15"),
    (Sender.CLIENT, b"\x01B0\x03\x71"),
]


def even(octets: bytes) -> list[tuple[int, int]]:
    return [(octet | (octet.bit_count() & 1) << 7, 0) for octet in octets]


def listen(wires: Iterable[Sender], *, following: bool) -> list[Record]:
    """Returns the records of a link on which a session is sent, each message read at once."""
    taps = [
        OpenTap(Wire(f"port{number}", sender), Tap(number, sender, SETTINGS.line, SETTINGS.speed), Adapter())
        for number, sender in enumerate(wires)
    ]
    senders = {tap.tap.number: tap.wire.sender for tap in taps}
    follower = SpeedFollower(SETTINGS, gap_limit_ns=GAP, taps=senders) if following else None
    now = 0
    clock = Clock(lambda: now, lambda: now)
    link = OpenLink(0, taps, SETTINGS, follower, clock, lambda name: Adapter(), gap_limit_ns=GAP)
    for sender, octets in SESSION:
        now += 40 * MS
        link.sweep(now)
        now += len(octets) * CHARACTER
        link.feed(taps[-1 if sender is Sender.SERVER else 0], even(octets), now)
    now += 3 * GAP
    link.sweep(now)
    link.close()
    return link.ready


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts the messages that are decoded, those of them that have not the common form, and the octets that are fed to
    framers."""
    counts: Counter[str] = Counter()
    look, read, feed = common_frames.decode, messages.readings, Framer.feed

    def common(octets: bytes) -> Message | None:
        counts["decoded"] += 1
        return look(octets)

    def readings(octets: bytes) -> tuple[bytes, bytes]:
        counts["uncommon"] += 1
        return read(octets)

    def fed(framer: Framer, octets: Iterable[Octet]) -> list[Piece]:
        octets = list(octets)
        counts["framed"] += len(octets)
        return feed(framer, octets)

    monkeypatch.setattr(common_frames, "decode", common)
    monkeypatch.setattr(messages, "readings", readings)
    monkeypatch.setattr(Framer, "feed", fed)
    return counts


@pytest.mark.parametrize("wires", [(Sender.UNKNOWN,), (Sender.CLIENT, Sender.SERVER)], ids=["one wire", "two wires"])
@pytest.mark.parametrize("following", [False, True], ids=["fixed", "following"])
def test_each_message_is_decoded_once(wires: tuple[Sender, ...], following: bool, counted: Counter[str]) -> None:
    """Each message is decoded once from the port to the counts and the exchanges. The follower must act before the
    times of octets are known, so it frames the octets itself; at a fixed speed they are framed once."""
    records = listen(wires, following=following)
    Counts().feed(records, 0.0)
    dissector = Dissector(load())
    found = list(exchanges(map(dissector.dissect, records)))
    assert [record.octets for record in records if record.kind is Kind.FRAME] == [octets for _, octets in SESSION]
    assert len(found) == 6
    octets = sum(len(octets) for _, octets in SESSION)
    framed = octets * (2 if following else 1)
    uncommon = sum(b"(" not in octets or messages.bcc_xor(octets[1:]) != 0 for _, octets in SESSION)
    assert counted == {"decoded": len(SESSION), "uncommon": uncommon, "framed": framed}


@given(
    st.lists(
        st.tuples(st.sampled_from([0, MS // 10, MS, 3 * MS]), st.integers(0, 30), st.booleans()),
        min_size=20,
        max_size=60,
    )
)
def test_times_of_one_tap_never_go_back(steps: list[tuple[int, int, bool]]) -> None:
    """Whatever a read brings, even octets that came faster than the line's speed, and whenever an event happens."""
    now = 0
    clock = Clock(lambda: now, lambda: now)
    tap = OpenTap(Wire("port"), Tap(0, Sender.UNKNOWN, SETTINGS.line, SETTINGS.speed), Adapter())
    link = OpenLink(0, [tap], SETTINGS, None, clock, lambda name: Adapter(), gap_limit_ns=GAP)
    said = cycle(b"/?!\r\n")
    for pause_ns, count, happens in steps:
        now += pause_ns
        if count:
            link.feed(tap, even(bytes(islice(said, count))), now)
        else:
            link.sweep(now)
        if happens:
            link.event(tap, "mark")
    link.close()
    assert sum(len(record.octets) for record in link.ready) == tap.octets
    assert [record.time for record in link.ready] == sorted(record.time for record in link.ready)


def due(start: int, character_time_ns: int) -> list[tuple[int, int, tuple[int, int]]]:
    """Returns the octets of a session, each with the time at which it ends and the tap that hears it."""
    octets, at = [], start
    for sender, message in SESSION:
        for octet in even(message):
            at += character_time_ns
            octets.append((at, 1 if sender is Sender.SERVER else 0, octet))
        at += 30 * MS
    return octets


def read_late(seed: int, settings: Settings, late: int) -> list[bytes]:
    """Returns the octets of each frame and noise of a session that a program reads late, by up to ``late`` times 120
    ms. What both sides sent meanwhile is read at once."""
    chance, now = random.Random(seed), 0
    clock = Clock(lambda: now, lambda: now)
    taps = [
        OpenTap(Wire(f"port{number}", sender), Tap(number, sender, settings.line, settings.speed), Adapter())
        for number, sender in enumerate((Sender.CLIENT, Sender.SERVER))
    ]
    link = OpenLink(0, taps, settings, None, clock, lambda name: Adapter(), gap_limit_ns=GAP)
    waiting, swept, looked = due(20 * MS, settings.line.character_time_ns(settings.speed)), 0, 0
    while waiting:
        asked, since = now, looked
        if waiting[0][0] > now or now - looked <= MS:  # It waits, and may be stopped meanwhile.
            now = max(now, min(waiting[0][0], now + 20 * MS)) + chance.choice((0, MS // 50, MS // 10))
            since = now
            now += chance.choice((0, 0, 0, 0, 0, 0, 0, 5, 30, 60)) * late * MS
        looked = now
        read = [one for one in waiting if one[0] <= now]
        del waiting[: len(read)]
        for tap in taps:
            if octets := [octet for _, number, octet in read if number == tap.tap.number]:
                link.feed(tap, octets, now, now - since)
        if not read or asked - swept >= 20 * MS:
            swept = asked
            link.sweep(asked)
        now += chance.choice((0,) * 19 + (60,)) * late * MS  # Something else keeps it busy.
    link.close()
    return [one.octets for one in link.ready if one.kind is not Kind.EVENT]


@pytest.mark.parametrize("seed", range(40))
def test_a_program_that_is_woken_late_splits_no_message(seed: int) -> None:
    """The times do not tell the order, yet the messages are in order."""
    assert read_late(seed, SETTINGS, 1) == [octets for _, octets in SESSION]


@pytest.mark.parametrize("seed", range(40))
def test_a_program_that_is_woken_very_late_splits_no_message_of_a_slow_line(seed: int) -> None:
    """Its characters are longer than the pause in which the other side could begin. Several exchanges that are read at
    once may be out of order."""
    slow = Settings(300, SETTINGS.line)
    assert sorted(read_late(seed, slow, 8)) == sorted(octets for _, octets in SESSION)

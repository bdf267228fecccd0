"""The receiver with wrong settings, compared with waveforms worked out by hand, a second receiver, and real
pseudo-terminals."""

import contextlib
import os
import select
import sys
import termios
import threading
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment.garbling import GarblingTaps
from equipment.receiver import Received, Receiver, Waveform
from vtctap.pcap.record import Flag, Line
from vtctap.sniffer.port import Settings
from vtctap.sniffer.posix_port import PosixPort
from vtctap.sniffer.simulated.wire import WireOctet

MS = 1_000_000
SECOND = 1_000 * MS
EIGHT, EVEN = Line(8, "N", 1), Line(7, "E", 1)
FRAMING, BREAK = Flag.FRAMING, Flag.FRAMING | Flag.BREAK


def characters(values: bytes, speed: int, line: Line = EIGHT, *, start: int = 0, gap: int = 0) -> list[WireOctet]:
    bits, octets = line.character_bits, []
    for value in values:
        end = start + bits * SECOND // speed
        octets.append(WireOctet("server", value, start, end))
        start = end + gap
    return octets


def hear(octets: Sequence[WireOctet], speed: int, line: Line = EIGHT, sent: Line = EIGHT) -> list[Received]:
    waveform = Waveform(sent)
    for octet in octets:
        waveform.feed(octet)
    return Receiver(waveform, speed, line).run(octets[-1].end + SECOND)


def seen(received: Sequence[Received]) -> list[tuple[int, int]]:
    return [(octet.value, octet.flags) for octet in received]


# Levels one after the other, the start bit first; a receiver at twice the speed takes each one twice:
# U        0 1010 1010 1          00 1100 1100 1100 1100 11
# first:   start 0, data 0110 0110, stop 0: 66h and a framing error; it goes on at the fall after 1100,
# second:  start 0, data 0110 0111 (the line is idle by then), stop 1: E6h.
@pytest.mark.parametrize(
    ("values", "speed", "listening", "expected"),
    [
        (b"U", 4800, 9600, [(0x66, FRAMING), (0xE6, 0)]),
        # A: 0 1000 0010 1 at a sixth of the speed: each start bit and each zero that stands alone is E0h, what is
        # longer low is 00h and a framing error. Falls: the start bit (one bit low), bits 1 to 5 (five), bit 7 (one).
        (b"A", 1600, 9600, [(0xE0, 0), (0x00, BREAK), (0xE0, 0)]),
        (b"AB", 300, 9600, [(0x00, BREAK)] * 6),  # B: 0 0100 0010 1 falls before bits 2 and 7
        # At a third of the speed it looks at the middle of every third bit: 0 (bit 0), 0 (3), 0 (6), and the idle line.
        (b"\x00", 9600, 3200, [(0xFC, 0)]),
        (b"\xff\xff", 9600, 3200, []),  # The start bit is over when it looks.
        (b"\x00\x80\xff", 9600, 9600, [(0x00, 0), (0x80, 0), (0xFF, 0)]),
    ],
)
def test_worked_out_by_hand(values: bytes, speed: int, listening: int, expected: list[tuple[int, int]]) -> None:
    assert seen(hear(characters(values, speed), listening)) == expected


@pytest.mark.parametrize("line", [EIGHT, EVEN, Line(7, "O", 1), Line(8, "E", 1), Line(8, "O", 2), Line(7, "N", 2)])
@given(
    values=st.binary(min_size=1, max_size=20),
    speed=st.sampled_from([300, 9600, 115200]),
    gap=st.integers(0, 20 * MS),
)
def test_set_as_the_sender_it_hears_what_was_sent(line: Line, values: bytes, speed: int, gap: int) -> None:
    values = bytes(value & 0x7F for value in values) if line == Line(7, "N", 2) else values
    octets = characters(values, speed, line, start=7 * MS, gap=gap)
    received = hear(octets, speed, line, line)
    assert seen(received) == [(value, 0) for value in values]
    for octet, heard in zip(octets, received, strict=True):
        assert octet.start < heard.end < octet.end


def reference(octets: Sequence[WireOctet], speed: int, listening: int) -> list[tuple[int, int]]:
    """A second receiver: it steps through the line in 64ths of a bit at the faster speed."""
    tick = SECOND / max(speed, listening) / 64
    levels = [1] * (int(octets[-1].end / tick) + 64 * 200)
    for octet in octets:
        for at, level in enumerate([0, *(octet.octet >> bit & 1 for bit in range(8)), 1]):
            first, last = (octet.start + n * SECOND / speed for n in (at, at + 1))
            levels[round(first / tick) : round(last / tick)] = [level] * (round(last / tick) - round(first / tick))
    bit, at, heard = 64 * max(speed, listening) / listening, 1, []
    while at < len(levels) - 64 * 130:
        if levels[at - 1] and not levels[at]:
            looks = [levels[int(at + (n + 0.5) * bit + 0.5)] for n in range(10)]
            if looks[0]:
                at += int(bit / 2)
                continue
            value = sum(level << n for n, level in enumerate(looks[1:9]))
            heard.append((value, 0 if looks[9] else FRAMING if value else BREAK))
            at += int(9.5 * bit)
        at += 1
    return heard


@given(
    values=st.binary(min_size=1, max_size=12), ratio=st.sampled_from([(1, 3), (3, 1), (5, 1), (7, 3), (3, 7), (8, 1)])
)
def test_another_receiver_hears_the_same(values: bytes, ratio: tuple[int, int]) -> None:
    speed, listening = 1000 * ratio[0], 1000 * ratio[1]
    octets = characters(values, speed, start=SECOND // speed)
    assert seen(hear(octets, listening)) == reference(octets, speed, listening)


@given(steps=st.lists(st.integers(1, 3 * MS), max_size=60), listening=st.sampled_from([300, 2400, 9600, 115200]))
def test_it_does_not_matter_how_often_it_is_asked(steps: list[int], listening: int) -> None:
    octets = characters(b"/?!\r\n", 2400, gap=MS)
    waveform, now, heard = Waveform(EIGHT), 0, []
    receiver = Receiver(waveform, listening, EIGHT)
    waiting = list(octets)
    for step in [*steps, SECOND]:
        now += step
        while waiting and waiting[0].start <= now:
            waveform.feed(waiting.pop(0))
        heard += receiver.run(now)
    assert heard == hear(octets, listening)


def test_a_break_is_one_octet() -> None:
    held = WireOctet("server", 0, 0, 40 * MS, is_break=True)
    after = characters(b"/", 9600, start=50 * MS)
    assert seen(hear([held, *after], 9600)) == [(0, BREAK), (0x2F, 0)]


def test_a_parity_that_the_receiver_checks() -> None:
    sent, checked = Line(8, "O", 1), Line(8, "E", 1)
    assert seen(hear(characters(b"ab", 9600, sent), 9600, checked, sent)) == [(0x61, FRAMING), (0x62, FRAMING)]


def test_set_anew_within_an_octet() -> None:
    waveform = Waveform(EIGHT)
    for octet in characters(b"\x0f", 1000):  # 0 1111 0000 1: a bit lasts 1 ms
        waveform.feed(octet)
    receiver = Receiver(waveform, 1000, EIGHT)
    assert receiver.run(3 * MS) == []
    assert receiver.busy
    # It has sampled at 0.5, 1.5 and 2.5 ms, and still samples at 3.5 ms: start bit, 1, 1, 1. Then it samples every 2
    # ms:
    receiver.speed = 500
    # 5.5: 0, 7.5: 0, 9.5: 1, and three times the idle line.
    assert receiver.run(SECOND) == [Received(0b11100111, 0, 15_500_000)]
    assert not receiver.busy


def test_a_long_run_keeps_little() -> None:
    waveform = Waveform(EIGHT)
    receiver = Receiver(waveform, 9600, EIGHT)
    heard = 0
    for octet in characters(b"U" * 5000, 9600):
        waveform.feed(octet)
        heard += len(receiver.run(octet.end))
    assert heard == 5000
    assert sys.getsizeof(waveform._times) < 1_000_000


@pytest.fixture(autouse=True)
def nothing_leaks() -> Iterator[None]:
    threads, files = threading.active_count(), len(os.listdir("/dev/fd"))
    yield
    assert threading.active_count() == threads
    assert len(os.listdir("/dev/fd")) == files


@contextlib.contextmanager
def tapped(name: str, settings: Settings) -> Iterator[PosixPort]:
    port = PosixPort(name, settings)
    yield port
    port.close()


def read(port: PosixPort, taps: GarblingTaps) -> list[tuple[int, int]]:
    octets = []
    while taps.playing or select.select([port.fileno()], [], [], 0.1)[0]:
        if select.select([port.fileno()], [], [], 0.1)[0]:
            octets += port.read()
    return octets


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Settings(9600, EVEN), [(0xFF, 0), (0x55, 0), (0x00, 0)]),
        (Settings(4800, EVEN), None),
        (Settings(19200, EVEN), [(0xFE, 0), (0x66, FRAMING), (0xE6, 0), (0x00, BREAK)]),
    ],
)
def test_a_tap_hears_what_its_settings_make_of_the_line(
    settings: Settings, expected: list[tuple[int, int]] | None
) -> None:
    """A literal FFh and a mark both arrive as the driver delivers them: doubled, and as FF 00 x."""
    octets = characters(b"\xff\x55\x00", 9600, EVEN, start=100 * MS, gap=5 * MS)
    with GarblingTaps(EVEN) as taps, tapped(taps.server, settings) as port:
        taps.start(octets, beginning=0)
        heard = read(port, taps)
    assert heard == (seen(hear(octets, settings.speed, sent=EVEN)) if expected is None else expected)


def test_a_tap_that_sets_itself_right() -> None:
    wrong = characters(b"/?!\r\n", 300, EVEN, start=100 * MS, gap=1)
    right = characters(b"\xff\xafABC", 300, EVEN, start=800 * MS)
    with GarblingTaps(EVEN, merged=True) as taps, tapped(taps.client, Settings(9600, EVEN)) as port:
        taps.start(wrong + right, beginning=0)
        before: list[tuple[int, int]] = []
        while len(before) < len(hear(wrong, 9600, sent=EVEN)):
            before += port.read()
        attributes = termios.tcgetattr(port.fileno())
        attributes[0] |= termios.PARMRK
        attributes[4] = attributes[5] = termios.B300
        termios.tcsetattr(port.fileno(), termios.TCSANOW, attributes)
        after = read(port, taps)
    assert before
    assert set(before) == {(0, BREAK)}
    assert bytes(value for value, _ in after) == b"\xff\xafABC"
    assert not any(flags for _, flags in after)


def test_without_marks_a_wrong_octet_is_a_nul() -> None:
    octets = characters(b"U\xff", 4800, EVEN, start=100 * MS, gap=5 * MS)
    with GarblingTaps(EVEN) as taps:
        fd = os.open(taps.server, os.O_RDONLY | os.O_NOCTTY)
        attributes = termios.tcgetattr(fd)
        attributes[0] = termios.INPCK
        attributes[4] = attributes[5] = termios.B9600
        termios.tcsetattr(fd, termios.TCSANOW, attributes)
        taps.start(octets, beginning=0)
        heard = b""
        while len(heard) < 3 and select.select([fd], [], [], 5)[0]:
            heard += os.read(fd, 100)
        os.close(fd)
    assert heard == b"\x00\xe6\xfe"  # U as above, its first half lost to the framing error

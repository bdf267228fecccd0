"""Detection of speed and line: all combinations of speeds, lines and kinds of traffic, from any point on."""

from bisect import bisect
from collections.abc import Callable, Sequence
from functools import reduce
from itertools import product
from operator import xor
from random import Random

import pytest

from equipment.receiver import Receiver, Waveform
from equipment.recordings import RECORDINGS, octets_of
from equipment.sampling import turns
from vtctap.dissector.protocol.checksums import fcs16
from vtctap.pcap.record import Flag, Line
from vtctap.sniffer.detect import Detector, Proposal
from vtctap.sniffer.port import Settings
from vtctap.sniffer.simulated.named import GUESS
from vtctap.sniffer.simulated.session import play
from vtctap.sniffer.simulated.wire import WireOctet, received

MS = 1_000_000
SECOND = 1_000 * MS
EVEN, EIGHT, ODD = Line(7, "E", 1), Line(8, "N", 1), Line(7, "O", 1)
LISTED = (300, 600, 1200, 2400, 4800, 9600, 19200, 115200)

Messages = list[tuple[bytes, int]]
"""Messages, and the silence after each in ns."""


def checked(message: bytes) -> bytes:
    return message + bytes([reduce(xor, message[1:])])


def session(random: Random) -> Messages:
    messages, message, end = [], b"", 0
    for octet in play(random.randrange(1000), line=EIGHT, dialect=GUESS):
        if message and octet.start > end + 5 * MS:
            messages.append((message, octet.start - end))
            message = b""
        message += bytes([octet.octet])
        end = octet.end
    return [*messages, (message, SECOND)] * 2


def readout(random: Random) -> Messages:
    lines = (
        f"{random.choice('123CF')}.{random.randrange(100)}.{random.randrange(10)}({random.randrange(10**6):06}"
        f"{random.choice(['', '*kWh', '*kW', '.5*V'])})\r\n"
        for _ in range(30)
    )
    data = checked(b"\x02" + "".join(lines).encode() + b"!\r\n\x03")
    return [(b"/?!\r\n", 100 * MS), (b"/ABC5XYZ 123\r\n", 200 * MS), (data, SECOND)] * 2


def telegram(random: Random) -> Messages:
    lines = (
        f"1-0:{random.randrange(100)}.{random.randrange(10)}.0({random.randrange(10**6):06}.{random.randrange(1000):03}"
        "*kWh)\r\n"
        for _ in range(15)
    )
    return [(f"/XMX5LGBBFG1009394887\r\n\r\n{''.join(lines)}!{random.randrange(1 << 16):04X}\r\n".encode(), SECOND)] * 3


def polls(random: Random) -> Messages:
    """The same two messages again and again, with many zeros."""
    return [(checked(b"\x01R1\x020000()\x03"), 60 * MS), (checked(b"\x020000(000000000000)\x03"), 250 * MS)] * 40


def wake_up(random: Random) -> Messages:
    return [(bytes(40), 1_500 * MS), *session(random)]


def on_the_wire(messages: Messages, speed: int, line: Line, skipped: int = 0) -> list[WireOctet]:
    octets, start = [], SECOND
    for message, silence in messages:
        for value in message:
            end = start + line.character_bits * SECOND // speed
            octets.append(WireOctet("server", received(value, line), start, end))
            start = end
        start += silence
    return octets[skipped:]


def listen(
    octets: Sequence[WireOctet],
    line: Line,
    *,
    begin: int,
    chunk: int = MS,
    detector: Detector | None = None,
    marks: bool = True,
    error: float = 1.0,
) -> tuple[int, Proposal | None]:
    """Feeds a detector from the time ``begin`` on until it has settled. Returns how many octets had begun on the line
    by then, and its result. ``error`` is the factor by which the receiver's speed is wrong."""
    waveform = Waveform(line)
    for octet in octets:
        waveform.feed(octet)
    detector = detector or Detector()
    receiver = Receiver(waveform, round(detector.settings.speed * error), EIGHT)
    starts, now = [octet.start for octet in octets], begin
    receiver._after = now
    while now < octets[-1].end:
        now += chunk
        heard = [(octet.value, octet.flags if marks else 0) for octet in receiver.run(now)]
        if heard and (finding := detector.feed(heard, now)):
            if finding.settled:
                return bisect(starts, now), finding
            assert finding.settings == detector.settings
            receiver.speed = round(finding.settings.speed * error)
    return len(octets), None


@pytest.mark.parametrize(("speed", "line"), turns(LISTED, [EVEN, EIGHT, ODD]), ids=str)
@pytest.mark.parametrize("traffic", [session, readout, telegram, polls])
def test_settles_within_64_octets(traffic: Callable[[Random], Messages], speed: int, line: Line) -> None:
    random = Random(f"{traffic.__name__} {speed}")
    for skipped in (0, random.randrange(1, 50), random.randrange(50, 200)):
        octets = on_the_wire(traffic(random), speed, line, skipped)
        # Before the first octet, or in the middle of it.
        begin = octets[0].start + (random.randrange(octets[0].end - octets[0].start) if skipped else -MS)
        count, finding = listen(octets, line, begin=begin, chunk=min(MS, line.character_time_ns(speed)))
        assert finding == Proposal(Settings(speed, line), settled=True), (skipped, count)
        assert count <= 64, (skipped, count)


@pytest.mark.parametrize("marks", [True, False])
@pytest.mark.parametrize("speed", LISTED)
def test_speeds_that_are_expected_are_tried_first(speed: int, marks: bool) -> None:
    """Expected speeds are found within 24 octets; another speed is found as well."""
    for seed, expected in product(range(4), [(4800, 9600, 300), (speed, 9600, 300)]):
        octets = on_the_wire(readout(Random(seed)), speed, EVEN)
        detector = Detector(expected=expected)
        assert detector.settings == Settings(max(expected), EIGHT)
        begin = octets[0].start - MS
        count, finding = listen(octets, EVEN, begin=begin, chunk=MS // 4, detector=detector, marks=marks)
        assert finding == Proposal(Settings(speed, EVEN), settled=True)
        assert count <= (24 if speed in expected else 120), (seed, expected)


@pytest.mark.parametrize("line", [EVEN, EIGHT, ODD], ids=str)
@pytest.mark.parametrize("speed", LISTED)
def test_a_wake_up_leads_nobody_astray(speed: int, line: Line) -> None:
    """NULs show nothing about parity, and little about speed. Within 64 octets after them, both are certain."""
    octets = on_the_wire(wake_up(Random(speed)), speed, line)
    count, finding = listen(octets, line, begin=octets[0].start - MS, chunk=min(MS, line.character_time_ns(speed)))
    assert finding == Proposal(Settings(speed, line), settled=True)
    assert count <= 40 + 64


@pytest.mark.parametrize("error", [0.98, 1.02])
@pytest.mark.parametrize("speed", LISTED)
def test_clocks_that_differ(speed: int, error: float) -> None:
    random = Random(speed)
    for line in (EVEN, EIGHT, ODD):
        octets = on_the_wire(telegram(random), speed, line, random.randrange(50))
        count, finding = listen(octets, line, begin=octets[0].start, chunk=MS, error=error)
        assert finding == Proposal(Settings(speed, line), settled=True)
        assert count <= 64 + 2 * MS // line.character_time_ns(speed)


@pytest.mark.parametrize("speed", LISTED)
def test_a_port_that_tells_no_framing_errors(speed: int) -> None:
    random = Random(speed)
    for line in (EVEN, EIGHT, ODD):
        octets = on_the_wire(session(random), speed, line)
        count, finding = listen(octets, line, begin=0, chunk=min(MS, line.character_time_ns(speed)), marks=False)
        assert finding == Proposal(Settings(speed, line), settled=True)
        assert count <= 100


@pytest.mark.parametrize("speed", LISTED)
def test_hdlc(speed: int) -> None:
    random = Random(speed)
    frames = []
    for _ in range(20):
        body = bytes([0xA0, (size := random.randint(8, 30)) + 2, *random.randbytes(size - 2)])
        frames.append((b"\x7e" + body + fcs16(body).to_bytes(2, "little") + b"\x7e", 30 * MS))
    octets = on_the_wire(frames, speed, EIGHT)
    count, finding = listen(octets, EIGHT, begin=0, chunk=min(MS, EIGHT.character_time_ns(speed)))
    assert finding == Proposal(Settings(speed, EIGHT), settled=True)
    assert count <= 96  # three frames


@pytest.mark.parametrize("speed", [300, 9600, 115200])
def test_octets_of_any_value_are_no_evidence(speed: int) -> None:
    random = Random(speed)
    octets = on_the_wire([(random.randbytes(30), 20 * MS) for _ in range(40)], speed, EIGHT)
    assert listen(octets, EIGHT, begin=0, chunk=min(MS, EIGHT.character_time_ns(speed)))[1] is None


@pytest.mark.parametrize("seed", range(3))
def test_noise_is_no_evidence(seed: int) -> None:
    random, detector, now = Random(seed), Detector(), 0
    for _ in range(3000):
        now += random.randrange(5 * MS)
        finding = detector.feed([(random.randrange(256), random.choice((0, 0, Flag.FRAMING)))], now)
        assert finding is None or not finding.settled


def test_listens_with_the_fastest_that_is_plausible() -> None:
    detector = Detector()
    assert detector.settings == Settings(115200, EIGHT)
    # A long run of marked zeros, which no faster line has; then single start bits, six times too fast.
    finding = detector.feed([(0, Flag.FRAMING | Flag.BREAK)] + [(0xE0, 0)] * 4, 0)
    assert finding == Proposal(Settings(19200, EIGHT), settled=False)
    assert detector.settings == Settings(19200, EIGHT)


def test_what_was_received_before_a_change_weighs_nothing() -> None:
    detector = Detector(latency_ns=16 * MS)
    finding = detector.feed([(0, Flag.FRAMING)] * 10, SECOND)
    assert finding
    before = list(detector._weights)
    assert detector.feed([(0x30, 0)] * 50, SECOND + 16 * MS - 1) is None
    assert detector._weights == before
    assert detector.feed([(0x30, 0)], SECOND + 16 * MS) is None or detector._weights != before


def test_a_change_that_takes_its_time() -> None:
    """Octets that were received before the receiver was set do not count, however late they arrive."""
    detector = Detector(latency_ns=16 * MS)
    assert detector.feed([(0, Flag.FRAMING)] * 10, SECOND)
    detector.changed(SECOND + 40 * MS)
    before = list(detector._weights)
    assert detector.feed([(0x30, 0)] * 50, SECOND + 56 * MS - 1) is None
    assert detector._weights == before


def test_eight_octets_at_the_least() -> None:
    detector = Detector()
    text = b"/?!\r\n/XMX5 12"
    counts = [at for at in range(1, 13) if detector.feed([(text[at - 1], 0)], at * MS)]
    assert not [at for at in counts if at < 8]


@pytest.mark.parametrize("speed", [300, 2400, 9600, 115200])
def test_recordings(speed: int) -> None:
    recordings = [
        entry for entry in RECORDINGS if len(octets_of(entry)) > 300 and not entry["name"].startswith("peer_")
    ]
    random, counts = Random(speed), []
    for entry in recordings[::3]:
        text = bytes(octet & 0x7F for octet in octets_of(entry)[:3000])
        for line in (EVEN, EIGHT, ODD):
            octets = on_the_wire([(text, SECOND)] * 2, speed, line, random.randrange(200))
            count, finding = listen(octets, line, begin=octets[0].start, chunk=min(MS, line.character_time_ns(speed)))
            assert finding == Proposal(Settings(speed, line), settled=True), entry["name"]
            counts.append(count)
    # A receiver out of step in a block without pauses may stay so for some time.
    assert sum(count <= 64 for count in counts) >= 0.9 * len(counts)
    assert max(counts) <= 160

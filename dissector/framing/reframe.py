"""Frames octets that were received earlier: those of traces, and recordings of other tools.

:func:`reframe` frames a trace again with another profile or line; :func:`assemble` frames what the import formats
deliver. Both restore what the tap received and feed it to the assembler that live taps use.
"""

from collections.abc import Iterable, Iterator

from vtctap.dissector.framing.assembler import Assembler, Tap
from vtctap.dissector.framing.pieces import Octet, Run
from vtctap.dissector.framing.spacing import spaced
from vtctap.dissector.framing.survey import Survey
from vtctap.dissector.protocol.characters import received
from vtctap.pcap.burst import Burst
from vtctap.pcap.events import event_name
from vtctap.pcap.hash_chain import unchained
from vtctap.pcap.record import EIGHT_BITS, Flag, Kind, Line, Record, Sender


def octets_of(record: Record) -> list[Octet]:
    """Returns a record's octets with their times, as they were fed to the assembler."""
    framing = set(record.framing_errors)
    # Another tool reported a parity error that has no position.
    whole = Flag.BREAK | Flag.OVERRUN | (0 if record.parity_errors else Flag.PARITY)
    if record.uncertainty is None:
        whole |= Flag.ORDER_UNCERTAIN  # The tap set it; it does not come from comparing timestamps.
    return [
        Octet(
            value,
            start,
            record.uncertainty,
            (0 if position else record.flags & whole) | (Flag.FRAMING if position in framing else 0),
        )
        for position, (value, start) in enumerate(zip(received(record), _octet_times(record), strict=True))
    ]


def pieces(record: Record) -> list[tuple[int, bytes]]:
    """Returns a record's received octets, split at each listed pause, with the start (ns) of each part."""
    octets, times = received(record), _octet_times(record)
    starts = [0, *sorted({position for position, _ in record.pauses_us if 0 < position < len(octets)})]
    ends = [*starts[1:], len(octets)]
    return [(times[start], octets[start:end]) for start, end in zip(starts, ends, strict=True) if octets]


def bursts(record: Record) -> list[Burst]:
    """Returns a record's :func:`pieces` as bursts; without times where they are synthetic."""
    synthetic = record.flags & Flag.SYNTHETIC
    return [Burst(octets, record.sender, None if synthetic else start) for start, octets in pieces(record)]


def character_time_ns(record: Record) -> int:
    """Returns the duration of one character, ns, estimated from the record's duration if line or speed is unknown."""
    stated = record.line.character_time_ns(record.speed) if record.line else 0
    if stated or not record.octets:
        return stated
    return max(record.duration - sum(pause for _, pause in record.pauses_us) * 1000, 0) // len(record.octets)


def _octet_times(record: Record) -> list[int]:
    """Returns the start of each octet: one character after the previous octet, plus a listed pause. The rest of the
    duration, pauses too short to be listed, is spread over the other octets."""
    count = len(record.octets)
    character_ns = character_time_ns(record)
    pauses = {position: pause * 1000 for position, pause in record.pauses_us}
    rest = record.duration - count * character_ns - sum(pauses.values()) if record.duration else 0
    others = [position for position in range(1, count) if position not in pauses] or range(1, count)
    shares = {position: number for number, position in enumerate(others, 1)}
    times = []
    time, share = record.time, 0
    for position in range(count):
        if position:
            time += character_ns + pauses.get(position, 0)
            share = shares.get(position, share)
        times.append(time + (rest * share // len(others) if share else 0))
    return times


def assemble(
    bursts: Iterable[Burst], *, speed: int, gap_limit_ns: int, line: Line | None = None, survey: Survey | None = None
) -> Iterator[Record]:
    """Frames a recording of another tool, in constant memory, keeping the order of its bursts.

    ``line`` is the character format of all octets; None: 8N1, or 7E1 where all octets of a side clearly have even
    parity. ``speed`` (bit/s) spaces the octets of a burst that states no speed
    (:mod:`~vtctap.dissector.framing.spacing`). If any burst has no time, all times are marked as synthetic. ``survey``
    is that of the same bursts; without it they must be a sequence.
    """
    known = survey or Survey(bursts, gap_limit_ns=gap_limit_ns)
    taps = known.taps(speed, line)
    assembler = Assembler(
        0, list(taps.values()), gap_limit_ns=gap_limit_ns, synthetic=known.synthetic, max_hold_ns=None
    )
    lines = {sender: tap.line for sender, tap in taps.items()}
    for burst, start_ns, step_ns in spaced(bursts, lines, speed, gap_limit_ns=gap_limit_ns):
        tap = taps[burst.sender]
        tap.speed = burst.speed or speed
        octets = Run(burst.octets, start_ns, step_ns, burst.uncertainty, burst.flags)
        yield from assembler.advance(start_ns)
        yield from assembler.turn(tap.number)
        yield from assembler.feed(tap.number, octets)
    yield from assembler.close()


def reframe(records: Iterable[Record], *, gap_limit_ns: int, line: Line | None = None) -> Iterator[Record]:
    """Frames the octets of a trace again, with ``line`` instead of the recorded character format. Events stay.

    The result has no hash chain, because it is not what was captured.
    """
    links: dict[int, _LinkReframer] = {}
    for record in records:
        link = links.setdefault(record.link, _LinkReframer(record.link, gap_limit_ns))
        yield from link.feed(record, line)
    for link in links.values():
        yield from link.close()


class _LinkReframer:
    """One link of a trace, with one assembler for as long as its taps' wiring stays the same."""

    def __init__(self, number: int, gap_limit_ns: int) -> None:
        self._number = number
        self._gap_limit_ns = gap_limit_ns
        self._taps: dict[int, Tap] = {}
        self._assembler: Assembler | None = None

    def feed(self, record: Record, line: Line | None) -> Iterator[Record]:
        if record.kind is Kind.EVENT:
            yield from self._event(unchained(record))
            return
        sender = Sender.UNKNOWN if record.inferred else record.sender
        wanted = line or record.line or EIGHT_BITS
        tap = self._taps.get(record.tap)
        if tap is not None and tap.sender is not sender:
            yield from self.close()
            tap = None
        if self._assembler is None:
            synthetic = bool(record.flags & Flag.SYNTHETIC)
            self._assembler = Assembler(
                self._number, [], gap_limit_ns=self._gap_limit_ns, synthetic=synthetic, max_hold_ns=None
            )
        if tap is None:
            self._taps[record.tap] = tap = Tap(record.tap, sender, wanted, record.speed)
            self._assembler.add(tap)
        yield from self._assembler.advance(record.time)
        if (tap.line, tap.speed) != (wanted, record.speed):
            tap.line, tap.speed = wanted, record.speed
        yield from self._assembler.turn(record.tap)
        tap.spacing_ns = character_time_ns(record)
        yield from self._assembler.feed(record.tap, octets_of(record))

    def _event(self, event: Record) -> Iterator[Record]:
        """Passes an event on. Where a tap did not listen, its message ends, since octets may be missing."""
        if self._assembler is None:
            yield event
            return
        yield from self._assembler.event(event)
        if event_name(event.event) in ("lost", "closed", "opened") and event.tap in self._taps:
            yield from self._assembler.end(event.tap)

    def close(self) -> Iterator[Record]:
        if self._assembler:
            yield from self._assembler.close()
            self._assembler = None
            self._taps.clear()

"""A capture without ports: frames the octets of a virtual wire, whose times are exact, as a capture frames a tap's."""

from collections.abc import Iterable, Iterator
from typing import Final

from vtctap.dissector.framing.assembler import Assembler, Tap
from vtctap.dissector.framing.pieces import Octet
from vtctap.pcap.record import Flag, Kind, Line, Record, Sender
from vtctap.sniffer.simulated.wire import WireOctet

_TAPS: Final = {"client": (0, Sender.CLIENT), "server": (1, Sender.SERVER)}


def capture(
    octets: Iterable[WireOctet], *, start: int, speed: int, line: Line, gap_limit_ns: int, profile: str
) -> Iterator[Record]:
    """Yields the records of two taps, one for each direction, opened at ``start`` (ns since 1970 UTC). ``profile`` is
    the name that the events state.

    The octets' own times tell their speed, so the taps need nothing to follow a change of it. The format stays: of mode
    E, eight bits are read with the parity bit of ``line``.
    """
    taps = [Tap(number, sender, line, speed) for number, sender in _TAPS.values()]
    assembler = Assembler(0, taps, gap_limit_ns=gap_limit_ns)
    end = start
    counts = [0, 0]

    def event(tap: Tap, time: int, text: str) -> Record:
        return Record(time, b"", Kind.EVENT, tap.sender, False, 0, tap.number, line, speed=speed, event=text)

    for tap in taps:
        yield from assembler.event(event(tap, start, f"opened profile={profile} speed={speed} line={line} octets=0"))
    for octet in octets:
        number, _ = _TAPS[octet.side]
        counts[number] += 1
        end = max(end, octet.end)
        flags = Flag.FRAMING | Flag.BREAK if octet.is_break else 0
        # All octets that ended before this one have come, and none that follows begins before it.
        yield from assembler.advance(octet.start)
        if not octet.is_break:
            for tap in taps:
                tap.speed = round(line.character_bits * 1e9 / (octet.end - octet.start))
        yield from assembler.feed(number, [Octet(octet.octet, octet.start, 0, flags)])
    for tap in taps:
        yield from assembler.event(event(tap, end, f"closed octets={counts[tap.number]}"))
    yield from assembler.close()

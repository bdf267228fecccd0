"""A trace played again: its octets as they crossed the wire, at their pace, into pseudo-terminals.

:func:`wire_octets` restores what each tap received, parity bits included; :func:`paced` gives each octet when its time
has come. Both are without I/O. :class:`Stage` has the pseudo-terminals, and knows whether somebody listens.

Limits: those of :mod:`~vtctap.sniffer.simulated.ptys`: a pseudo-terminal has no speed, and a break arrives as NUL.
Octets of a trace without times have no pauses between them; where a trace says no speed, a record's octets are spaced
over its duration. Where stamps of two taps contradict the order of the records, the stamps are played.
"""

import heapq
import select
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from types import TracebackType
from typing import Final, Self

from vtctap.dissector.framing.reframe import character_time_ns, octets_of, pieces
from vtctap.pcap.record import Flag, Kind, Record, Sender
from vtctap.sniffer.simulated.ptys import Pty
from vtctap.sniffer.simulated.replayed import Turn
from vtctap.sniffer.simulated.wire import Side, WireOctet

_AHEAD: Final = 1_000_000_000
"""ns; a record that comes later in a trace begins no more than this before the one that came before it."""
SIDES: Final[dict[Sender, Side]] = {Sender.CLIENT: "client", Sender.SERVER: "server", Sender.UNKNOWN: "client"}
"""Who sends, on the wire; on one wire it makes no difference."""


def wire_octets(records: Iterable[Record], speed_up: int = 1) -> Iterator[WireOctet]:
    """The octets of a link's records, in the order of their ends; times are the trace's, divided by ``speed_up``."""
    waiting: list[tuple[int, int, WireOctet]] = []
    count = 0
    for record in records:
        if record.kind is Kind.EVENT:
            continue
        while waiting and waiting[0][0] < (record.time - _AHEAD) // speed_up:
            yield heapq.heappop(waiting)[-1]
        side, character_ns = SIDES[record.sender], character_time_ns(record)
        for octet in octets_of(record):
            end = (octet.start + character_ns) // speed_up
            played = WireOctet(side, octet.value, octet.start // speed_up, end, bool(octet.flags & Flag.BREAK))
            heapq.heappush(waiting, (end, count, played))
            count += 1
    while waiting:
        yield heapq.heappop(waiting)[-1]


def paced(
    octets: Iterable[WireOctet], clock: Callable[[], int], wait: Callable[[float], object]
) -> Iterator[WireOctet]:
    """Each octet when it ends; the first begins now. ``clock`` says what time it is (ns), ``wait`` lets seconds pass.
    What is late is not waited for, and makes nothing after it late."""
    shift: int | None = None
    for octet in octets:
        if shift is None:
            shift = clock() - octet.start
        while (left := octet.end + shift - clock()) > 0:
            wait(left / 1e9)
        yield octet


def turns(records: Iterable[Record], side: Sender) -> Iterator[Turn]:
    """Who said what, for a device that plays ``side``: its octets in pieces, anew after each pause; those of the other
    side together. What an unknown sender said is left out, and so are events."""
    theirs: list[Turn] = []
    for record in records:
        if record.kind is Kind.EVENT or record.sender is Sender.UNKNOWN:
            continue
        own, character_ns = record.sender is side, character_time_ns(record)
        said = [
            Turn(own, octets, start, start + len(octets) * character_ns, record.speed)
            for start, octets in pieces(record)
        ]
        if not own:
            theirs += said
            continue
        if theirs:
            yield _joined(theirs)
            theirs = []
        yield from said
    if theirs:
        yield _joined(theirs)


def _joined(turns: list[Turn]) -> Turn:
    octets = b"".join(turn.octets for turn in turns)
    return replace(turns[0], octets=octets, end=turns[-1].end)


class Stage:
    """Pseudo-terminals for a client's and a server's octets, or with ``merged`` one for both. A context manager; raises
    OSError where there are none."""

    def __init__(self, *, merged: bool) -> None:
        client = Pty()
        try:
            self._ptys: dict[Side, Pty] = {"client": client, "server": client if merged else Pty()}
        except BaseException:
            client.close()
            raise
        self.lost = 0
        """Octets that had no room, since nobody read those before."""

    @property
    def names(self) -> list[str]:
        """What to open: the client's and the server's, or the one for both."""
        return list(dict.fromkeys(pty.name for pty in self._ptys.values()))

    @property
    def watched(self) -> bool:
        """Whether a program has opened each; only while they are :meth:`released <release>`."""
        return not any(_hung_up(pty) for pty in self._ptys.values())

    @property
    def deserted(self) -> bool:
        """Whether no program has any open; only while they are released."""
        return all(_hung_up(pty) for pty in self._ptys.values())

    def release(self) -> None:
        """Leaves the programs' ends to the programs, so that one that comes or goes can be seen."""
        for pty in {*self._ptys.values()}:
            pty.release()

    def hold(self) -> None:
        """Keeps the programs' ends open, so that programs may come and go and nothing is lost."""
        for pty in {*self._ptys.values()}:
            pty.hold()

    def write(self, octet: WireOctet) -> None:
        """The octet arrives."""
        self.lost += 1 - self._ptys[octet.side].write(bytes([octet.octet]))

    def close(self) -> None:
        """Closes the pseudo-terminals; what was not read is gone."""
        for pty in {*self._ptys.values()}:
            pty.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _hung_up(pty: Pty) -> bool:
    poll = select.poll()
    poll.register(pty.fd, 0)
    return any(events & select.POLLHUP for _, events in poll.poll(0))

"""Replays a trace: writes its octets, with their timing, to pseudo-terminals.

:func:`wire_octets` restores the octets that each tap received, with their parity bits; :func:`paced` yields each octet
when it is due. Neither does I/O. :class:`Stage` holds the pseudo-terminals and knows whether a program reads them.

Limits: a pseudo-terminal has no speed, and a break arrives as NUL (:mod:`~vtctap.sniffer.simulated.ptys`). Octets of a
trace without times have no pauses between them. Where a trace states no speed, a record's octets are spaced evenly over
its duration. Where the timestamps of two taps contradict the order of the records, the timestamps decide.
"""

import heapq
import select
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Final

from vtctap.base.closing import Closing
from vtctap.dissector.framing.reframe import character_time_ns, octets_of, pieces
from vtctap.pcap.record import SECOND_NS, Flag, Kind, Record, Sender
from vtctap.sniffer.simulated.ptys import Pty
from vtctap.sniffer.simulated.replayed import ReplayedTurn
from vtctap.sniffer.simulated.wire import Side, WireOctet

_AHEAD_NS: Final = SECOND_NS
"""Longest time by which a record may begin before the previous record of a trace."""
SIDES: Final[dict[Sender, Side]] = {Sender.CLIENT: "client", Sender.SERVER: "server", Sender.UNKNOWN: "client"}
"""Maps senders to sides of the wire. Which side an unknown sender gets makes no difference on one wire."""


def wire_octets(records: Iterable[Record], speed_up: int = 1) -> Iterator[WireOctet]:
    """Yields the octets of a link's records, ordered by their ends, with the trace's times divided by ``speed_up``."""
    waiting: list[tuple[int, int, WireOctet]] = []
    count = 0
    for record in records:
        if record.kind is Kind.EVENT:
            continue
        while waiting and waiting[0][0] < (record.time - _AHEAD_NS) // speed_up:
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
) -> Iterator[tuple[WireOctet, int]]:
    """Yields each octet at its end, with that time (ns); the first octet begins now.

    ``clock`` returns the time (ns), ``wait`` waits for a number of seconds. A late octet is yielded at once and does
    not delay later ones.
    """
    shift: int | None = None
    for octet in octets:
        if shift is None:
            shift = clock() - octet.start
        while (left := octet.end + shift - clock()) > 0:
            wait(left / 1e9)
        yield octet, octet.end + shift


def turns(records: Iterable[Record], side: Sender) -> Iterator[ReplayedTurn]:
    """Yields the turns of a trace for a device that plays ``side``.

    Its own octets are split at each pause; the other side's are joined until it sends again. Records of an unknown
    sender and events are left out.
    """
    theirs: list[ReplayedTurn] = []
    for record in records:
        if record.kind is Kind.EVENT or record.sender is Sender.UNKNOWN:
            continue
        own, character_ns = record.sender is side, character_time_ns(record)
        said = [
            ReplayedTurn(own, octets, start, start + len(octets) * character_ns, record.speed)
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


def _joined(turns: list[ReplayedTurn]) -> ReplayedTurn:
    octets = b"".join(turn.octets for turn in turns)
    return replace(turns[0], octets=octets, end=turns[-1].end)


class Stage(Closing):
    """The pseudo-terminals for the client's and the server's octets, or one for both if ``merged``.

    It is a context manager. Raises OSError if the system has no pseudo-terminals.
    """

    def __init__(self, *, merged: bool) -> None:
        client = Pty()
        try:
            self._ptys: dict[Side, Pty] = {"client": client, "server": client if merged else Pty()}
        except BaseException:
            client.close()
            raise
        self.lost = 0
        """Number of octets lost because the buffer was full: no program read the earlier ones."""

    @property
    def names(self) -> list[str]:
        """The devices to open: the client's and the server's, or the one for both."""
        return list(dict.fromkeys(pty.name for pty in self._ptys.values()))

    @property
    def watched(self) -> bool:
        """Whether programs have opened all of them. Valid only after :meth:`release`."""
        return not any(_hung_up(pty) for pty in self._ptys.values())

    @property
    def deserted(self) -> bool:
        """Whether no program has opened any of them. Valid only after :meth:`release`."""
        return all(_hung_up(pty) for pty in self._ptys.values())

    def release(self) -> None:
        """Closes this program's handles of the programs' ends, so that it can see other programs come and go."""
        for pty in {*self._ptys.values()}:
            pty.release()

    def hold(self) -> None:
        """Opens the programs' ends too, so that no octet is lost while programs come and go."""
        for pty in {*self._ptys.values()}:
            pty.hold()

    def write(self, octet: WireOctet) -> None:
        """Writes an octet to the pseudo-terminal of its side."""
        self.lost += 1 - self._ptys[octet.side].write(bytes([octet.octet]))

    def close(self) -> None:
        """Closes the pseudo-terminals. Octets that no program has read are lost."""
        for pty in {*self._ptys.values()}:
            pty.close()


def _hung_up(pty: Pty) -> bool:
    poll = select.poll()
    poll.register(pty.fd, 0)
    return any(events & select.POLLHUP for _, events in poll.poll(0))

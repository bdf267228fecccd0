"""Live records for scripts: a tap to iterate.

    with tap("/dev/ttyUSB0", speed=9600) as records:
        for record in records:
            ...

:func:`tap` reads one link and writes no file. It uses :class:`~vtctap.sniffer.capture.Capture` with the profile's
defaults; use that class for several links, marks or drops.
"""

from collections import deque
from types import TracebackType
from typing import Final, Self

from vtctap.dissector.profiles.files import load
from vtctap.dissector.profiles.names import DEFAULT
from vtctap.pcap.record import Line, Record, Sender
from vtctap.sniffer.capture import Capture, Following, Link, Wire, first_settings
from vtctap.sniffer.opening import one_port

_TURN: Final = 0.1
"""The longest time before :meth:`LiveRecords.stop` takes effect."""


class LiveRecords:
    """Iterates the records of a link as they come. The ports are open inside its context.

    A port that is lost is reopened; events report both. Iteration ends only after :meth:`stop`.
    """

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self._ready: deque[Record] = deque()
        self._open = self._stopped = self._closed = False

    def __enter__(self) -> Self:
        self._capture.__enter__()
        self._open = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open = False
        self._capture.__exit__(kind, error, trace)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Record:
        """Waits for the next record. Raises RuntimeError outside the context."""
        if not self._open:
            raise RuntimeError("the tap is not open: iterate it inside `with tap(...) as records:`")
        while not self._ready:
            if self._closed:
                raise StopIteration
            if self._stopped:
                self._closed = True
                self._ready += self._capture.close()
            else:
                self._ready += self._capture.poll(_TURN)
        return self._ready.popleft()

    def stop(self) -> None:
        """Ends the iteration after the records that are there, complete or cut. Call it in the loop or another
        thread."""
        self._stopped = True


def tap(
    port: str | None = None,
    *,
    client: str | None = None,
    server: str | None = None,
    speed: int | Following = "follow",
    line: str | None = None,
    profile: str = DEFAULT,
) -> LiveRecords:
    """Taps a link. ``port`` carries both directions; or ``client`` and ``server``, or one of them, carry one each.

    Ports are devices or pyserial URLs; nothing is written to them. ``speed`` is bit/s, ``"follow"`` (begins with the
    profile's speed and follows its changes) or ``"auto"`` (also searches for the first speed). ``line`` is a character
    format such as ``"7E1"``; the default is the profile's. Raises ValueError for arguments that contradict each other,
    and ProfileError; entering the context raises PortError.
    """
    if (port is not None) == (client is not None or server is not None):
        raise ValueError('say where to listen: tap("PORT"), or tap(client="PORT", server="PORT")')
    if client is not None and server is not None and one_port(client, server):
        raise ValueError(f'client and server are the same port, {client}: tap("{client}") carries both directions')
    if isinstance(speed, str):
        if speed not in ("follow", "auto"):
            raise ValueError(f'speed {speed!r} must be a number of bit/s, "follow" or "auto"')
    elif not isinstance(speed, int) or not 0 < speed < 1 << 32:
        raise ValueError(f"speed {speed} must be bit/s, a whole number from 1 to {(1 << 32) - 1}")
    chosen = load(profile)
    wires = ((port, Sender.UNKNOWN), (client, Sender.CLIENT), (server, Sender.SERVER))
    link = Link(tuple(Wire(name, sender) for name, sender in wires if name is not None))
    settings, following = first_settings(speed, Line.parse(line) if line else chosen.line, usual=chosen.speed)
    return LiveRecords(
        Capture([link], settings, gap_limit_ns=chosen.timing.gap_limit_ns, profile=chosen.name, following=following)
    )

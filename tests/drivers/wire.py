"""The line of a receiver: octets are played on it at their own times, and received at the receiver's speed.

Each receiver has a :class:`Wire`, which garbles octets like a real line whose speed is not the receiver's
(:mod:`equipment.receiver`). It has no clock: the receiver's owner asks what has arrived by a time.
"""

import functools
import threading
from collections.abc import Iterable
from dataclasses import replace

from equipment.receiver import Received, Receiver, Waveform
from vtctap.pcap.record import Line
from vtctap.sniffer.simulated.named import GUESS
from vtctap.sniffer.simulated.session import EPOCH, play
from vtctap.sniffer.simulated.wire import WireOctet

LINE = Line(7, "E", 1)
STREAM = 1_000_000
"""ns between two octets of a stream."""
SHORT = ("mode=C",)
"""The words for a session of some seconds."""
SOON = 200_000_000
"""ns from the command to play a session to its beginning."""


@functools.cache
def session(*words: str) -> tuple[WireOctet, ...]:
    """Returns the octets of a simulated session, which words describe: ``speed=300 mode=C side=client``."""
    options = dict(word.split("=") for word in words)
    mode = options.get("mode", "").replace("_", " ")
    octets = play(0, speed=int(options.get("speed", 9600)), mode=mode, line=LINE, dialect=GUESS)
    return tuple(octet for octet in octets if options.get("side", octet.side) == octet.side)


def length(*words: str) -> float:
    """Returns the seconds that playing a session takes, including the wait before it."""
    return float(session(*words)[-1].end - EPOCH + SOON) / 1e9


class Wire:
    """A line and a receiver on it. Times are ns of any one clock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Ends what is played."""
        with self._lock:
            self._waveform = Waveform(LINE)
            self._receiver = Receiver(self._waveform, 9600, Line(8, "N", 1))
            self._stream: int | None = None

    def stream(self, start: int) -> None:
        """Lets the letter A arrive continuously from ``start`` on, at any speed."""
        self._stream = start

    @property
    def streams(self) -> bool:
        """Whether a stream arrives."""
        return self._stream is not None

    @property
    def busy(self) -> bool:
        """Whether something is being received, or will be."""
        return self._stream is not None or self._receiver.busy

    def begun(self, now: int) -> bool:
        """Whether an octet has begun by ``now`` that has not been received."""
        return self._receiver.begun(now) or (self._stream is not None and self._stream <= now)

    def play(self, octets: Iterable[WireOctet], start: int) -> None:
        """Plays octets from ``start`` on, after all that was played before; their own times begin at
        :data:`~vtctap.sniffer.simulated.session.EPOCH`."""
        shift = start - EPOCH
        with self._lock:
            for octet in octets:
                self._waveform.feed(replace(octet, start=octet.start + shift, end=octet.end + shift))

    def receive(self, now: int, speed: int) -> list[Received]:
        """Returns what has arrived by ``now`` at a receiver that is set to ``speed`` bit/s."""
        with self._lock:
            self._receiver.speed = speed
            octets = self._receiver.run(now)
            while self._stream is not None and self._stream <= now:
                octets.append(Received(ord("A"), 0, self._stream))
                self._stream += STREAM
            return octets

"""The line before a receiver: octets that are played on it at true pace, and what the receiver makes of them.

One :class:`Wire` a receiver; it garbles as a real line does whose speed is not the receiver's
(:mod:`equipment.receiver`). It has no clock: whoever owns the receiver asks what has arrived.
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
"""The words of a session of some seconds."""
SOON = 200_000_000
"""ns from when a play is asked for to its beginning."""


@functools.cache
def session(*words: str) -> tuple[WireOctet, ...]:
    """The octets of a simulated session, as words say: ``speed=300 mode=C side=client``."""
    options = dict(word.split("=") for word in words)
    mode = options.get("mode", "").replace("_", " ")
    octets = play(0, speed=int(options.get("speed", 9600)), mode=mode, line=LINE, dialect=GUESS)
    return tuple(octet for octet in octets if options.get("side", octet.side) == octet.side)


def length(*words: str) -> float:
    """Seconds in which a session is played, the wait before it included."""
    return float(session(*words)[-1].end - EPOCH + SOON) / 1e9


class Wire:
    """A line and a receiver on it. Times are ns of any one clock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Nothing is played any more."""
        with self._lock:
            self._waveform = Waveform(LINE)
            self._receiver = Receiver(self._waveform, 9600, Line(8, "N", 1))
            self._stream: int | None = None

    def stream(self, start: int) -> None:
        """The letter A arrives over and over from ``start`` on, whatever the speed."""
        self._stream = start

    @property
    def streams(self) -> bool:
        """Whether a stream arrives."""
        return self._stream is not None

    @property
    def busy(self) -> bool:
        """Whether something is being received, or will be."""
        return self._stream is not None or self._receiver.busy

    def play(self, octets: Iterable[WireOctet], start: int) -> None:
        """What was recorded from :data:`~vtctap.sniffer.simulated.session.EPOCH` on is played from ``start`` on, after
        all that was played before."""
        shift = start - EPOCH
        with self._lock:
            for octet in octets:
                self._waveform.feed(replace(octet, start=octet.start + shift, end=octet.end + shift))

    def receive(self, now: int, speed: int) -> list[Received]:
        """What has arrived by ``now`` at a receiver that is set to ``speed``, bit/s."""
        with self._lock:
            self._receiver.speed = speed
            octets = self._receiver.run(now)
            while self._stream is not None and self._stream <= now:
                octets.append(Received(ord("A"), 0, self._stream))
                self._stream += STREAM
            return octets

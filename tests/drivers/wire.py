"""The line before a receiver: octets that are played on it at true pace, and what the receiver makes of them.

One :class:`Wire` a receiver; it garbles as a real line does whose speed is not the receiver's
(:mod:`equipment.receiver`). It has no clock: whoever owns the receiver asks what has arrived.
"""

import threading
from collections.abc import Iterable
from dataclasses import replace

from equipment.receiver import Received, Receiver, Waveform
from vtctap.pcap.record import Line
from vtctap.sniffer.simulated.session import EPOCH, play
from vtctap.sniffer.simulated.wire import WireOctet

LINE = Line(7, "E", 1)
STREAM = 6
"""Seconds."""
SOON = 200_000_000
"""ns from when a play is asked for to its beginning."""


def session(words: Iterable[str]) -> list[WireOctet]:
    """The octets of a simulated session, as words say: ``speed=300 mode=C side=client``."""
    options = dict(word.split("=") for word in words)
    mode = options.get("mode", "").replace("_", " ")
    octets = play(0, speed=int(options.get("speed", 9600)), mode=mode, line=LINE)
    return [octet for octet in octets if options.get("side", octet.side) == octet.side]


def stream() -> list[WireOctet]:
    """The letter A, as a line of 9600 bit/s carries it without a pause."""
    step = LINE.character_time(9600)
    count = STREAM * 1_000_000_000 // step
    return [WireOctet("client", ord("A"), EPOCH + at * step, EPOCH + (at + 1) * step) for at in range(count)]


class Wire:
    """A line and a receiver on it. Times are ns of any one clock."""

    def __init__(self) -> None:
        self._waveform = Waveform(LINE)
        self._receiver = Receiver(self._waveform, 9600, Line(8, "N", 1))
        self._lock = threading.Lock()

    @property
    def busy(self) -> bool:
        """Whether something is being received, or will be."""
        return self._receiver.busy

    def play(self, octets: Iterable[WireOctet], start: int) -> None:
        """What was recorded from :data:`~vtctap.sniffer.simulated.session.EPOCH` on is played from ``start`` on, after
        all that was played before."""
        shift = start - EPOCH
        with self._lock:
            for octet in octets:
                self._waveform.add(replace(octet, start=octet.start + shift, end=octet.end + shift))

    def receive(self, now: int, speed: int) -> list[Received]:
        """What has arrived by ``now`` at a receiver that is set to ``speed``, bit/s."""
        with self._lock:
            self._receiver.speed = speed
            return self._receiver.run(now)

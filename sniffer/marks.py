"""Decodes the error marks that a POSIX terminal inserts between octets (termios PARMRK). Sans-IO.

FFh 00h x is an octet x with a framing error or with a parity error that the adapter found. FFh 00h 00h is a break, or a
NUL with either error; only the driver's totals distinguish them. FFh FFh is the octet FFh.
"""

from collections.abc import Callable

from vtctap.pcap.record import Flag


class PortMarks:
    """Removes the marks from a terminal's octets; a mark may be split between two reads.

    ``is_break`` is called at each mark of a break, and returns whether it can be one.
    """

    def __init__(self, is_break: Callable[[], bool] = lambda: True) -> None:
        self._is_break = is_break
        self._pending = b""

    def feed(self, received: bytes) -> list[tuple[int, int]]:
        """Decodes octets with their flags."""
        if not self._pending and 0xFF not in received:
            return [(value, 0) for value in received]
        received = self._pending + received
        self._pending = b""
        octets = []
        at = 0
        while at < len(received):
            value, flags, size = received[at], 0, 1
            if value == 0xFF:
                if received[at + 1 : at + 2] == b"\xff":
                    size = 2
                elif at + 2 < len(received) and received[at + 1] == 0:
                    value, size = received[at + 2], 3
                    flags = Flag.FRAMING if value or not self._is_break() else Flag.FRAMING | Flag.BREAK
                elif at + 1 == len(received) or received[at + 1] == 0:
                    self._pending = received[at:]
                    break
            octets.append((value, flags))
            at += size
        return octets

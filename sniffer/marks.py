"""The marks that a POSIX terminal puts between the octets it delivers (termios PARMRK). Sans-IO.

FFh 00h x is an octet x with a framing error, FFh 00h 00h a break, FFh FFh the octet FFh. A parity error that an adapter
finds is marked as a framing error is. A NUL with either is marked as a break is; only the driver's totals tell them
apart.
"""

from collections.abc import Callable

from vtctap.pcap.record import Flag


class Marks:
    """Takes the marks out of what a terminal delivers. A mark may be split between two reads.

    ``is_break`` is asked at each mark of a break whether it may be one.
    """

    def __init__(self, is_break: Callable[[], bool] = lambda: True) -> None:
        self._is_break = is_break
        self._pending = b""

    def feed(self, received: bytes) -> list[tuple[int, int]]:
        """The octets with their flags."""
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

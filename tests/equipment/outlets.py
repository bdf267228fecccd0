"""An outlet with a limited room, and records in short form."""

from io import StringIO

from vtctap.capturing.outlet import Outlet
from vtctap.pcap.capture_file import Interface
from vtctap.pcap.record import Kind, Record

TAPS = [Interface(147, "A:/dev/a"), Interface(147, "B:/dev/b")]


def event(second: float, text: str = "", tap: int = 0) -> Record:
    return Record(round(second * 1e9), b"", Kind.EVENT, tap=tap, event=text)


def frame(second: float, octets: bytes = b"\x06", tap: int = 0) -> Record:
    return Record(round(second * 1e9), octets, Kind.FRAME, tap=tap)


class Memory(Outlet):
    """An outlet that keeps what is written. ``room`` is the number of octets that it still takes; a write raises
    ``error``."""

    def __init__(self) -> None:
        super().__init__(StringIO())
        self._encoding = "utf-8"
        self.octets = b""
        self.room = 1 << 30
        self.error: OSError | None = None
        self.gone = False

    def write(self, octets: bytes) -> int:
        if self.error:
            raise self.error
        self.octets += octets
        return len(octets)

    def has_room(self, octets: int) -> bool:
        return octets <= self.room

    @property
    def idle(self) -> bool:
        return self.room > 0

    @property
    def unread(self) -> bool:
        return self.gone

    @property
    def lines(self) -> list[str]:
        return self.octets.decode().splitlines()

"""A UART signal as a sampler records it, drawn independently of the importers that the tests feed with it."""

from collections.abc import Iterator, Sequence

from vtctap.pcap.importers.uart import Edge


def bits_of(octet: int, format: str) -> list[int]:
    """Returns the bits of a character on the wire, with its start and stop bits."""
    count = int(format[0])
    data = [octet >> at & 1 for at in range(count)]
    return [0, *data, *({"E": [sum(data) & 1], "O": [sum(data) + 1 & 1]}.get(format[1], [])), 1]


class Drawing:
    """A wire as a sampler records it; of its samples only the changes are kept."""

    def __init__(self, speed: int, format: str = "8N1", *, per_bit: int = 20, inverted: bool = False) -> None:
        self.speed, self.format, self.inverted = speed, format, inverted
        self.period = 1_000_000_000 / (speed * per_bit)
        self.now = 0.0
        self.changes: list[tuple[float, int]] = [(0.0, 1)]
        self.starts: list[float] = []

    def level(self, level: int, bits: float) -> None:
        if self.changes[-1][1] != level:
            self.changes.append((self.now, level))
        self.now += bits * 1_000_000_000 / self.speed

    def say(self, octets: bytes, *, wrong_parity: Sequence[int] = (), no_stop: Sequence[int] = ()) -> None:
        for at, octet in enumerate(octets):
            self.starts.append(self.now)
            bits = bits_of(octet, self.format)
            if at in wrong_parity:
                bits[-2] ^= 1
            if at in no_stop:
                bits[-1] = 0
            for bit in bits:
                self.level(bit, 1)
            if at in no_stop:
                self.level(1, 2)

    def glitch(self, time: float, bits: float) -> None:
        """Inverts the wire for part of a bit."""
        level = [level for at, level in self.changes if at <= time][-1]
        width = bits * 1_000_000_000 / self.speed
        self.changes = sorted([*self.changes, (time, 1 - level), (time + width, level)])

    def edges(self) -> Iterator[Edge]:
        """Returns the changes, each at the next sample."""
        before = 1
        for time, level in self.changes[1:]:
            if level != before:
                sample = -int(-time // self.period)
                yield Edge(round(sample * self.period), level ^ self.inverted)
            before = level

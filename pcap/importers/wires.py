"""Decodes the channels of a logic analyser as UARTs, and merges them into one stream of bursts, ordered by time.

Each channel that changes is a wire, and RX or TX in its name gives its sender. The time of an octet is that of its
start bit, exact to one sample.
"""

import heapq
import re
from collections.abc import Iterable, Iterator
from typing import Final

from vtctap.pcap.burst import Burst
from vtctap.pcap.importers.account import Account
from vtctap.pcap.importers.forms import WORDS
from vtctap.pcap.importers.sides import FirstCome
from vtctap.pcap.importers.uart import DecodedCharacter, Edge, Uart
from vtctap.pcap.record import SECOND_NS, Sender

_REST: Final = SECOND_NS
"""How long the levels after the last change are assumed to last, ns."""
RATE: Final = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)\s*([kMG]?)Hz")
"""How sigrok writes a sample rate."""
_FACTORS: Final = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}


def hertz(rate: re.Match[str]) -> float:
    """Returns the sample rate of a match of :data:`RATE`, Hz."""
    return float(rate[1]) * _FACTORS[rate[2]]


def sample_time(rate: float) -> int:
    """Returns the duration of a sample at a rate (Hz), ns, at least 1."""
    return max(round(SECOND_NS / rate), 1) if rate else 0


class Wires:
    """Decodes the channels of a recording as UARTs and merges them into one stream of bursts, ordered by time."""

    def __init__(self, names: list[str], uncertainty: int | None, account: Account) -> None:
        self._names = names
        self._uncertainty = uncertainty
        self._account = account
        self._uarts = [Uart() for _ in names]
        self._levels: list[int | None] = [None] * len(names)
        self._rows: list[tuple[int, int, DecodedCharacter]] = []
        self._senders = [sender_of(name) for name in names]
        self._unnamed = FirstCome("channel")
        self._alone = len(names) == 1

    def feed(self, time: int, channel: int, level: int) -> Iterator[Burst]:
        """Feeds a channel's level from a time (ns) on; yields the bursts that no later one can precede."""
        before, self._levels[channel] = self._levels[channel], level
        if before is None or before == level:
            return
        self._push(channel, self._uarts[channel].feed(Edge(time, level)))
        if self._rows:
            since = [uart.open_since for uart in self._uarts]
            yield from self._pop(min([time, *(one for one in since if one is not None)]))

    def close(self, end: int) -> Iterator[Burst]:
        """Yields the remaining bursts, and notes what was found on each wire. The recording ends at ``end`` (ns)."""
        for channel, uart in enumerate(self._uarts):
            self._push(channel, uart.close(end + _REST))
        yield from self._pop(None)
        for name, uart in zip(self._names, self._uarts, strict=True):
            if uart.format:
                speeds = ", ".join(map(str, uart.speeds))
                inverted = ", inverted" if uart.inverted else ""
                passed = f", pulses too short for a bit: {uart.glitches}" if uart.glitches else ""
                self._account.note(f"channel {name}: {speeds} bit/s, {uart.format.bits} bits{inverted}{passed}")
        for note in self._unnamed.notes(swapped=self._account.swapped):
            self._account.note(note)

    def _push(self, channel: int, characters: Iterable[DecodedCharacter]) -> None:
        for character in characters:
            heapq.heappush(self._rows, (character.time, channel, character))

    def _pop(self, until: int | None) -> Iterator[Burst]:
        while self._rows and (until is None or self._rows[0][0] < until):
            _, channel, character = heapq.heappop(self._rows)
            octets = bytes((character.value,))
            sender = self._of(channel)
            yield Burst(
                octets, sender, character.time, character.flags, self._uncertainty, character.speed, character.line
            )

    def _of(self, channel: int) -> Sender:
        """Returns the sender of a channel: by its name, or because another channel sent first."""
        stated = self._senders[channel]
        if stated or self._alone:
            return stated
        name = self._names[channel]
        return self._unnamed.of(name if self._names.count(name) == 1 else f"{channel} ({name})")


def sender_of(name: str) -> Sender:
    """Returns the sender that the name of a channel states; UNKNOWN if it states none."""
    words = [WORDS[word] for word in re.findall(r"[a-z]+", name.lower()) if word in WORDS]
    return words[0] if len(words) == 1 else Sender.UNKNOWN

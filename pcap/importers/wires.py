"""Wires: the UARTs of a logic analyser's channels, merged into one row of bursts in the order of time.

Each channel on which something changes is a wire; RX and TX in its name tell whose it is. Each octet has the time of
its start bit, exact to a sample.
"""

import heapq
import re
from collections.abc import Iterable, Iterator
from typing import Final

from vtctap.pcap.burst import Burst
from vtctap.pcap.importers.account import Account
from vtctap.pcap.importers.forms import WORDS
from vtctap.pcap.importers.uart import Character, Edge, Uart
from vtctap.pcap.record import Sender

SECOND: Final = 1_000_000_000
RATE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([kMG]?)Hz")
"""How sigrok states a samplerate."""
_FACTORS: Final = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}


def hertz(rate: re.Match[str]) -> float:
    """The samplerate of a match of :data:`RATE`."""
    return float(rate[1]) * _FACTORS[rate[2]]


def sample_time(rate: float) -> int:
    """The time of a sample at a rate (Hz), ns, not less than 1."""
    return max(round(SECOND / rate), 1) if rate else 0


class Wires:
    """The UARTs of a recording's channels, merged into one row of bursts in the order of time."""

    def __init__(self, names: list[str], uncertainty: int | None, account: Account) -> None:
        self._names = names
        self._uncertainty = uncertainty
        self._account = account
        self._uarts = [Uart() for _ in names]
        self._levels: list[int | None] = [None] * len(names)
        self._rows: list[tuple[int, int, Character]] = []
        self._senders = [sender_of(name) for name in names]
        self._own: list[int] = []
        self._alone = len(names) == 1

    def feed(self, time: int, channel: int, level: int) -> Iterator[Burst]:
        """The bursts that are certain to be before what is still to come, once a channel has a level from a time (ns)
        on."""
        before, self._levels[channel] = self._levels[channel], level
        if before is None or before == level:
            return
        self._push(channel, self._uarts[channel].feed(Edge(time, level)))
        if self._rows:
            since = [uart.open_since for uart in self._uarts]
            yield from self._pop(min([time, *(one for one in since if one is not None)]))

    def close(self, end: int) -> Iterator[Burst]:
        """The rest. What was found of each wire is noted."""
        for channel, uart in enumerate(self._uarts):
            self._push(channel, uart.close(end))
        yield from self._pop(None)
        for name, uart in zip(self._names, self._uarts, strict=True):
            if uart.format:
                speeds = ", ".join(map(str, uart.speeds))
                inverted = ", inverted" if uart.inverted else ""
                passed = f", pulses too short for a bit: {uart.glitches}" if uart.glitches else ""
                self._account.note(f"channel {name}: {speeds} bit/s, {uart.format.bits} bits{inverted}{passed}")
        if self._own:
            client, *others = (self._names[channel] for channel in self._own)
            server = f", {others[0]} for the server" if others else ""
            self._account.note(f"channel {client} spoke first and is taken for the client{server}; --swap turns that")

    def _push(self, channel: int, characters: Iterable[Character]) -> None:
        for character in characters:
            heapq.heappush(self._rows, (character.time, channel, character))

    def _pop(self, until: int | None) -> Iterator[Burst]:
        while self._rows and (until is None or self._rows[0][0] < until):
            _, channel, character = heapq.heappop(self._rows)
            octets = bytes((character.value,))
            sender = self._of(channel)
            yield Burst(octets, sender, character.time, character.flags, self._uncertainty, character.speed)

    def _of(self, channel: int) -> Sender:
        """Who sends on a channel: its name tells, or that another channel spoke before it."""
        if self._senders[channel] or self._alone:
            return self._senders[channel]
        if channel not in self._own:
            self._own.append(channel)
        return (Sender.CLIENT, Sender.SERVER, Sender.UNKNOWN)[min(self._own.index(channel), 2)]


def sender_of(name: str) -> Sender:
    """Who sends on a channel of that name; unknown where it does not say so."""
    words = [WORDS[word] for word in re.findall(r"[a-z]+", name.lower()) if word in WORDS]
    return words[0] if len(words) == 1 else Sender.UNKNOWN

"""The sides of a recording that does not name them: who sent first is taken for the client.

This is an assumption, which the account notes and ``--swap`` reverses.
"""

from collections.abc import Iterator
from typing import Final

from vtctap.pcap.record import Sender

_SENDERS: Final = (Sender.CLIENT, Sender.SERVER)
_ASSUMED: Final = ("client", "server", "; --swap reverses that")


class FirstCome:
    """Assigns senders to the names of sides, in the order in which they sent. ``noun`` says what is named."""

    def __init__(self, noun: str = "") -> None:
        self._noun = f"{noun} " if noun else ""
        self._names: list[str] = []

    def of(self, name: str) -> Sender:
        """Returns the sender that a name stands for: UNKNOWN for every name after the second."""
        if name not in self._names and len(self._names) <= len(_SENDERS):
            self._names.append(name)
        return dict(zip(self._names, _SENDERS, strict=False)).get(name, Sender.UNKNOWN)

    def notes(self, *, swapped: bool) -> Iterator[str]:
        """Yields which name was taken for which side; ``swapped`` where the user exchanges the two."""
        if len(self._names) > len(_SENDERS):
            names = ", ".join(self._names)
            yield f"{self._noun}more than two sides: {names}; only the first two are taken for client and server"
        elif self._names:
            first, *others = self._names
            one, other, why = ("server", "client", ", by --swap") if swapped else _ASSUMED
            second = f", {others[0]} for the {other}" if others else ""
            yield f"{self._noun}{first} sent first and is taken for the {one}{second}{why}"

"""Keeps the links of several traces apart after another tool has joined the traces.

Each trace numbers its links and taps from 0, and pcapng's interfaces are its taps. mergecap(1) continues the numbers of
the interfaces from one input to the next, and leaves the records as they are. So the difference between a record's
interface and its tap tells which input it came from. Inputs whose interfaces are equal share them afterwards, and
nothing tells these apart. Classic pcap has no interfaces: an unnamed interface that holds several taps is an input of
its own.
"""

from collections.abc import Sequence

from vtctap.pcap.capture_file import Interface
from vtctap.pcap.record import MAX_TAPS


class Links:
    """Numbers the links of a trace. Those of the first input keep their numbers; those of further inputs get free
    ones."""

    def __init__(self) -> None:
        self._shared: set[int] = set()
        self._numbers: dict[tuple[int, int], int] = {}

    def number(self, link: int, tap: int, interface: int, interfaces: Sequence[Interface], own: int | None) -> int:
        """Returns the number of a record's link, from the record and the number of its interface. ``own`` is the
        first interface of a section that this package wrote, where taps and interfaces are the same."""
        if own is not None:
            first = own
        elif interface == tap and interface not in self._shared:
            first = 0
        elif interface < len(interfaces) and not interfaces[interface].name:
            self._shared.add(interface)
            first = interface
        else:
            first = max(interface - tap, 0)
        if (first, link) not in self._numbers:
            self._numbers[first, link] = self._free(link)
        return self._numbers[first, link]

    def _free(self, link: int) -> int:
        taken = set(self._numbers.values())
        return next((number for number in (link, *range(MAX_TAPS)) if number not in taken), link)

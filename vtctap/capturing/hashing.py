"""Adds the hash chain to the records of a running capture."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vtctap.capturing.parts import Passive

if TYPE_CHECKING:
    from vtctap.pcap.record import Record


class Hashing(Passive):
    """Adds a record's place in the hash chain (:mod:`vtctap.pcap.hash_chain`).

    The parts after it write and print the same records. No part after it may drop or change one.
    """

    def __init__(self) -> None:
        from vtctap.pcap.hash_chain import HashChain

        self._chain = HashChain()

    def feed(self, records: "Sequence[Record]", now: float) -> "Sequence[Record]":
        """See :meth:`~vtctap.capturing.parts.Part.feed`."""
        return [self._chain.feed(record) for record in records]

"""A batch: many records of a trace as arrays, without an object for each.

Records of one trace differ mostly in time, duration, uncertainty and octets. The rest of a record is its *template*: a
trace has few of them. :mod:`~vtctap.pcap.batches` reads batches from files, and :mod:`vtctap.dissector.columns` makes
columns of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy
from numpy.typing import NDArray

from vtctap.pcap.record import Record

__all__ = ["Batch", "Integers"]

Integers: TypeAlias = NDArray[numpy.int64]
"""One number for each record."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Records in the order of their trace.

    ``template`` is the index of each record's template in ``templates``. ``time``, ``duration`` and ``uncertainty``
    are ns, as in :class:`~vtctap.pcap.record.Record`; an uncertainty of -1 is unknown. The octets of a record are
    ``buffer[begins:ends]``, in ascending order.
    """

    buffer: bytes
    templates: Sequence[Record]
    template: Integers
    time: Integers
    duration: Integers
    uncertainty: Integers
    begins: Integers
    ends: Integers

    def __len__(self) -> int:
        return len(self.time)

    @property
    def link(self) -> Integers:
        """The link of each record."""
        return numpy.array([template.link for template in self.templates])[self.template]

    def record(self, at: int) -> Record:
        """Returns one of the records."""
        template, uncertainty = self.templates[self.template[at]], int(self.uncertainty[at])
        return Record(
            int(self.time[at]),
            self.buffer[self.begins[at] : self.ends[at]],
            template.kind,
            template.sender,
            template.inferred,
            template.link,
            template.tap,
            template.line,
            template.flags,
            template.speed,
            None if uncertainty < 0 else uncertainty,
            int(self.duration[at]),
        )

    def part(self, start: int, stop: int) -> "Batch":
        """Returns the records from ``start`` up to ``stop``."""
        chosen = slice(start, stop)
        return Batch(
            self.buffer,
            self.templates,
            self.template[chosen],
            self.time[chosen],
            self.duration[chosen],
            self.uncertainty[chosen],
            self.begins[chosen],
            self.ends[chosen],
        )

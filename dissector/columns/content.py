"""The content of a batch's frames: which are plain, their data sets as text, and their forms."""

from functools import cached_property
from typing import Any, Final

import numpy

from vtctap.dissector.columns.data_sets import ACKNOWLEDGED, COMMANDS, DataSets, data_sets
from vtctap.dissector.columns.forms import Codes, any_of, combined, numbered
from vtctap.dissector.columns.octets import Booleans, Integers, gathered, texts
from vtctap.dissector.columns.readings import CERTAINTIES, Readings
from vtctap.dissector.meaning import TOKEN_LENGTHS, Meanings
from vtctap.dissector.protocol.common_frames import NAMES
from vtctap.dissector.protocol.rules import ENDING, NOT_REPEATED, NOT_REQUESTS, OPENING, MessageName
from vtctap.pcap.batch import Batch
from vtctap.pcap.record import Kind, Sender

__all__ = ["Content"]

_UNUSUAL: Final = OPENING | ENDING | NOT_REPEATED | NOT_REQUESTS
_REQUESTS: Final = numpy.array([NAMES[each] not in _UNUSUAL and each != "" for each in COMMANDS] + [False])
"""Which commands are requests that change nothing on the link."""
_READS: Final = numpy.array([NAMES[each] == MessageName.ReadCommand for each in COMMANDS] + [False])


class Content:
    """The content of the frames of a batch. A frame that concerns tokens is never plain."""

    def __init__(self, batch: Batch, meanings: Meanings) -> None:
        self._batch = batch
        self._meanings = meanings
        self.octets, self.offsets = gathered(batch.buffer, batch.begins, batch.ends)
        self.sets: DataSets = data_sets(self.octets, self.offsets)
        self.register = texts(self.octets, *self.sets.register)
        self.numbers, self.names = numbered(self.register)
        self._asked: Integers | None = None

    def _of_templates(self, values: list[bool]) -> Booleans:
        """Returns the value of each row, from one for each template."""
        each: Booleans = numpy.array(values, numpy.bool_)[self._batch.template]
        return each

    @cached_property
    def frames(self) -> Integers:
        """The rows that are frames."""
        return numpy.flatnonzero(self._of_templates([each.kind is Kind.FRAME for each in self._batch.templates]))

    def sent_by(self, sender: Sender) -> Booleans:
        """Returns which rows are plain frames of a side, without any flag of the tap."""
        usual = [(each.kind, each.sender, each.flags) == (Kind.FRAME, sender, 0) for each in self._batch.templates]
        sent: Booleans = self.sets.plain & self._of_templates(usual)
        return sent

    def requests(self) -> Booleans:
        """Returns which rows are requests of the client that change nothing on the link."""
        requests: Booleans = self.sent_by(Sender.CLIENT) & _REQUESTS[self.sets.command]
        return requests

    def answers(self) -> Booleans:
        """Returns which rows are data of the server, or its ACK."""
        command = self.sets.command
        answers: Booleans = self.sent_by(Sender.SERVER) & ((command == 0) | (command == ACKNOWLEDGED))
        return answers

    @cached_property
    def _empty(self) -> int:
        """The number of the register without a name; -1 where all have one."""
        return self.names.index("") if "" in self.names else -1

    def ask(self, paired: Booleans, before: Integers) -> None:
        """Finds the registers that requests named, of answers that name none. ``before`` is the row of a paired
        answer's request."""
        sets, single = self.sets, self.sets.counts == 1
        rows = numpy.flatnonzero(paired & single & (sets.command == 0))
        rows = rows[self.numbers[sets.offsets[rows]] == self._empty]
        requests = before[rows]
        reads = single[requests] & _READS[sets.command[requests]]
        rows, requests = rows[reads], requests[reads]
        named = self.numbers[sets.offsets[requests]]
        self._asked = numpy.full(len(paired), -1)
        self._asked[rows[named != self._empty]] = named[named != self._empty]

    def asked(self, row: int) -> tuple[str, ...]:
        """Returns ``vtc.register.asked`` of a row."""
        assert self._asked is not None
        return (self.names[self._asked[row]],) if self._asked[row] >= 0 else ()

    @cached_property
    def _effective(self) -> Integers:
        """The number of each data set's register: its own, or the one that the request named."""
        assert self._asked is not None
        numbers = self.numbers.copy()
        rows = numpy.flatnonzero(self._asked >= 0)
        numbers[self.sets.offsets[rows]] = self._asked[rows]
        return numbers

    def unusual(self) -> Booleans:
        """Returns which rows the exact way decides: what concerns tokens, and answers with several data sets of which
        some name no register."""
        sets = self.sets
        lengths = sets.value[1] - sets.value[0]
        tells = numpy.isin(lengths, list(TOKEN_LENGTHS))
        if self.names:
            tells |= numpy.array([self._meanings.concerns_tokens(name) for name in self.names])[self._effective]
        unnamed = any_of(self.numbers == self._empty, sets.offsets) & (sets.counts > 1) & (sets.command == 0)
        unusual: Booleans = any_of(tells, sets.offsets) | unnamed
        return unusual

    def forms(self, rows: Integers) -> Codes:
        """Returns the number of the form of each of these plain rows."""
        sets, count = self.sets, len(self.names)
        codes = Codes(self._batch.template[rows], len(self._batch.templates)).by(sets.command[rows], ACKNOWLEDGED + 1)
        codes = codes.by(sets.counted[rows].astype(numpy.int64), 256)
        assert self._asked is not None
        codes = codes.by(self._asked[rows] + 1, count + 1)
        of_sets = [(self.numbers, count), (self.readings.certainty, CERTAINTIES)]
        return combined(codes, sets.offsets, rows, of_sets)

    @cached_property
    def readings(self) -> Readings:
        """What the profile reads of the values."""
        return Readings(self._meanings, self.names, self._effective, self.value, self.unit)

    @cached_property
    def value(self) -> Any:
        """The value of each data set, as Arrow text."""
        return texts(self.octets, *self.sets.value)

    @cached_property
    def unit(self) -> Any:
        """The unit of each data set, as Arrow text."""
        return texts(self.octets, *self.sets.unit)

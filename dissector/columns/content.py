"""The content of a batch's frames: which are plain, their data sets as text, and their forms."""

from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy
import pyarrow

from vtctap.dissector.columns.data_sets import ACKNOWLEDGED, COMMANDS, DataSets, data_sets
from vtctap.dissector.columns.forms import Codes, any_of, combined, numbered
from vtctap.dissector.columns.octets import Booleans, Integers, gathered, slices, texts
from vtctap.dissector.columns.places import Places
from vtctap.dissector.columns.readings import CERTAINTIES, Readings
from vtctap.dissector.meaning import TOKEN_LENGTHS, Meanings
from vtctap.dissector.protocol.common_frames import NAMES
from vtctap.dissector.protocol.rules import ENDING, NOT_REPEATED, NOT_REQUESTS, OPENING, MessageName
from vtctap.pcap.batch import Batch
from vtctap.pcap.record import Kind, Sender

__all__ = ["Content", "Forms"]

_UNUSUAL: Final = OPENING | ENDING | NOT_REPEATED | NOT_REQUESTS
_REQUESTS: Final = numpy.array([NAMES[each] not in _UNUSUAL and each != "" for each in COMMANDS] + [False])
"""Which commands are requests that change nothing on the link."""
_READS: Final = numpy.array([NAMES[each] == MessageName.ReadCommand for each in COMMANDS] + [False])


class Forms(NamedTuple):
    """The forms of rows, as numbers. Rows of a ``plain`` form differ in the values and check characters of their data
    sets, those of another form do not."""

    plain: Booleans
    codes: Codes


class Content:
    """The content of the frames of a batch. A frame that concerns tokens is never plain."""

    def __init__(self, batch: Batch, meanings: Meanings) -> None:
        self._batch = batch
        self._meanings = meanings
        self.octets, self.offsets = gathered(batch.buffer, batch.begins, batch.ends)
        self.sets: DataSets = data_sets(self.octets, self.offsets)
        self.register = texts(self.octets, *self.sets.register)
        self.numbers, self.names = numbered(self.register)
        self._asked = numpy.full(len(batch), -1)

    def _of_templates(self, values: list[bool]) -> Booleans:
        """Returns the value of each row, from one for each template."""
        each: Booleans = numpy.array(values, numpy.bool_)[self._batch.template]
        return each

    @cached_property
    def frames(self) -> Integers:
        """The rows that are frames."""
        return numpy.flatnonzero(self._of_templates([each.kind is Kind.FRAME for each in self._batch.templates]))

    @cached_property
    def events(self) -> Integers:
        """The rows that are events."""
        return numpy.flatnonzero(self._of_templates([each.kind is Kind.EVENT for each in self._batch.templates]))

    def sent_by(self, sender: Sender) -> Booleans:
        """Returns which rows are plain frames of a side, without any flag of the tap."""
        usual = [(each.kind, each.sender, each.flags) == (Kind.FRAME, sender, 0) for each in self._batch.templates]
        sent: Booleans = self.sets.plain & self._of_templates(usual)
        return sent

    def requests(self) -> Booleans:
        """Returns which rows are requests of the client that change nothing on the link."""
        requests: Booleans = self.sent_by(Sender.CLIENT) & _REQUESTS[self.sets.command]
        return requests

    def data(self) -> Booleans:
        """Returns which rows are data of the server."""
        data: Booleans = self.sent_by(Sender.SERVER) & (self.sets.command == 0)
        return data

    def answers(self) -> Booleans:
        """Returns which rows are data of the server, or its ACK."""
        answers: Booleans = self.data() | (self.sent_by(Sender.SERVER) & (self.sets.command == ACKNOWLEDGED))
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
        self._asked[rows[named != self._empty]] = named[named != self._empty]

    def asked(self, row: int, places: Places) -> tuple[str, ...]:
        """Returns ``vtc.register.asked`` of a row."""
        return list(places.all_asked)[int(places.asked[row])]

    @cached_property
    def _effective(self) -> Integers:
        """The number of each data set's register: its own, or the one that the request named."""
        numbers = self.numbers.copy()
        rows = numpy.flatnonzero(self._asked >= 0)
        numbers[self.sets.offsets[rows]] = self._asked[rows]
        return numbers

    @cached_property
    def unusual(self) -> Booleans:
        """Which rows the exact way decides: what concerns tokens, and answers with several data sets of which some name
        no register."""
        sets = self.sets
        lengths = sets.value[1] - sets.value[0]
        tells = numpy.isin(lengths, list(TOKEN_LENGTHS))
        if self.names:
            tells |= numpy.array([self._meanings.concerns_tokens(name) for name in self.names])[self._effective]
        unnamed = any_of(self.numbers == self._empty, sets.offsets) & (sets.counts > 1) & (sets.command == 0)
        unusual: Booleans = any_of(tells, sets.offsets) | unnamed
        return unusual

    def forms(self, places: Places) -> "Forms":
        """Returns the forms of all rows. Notes the registers that the requests of regular rows named."""
        asked = self._asked_numbers(places)
        places.asked[places.regular] = asked[places.regular]
        plain = self.sets.plain & ~self.unusual & (places.asked == asked)
        plain[self._of_templates([each.kind is not Kind.FRAME for each in self._batch.templates])] = False
        rows, others = numpy.flatnonzero(plain), numpy.flatnonzero(~plain)
        templates, count = self._batch.template, len(self._batch.templates)
        alike = Codes(templates, count).by(places.asked, len(places.all_asked))
        by_sets = self._by_sets(rows, Codes(alike.codes[rows], alike.count))
        contents = slices(self.octets, self.offsets[:-1][others], self.offsets[1:][others], pyarrow.binary())
        numbers, distinct = numbered(contents)
        by_octets = Codes(alike.codes[others], alike.count).by(numbers, len(distinct))
        codes = numpy.empty(len(plain), numpy.int64)
        codes[rows], codes[others] = by_sets.codes, by_sets.count + by_octets.codes
        return Forms(plain, Codes(codes, by_sets.count + by_octets.count))

    def _asked_numbers(self, places: Places) -> Integers:
        """Returns the number of the register that a row's request named."""
        numbers = numpy.zeros(len(self.names) + 1, numpy.int64)  # The last one is that of -1: no register.
        for name in numpy.flatnonzero(numpy.bincount(self._asked + 1, minlength=len(numbers))).tolist():
            numbers[name - 1] = places.number_of((self.names[name - 1],) if name else ())
        each: Integers = numbers[self._asked]
        return each

    def _by_sets(self, rows: Integers, codes: Codes) -> Codes:
        """Returns numbers that also part plain rows with different commands or data sets."""
        sets = self.sets
        counted = sets.counted[rows].astype(numpy.int64)
        codes = codes.by(sets.command[rows], ACKNOWLEDGED + 1).by(counted, int(counted.max(initial=0)) + 1)
        of_sets = [(self.numbers, len(self.names))]
        if self.readings.certainty.any():
            of_sets.append((self.readings.certainty, CERTAINTIES))
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

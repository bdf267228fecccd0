"""What a profile reads of values: once for each distinct register, value and unit."""

from typing import Any

import numpy
import pyarrow

from vtctap.dissector.catalogue import CONFIDENCES
from vtctap.dissector.columns.forms import Codes, any_of, numbered
from vtctap.dissector.columns.octets import Booleans, Integers, lists
from vtctap.dissector.meaning import Meanings

__all__ = ["Readings"]

CERTAINTIES = len(CONFIDENCES) + 1
"""How certain a reading can be: by one of the confidences, or there is none (0)."""


class Readings:
    """The readings of data sets. ``certainty`` is that of each, below :data:`CERTAINTIES`.

    ``register`` is the number of each data set's register in ``names``, ``value`` and ``unit`` are Arrow text.
    """

    def __init__(self, meanings: Meanings, names: list[str], register: Integers, value: Any, unit: Any) -> None:
        self.certainty = numpy.zeros(len(register), numpy.int64)
        self._words = pyarrow.array([""])
        self._word = numpy.zeros(len(register), numpy.int64)
        self._says: Booleans = numpy.zeros(len(register), numpy.bool_)
        reads: Booleans = numpy.array([meanings.reads(name) for name in names], numpy.bool_)[register]
        sets = numpy.flatnonzero(reads)
        if not len(sets):
            return
        taken = pyarrow.array(sets)
        (values, each_value), (units, each_unit) = numbered(value.take(taken)), numbered(unit.take(taken))
        codes = Codes(register[sets], len(names)).by(values, len(each_value)).by(units, len(each_unit))
        words, certainties = [""], [0]
        for at in codes.examples().tolist():
            found = meanings.reading(names[register[sets[at]]], each_value[values[at]], each_unit[units[at]])
            words.append(found[0] if found else "")
            certainties.append(1 + CONFIDENCES.index(found[1]) if found else 0)
        self._words = pyarrow.array(words)
        self._word[sets] = codes.codes + 1
        self.certainty = numpy.array(certainties)[self._word]
        self._says = numpy.array([word != "" for word in words])[self._word]

    def column(self, offsets: Integers) -> Any:
        """Returns ``vtc.value.decoded`` of the rows whose data sets begin at the ``offsets``."""
        some = any_of(self._says, offsets)
        return lists(offsets, self._words.take(pyarrow.array(self._word)), some)

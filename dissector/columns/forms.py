"""Forms: what many frames have in common, decoded once.

Frames of one form have the same template and command, and the same registers (and, where a profile reads values, the
same values). So they agree in all columns but those that count, measure, or repeat their octets. One of them is decoded
the exact way, and its cells are those of all others. Content decides, not a hash of it.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy

from vtctap.dissector.columns.octets import Booleans, Integers

__all__ = ["Codes", "combined", "numbered"]

_ROOM: Final = 1 << 16
"""Numbers up to so many more than a few per row are made dense by a table, larger ones by sorting."""


class Codes:
    """A number for each row, below ``count``; rows with the same number are alike so far."""

    def __init__(self, codes: Integers, count: int) -> None:
        self.codes = codes
        self.count = count

    def by(self, others: Integers, count: int) -> "Codes":
        """Returns numbers that also part rows where ``others`` (below ``count``) differ."""
        if count == 1:
            return self
        return _dense(self.codes.astype(numpy.int64) * count + others, self.count * count)

    def examples(self) -> Integers:
        """Returns a row with each number: the first one."""
        found = numpy.zeros(self.count, numpy.int64)
        found[self.codes[::-1]] = numpy.arange(len(self.codes) - 1, -1, -1)
        return found


def _dense(keys: Integers, room: int) -> Codes:
    """Returns numbers without gaps for keys below ``room``."""
    if room > 4 * len(keys) + _ROOM:
        found, codes = numpy.unique(keys, return_inverse=True)
        return Codes(codes, len(found))
    there = numpy.zeros(room, numpy.bool_)
    there[keys] = True
    rank = numpy.cumsum(there) - 1
    return Codes(rank[keys], int(rank[-1]) + 1 if room else 0)


def numbered(texts: Any) -> tuple[Integers, list[str]]:
    """Returns a number for each of the texts, and the text of each number."""
    found = texts.dictionary_encode()
    return found.indices.to_numpy(zero_copy_only=False), found.dictionary.to_pylist()


def combined(codes: Codes, offsets: Integers, rows: Integers, of_sets: Sequence[tuple[Integers, int]]) -> Codes:
    """Returns numbers that also part rows whose data sets differ. Row *i* of ``codes`` has the data sets from
    ``offsets[rows[i]]`` on; ``of_sets`` are numbers of the data sets, and how many there are."""
    starts, counts = offsets[:-1][rows], numpy.diff(offsets)[rows]
    codes = codes.by(counts, int(counts.max(initial=0)) + 1)
    for at in range(int(counts.max(initial=0))):
        there = counts > at
        sets = starts[there] + at
        for numbers, count in of_sets:
            more = numpy.zeros(len(rows), numpy.int64)
            more[there] = numbers[sets] + 1
            codes = codes.by(more, count + 1)
    return codes


def any_of(flags: Booleans, offsets: Integers) -> Booleans:
    """Returns which rows have a data set with a flag."""
    before = numpy.concatenate(([0], numpy.cumsum(flags)))
    return before[offsets[1:]] > before[offsets[:-1]]


def present(cells: Iterable[dict[str, Any]]) -> set[str]:
    """Returns the names of the cells that any row has."""
    return set[str]().union(*cells)

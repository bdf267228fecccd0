"""The data sets of many frames at once, by a structural index over all of their octets.

The index holds the places of the octets that give a message its structure: SOH, STX and ETX, brackets and ``*``, line
ends and ``!``. Which of them may follow which is a table. A frame is *plain* if all of its octets fit the table and its
check character is good by exclusive or: a command or an answer with data sets, as in
:mod:`~vtctap.dissector.protocol.common_frames`. The table accepts no more than that module does, and a little less:
brackets and ``*`` in a register, and a second ``*`` in a unit, are left to the exact way. Plain are also reads without
brackets, whose data set is a register without a value, and an ACK, which has no data sets.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy

from vtctap.dissector.columns.octets import Booleans, Integers, Octets
from vtctap.dissector.protocol.characters import ACK, CR, ETX, LF, SOH, STX
from vtctap.dissector.protocol.common_frames import NAMES
from vtctap.dissector.protocol.rules import MessageName

__all__ = ["ACKNOWLEDGED", "COMMANDS", "DataSets", "data_sets"]

COMMANDS: Final = tuple(NAMES)
"""The commands of plain frames; the first is that of an answer, which has none."""
ACKNOWLEDGED: Final = len(COMMANDS)
"""What an ACK has in place of the number of a command."""

_TEXT, _OPEN, _CLOSE, _STAR, _JOINT, _STX, _ETX, _SOH, _OTHER = range(9)
"""What an octet is to the structure. A joint separates data sets; other octets are in no plain frame."""
_LEAST: Final = 5
"""Octets of the shortest plain frame: STX, brackets, ETX and the check character."""
_ASCII: Final = 0x80
_BARE: Final = 5
"""Octets of the body of a read without brackets: four digits of the register, one of the count."""
_BARE_KINDS: Final = numpy.array([_SOH, _STX, _ETX])
_BARE_READS: Final = numpy.array([NAMES[command] == MessageName.ReadCommand for command in COMMANDS])
_DIGITS: Final = numpy.array([chr(octet) in "0123456789ABCDEF" for octet in range(256)])
_ERROR: Final = numpy.frombuffer(b"ER", numpy.uint8)


def _classes() -> Octets:
    """Returns the class of each octet."""
    classes = numpy.full(256, _OTHER, numpy.uint8)
    classes[0x20:0x7F] = _TEXT
    for octet, kind in ((ord("("), _OPEN), (ord(")"), _CLOSE), (ord("*"), _STAR), (ord("!"), _JOINT)):
        classes[octet] = kind
    for octet, kind in ((CR, _JOINT), (LF, _JOINT), (STX, _STX), (ETX, _ETX), (SOH, _SOH)):
        classes[octet] = kind
    return classes


def _following() -> Booleans:
    """Returns what may follow what, with text between them or without."""
    follows = numpy.zeros((9, 9), numpy.bool_)
    pairs = (
        *((_SOH, _STX), (_STX, _OPEN), (_OPEN, _STAR), (_OPEN, _CLOSE), (_STAR, _CLOSE)),
        *((_CLOSE, _OPEN), (_CLOSE, _JOINT), (_CLOSE, _ETX), (_JOINT, _JOINT), (_JOINT, _OPEN), (_JOINT, _ETX)),
    )
    for pair in pairs:
        follows[pair] = True
    return follows


def _commands() -> Integers:
    """Returns the number of each command, by its octets (the second is 0 where there is none); 0: no such command."""
    numbers = numpy.zeros(1 << 16, numpy.int64)
    for number, command in enumerate(COMMANDS[1:], 1):
        numbers[int.from_bytes(command.encode().ljust(2, b"\0"), "big")] = number
    return numbers


_CLASSES: Final = _classes()
_FOLLOWS: Final = _following()
_COMMANDS: Final = _commands()


@dataclass(frozen=True, slots=True)
class DataSets:
    """The data sets of frames, one behind the other.

    ``plain`` says which frames are plain; the others have no data sets. ``command`` is the number of a plain frame's
    command in :data:`COMMANDS`, ``check`` its check character. ``counted`` is the octet with the count of a read
    without brackets, 0 in other frames. The data sets of a frame are those from its ``offsets``
    up to the next one. ``register``, ``value`` and ``unit`` are the places where each begins and ends in the octets.
    """

    plain: Booleans
    command: Integers
    check: Octets
    counted: Octets
    offsets: Integers
    register: tuple[Integers, Integers]
    value: tuple[Integers, Integers]
    unit: tuple[Integers, Integers]

    @property
    def counts(self) -> Integers:
        """The number of data sets of each frame."""
        return numpy.diff(self.offsets)


def data_sets(octets: Octets, offsets: Integers) -> DataSets:
    """Finds the data sets of the frames with these octets; ``offsets`` are where each begins, and the last one ends."""
    starts, ends = offsets[:-1], offsets[1:]
    if not len(octets):
        octets = numpy.zeros(1, numpy.uint8)
    checked = (ends - starts >= _LEAST) & _good_check(octets, starts, ends)
    at, kind = _index(octets, (ends - 1)[checked])
    bounds = numpy.searchsorted(at, offsets)
    plain = checked & (bounds[1:] - bounds[:-1] > 2)
    _require_order(plain, at, kind, bounds, starts)
    _require_end(plain, at, kind, bounds, ends)
    command = _command(plain, octets, at, bounds, starts)
    check = octets[numpy.maximum(ends - 1, 0)]
    counted = numpy.zeros(len(starts), numpy.uint8)
    found = _located(DataSets(plain, command, check, counted, bounds, *[(starts, ends)] * 3), octets, at, kind, bounds)
    _acknowledge(found, octets, starts, ends)
    return _with_bare(found, octets, _bare(checked, octets, at, kind, bounds, offsets), starts, ends)


def _good_check(octets: Octets, starts: Integers, ends: Integers) -> Booleans:
    """Returns which frames have a good check character: it is that of all octets but the first, so that together they
    give the first one."""
    first = numpy.minimum(starts, len(octets) - 1)
    good: Booleans = numpy.bitwise_xor.reduceat(octets, first) == octets[first]
    good &= octets[numpy.maximum(ends - 1, 0)] < _ASCII
    return good


def _index(octets: Octets, checks: Integers) -> tuple[Integers, Octets]:
    """Returns the places and classes of the octets that are no text; check characters may be any octet."""
    classes = _CLASSES[octets]
    classes[checks] = _TEXT
    at = numpy.flatnonzero(classes)
    return at, classes[at]


def _require_order(plain: Booleans, at: Integers, kind: Octets, bounds: Integers, starts: Integers) -> None:
    """Strikes the frames where something follows that may not, or that does not begin with SOH or STX."""
    fits = numpy.ones(len(at), numpy.bool_)
    fits[1:] = _FOLLOWS[kind[:-1], kind[1:]]
    adjacent = (kind == _JOINT) | (kind == _ETX)
    fits[1:] &= ~adjacent[1:] | (at[1:] == at[:-1] + 1)
    first = bounds[:-1][plain]
    fits[first] = ((kind[first] == _SOH) | (kind[first] == _STX)) & (at[first] == starts[plain])
    wrong = numpy.flatnonzero(~fits)
    plain[numpy.minimum(numpy.searchsorted(bounds, wrong, "right") - 1, len(plain) - 1)] = False


def _require_end(plain: Booleans, at: Integers, kind: Octets, bounds: Integers, ends: Integers) -> None:
    """Strikes the frames without ETX before the check character."""
    last = bounds[1:][plain] - 1
    plain[plain] = (kind[last] == _ETX) & (at[last] == ends[plain] - 2)


def _command(plain: Booleans, octets: Octets, at: Integers, bounds: Integers, starts: Integers) -> Integers:
    """Returns the number of each frame's command; strikes the frames with another one."""
    command = numpy.zeros(len(plain), numpy.int64)
    commands = numpy.flatnonzero(plain)
    commands = commands[octets[starts[commands]] == SOH]
    start = starts[commands]
    length = at[bounds[:-1][commands] + 1] - start - 1
    second = numpy.where(length == 2, octets[start + 2], 0).astype(numpy.int64)
    command[commands] = _COMMANDS[octets[start + 1].astype(numpy.int64) << 8 | second]
    command[commands[(length < 1) | (length > 2)]] = 0
    plain[commands[command[commands] == 0]] = False
    return command


def _located(sets: DataSets, octets: Octets, at: Integers, kind: Octets, bounds: Integers) -> DataSets:
    """Finds the data sets of the plain frames; strikes errors, which have their code in place of a value."""
    counts = numpy.diff(bounds)
    if not sets.plain.all():
        kept = numpy.repeat(sets.plain, counts)
        at, kind, counts = at[kept], kind[kept], counts * sets.plain
    bounds = numpy.concatenate(([0], numpy.cumsum(counts)))
    opened = numpy.flatnonzero(kind == _OPEN)
    offsets = numpy.searchsorted(opened, bounds)
    begins, ends = at[opened] + 1, at[opened + 1]
    stated = kind[opened + 1] == _STAR
    unit = ends + stated, at[opened + 1 + stated]
    found = replace(sets, offsets=offsets, register=(at[opened - 1] + 1, begins - 1), value=(begins, ends), unit=unit)
    errors = _errors(found, octets)
    if not len(errors):
        return found
    sets.plain[errors] = False
    return _located(sets, octets, at, kind, bounds)


def _acknowledge(found: DataSets, octets: Octets, starts: Integers, ends: Integers) -> None:
    """Adds the frames that are an ACK."""
    alone = numpy.flatnonzero(ends - starts == 1)
    acknowledged = alone[octets[starts[alone]] == ACK]
    found.plain[acknowledged], found.command[acknowledged] = True, ACKNOWLEDGED


def _bare(
    checked: Booleans, octets: Octets, at: Integers, kind: Octets, bounds: Integers, offsets: Integers
) -> tuple[Integers, Integers]:
    """Returns the frames that are reads without brackets, and the number of each one's command."""
    rows = numpy.flatnonzero(checked & (numpy.diff(bounds) == len(_BARE_KINDS)))
    marks = bounds[:-1][rows][:, None] + numpy.arange(len(_BARE_KINDS))
    first, second, third = (at[marks] - offsets[:-1][rows][:, None]).T
    fits = (kind[marks] == _BARE_KINDS).all(axis=1) & (first == 0) & (third - second == _BARE + 1)
    rows = rows[fits & ((second == 2) | (second == 3)) & (third == numpy.diff(offsets)[rows] - 2)]
    bare = numpy.zeros(len(checked), numpy.bool_)
    bare[rows] = True
    command = _command(bare, octets, at, bounds, offsets[:-1])[rows]
    body = (offsets[1:][rows] - 2 - _BARE)[:, None] + numpy.arange(_BARE)
    reads = (command > 0) & _BARE_READS[command] & _DIGITS[octets[body]].all(axis=1)
    return rows[reads], command[reads]


def _with_bare(
    found: DataSets, octets: Octets, bare: tuple[Integers, Integers], starts: Integers, ends: Integers
) -> DataSets:
    """Adds reads without brackets: each has one data set, a register without value and unit."""
    rows, command = bare
    if not len(rows):
        return found
    found.plain[rows], found.command[rows] = True, command
    counts = ends[rows] - 3
    found.counted[rows] = octets[counts]
    at = found.offsets[rows]
    more = numpy.zeros(len(starts) + 1, numpy.int64)
    more[rows + 1] = 1

    def added(places: tuple[Integers, Integers], begins: Integers) -> tuple[Integers, Integers]:
        return numpy.insert(places[0], at, begins), numpy.insert(places[1], at, counts)

    return replace(
        found,
        offsets=found.offsets + numpy.cumsum(more),
        register=added(found.register, counts - _BARE + 1),
        value=added(found.value, counts),
        unit=added(found.unit, counts),
    )


def _errors(found: DataSets, octets: Octets) -> Integers:
    """Returns the frames that are an Error: their only data set has no register, and a value that begins with ER."""
    single = numpy.flatnonzero((found.command == 0) & (found.counts == 1))
    sets = found.offsets[:-1][single]
    begins, ends = found.value[0][sets], found.value[1][sets]
    unnamed = (found.register[0][sets] == found.register[1][sets]) & (ends - begins >= len(_ERROR))
    single, begins = single[unnamed], begins[unnamed]
    errors: Integers = single[(octets[begins] == _ERROR[0]) & (octets[begins + 1] == _ERROR[1])]
    return errors

"""Slices of octets as Arrow arrays: text and octets are taken from the file's buffer, without an object for each."""

from typing import Any, Final, TypeAlias

import numpy
import pyarrow
from numpy.typing import NDArray

__all__ = ["Booleans", "Integers", "Octets", "gathered", "hexadecimal", "lists", "slices", "texts"]

Octets: TypeAlias = NDArray[numpy.uint8]
Integers: TypeAlias = NDArray[Any]
"""Whole numbers, of the width that is needed."""
Booleans: TypeAlias = NDArray[numpy.bool_]

_HEXADECIMAL: Final = numpy.frombuffer(b"".join(b"%02x" % octet for octet in range(256)), numpy.uint16)
"""The two digits of each octet."""


def slices(buffer: bytes | Octets, begins: Integers, ends: Integers, kind: Any) -> Any:
    """Returns the slices of a buffer, in ascending order, as an Arrow array of text or octets.

    The slices and what lies between them are one Arrow array without a copy; of these, every other one is taken.
    """
    count = len(begins)
    if not count:
        return pyarrow.array([], kind)
    offsets = numpy.empty(2 * count, numpy.int32)
    offsets[0::2], offsets[1::2] = begins, ends
    buffers = [None, pyarrow.py_buffer(offsets), pyarrow.py_buffer(buffer)]
    all_parts = pyarrow.Array.from_buffers(kind, 2 * count - 1, buffers)
    return all_parts.take(pyarrow.array(numpy.arange(0, 2 * count - 1, 2, dtype=numpy.int32)))


def texts(octets: Octets, begins: Integers, ends: Integers) -> Any:
    """Returns slices of ASCII characters as Arrow text."""
    return slices(octets, begins, ends, pyarrow.string())


def gathered(buffer: bytes, begins: Integers, ends: Integers) -> tuple[Octets, Integers]:
    """Returns slices of a buffer one behind the other, and the offsets where each begins and the last one ends."""
    taken = slices(buffer, begins, ends, pyarrow.binary())
    offsets = numpy.concatenate(([0], numpy.cumsum(ends - begins)))
    octets = numpy.frombuffer(taken.buffers()[2] or b"", numpy.uint8)
    return octets[: offsets[-1]], offsets


def lists(offsets: Integers, values: Any, present: Booleans) -> Any:
    """Returns an Arrow list for each row, of its values from one of the ``offsets`` to the next; null where the row has
    none (``present``)."""
    mask = None if present.all() else pyarrow.array(~present)
    return pyarrow.ListArray.from_arrays(pyarrow.array(offsets.astype(numpy.int32)), values, mask=mask)


def hexadecimal(octets: Octets, offsets: Integers) -> Any:
    """Returns the octets of each row as Arrow text, in hexadecimal digits."""
    digits = pyarrow.py_buffer(_HEXADECIMAL[octets])
    return pyarrow.StringArray.from_buffers(
        len(offsets) - 1, pyarrow.py_buffer((2 * offsets).astype(numpy.int32)), digits
    )

# mypy: disallow-subclassing-any=False
"""Scapy fields with their own default, display or validation.

A value that a field cannot hold is refused when it is set, with an error that names the field; ``RawVal`` bypasses
this. A list stands for as many packets, as everywhere in Scapy.
"""

from collections.abc import Callable, Iterable
from struct import calcsize
from typing import Any

from scapy.fields import (
    BitEnumField,
    ByteEnumField,
    ByteField,
    Field,
    FlagsField,
    PacketListField,
    RawVal,
    StrField,
    StrFixedLenField,
)
from scapy.packet import Packet
from scapy.volatile import VolatileValue

from vtctap.pcap.record import Line

_OCTETS = (bytes, bytearray, str, RawVal, VolatileValue)


class OctetsField(StrField):
    """Octets, or text."""

    def any2i(self, pkt: Any, x: Any) -> Any:
        """Converts text to octets. Raises TypeError for a number, which Scapy would turn into that many NULs."""
        if isinstance(x, list):
            return [self.any2i(pkt, each) for each in x]
        if x is not None and not isinstance(x, _OCTETS):
            raise TypeError(f"{self.name} takes text or octets, not {x!r}")
        return super().any2i(pkt, x)


class _Kept:
    """A field that identifies the packet's class; ``fuzz`` leaves it unchanged."""

    __slots__ = ()

    def randval(self) -> None:
        """Returns None, so that ``fuzz`` changes nothing."""


class MarkField(_Kept, OctetsField):
    """Octets that identify a message's class."""


class MagicField(_Kept, StrFixedLenField):
    """Octets that identify a record."""


class VersionField(_Kept, ByteField):
    """The version of the record's format."""


class MeantField(OctetsField):
    """Octets, shown with their meaning from the packet's ``meaning_of``."""

    def i2repr(self, pkt: Any, x: Any) -> str:
        """Shows the octets, with their meaning in brackets."""
        meaning = pkt.meaning_of(self.name) if pkt is not None else ""
        return f"{x!r} ({meaning})" if meaning else repr(x)


class ImpliedField(OctetsField):
    """Octets that follow from the other fields while they are None."""

    __slots__ = ("implied",)

    def __init__(self, name: str, implied: Callable[[Any], bytes]) -> None:
        super().__init__(name, None)
        self.implied = implied

    def addfield(self, pkt: Any, s: bytes, val: Any) -> bytes:
        """Appends the field to ``s``."""
        return s + (self.implied(pkt) if val is None else bytes(self.i2m(pkt, val)))


class CheckField(Field):
    """A check value, a number in the format ``form``; while it is None, post_build fills it in."""

    __slots__ = ("form", "most")

    def __init__(self, name: str, form: bytes, most: int) -> None:
        self.form = form
        self.most = most
        super().__init__(name, None)

    def any2i(self, pkt: Any, x: Any) -> Any:
        """Converts the check value to a number or to octets."""
        if isinstance(x, list):
            return [self.any2i(pkt, each) for each in x]
        if isinstance(x, str):
            return x.encode()
        if (isinstance(x, int) and 0 <= x <= self.most) or x is None or isinstance(x, _OCTETS):
            return x
        raise ValueError(f"{self.name} takes a number from 0 to {self.most:#x}, or octets, not {x!r}")

    def addfield(self, pkt: Any, s: bytes, val: Any) -> bytes:
        """Appends the field to ``s``."""
        if val is None:
            return s
        return s + (val if isinstance(val, bytes) else self.written(val))

    def written(self, value: int) -> bytes:
        """Returns the number as octets."""
        return self.form % value

    def i2repr(self, pkt: Any, x: Any) -> str:
        """Shows the number in hexadecimal, and whether it is good."""
        if not isinstance(x, int):
            return repr(x)
        status = getattr(pkt, f"{self.name}_status", None)
        return f"{x:#04x} ({status})" if status else f"{x:#04x}"


class CountField(CheckField):
    """A count of one hexadecimal digit; None where there is none."""

    def __init__(self, name: str) -> None:
        super().__init__(name, b"%X", 15)

    def i2repr(self, pkt: Any, x: Any) -> str:
        """Shows the number."""
        return repr(x)


class SequenceField(CheckField):
    """A check sequence of HDLC: two octets, the low one first."""

    def __init__(self, name: str) -> None:
        super().__init__(name, b"", 0xFFFF)

    def written(self, value: int) -> bytes:
        """Returns the number as octets."""
        return value.to_bytes(2, "little")


class PacketsField(PacketListField):
    """A list of packets of one class."""

    def any2i(self, pkt: Any, x: Any) -> Any:
        """Turns one packet into a list. Raises TypeError for anything but packets."""
        for item in x if isinstance(x, list | tuple) else [x]:
            if not isinstance(item, Packet | bytes | RawVal):
                raise TypeError(f"{self.name} takes a list of {self.cls.__name__}, not {x!r}")
        return super().any2i(pkt, list(x) if isinstance(x, tuple) else x)


class LineField(ByteField):
    """The line's octet, shown as text (``7E1``); 0, and an octet that is no line format, as a number."""

    def h2i(self, pkt: Any, x: Any) -> Any:
        """Converts ``7E1``, or the octet itself, to the octet."""
        if isinstance(x, list):
            return [self.h2i(pkt, each) for each in x]
        return Line.parse(x).octet if isinstance(x, str) else x

    def i2h(self, pkt: Any, x: Any) -> Any:
        """Converts the octet to ``7E1``."""
        line = Line.from_octet(x) if isinstance(x, int) else None
        return str(line) if line else x


class SecondsField(Field):
    """Nanoseconds, shown as seconds; None where the field says by all ones that they are unknown."""

    __slots__ = ("most", "unknown")

    def __init__(self, name: str, fmt: str, *, unknown: bool = False) -> None:
        self.unknown = unknown
        self.most = (1 << 8 * calcsize(fmt)) - 1 - unknown
        super().__init__(name, None if unknown else 0, fmt)

    def any2i(self, pkt: Any, x: Any) -> Any:
        """Converts seconds to nanoseconds."""
        if isinstance(x, list):
            return [self.any2i(pkt, each) for each in x]
        if (x is None and self.unknown) or isinstance(x, VolatileValue):
            return x
        if isinstance(x, int | float) and 0 <= x * 1e9 < self.most + 1:
            return round(x * 1e9)
        raise ValueError(f"{self.name} takes seconds from 0 to {self.most / 1e9:g}, not {x!r}")

    def i2m(self, pkt: Any, x: Any) -> Any:
        """Converts None to all ones."""
        return self.most + 1 if x is None else x

    def i2h(self, pkt: Any, x: Any) -> Any:
        """Converts nanoseconds to seconds."""
        return x / 1e9 if isinstance(x, int) else x


class _Words:
    """A field with words for its values."""

    __slots__ = ()

    def any2i(self, pkt: Any, x: Any) -> Any:
        try:
            return super().any2i(pkt, x)  # type: ignore[misc]
        except (KeyError, ValueError):
            pass
        raise ValueError(f"{self.name} takes a number or {', '.join(self.words())}, not {x!r}")  # type: ignore[attr-defined]

    def words(self) -> Iterable[str]:
        return self.s2i  # type: ignore[attr-defined, no-any-return]


class ByteWordField(_Words, ByteEnumField):
    """An octet that stands for a word."""


class BitWordField(_Words, BitEnumField):
    """Bits that stand for a word."""


class FlagWordsField(_Words, FlagsField):
    """Bits that have names."""

    def words(self) -> Iterable[str]:
        """Returns the names of the bits."""
        return self.names  # type: ignore[no-any-return]

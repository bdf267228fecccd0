"""Compressed files, read as Wireshark reads them: gzip, zstd and lz4, known by their first octets.

gzip is the standard library's, and zstd from Python 3.14 on; before that zstd, and lz4 always, need the extra of that
name. What comes out is bounded, however much a few octets unpack to. A file may hold several compressed streams.
"""

import sys
import zlib
from collections.abc import Callable
from typing import Final, Protocol

from vtctap.extras import extra

LONGEST_MAGIC: Final = 4
_MOST: Final = 1 << 18
"""The most octets that are unpacked at a time."""


class _Stream(Protocol):
    """What all decompressors of the standard library's kind offer."""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""

    @property
    def unused_data(self) -> bytes:
        """What was given behind the stream's end."""

    def decompress(self, data: bytes, max_length: int = ...) -> bytes:
        """Some more octets."""


class _Gzip:
    """zlib's decompressor, which keeps nothing of what it was given, with the others' interface."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=31)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        octets = self._stream.decompress(self._stream.unconsumed_tail + data, max_length)
        self.needs_input = not self._stream.unconsumed_tail and len(octets) < max_length
        return octets


def _zstd() -> _Stream:
    if sys.version_info >= (3, 14):
        from compression.zstd import ZstdDecompressor
    else:
        with extra("zstd", "a file compressed with zstd"):
            from backports.zstd import ZstdDecompressor
    stream: _Stream = ZstdDecompressor()
    return stream


def _lz4() -> _Stream:
    with extra("lz4", "a file compressed with lz4"):
        from lz4.frame import LZ4FrameDecompressor
    stream: _Stream = LZ4FrameDecompressor()
    return stream


_KINDS: Final[dict[bytes, Callable[[], _Stream]]] = {
    b"\x1f\x8b\x08": _Gzip,
    b"\x28\xb5\x2f\xfd": _zstd,
    b"\x04\x22\x4d\x18": _lz4,
}
"""Magic -> what unpacks it."""


def may_be(head: bytes) -> bool:
    """Whether a file that begins so may turn out to be compressed."""
    return any(magic.startswith(head[: len(magic)]) for magic in _KINDS)


class Unpacker:
    """Unpacks a file's streams, one after the other."""

    def __init__(self, head: bytes) -> None:
        """``head``: how the file begins; it must begin with a magic. Raises MissingExtra."""
        self._begin = next(begin for magic, begin in _KINDS.items() if head.startswith(magic))
        self._stream = self._begin()
        self._packed = b""

    @staticmethod
    def unpacks(head: bytes) -> bool:
        """Whether a file begins with a magic."""
        return any(head.startswith(magic) for magic in _KINDS)

    @property
    def whole(self) -> bool:
        """Whether what came in so far ended with a stream's end."""
        return self._stream.eof and not self._packed

    def feed(self, packed: bytes) -> None:
        """Takes octets of the file; only where :meth:`take` had no more."""
        self._packed += packed

    def take(self) -> bytes:
        """Some unpacked octets; none where more of the file is needed. Raises ValueError where it is damaged."""
        while True:
            if self._stream.eof:
                if not self._packed:
                    return b""
                self._stream = self._begin()
            packed, self._packed = self._packed, b""
            errors: tuple[type[Exception], ...] = (zlib.error, RuntimeError, OSError, EOFError, *_errors(self._stream))
            try:
                octets = self._stream.decompress(packed, _MOST)
            except errors as error:
                raise ValueError(str(error)) from None
            if self._stream.eof:
                self._packed = self._stream.unused_data or b""
            if octets or not self._stream.eof:
                return octets


def _errors(stream: _Stream) -> tuple[type[Exception], ...]:
    """The errors of a decompressor's own module."""
    error = getattr(sys.modules.get(type(stream).__module__), "ZstdError", None)
    return (error,) if error else ()

"""Reads compressed files as Wireshark does: gzip, zstd and lz4, recognised by their first octets.

gzip, and from Python 3.14 on zstd, are in the standard library. Otherwise zstd and lz4 need the extras of those names.
Memory is bounded, even if a few octets unpack to very many. A file may hold several compressed streams.
"""

import sys
import zlib
from collections.abc import Callable
from typing import Final, Protocol

from vtctap.base.extras import extra

LONGEST_MAGIC: Final = 4
_MAX_UNPACKED: Final = 1 << 18
"""Most octets unpacked at a time."""


class _Stream(Protocol):
    """The interface of the standard library's decompressors."""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""

    @property
    def unused_data(self) -> bytes:
        """The octets after the end of the stream."""

    def decompress(self, data: bytes, max_length: int = ...) -> bytes:
        """Returns more unpacked octets."""


class _Gzip:
    """zlib's decompressor with the interface of the others. It keeps none of its input."""

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
"""Maps each magic to the decompressor."""
_OTHERS: Final = {b"BZh": "bzip2", b"\xfd7zX": "xz", b"7z\xbc\xaf": "7-Zip"}
"""Programs whose files are recognised, but not unpacked, by their magics."""


def other_program(head: bytes) -> str | None:
    """Names the program that unpacks a file that begins with ``head``, where this module does not."""
    return next((name for magic, name in _OTHERS.items() if head.startswith(magic)), None)


def may_be(head: bytes) -> bool:
    """Whether a file that begins with ``head`` may be compressed; more octets decide."""
    return any(magic.startswith(head[: len(magic)]) for magic in _KINDS)


class Unpacker:
    """Unpacks the streams of a file, one after the other."""

    def __init__(self, head: bytes) -> None:
        """``head`` is the beginning of the file, with a magic. Raises MissingExtra."""
        self._begin = next(begin for magic, begin in _KINDS.items() if head.startswith(magic))
        self._stream = self._begin()
        self._packed = b""

    @staticmethod
    def unpacks(head: bytes) -> bool:
        """Whether a file begins with a magic."""
        return any(head.startswith(magic) for magic in _KINDS)

    @property
    def whole(self) -> bool:
        """Whether the octets so far ended at the end of a stream."""
        return self._stream.eof and not self._packed

    def feed(self, packed: bytes) -> None:
        """Feeds octets of the file. Call it when :meth:`take` returns none."""
        self._packed += packed

    def take(self) -> bytes:
        """Returns unpacked octets; none if more of the file is needed. Raises ValueError if the file is damaged."""
        while True:
            if self._stream.eof:
                if not self._packed:
                    return b""
                self._stream = self._begin()
            packed, self._packed = self._packed, b""
            errors: tuple[type[Exception], ...] = (zlib.error, RuntimeError, OSError, EOFError, *_errors(self._stream))
            try:
                octets = self._stream.decompress(packed, _MAX_UNPACKED)
            except errors as error:
                raise ValueError(str(error)) from None
            if self._stream.eof:
                self._packed = self._stream.unused_data or b""
            if octets or not self._stream.eof:
                return octets


def _errors(stream: _Stream) -> tuple[type[Exception], ...]:
    """Returns the exceptions of a decompressor's own module."""
    error = getattr(sys.modules.get(type(stream).__module__), "ZstdError", None)
    return (error,) if error else ()

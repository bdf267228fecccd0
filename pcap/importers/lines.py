"""Reads the lines of a text file in constant memory: any line ends, UTF-8 with or without a byte order mark, UTF-16.

Each octet of a file becomes one character of the same number (Latin-1), except in UTF-16. A log that holds the line's
own octets therefore loses none.
"""

import codecs
from collections.abc import Iterator
from typing import Final

from vtctap.pcap.importers.account import Account
from vtctap.pcap.streams import Input, Source

MAX_LINE: Final = 1 << 18
"""Longest line, in characters; a longer one is split, since continuous hexadecimal has no line ends."""
_BOMS: Final = {codecs.BOM_UTF8: "latin-1", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_LOOK: Final = 4096


def lines_of(source: Source, account: Account | None = None) -> Iterator[str]:
    """Yields the lines of a file with their ends: ``\\n``, ``\\r\\n``, or ``\\r`` where the file's beginning has no
    other.

    A line that is longer than :data:`MAX_LINE` comes in parts, each of an even length.
    ``account`` learns where a compressed file ends cut. Raises OSError and TraceError.
    """
    rest = ""
    end = ""
    for text in _texts(source, account):
        end = end or ("\r" if "\r" in text[:-1] and "\n" not in text else "\n")
        *whole, rest = (rest + text).split(end)
        for line in whole:
            yield line + end
        while len(rest) > MAX_LINE:
            at = _place_to_part(rest)
            yield rest[:at]
            rest = rest[at:]
    if rest:
        yield rest


def _place_to_part(text: str) -> int:
    """Returns where a long line may be split: after a blank or a comma, or else after an even number of digits."""
    return max(text.rfind(" ", 0, MAX_LINE), text.rfind(",", 0, MAX_LINE)) + 1 or MAX_LINE


def _texts(source: Source, account: Account | None) -> Iterator[str]:
    """Yields the text of a file in chunks."""
    file = Input(source)
    try:
        while len(file.buffer) < _LOOK and file.more():
            pass
        encoding, skipped = _encoding(file.buffer[:_LOOK])
        file.at = skipped
        decoder = codecs.getincrementaldecoder(encoding)("replace")
        while file.at < len(file.buffer) or file.more():
            yield decoder.decode(file.buffer[file.at :])
            file.at = len(file.buffer)
        yield decoder.decode(b"", final=True)
        if account and file.cut:
            account.fault(file.cut)
    finally:
        file.close()


def _encoding(head: bytes) -> tuple[str, int]:
    """Returns the encoding of a file from its first octets, and the length of its byte order mark."""
    for mark, encoding in _BOMS.items():
        if head.startswith(mark):
            return encoding, len(mark)
    for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        zeros, others = head[first::2], head[1 - first :: 2]
        if len(head) > 3 and not any(zeros) and 0 not in others:
            return encoding, 0
    return "latin-1", 0

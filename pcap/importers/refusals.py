r"""Recordings that look like a form but do not state their octets: dumps of words, of octal or decimal numbers, or of
characters, and logs of ``socat -v``.

The first lines decide, by their majority, so that one damaged line decides nothing. A row whose cells are hexadecimal
octets is never of a refused kind.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from vtctap.pcap.importers.forms import FORMS, LAYOUT, Form

SEEN: Final = 100
"""Number of lines that decide."""

_LONGEST: Final = 400
"""Most characters in a row of a dump that is refused."""

_AGAIN: Final = "make it again with `hexdump -C` or `od -t x1`"
_WORDS: Final = "{}-bit words in an unknown byte order"
_OFFSET: Final = r"(?:[0-9A-Fa-f]{7,8}|[0-9A-Fa-f]{5}0)"
"""The offset of a row. Six digits are those of ``od -A x``, whose rows have 16 octets."""
_CHARACTER: Final = (
    r" {3}[ -~]|  \\[0abfnrtv]| [0-7]{3}"
    r"|  (?:bs|ht|nl|vt|ff|cr|so|si|em|fs|gs|rs|us|sp)"
    r"| (?:nul|soh|stx|etx|eot|enq|ack|bel|dle|dc[1-4]|nak|syn|etb|can|sub|esc|del)"
)
"""A character as ``od -c`` or ``od -a`` writes it."""
_KINDS: Final = tuple(
    (kind, re.compile(row, re.ASCII))
    for kind, row in (
        (_WORDS.format(16), rf"{_OFFSET}(?: {{1,4}}[0-9A-Fa-f]{{4}})+\s*"),
        (_WORDS.format(16), rf"(?!\S{{6}}[0 ]+$){_OFFSET}(?:  ?[01][0-7]{{5}})+\s*"),
        (_WORDS.format(16), r"(?=.*[1-7])(?: [01][0-7]{5}){2,}\s*"),
        (_WORDS.format(32), r"[0-9A-Fa-f]{7}(?: [0-9A-Fa-f]{8}){2,}\s*"),
        (_WORDS.format(64), rf"{_OFFSET}(?: [0-9A-Fa-f]{{16}}){{2,}}\s*"),
        ("octal numbers instead of hexadecimal ones", rf"{_OFFSET}(?: [0-3][0-7]{{2}})+\s*"),
        ("decimal numbers instead of hexadecimal ones", rf"{_OFFSET}(?: {{1,7}}\d{{1,5}})+\s*"),
        ("characters instead of octets", rf"{_OFFSET}(?:{_CHARACTER})+\s*"),
    )
)
"""What the cells of a dump are, by the pattern of a row of ``od`` or ``hexdump``."""
_OCTETS: Final = re.compile(r"[0-9A-Fa-f]*:?(?:\s{1,2}[0-9A-Fa-f]{2})+\s*", re.ASCII)
_REVERSED: Final = "words with their octets reversed"
_XXD: Final = re.compile(r"[0-9a-f]{8}:((?: +[0-9a-f]{2,16})+)  +(\S.*)", re.ASCII)
_FIRST: Final = re.compile(r"[0-9A-Fa-f]{6,8}(?![0-9A-Fa-f])")
_STEP: Final = 1 << 12
"""Most by which the offsets of two rows differ. Octal offsets, read as hexadecimal, differ by more where they carry."""
_NO_OCTETS: Final = re.compile(r"(?:[0-9A-Fa-f]{6,8}|\*|)\s*")
"""A row without octets: the offset of the end, or the star for repeated rows."""

_SOCAT: Final = next(form for form in FORMS if form.name == "socat")
_SOCAT_OCTETS: Final = re.compile(r"(?: [0-9a-f]{2})+(?:\s.*)?")
_SOCAT_AGAIN: Final = "made with `socat -v` alone, which does not state control characters: log with `socat -x`"


def refusal(lines: Sequence[str], form: Form | None = None) -> str:
    """Returns why a log cannot be read in a form, or in any, and how to make a usable one; empty where it may be read.
    ``lines`` are its first lines, with or without their ends."""
    rows = [line.rstrip("\r\n") for line in lines[:SEEN]]
    if form in (None, _SOCAT) and _without_octets(rows):
        return _SOCAT_AGAIN
    kind = _dump(rows) if form is None or form.rank == LAYOUT else ""
    return f"{kind}: {_AGAIN}" if kind else ""


def _dump(rows: Sequence[str]) -> str:
    """Names the kind of a dump whose cells are no octets; empty for any other file."""
    kinds = Counter(_kind(row) for row in rows if not _NO_OCTETS.fullmatch(row))
    usable = kinds.pop("", 0)
    return kinds.most_common(1)[0][0] if kinds and kinds.total() >= usable and _count(rows) else ""


def _count(rows: Iterable[str]) -> bool:
    """Whether the numbers at the beginning of rows are offsets: most are greater than the last one, a single one is
    zero. Groups of octets are not."""
    offsets = [int(found[0], 16) for row in rows if (found := _FIRST.match(row))]
    rising = sum(0 < after - before <= _STEP for before, after in pairwise(offsets))
    return rising * 2 >= len(offsets) - 1 if len(offsets) > 1 else not any(offsets)


def _kind(row: str) -> str:
    """Names what the cells of a row are; empty where they may be octets."""
    if len(row) > _LONGEST or _OCTETS.fullmatch(row):
        return ""
    if (found := _XXD.fullmatch(row)) and _is_reversed(found[1].split(), found[2]):
        return _REVERSED
    return next((kind for kind, pattern in _KINDS if pattern.fullmatch(row)), "")


def _is_reversed(words: list[str], text: str) -> bool:
    """Whether the column of text shows the octets of each word in the reversed order, as with ``xxd -e``."""
    octets = [bytes.fromhex(word) for word in words if not len(word) % 2]
    straight, turned = (
        "".join(chr(octet) if 0x20 <= octet < 0x7F else "." for octet in shown)
        for shown in (b"".join(octets), b"".join(one[::-1] for one in octets))
    )
    return text == turned != straight


def _without_octets(rows: list[str]) -> bool:
    """Whether a log of socat states no octets after any of its heads."""
    head = _SOCAT.head
    after = [row for before, row in pairwise(rows) if head and head.fullmatch(before)]
    return bool(after) and not any(_SOCAT_OCTETS.fullmatch(row) for row in after)

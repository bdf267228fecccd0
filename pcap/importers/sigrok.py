"""Imports samples of sigrok and PulseView. A ``.sr`` file is a zip archive of a description and the samples."""

import os
import re
import zipfile
import zlib
from collections.abc import Iterator
from lzma import LZMAError
from typing import IO, Final

from vtctap.base.nouns import count
from vtctap.pcap.burst import Burst, ImportFormatError
from vtctap.pcap.importers.account import Account
from vtctap.pcap.importers.wires import RATE, Wires, hertz, sample_time
from vtctap.pcap.record import SECOND_NS
from vtctap.pcap.streams import Source, name_of

_STATED: Final = re.compile(r"^([\w ]+?)\s*=\s*(.*?)\s*$", re.MULTILINE)
_RUN: Final = re.compile(rb"(.)\1*", re.DOTALL)
_BLOCK: Final = 1 << 16
"""Number of samples read at a time."""
_MAX_UNIT: Final = 64
"""Most octets of a sample."""
_ENCRYPTED: Final = 1
"""The flag of an encrypted part of an archive."""
_DAMAGED: Final = (zipfile.BadZipFile, KeyError, EOFError, NotImplementedError, ValueError, zlib.error, LZMAError)
"""What a damaged archive raises."""


def recognises(head: bytes) -> bool:
    """Whether a file begins like such an archive."""
    return head.startswith(b"PK\x03\x04") and b"version" in head[:64]


def read(source: Source, account: Account) -> Iterator[Burst]:
    """Yields the bursts of the file's wires. Raises ImportFormatError and OSError."""
    name = name_of(source, "standard input")
    file: str | IO[bytes] = os.fspath(source) if isinstance(source, (str, os.PathLike)) else source
    try:
        with zipfile.ZipFile(file) as archive:
            if any(part.flag_bits & _ENCRYPTED for part in archive.infolist()):
                raise ImportFormatError(f"{name}: it is encrypted")
            stated = dict(_STATED.findall(archive.read("metadata").decode("utf-8", "replace")))
            yield from _octets(archive, stated, name, account)
    except ImportFormatError:
        raise
    except _DAMAGED as error:
        raise ImportFormatError(f"{name}: it is not a whole .sr file: {error}") from None
    except OSError as error:
        if error.errno is not None:
            raise
        # The module bz2 raises it for damaged data.
        raise ImportFormatError(f"{name}: it is not a whole .sr file: {error}") from None


def _octets(archive: zipfile.ZipFile, stated: dict[str, str], name: str, account: Account) -> Iterator[Burst]:
    rate = RATE.fullmatch(stated.get("samplerate", ""))
    if not rate or not hertz(rate):
        raise ImportFormatError(f"{name}: it states no samplerate")
    channels = {int(key[5:]) - 1: stated[key] for key in stated if re.fullmatch(r"probe\d+", key)}
    bits, unit = sorted(channels), int(stated.get("unitsize", "1"))
    if not 1 <= unit <= _MAX_UNIT or any(not 0 <= bit < 8 * unit for bit in bits):
        raise ImportFormatError(f"{name}: its channels do not fit into samples of {count(unit, 'octet')}")
    wires = Wires([channels[bit] for bit in bits], sample_time(hertz(rate)), account)
    last = 0
    for at, word in _changes(archive, unit, stated.get("capturefile", "logic-1")):
        last = at
        time = round(at * SECOND_NS / hertz(rate))
        for number, bit in enumerate(bits):
            yield from wires.feed(time, number, word[bit >> 3] >> (bit & 7) & 1)
    yield from wires.close(round((last + 1) * SECOND_NS / hertz(rate)))


def _changes(archive: zipfile.ZipFile, unit: int, prefix: str) -> Iterator[tuple[int, bytes]]:
    """Yields the samples of ``unit`` octets that differ from the previous one, with their numbers."""
    begins = re.escape(prefix)
    parts = [part for part in archive.namelist() if re.fullmatch(rf"{begins}(-\d+)?", part)]
    at = 0
    before = b""
    for part in sorted(parts, key=lambda part: int(part.rpartition("-")[2])):
        with archive.open(part) as file:
            while block := file.read(unit * _BLOCK):
                for sample, word in _runs(block, unit):
                    if word != before:
                        yield at + sample, word
                    before = word
                at += len(block) // unit


def _runs(block: bytes, unit: int) -> Iterator[tuple[int, bytes]]:
    """Yields the first sample of each run of equal ones."""
    if unit == 1:
        yield from ((run.start(), run[1]) for run in _RUN.finditer(block))
    else:
        yield from ((at // unit, block[at : at + unit]) for at in range(0, len(block) - unit + 1, unit))

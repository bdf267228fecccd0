"""Imports samples of sigrok and PulseView. A ``.sr`` file is a zip archive of a description and the samples."""

import os
import re
import zipfile
from collections.abc import Iterator
from typing import IO, Final

from vtctap.pcap.burst import Burst, ImportFormatError
from vtctap.pcap.importers.account import Account
from vtctap.pcap.importers.wires import RATE, Wires, hertz, sample_time
from vtctap.pcap.record import SECOND_NS
from vtctap.pcap.streams import Source, name_of

_STATED: Final = re.compile(r"^([\w ]+?)\s*=\s*(.*?)\s*$", re.MULTILINE)
_RUN: Final = re.compile(rb"(.)\1*", re.DOTALL)
_BLOCK: Final = 1 << 16
"""Number of samples read at a time."""


def recognises(head: bytes) -> bool:
    """Whether a file begins like such an archive."""
    return head.startswith(b"PK\x03\x04") and b"version" in head[:64]


def read(source: Source, account: Account) -> Iterator[Burst]:
    """Yields the bursts of the file's wires. Raises ImportFormatError and OSError."""
    name = name_of(source, "standard input")
    file: str | IO[bytes] = os.fspath(source) if isinstance(source, (str, os.PathLike)) else source
    try:
        with zipfile.ZipFile(file) as archive:
            stated = dict(_STATED.findall(archive.read("metadata").decode("utf-8", "replace")))
            yield from _octets(archive, stated, name, account)
    except (zipfile.BadZipFile, KeyError, EOFError, NotImplementedError, ValueError) as error:
        raise ImportFormatError(f"{name}: it is not a whole .sr file: {error}") from None


def _octets(archive: zipfile.ZipFile, stated: dict[str, str], name: str, account: Account) -> Iterator[Burst]:
    rate = RATE.fullmatch(stated.get("samplerate", ""))
    if not rate or not hertz(rate):
        raise ImportFormatError(f"{name}: it states no samplerate")
    channels = {int(key[5:]) - 1: stated[key] for key in stated if re.fullmatch(r"probe\d+", key)}
    bits = sorted(channels)
    wires = Wires([channels[bit] for bit in bits], sample_time(hertz(rate)), account)
    count = 0
    for at, word in _changes(archive, stated):
        count = at
        time = round(at * SECOND_NS / hertz(rate))
        for number, bit in enumerate(bits):
            yield from wires.feed(time, number, word[bit >> 3] >> (bit & 7) & 1)
    yield from wires.close(round((count + 1) * SECOND_NS / hertz(rate)))


def _changes(archive: zipfile.ZipFile, stated: dict[str, str]) -> Iterator[tuple[int, bytes]]:
    """Yields the samples that differ from the previous one, with their numbers."""
    unit = int(stated.get("unitsize", "1"))
    begins = re.escape(stated.get("capturefile", "logic-1"))
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

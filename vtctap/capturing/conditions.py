"""The conditions of ``-a`` and ``-b``, in dumpcap's words: when a capture ends, and when it begins a new file."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vtctap.arguments import STANDARD
from vtctap.errors import CommandError

if TYPE_CHECKING:
    from vtctap.dissector.filter import Predicate
    from vtctap.pcap.ring import RingLimits

_WORDS: Final = {"duration": "SECONDS", "packets": "NUMBER", "filesize": "KILOBYTES", "files": "NUMBER"}
RING: Final = dict(_WORDS)
"""What ``-b`` takes, as dumpcap(1) has it."""
STOP: Final = _WORDS | {"match": "EXPR"}
"""What ``-a`` takes: dumpcap's, and a display filter."""


def condition(words: dict[str, str]) -> Callable[[str], tuple[str, str]]:
    """The type of an ``-a`` or ``-b`` argument: its word, and a value that makes sense for it."""

    def parse(text: str) -> tuple[str, str]:
        name, _, value = text.partition(":")
        fits = {
            "SECONDS": value.replace(".", "", 1),
            "EXPR": "1" if value.strip() else "",
        }.get(words.get(name, ""), value)
        if name not in words or not (fits.isascii() and fits.isdecimal() and int(fits)):
            forms = ", ".join(f"{word}:{what}" for word, what in words.items())
            raise argparse.ArgumentTypeError(f"{text!r} is none of {forms}")
        return name, value

    return parse


@dataclass(frozen=True, slots=True)
class Limits:
    """The ``-a`` conditions: seconds, records, octets and files, None = no limit; and filters of which any match is the
    end."""

    duration: float | None
    packets: int | None
    size: int | None
    files: int | None
    matches: "tuple[Predicate, ...]"


def limits(arguments: argparse.Namespace) -> "tuple[Limits, RingLimits | None]":
    """What the arguments say of the end, and of ring files (None: one file). Raises CommandError, FilterError."""
    stop, ring = dict(arguments.stop), dict(arguments.ring)
    if ring:
        if arguments.output in (None, STANDARD):
            raise CommandError("-b needs the name that its files' names are made of: add -w FILE")
        if "filesize" in stop:
            ring.setdefault("filesize", stop.pop("filesize"))  # As dumpcap has it: the end of a file, not of all.
        if not ring.keys() - {"files"}:
            raise CommandError("-b files: must come with when a file ends: -b filesize:, duration: or packets:")
    elif "filesize" in stop and not arguments.output:
        raise CommandError("-a filesize: counts what is written: add -w FILE")
    elif "files" in stop:
        raise CommandError("-a files: counts ring files: add when a file ends, such as -b filesize:KILOBYTES")
    matches: tuple[Predicate, ...] = ()
    if "match" in stop:
        from vtctap.dissector.filter import compile_filter

        matches = tuple(compile_filter(text) for name, text in arguments.stop if name == "match")
    size = _whole(stop, "filesize")
    end = Limits(
        float(stop["duration"]) if "duration" in stop else None,
        _whole(stop, "packets"),
        None if size is None else size * 1000,
        _whole(stop, "files"),
        matches,
    )
    return end, _ring_limits(ring) if ring else None


def _whole(given: dict[str, str], name: str) -> int | None:
    return int(given[name]) if name in given else None


def _ring_limits(given: dict[str, str]) -> "RingLimits":
    from vtctap.pcap.ring import KILOBYTE, RingLimits

    return RingLimits(
        size=(_whole(given, "filesize") or 0) * KILOBYTE,
        records=_whole(given, "packets") or 0,
        duration_ns=round(float(given.get("duration", 0)) * 1_000_000_000),
        files=_whole(given, "files") or 0,
    )

"""The stop conditions ``-a`` and the ring conditions ``-b``, in dumpcap's words."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vtctap.command_line.arguments import STANDARD
from vtctap.errors import CommandError
from vtctap.pcap.record import SECOND_NS

if TYPE_CHECKING:
    from vtctap.dissector.filter import Predicate
    from vtctap.pcap.ring import RingLimits

_WORDS: Final = {"duration": "SECONDS", "packets": "NUMBER", "filesize": "KILOBYTES", "files": "NUMBER"}
RING: Final = dict(_WORDS)
"""The words that ``-b`` accepts, those of dumpcap(1), and the form of their values."""
_MAX_DIGITS: Final = 15
STOP: Final = _WORDS | {"match": "EXPR"}
"""The words that ``-a`` accepts: those of dumpcap(1), and ``match`` with a display filter."""


def condition(words: dict[str, str]) -> Callable[[str], tuple[str, str]]:
    """Returns the argparse type of ``-a`` or ``-b``: it splits the argument into its word and a valid value."""

    def parse(text: str) -> tuple[str, str]:
        name, _, value = text.partition(":")
        fits = {
            "SECONDS": value.replace(".", "", 1),
            "EXPR": "1" if value.strip() else "",
        }.get(words.get(name, ""), value)
        if name not in words or not (len(fits) <= _MAX_DIGITS and fits.isascii() and fits.isdecimal() and int(fits)):
            forms = ", ".join(f"{word}:{what}" for word, what in words.items())
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a condition: write one of {forms}; a number has at most {_MAX_DIGITS} digits"
            )
        return name, value

    return parse


@dataclass(frozen=True, slots=True)
class Limits:
    """The ``-a`` conditions: limits in seconds, records and octets (None: no limit), and display filters.

    ``packets`` counts frames and noise, not events. The first record that matches any of the filters ends the capture.
    The number of ring files is a limit of the ring (:attr:`~vtctap.pcap.ring.RingLimits.total`).
    """

    duration: float | None
    packets: int | None
    size: int | None
    matches: "tuple[Predicate, ...]"


def limits(arguments: argparse.Namespace) -> "tuple[Limits, RingLimits | None]":
    """Returns the stop conditions and the limits of ring files (None: a single file).

    Raises CommandError where the conditions contradict each other, and FilterError for a bad ``match``.
    """
    stop, ring = dict(arguments.stop), dict(arguments.ring)
    if ring:
        if arguments.output in (None, STANDARD):
            raise CommandError("-b makes the names of its files from -w: add -w FILE")
        if "filesize" in stop:
            ring.setdefault("filesize", stop.pop("filesize"))  # As in dumpcap: it ends a file, not the capture.
        if not ring.keys() - {"files"}:
            raise CommandError("-b files: does not say when a file ends: add -b filesize:, duration: or packets:")
    elif "filesize" in stop and not arguments.output:
        raise CommandError("-a filesize: limits the file that is written: add -w FILE")
    elif "files" in stop:
        raise CommandError("-a files: counts ring files: add a -b condition, such as -b filesize:KILOBYTES")
    matches: tuple[Predicate, ...] = ()
    if "match" in stop:
        from vtctap.dissector.filter import compile_filter

        matches = tuple(compile_filter(text) for name, text in arguments.stop if name == "match")
    size = _whole(stop, "filesize")
    end = Limits(
        float(stop["duration"]) if "duration" in stop else None,
        _whole(stop, "packets"),
        None if size is None else size * 1000,
        matches,
    )
    return end, _ring_limits(ring, _whole(stop, "files") or 0) if ring else None


def _whole(given: dict[str, str], name: str) -> int | None:
    return int(given[name]) if name in given else None


def _ring_limits(given: dict[str, str], total: int) -> "RingLimits":
    from vtctap.pcap.ring import KILOBYTE, RingLimits

    return RingLimits(
        size=(_whole(given, "filesize") or 0) * KILOBYTE,
        records=_whole(given, "packets") or 0,
        duration_ns=round(float(given.get("duration", 0)) * SECOND_NS),
        files=_whole(given, "files") or 0,
        total=total,
    )

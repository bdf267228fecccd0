"""The times in logs: how they are written, and their value in nanoseconds since 1970.

A log states the time at which its program wrote a line. Few logs name their time zone; without one, UTC is assumed. A
time of day without a date counts from 1970-01-01, and one that goes back by more than half a day is of the next day.
Seconds count from 1970 too, even if their clock began elsewhere.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final

from vtctap.pcap.record import SECOND_NS

_DAY_NS: Final = 86_400 * SECOND_NS

_PARTS: Final = re.compile(
    r"(?:(?:(\d{4})[-/.](\d\d)[-/.](\d\d)[ T]|(\d\d)[./-](\d\d)[./-](\d{4}),? ))?"
    r"(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(?:(Z)| ?([+-])(\d\d):?(\d\d))?",
    re.ASCII,
)
STAMP: Final = re.sub(r"\((?!\?)", "(?:", _PARTS.pattern) + r"(?![:\d])"
"""The pattern of a time of day, with or without a date before it; it has no groups."""

_GURUX: Final = re.compile(r"(\d\d)\.(\d\d)\.(\d\d) \d\d\.\d\d\.\d\d\.(\d{3})")
_PADDED: Final = re.compile(r"\.000(\d{6})$")
_SECONDS: Final = re.compile(r"(\d{1,10})(?:[.,](\d{1,9}))?", re.ASCII)


class LogClock:
    """Reads the times of one log, in the order of its lines."""

    def __init__(self, *, padded: bool = False) -> None:
        """``padded``: the program pads six decimal places with three leading zeros to nine."""
        self._padded = padded
        self.backwards = 0
        """Number of times that were before the previous one."""
        self._days = 0
        self._of_day = 0
        self._last = 0
        self._said = ("", 0)

    def read(self, text: str) -> int | None:
        """Returns the time of a text, ns since 1970 UTC; None if it is no time."""
        if text == self._said[0]:
            return self._said[1]
        time = self._read(_PADDED.sub(r".\1", text) if self._padded else text)
        if time is not None:
            self.backwards += time < self._last
            self._last = time
            self._said = (text, time)
        return time

    def _read(self, text: str) -> int | None:
        found = _PARTS.fullmatch(_GURUX.sub(r"\1:\2:\3.\4", text) if text[2:3] == "." else text)
        if not found:
            seconds = _SECONDS.fullmatch(text)
            return int(seconds[1]) * SECOND_NS + _fraction(seconds[2]) if seconds else None
        year, month, day, day_, month_, year_, hours, minutes, seconds_, fraction, _, sign, *offset = found.groups()
        if int(hours) > 23 or int(minutes) > 59 or int(seconds_) > 60:
            return None
        of_day = ((int(hours) * 60 + int(minutes)) * 60 + int(seconds_)) * SECOND_NS + _fraction(fraction)
        if not (year or year_):
            self._days += of_day < self._of_day - _DAY_NS // 2
            self._of_day = of_day
            return self._days * _DAY_NS + of_day
        midnight = _midnight(year or year_, month or month_, day or day_, sign, *offset)
        return None if midnight is None or midnight + of_day < 0 else midnight + of_day


@lru_cache(maxsize=16)
def _midnight(year: str, month: str, day: str, sign: str | None, hours: str | None, minutes: str | None) -> int | None:
    """Returns when a day begins in a time zone, ns since 1970 UTC; None where there is no such day or zone."""
    try:
        zone = UTC
        if sign:
            zone = timezone(int(f"{sign}1") * timedelta(hours=int(hours or 0), minutes=int(minutes or 0) % 60))
        return int(datetime(int(year), int(month), int(day), tzinfo=zone).timestamp()) * SECOND_NS
    except ValueError:
        return None


def _fraction(digits: str | None) -> int:
    return int((digits or "").ljust(9, "0"))

"""Whether the stated uncertainty is a bound: random sessions, of which no octet may lie outside.

    python bench/bound.py [--sessions N] [--first NUMBER] [--against estimator.py]

Prints a Markdown table of uncertainties and errors (docs/accuracy.md holds one) and how many octets were outside; exit
status 1 where one was. All in virtual time and without I/O: session N is the same on any machine. ``--against``: the
same sessions with another revision's estimator, beside it, in the same table::

    git show REVISION:sniffer/estimator.py > old.py; python bench/bound.py --against old.py

A session
=========

Line: 1 to 5 frames of 1 to 130 octets at 300 to 115200 bit/s. Clocks: exact; 1 % off; 1 % off, each frame otherwise; up
to :data:`~vtctap.sniffer.envelope.TOLERANCE` off, each octet otherwise. Pauses: none, rare, frequent, or tiny.

Adapter: those of ``bench/accuracy.py``: an FTDI adapter of 1, 2 or 16 ms whose host collects one packet or eight; one
whose timer starts with the first octet; a UART; a UART's FIFO. On a FIFO no pause is shorter than its time-out, for
such a one has no bound (docs/accuracy.md). A packet takes up to 0.25 ms to the system.

Reader: woken at once; any time up to W late; now and then exactly W late; away now and then for up to a second, and
says so, or says more; asked by turns every 2 ms; or rests for 2 ms after each read, as for more than eight taps. It
gives the octets of one read in parts, and asks what is settled in between.
"""

import argparse
import contextlib
import importlib.util
import math
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from random import Random
from typing import Any, Final, NamedTuple

import accuracy
from vtctap.sniffer.envelope import TOLERANCE
from vtctap.sniffer.estimator import Estimator

MS: Final = 1_000_000
START: Final = 1_700_000_000_000_000_000
SPEEDS: Final = (300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 115200)
TRANSFER_NS: Final = 250_000
"""ns; the longest way from an adapter to the system."""
_LEAST_LATE: Final = 1_000


class Read(NamedTuple):
    """So many octets, read at ``arrival`` (ns) where nobody had looked for ``late`` (ns)."""

    octets: int
    arrival: int
    late: int


class Adapter(NamedTuple):
    """How an adapter delivers, and how long it keeps an octet: ms and characters."""

    label: str
    deliver: Callable[..., accuracy.Packets]
    time: float
    characters: float = 0


class Session(NamedTuple):
    """A line whose times (ns after START) are known, and what was read of it."""

    adapter: Adapter
    speed: int
    reader: str
    character_time_ns: int
    latency: int
    starts: list[float]
    reads: list[Read]

    @property
    def row(self) -> tuple[str, str, int]:
        """The row of the table that it belongs to."""
        return READERS[self.reader], self.adapter.label, self.speed


def _no_transfer(random: Random) -> float:
    return 0.0


ADAPTERS: Final = (
    *(
        Adapter(f"FTDI {timer} ms", partial(accuracy.ftdi, request=request, transfer=_no_transfer), timer)
        for timer in (1, 2, 16)
        for request in (1, 8)
    ),
    *(
        Adapter(f"data-triggered {timer} ms", partial(accuracy.triggered, transfer=_no_transfer), timer)
        for timer in (1, 2, 16)
    ),
    Adapter("UART", accuracy.uart, 0),
    Adapter("UART with FIFO", accuracy.fifo, 0, 11),
)
CLOCKS: Final[Sequence[Callable[[Random, float], float]]] = (
    lambda random, frame: 1.0,
    lambda random, frame: 1.01,
    lambda random, frame: frame,
    lambda random, frame: random.uniform(1 - TOLERANCE, 1 + TOLERANCE),
)
"""How long an octet is, in characters; ``frame``: 0.99 or 1.01, its frame's."""
PAUSES: Final = ((0.0, 0.0), (1 / 16, 50.0), (1 / 3, 300.0), (1 / 2, 2.0))
"""How probable a pause is before an octet, and the longest, ms."""
READERS: Final = {
    "prompt": "waits",
    "late": "waits",
    "latest": "waits",
    "away": "away",
    "overstates": "away",
    "by turns": "by turns",
    "rests": "rests",
}


def woken_within(character_time_ns: float) -> int:
    """Returns W: within how many ns a waiting program is woken, where the uncertainty holds."""
    return max(2 * MS - int(TOLERANCE * character_time_ns), MS)


def session(number: int) -> Session:
    """Returns session ``number``."""
    random = Random(number)
    adapter, speed = random.choice(ADAPTERS), random.choice(SPEEDS)
    character = 10e9 / speed
    starts, ends = _line(random, character, character * 4.1 if adapter.characters else 0.0)
    latency = adapter.time * MS + adapter.characters * character
    packets = [packet for packet in adapter.deliver(random, ends, latency) if packet[1]]
    reader = random.choice(list(READERS))
    reads = list(_read(random, packets, reader, woken_within(character)))
    return Session(
        adapter,
        speed,
        reader,
        round(character),
        math.ceil(latency * (1 + TOLERANCE * bool(adapter.characters))),
        starts,
        reads,
    )


def _line(random: Random, character: float, least_pause: float) -> tuple[list[float], list[float]]:
    """Returns when each octet begins and ends, ns after START."""
    clock, (share, longest) = random.choice(CLOCKS), random.choice(PAUSES)
    starts, ends = [], []
    now = 0.0
    for _ in range(random.randint(1, 5)):
        now += least_pause + random.uniform(0, 300) * MS
        frame = random.choice((0.99, 1.01))
        for at in range(int(math.exp(random.uniform(0, math.log(131))))):
            if share and at and random.random() < share:
                now += least_pause + random.uniform(0, longest) * MS
            starts.append(now)
            now += character * clock(random, frame)
            ends.append(now)
    return starts, ends


def _lateness(random: Random, reader: str, within: int) -> float:
    if reader == "late":
        return random.uniform(_LEAST_LATE, within)
    if reader == "latest" and random.random() < 0.1:
        return float(within)
    return random.uniform(_LEAST_LATE, 150_000)


def _absence(random: Random, reader: str) -> float:
    """Returns how long the reader does not look at the ports after a read, ns."""
    if reader == "by turns":
        return random.uniform(2.05, 2.3) * MS
    if reader == "rests":
        return random.uniform(2.05, 3) * MS
    if READERS[reader] == "away" and random.random() < 0.3:
        return random.uniform(0.1, random.choice((5, 50, 1000))) * MS
    return 0.0


def _read(random: Random, packets: accuracy.Packets, reader: str, within: int) -> Iterator[Read]:
    """Yields the reads of what the adapter handed on, in order."""
    at, now, there = 0, 0, 0.0
    arrivals = []
    for tick, _ in packets:
        there = max(there, tick + random.uniform(_LEAST_LATE, TRANSFER_NS))
        arrivals.append(there)
    while at < len(packets):
        looked, absence = now, _absence(random, reader)
        if absence and arrivals[at] <= (back := int(now + absence)):
            now, late = back, back - looked
            late += random.randint(0, late) if reader == "overstates" else 0
        elif reader == "by turns":
            now = int(max(now, arrivals[at] - random.uniform(0, 2) * MS) + 1)  # The last round that found nothing.
            continue
        else:
            now, late = int(max(arrivals[at], packets[at][0] + _lateness(random, reader, within), now)) + 1, 0
            now = min(now, int(max(arrivals[at] + 1, packets[at][0] + within)))
        count = 0
        while at < len(packets) and arrivals[at] <= now:
            count, at = count + packets[at][1], at + 1
        yield Read(count, now, late)


def stamp(session: Session, estimator: Any, random: Random) -> list[Any]:
    """Returns the result of an estimator for a session that is read in parts."""
    settled: list[Any] = []
    before = 0
    for count, arrival, late in session.reads:
        if random.random() < 0.3:
            between = START + random.randint(before, arrival)
            settled += estimator.advance(between)
            if random.random() < 0.5:
                estimator.horizon(between)
        first = random.randint(1, count)
        for part in (first, count - first):
            settled += estimator.feed([(0x55, 0)] * part, START + arrival, late) if part else []
        before = arrival
    settled += estimator.close()
    return settled


class Row:
    """What is known of the sessions of one row: one octet of each, and the worst of all."""

    def __init__(self) -> None:
        self.errors: list[float] = []
        self.uncertainties: list[float] = []

    def add(self, error: float, uncertainty: float) -> None:
        """Adds the error and the uncertainty of one octet, ms."""
        self.errors.append(error)
        self.uncertainties.append(uncertainty)

    def figures(self) -> tuple[float, float, float, float]:
        """Returns the median and 99th percentile of uncertainty and error, ms."""
        return (*_figures(self.uncertainties), *_figures(self.errors))


def _figures(values: list[float]) -> tuple[float, float]:
    ordered = sorted(values)
    return statistics.median(ordered), ordered[math.ceil(0.99 * len(ordered)) - 1]


class Campaign:
    """Sessions and what became of them, for one estimator."""

    def __init__(self, make: Callable[[Session], Any]) -> None:
        self._make = make
        self.rows: defaultdict[tuple[str, str, int], Row] = defaultdict(Row)
        self.tried = self.octets = self.outside = 0
        self.sessions: list[int] = []
        """Those of which an octet was outside."""
        self.tightest = 0.0
        """The largest error, as a share of its uncertainty."""

    def add(self, number: int, one: Session) -> None:
        """Tries one session."""
        random = Random(number)
        octets = stamp(one, self._make(one), random)
        if len(octets) != len(one.starts):
            raise SystemExit(f"session {number}: {len(one.starts)} octets were sent, {len(octets)} came out")
        self.tried += 1
        self.octets += len(octets)
        outside = 0
        for octet, start in zip(octets, one.starts, strict=True):
            error = abs(octet.start - START - start)
            if octet.uncertainty is None:
                continue
            if error > octet.uncertainty:
                outside += 1
            elif error > self.tightest * octet.uncertainty:
                self.tightest = error / octet.uncertainty
        if outside:
            self.outside += outside
            self.sessions.append(number)
        chosen = random.randrange(len(octets))
        octet = octets[chosen]
        if octet.uncertainty is not None:
            self.rows[one.row].add(abs(octet.start - START - one.starts[chosen]) / MS, octet.uncertainty / MS)

    def __str__(self) -> str:
        worst = f", the first of them {self.sessions[:5]}" if self.sessions else ""
        outside = f"{self.outside:,} outside, in {len(self.sessions):,} sessions{worst}"
        return (
            f"{self.tried:,} sessions: {self.octets:,} octets, {outside}; "
            f"the largest error is {self.tightest:.8f} of its uncertainty."
        )


def estimator(one: Session) -> Estimator:
    """Returns the estimator for a session's line and adapter."""
    return Estimator(one.character_time_ns, one.latency, fifo=bool(one.adapter.characters))


def _load(path: str) -> Callable[[Session], Any]:
    """Returns the estimator of another revision."""
    specification = importlib.util.spec_from_file_location("other_estimator", path)
    if specification is None or specification.loader is None:
        raise SystemExit(f"{path} is no Python file")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return lambda one: module.Estimator(one.character_time_ns, one.latency)


def table(new: Campaign, old: Campaign | None) -> Iterator[str]:
    """Yields the rows of a campaign, and beside each those of another one."""
    yield (
        "| reader | adapter | bit/s | uncertainty | 99 % | error | 99 % |"
        + " before | 99 % | before | 99 % |" * bool(old)
    )
    yield "|---|---|---:|---:|---:|---:|---:|" + "---:|---:|---:|---:|" * bool(old)
    for row in sorted(new.rows):
        figures = [*new.rows[row].figures(), *(old.rows[row].figures() if old else ())]
        yield f"| {' | '.join(map(str, row))} | {' | '.join(f'{figure:.3f}' for figure in figures)} |"


def larger(new: Campaign, old: Campaign) -> Iterator[str]:
    """Yields the rows whose median of uncertainty or error is more than a tenth larger than before."""
    for row in sorted(new.rows):
        now, before = new.rows[row].figures(), old.rows[row].figures()
        for name, at in (("uncertainty", 0), ("error", 2)):
            if now[at] > 1.1 * before[at]:
                yield f"{', '.join(map(str, row))}: {name} {before[at]:.3f} -> {now[at]:.3f} ms"


def run(sessions: range, new: Campaign, old: Campaign | None) -> None:
    """Tries sessions, and says once a minute how far it is."""
    said = time.monotonic()
    for number in sessions:
        one = session(number)
        new.add(number, one)
        if old:
            old.add(number, one)
        if time.monotonic() - said > 60:
            said = time.monotonic()
            print(new, file=sys.stderr, flush=True)


def main() -> int:
    """Tries, prints, judges."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument(
        "--sessions", type=int, default=1_000_000, help="how many (default: %(default)s, up to an hour)"
    )
    parser.add_argument("--first", type=int, default=0, help="the number of the first one")
    parser.add_argument("--against", metavar="FILE", help="another revision's estimator.py, for the same sessions")
    arguments = parser.parse_args()
    new = Campaign(estimator)
    old = Campaign(_load(arguments.against)) if arguments.against else None
    sessions = range(arguments.first, arguments.first + arguments.sessions)
    with contextlib.suppress(KeyboardInterrupt):  # What there is until then is shown.
        run(sessions, new, old)
    print("\n".join(table(new, old)))
    print(f"\n{new}")
    if old:
        print(f"Before: {old}")
        print("\n".join(["More than a tenth larger than before:", *(f"- {text}" for text in larger(new, old))]))
    return int(bool(new.outside))


if __name__ == "__main__":
    sys.exit(main())

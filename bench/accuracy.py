"""How well time stamps tell when each frame began: the estimator against a line whose times are known.

    python bench/accuracy.py [--quick] [--live]

Prints a Markdown table (docs/accuracy.md holds one) and says which targets are met; exit status 1 where one is not. All
in virtual time and without I/O, from fixed seeds: the same figures on any machine. ``--quick``: the rows with targets,
with fewer frames. ``--live``: instead, chunks through a real pseudo-terminal and reader, at true pace; that figures
depend on what else the machine does.

The model
=========

Line: frames of 16 to 128 octets ("long"; logarithmic, so the short ones are more frequent), 1 to 15 ("short") or 400 to
1500 ("bulk"), ten bits an octet, 20 to 300 ms of silence between. "back to back": no pauses within, exact clocks.
"clock 1 %": the sender's characters take 1 % longer than the speed says. "clocks 1 %": each frame comes from a sender
whose clock is 1 % fast or slow, at random, so that one tells nothing of the next. "pauses": before one octet in 16 a
pause of 0.2 to 50 ms (logarithmic).

FTDI adapter: sends a packet when its timer ends or when it has 62 octets; either starts the timer again. An empty
packet counts. The host hands octets on with the first packet that is not full, or with the eighth that is (a request of
512 octets); "single packets": with each. The transfer takes 20 to 125 us. Data-triggered: the timer runs from the first
octet that waits. UART: each octet at once. UART with FIFO: eight octets, or what there is four characters after the
last.

Program: it is woken 3 to 10 us after octets are there (half of all cases), to 40 us (90 %), to 153 us (99 %), to 922 us
(99.9 %), to 2 ms (the rest), and takes all that is there by then. These are percentiles that others measured on Linux
(dan.drown.org/stm32/run6); what a USB host, a busy machine or a virtual one adds is not in them.
"""

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from random import Random
from typing import Final, NamedTuple

from vtctap.dissector.framing.pieces import Octet
from vtctap.sniffer.bounds import SCHEDULING_NS
from vtctap.sniffer.estimator import Estimator

MS: Final = 1_000_000
Packets = list[tuple[float, int]]
"""When octets become available to programs, ns, and how many."""
Transfer = Callable[[Random], float]
"""How long a packet takes from an adapter to the system, ns."""

_WAKE_UP: Final = ((0.0, 3e3), (0.5, 10e3), (0.9, 40e3), (0.99, 153e3), (0.999, 922e3), (1.0, 2e6))
_FULL: Final = 62
_REQUEST: Final = 8


class Frame(NamedTuple):
    """The truth: when each octet of a frame began, and how long its characters are; ns."""

    starts: list[float]
    character: float


def _logarithmic(random: Random, least: float, most: float) -> float:
    return math.exp(random.uniform(math.log(least), math.log(most)))


def long(random: Random) -> int:
    """Returns the length of a frame of 16 octets or more."""
    return int(_logarithmic(random, 16, 129))


def short(random: Random) -> int:
    """Returns the length of a frame of fewer than 16 octets."""
    return int(_logarithmic(random, 1, 16))


def bulk(random: Random) -> int:
    """Returns the length of a read-out in one block."""
    return random.randint(400, 1500)


def line(random: Random, row: "Row", frames: int) -> Iterator[Frame]:
    """Yields a line's frames from second 1 on."""
    now = 1e9
    for _ in range(frames):
        now += random.uniform(20, 300) * MS
        character = 10e9 / row.speed * _CLOCKS[row.condition](random)
        starts = []
        for number in range(row.length(random)):
            if row.condition == ROUGH and number and random.random() < 1 / 16:
                now += _logarithmic(random, 0.2 * MS, 50 * MS)
            starts.append(now)
            now += character
        yield Frame(starts, character)


def _transfer(random: Random) -> float:
    return random.uniform(20e3, 125e3)


def ftdi(
    random: Random, ends: Sequence[float], timer: float, request: int = _REQUEST, transfer: Transfer = _transfer
) -> Packets:
    """Returns an FTDI adapter with this timer (ns)."""
    packets = []
    tick = ends[0] - random.random() * timer
    waiting = collected = 0
    for end in ends:
        if tick < end:
            if waiting or collected:
                packets.append((tick + transfer(random), waiting + collected))
                waiting = collected = 0
            tick += math.ceil((end - tick) / timer) * timer
        waiting += 1
        if waiting == _FULL:
            collected, waiting, tick = collected + _FULL, 0, end + timer
            if collected == request * _FULL:
                packets.append((end + transfer(random), collected))
                collected = 0
    packets.append((tick + transfer(random), waiting + collected))
    return packets


def triggered(random: Random, ends: Sequence[float], timer: float, transfer: Transfer = _transfer) -> Packets:
    """Returns an adapter whose timer starts with the first octet that waits."""
    packets = []
    waiting, tick = 0, 0.0
    for end in ends:
        if waiting and tick < end:
            packets.append((tick + transfer(random), waiting))
            waiting = 0
        if not waiting:
            tick = end + timer
        waiting += 1
        if waiting == _FULL:
            packets.append((end + transfer(random), waiting))
            waiting = 0
    packets.append((tick + transfer(random), waiting))
    return packets


def uart(random: Random, ends: Sequence[float], timer: float) -> Packets:
    """Returns a UART that interrupts for each octet."""
    return [(end, 1) for end in ends]


def fifo(random: Random, ends: Sequence[float], timer: float) -> Packets:
    """Returns a UART that interrupts for eight octets, or ``timer`` (seven and four characters) less seven after the
    last."""
    packets = []
    waiting, last = 0, 0.0
    for end in ends:
        if waiting and last + timer * 4 / 11 < end:
            packets.append((last + timer * 4 / 11, waiting))
            waiting = 0
        last = end
        waiting += 1
        if waiting == 8:
            packets.append((end, waiting))
            waiting = 0
    packets.append((last + timer * 4 / 11, waiting))
    return packets


def _wake_up(random: Random) -> float:
    share = random.random()
    for (low, least), (high, most) in pairwise(_WAKE_UP):
        if share < high:
            return float(least * (most / least) ** ((share - low) / (high - low)))
    return _WAKE_UP[-1][1]


def read(random: Random, packets: Packets) -> Iterator[tuple[int, int]]:
    """Simulates a program that waits for octets; yields when each read ends and how many octets it returns."""
    now = 0.0
    at = 0
    while at < len(packets):
        now = max(now, packets[at][0]) + _wake_up(random)
        count = 0
        while at < len(packets) and packets[at][0] <= now:
            count += packets[at][1]
            at += 1
        if count:
            yield int(now), count


@dataclass(frozen=True)
class Row:
    """What one row of the table is about. ``timer`` in ms, None: eleven characters."""

    adapter: str
    deliver: Callable[[Random, Sequence[float], float], Packets]
    timer: float | None
    speed: int
    length: Callable[[Random], int]
    condition: str

    @property
    def latency(self) -> int:
        """What the estimator is told of the adapter, ns."""
        return 110_000_000_000 // self.speed if self.timer is None else int(self.timer * MS)

    @property
    def label(self) -> str:
        """The row's first cells."""
        return f"{self.adapter} | {self.speed} | {self.length.__name__} | {self.condition}"


class Result(NamedTuple):
    """Median, 99th percentile and maximum of the error, of the time when read, and more; ms."""

    errors: tuple[float, float, float]
    inside: float
    uncertainty: float
    widest: float
    read: tuple[float, float, float]

    @property
    def better(self) -> float:
        """How many times better than time when read, by the medians."""
        return self.read[0] / self.errors[0]


EXACT, SLOW, MIXED, ROUGH = "back to back", "clock 1 %", "clocks 1 %", "pauses, clocks 1 %"
_CLOCKS: Final[dict[str, Callable[[Random], float]]] = {
    EXACT: lambda random: 1.0,
    SLOW: lambda random: 1.01,
    MIXED: lambda random: random.choice((0.99, 1.01)),
    ROUGH: lambda random: random.choice((0.99, 1.01)),
}


def measure(row: Row, frames: int) -> Result:
    """Returns the figures of one row."""
    random = Random(row.label)
    truth = list(line(random, row, frames))
    ends = [start + frame.character for frame in truth for start in frame.starts]
    estimator = Estimator(10_000_000_000 // row.speed, row.latency, fifo=row.deliver is fifo)
    stamped = []
    arrivals = []
    for arrival, count in read(random, row.deliver(random, ends, row.latency)):
        stamped += estimator.feed([(0x55, 0)] * count, arrival)
        arrivals += [arrival] * count
    return summary(truth, stamped + estimator.close(), arrivals)


def summary(truth: list[Frame], stamped: list[Octet], arrivals: list[int], shift: int = 0) -> Result:
    """Returns the figures of the frames' first octets; ``shift`` (ns) is added to the truth."""
    errors, uncertainties, delays = [], [], []
    at = 0
    for frame in truth:
        start = frame.starts[0] + shift
        errors.append(abs(stamped[at].start - start) / MS)
        uncertainties.append((stamped[at].uncertainty or 0) / MS)
        delays.append((arrivals[at] - start) / MS)
        at += len(frame.starts)
    inside = sum(error <= uncertainty for error, uncertainty in zip(errors, uncertainties, strict=True)) / len(truth)
    return Result(_figures(errors), inside, statistics.median(uncertainties), max(uncertainties), _figures(delays))


def _figures(values: list[float]) -> tuple[float, float, float]:
    ordered = sorted(values)
    return statistics.median(ordered), ordered[math.ceil(0.99 * len(ordered)) - 1], ordered[-1]


OUT_OF_REACH: Final = {600: 2.2, 1200: 1.2}
"""ms, by bit/s: asked for where 1 ms cannot be reached at 16 ms: characters last about as long as the timer, or half as
long, and end at few places between its ticks. With ticks and clock known exactly it would be 1.8 and 1.06."""


def missed(row: Row, result: Result) -> list[str]:
    """Returns the targets that a row does not meet."""
    median, most, _ = result.errors
    targets = [
        (result.inside >= 0.999, f"{result.inside:.2%} inside the uncertainty, not 99.9 %"),
        (
            result.uncertainty * MS <= row.latency + SCHEDULING_NS or row.length is bulk,
            f"an uncertainty of {result.uncertainty:.2f} ms, not the timer and 2 ms",
        ),
    ]
    if row.length is long and row.deliver is ftdi and row.timer == 1:
        targets += [
            (median <= 0.25, f"a median of {median:.3f} ms, not 0.25"),
            (most <= 1, f"a 99th percentile of {most:.2f} ms, not 1"),
        ]
    if row.length is long and row.deliver is ftdi and row.timer == 16 and row.speed <= 9600 and row.condition == EXACT:
        reach = max(1, OUT_OF_REACH.get(row.speed, 0))
        targets += [
            (result.better >= 30, f"{result.better:.0f} times better than time when read, not 30"),
            (most <= reach, f"a 99th percentile of {most:.2f} ms, not {reach}"),
        ]
    return [text for met, text in targets if not met]


def _rows() -> list[Row]:
    rows = []
    for speed in (300, 2400, 9600, 19200, 115200):
        for timer in (1, 2, 16):
            name = f"FTDI {timer} ms"
            rows += [Row(name, ftdi, timer, speed, long, condition) for condition in (EXACT, SLOW, ROUGH)]
            rows.append(Row(name, ftdi, timer, speed, short, ROUGH))
        for timer, condition in ((1, ROUGH), (16, EXACT), (16, ROUGH)):
            rows.append(Row(f"data-triggered {timer} ms", triggered, timer, speed, long, condition))
        rows += [Row("UART", uart, 0, speed, length, ROUGH) for length in (long, short)]
    rows += [Row("FTDI 16 ms", ftdi, 16, speed, long, MIXED) for speed in (300, 2400, 9600)]
    for speed in (600, 1200, 4800):
        rows += [Row("FTDI 16 ms", ftdi, 16, speed, long, condition) for condition in (EXACT, SLOW)]
    single = "FTDI 16 ms, single packets"
    rows += [Row(single, partial(ftdi, request=1), 16, 115200, long, condition) for condition in (EXACT, ROUGH)]
    rows.append(Row("FTDI 16 ms", ftdi, 16, 115200, bulk, EXACT))
    rows += [Row("UART with FIFO", fifo, None, speed, long, EXACT) for speed in (2400, 115200)]
    return sorted(rows, key=lambda row: (row.adapter, row.speed))


ROWS: Final = _rows()
QUICK: Final = [
    *(row for row in ROWS if row.adapter == "FTDI 1 ms" and row.speed in (300, 9600) and row.condition == ROUGH),
    *(row for row in ROWS if row.adapter == "FTDI 16 ms" and row.speed in (300, 2400, 9600) and row.condition == EXACT),
    *(row for row in ROWS if row.adapter == "FTDI 16 ms" and row.speed in (9600, 115200) and row.condition == ROUGH),
    *(row for row in ROWS if row.timer in (0, 16) and row.deliver is not ftdi and row.speed == 9600),
]
FRAMES: Final = {False: 2000, True: 300}
"""How many frames a row has, by whether it is quick."""

HEAD: Final = """\
| adapter | bit/s | frames | line | error | 99 % | max | inside | uncertainty | max | when read | 99 % | max | better |
|---|---:|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"""


def cells(result: Result) -> str:
    """Returns a row's other cells."""
    errors = "{:.3f} | {:.2f} | {:.1f}".format(*result.errors)
    known = f"{result.inside:.2%} | {result.uncertainty:.1f} | {result.widest:.1f}"
    delays = " | ".join(f"{value:.1f}" for value in result.read)
    return f"{errors} | {known} | {delays} | {result.better:.0f}"


def live() -> int:
    """Chunks of 1 and 16 ms through a pseudo-terminal, read and estimated as in a capture; the medians."""
    from multiprocessing import Pipe, get_context
    from multiprocessing.connection import Connection

    from vtctap.pcap.record import Line
    from vtctap.sniffer.opening import open_port
    from vtctap.sniffer.port import Settings
    from vtctap.sniffer.reader import Reader
    from vtctap.sniffer.simulated.ptys import Pty

    def play(pty: Pty, packets: Packets, shift: int, results: Connection) -> None:
        late = []
        for due, count in packets:
            time.sleep(max(due + shift - time.monotonic_ns(), 0) / 1e9)
            pty.write(b"U" * count)
            late.append((time.monotonic_ns() - due - shift) / MS)
        results.send(late)

    late: list[float] = []
    for row in [row for row in ROWS if (row.deliver, row.condition) == (ftdi, EXACT)]:
        if row.speed not in (2400, 9600) or row.timer == 2:
            continue
        random = Random(row.label)
        truth = list(line(random, row, 60))
        ends = [start + frame.character for frame in truth for start in frame.starts]
        packets = ftdi(random, ends, row.latency)
        estimator = Estimator(10_000_000_000 // row.speed, row.latency, fifo=row.deliver is fifo)
        stamped = []
        arrivals: list[int] = []
        pty = Pty()
        port = open_port(pty.name, Settings(row.speed, Line(8, "N", 1)))
        try:
            shift = time.monotonic_ns()
            here, there = Pipe()
            player = get_context("fork").Process(target=play, args=(pty, packets, shift, there), daemon=True)
            player.start()
            reader = Reader([port])
            while len(arrivals) < len(ends):
                chunks = reader.wait(2)
                if not chunks and here.poll():
                    raise SystemExit("the pseudo-terminal lost octets: the machine is too busy for this")
                for chunk in chunks:
                    stamped += estimator.feed(chunk.octets, chunk.arrival)
                    arrivals += [chunk.arrival] * len(chunk.octets)
            late += here.recv()
            player.join()
        finally:
            port.close()
            pty.close()
        result = summary(truth, stamped + estimator.close(), arrivals, shift)
        print(f"| {row.label.replace('FTDI', 'pty as FTDI')} | {cells(result)} |", flush=True)
    print("\nPackets were written {:.3f} ms late (median; 99 %: {:.2f}, at most {:.1f}).".format(*_figures(late)))
    return 0


def main() -> int:
    """Measures, prints, judges."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="the rows with targets, with fewer frames")
    parser.add_argument("--live", action="store_true", help="through pseudo-terminals, at true pace (a minute)")
    arguments = parser.parse_args()
    print(HEAD)
    if arguments.live:
        return live()
    failures = []
    for row in QUICK if arguments.quick else ROWS:
        result = measure(row, 200 if row.length is bulk else FRAMES[arguments.quick])
        print(f"| {row.label} | {cells(result)} |", flush=True)
        failures += [f"{row.label.replace(' | ', ', ')}: {text}" for text in missed(row, result)]
    print("\n".join(["", "Missed:", *(f"- {text}" for text in failures)] if failures else ["", "All targets are met."]))
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())

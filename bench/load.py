"""How much of a processor a capture of many busy taps takes, whether it loses anything, and whether its memory grows.

    python bench/load.py [--seconds N] [--links N]

Load: pseudo-terminals, fed at the full speed of the line by a process of its own, the messages of simulated sessions
back to back on every tap, both sides at once: more than any half-duplex link can carry. Octets come in chunks, as
adapters with a timer hand them over. ``vtctap capture -w`` listens; beside it, on terminals fed in the same way, a bare
loop that only polls, reads and counts. Each one's share of a processor is its time in user and system mode over N (10)
seconds, from /proc: Linux only. Nothing is lost where the octets of each tap in the trace have the digest of those that
were fed.

Memory: an hour of the same traffic through estimators, assemblers, dissector and a trace that goes nowhere, in virtual
time: as fast as it goes. ``--links 16`` plays all links of the first load for an hour, which takes about a quarter of
it; one link (1) keeps as much, or as little, a link.

Prints two tables. Exit status 1 where a target is missed.
"""

import argparse
import contextlib
import hashlib
import heapq
import multiprocessing
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Final

from measuring import verdict

from vtctap.pcap.record import Line, Sender
from vtctap.pcap.trace import create_trace, open_trace
from vtctap.sniffer.simulated.named import GUESS
from vtctap.sniffer.simulated.ptys import Pty
from vtctap.sniffer.simulated.session import play
from vtctap.sniffer.simulated.wire import received

FORK: Final = multiprocessing.get_context("fork")
"""Children have the terminals."""
LINE: Final = Line(7, "E", 1)
MAX_CPU: Final = 0.45
"""Of one processor."""
MAX_GROWTH: Final = 0.02
"""Of the peak at 5 % of the hour, by its end."""
HOUR: Final = 3600 * 1_000_000_000
_WARM_UP: Final = 1.0
"""Seconds before the measuring begins, and after the feeding ends."""


@dataclass(frozen=True)
class Load:
    """``links`` of two taps at ``speed`` bit/s, through adapters with a ``timer`` in ms."""

    links: int
    speed: int
    timer: int

    @property
    def label(self) -> str:
        """The row's first cells."""
        return f"{2 * self.links} | {self.speed} | {self.timer}"


LOADS: Final = [Load(16, 9600, 16), Load(1, 115200, 16), Load(16, 9600, 1), Load(1, 115200, 1)]


def traffic(tap: int) -> bytes:
    """Returns the octets that a tap receives repeatedly: those of one side of a session."""
    side = ("client", "server")[tap % 2]
    return bytes(octet.octet for octet in play(tap // 2, dialect=GUESS) if octet.side == side)


def feed(load: Load, terminals: list[int], end: Event, results: Connection) -> None:
    """Writes to the terminals until ``end``; then gives for each how many octets it took, and their digest."""
    voices = [traffic(tap) for tap in range(len(terminals))]
    digests = [hashlib.sha256() for _ in terminals]
    sent = [0] * len(terminals)
    character = LINE.character_time_ns(load.speed)
    period = load.timer * 1_000_000
    begin = time.monotonic_ns()
    due = [(begin + (tap + 1) * period // len(terminals), tap) for tap in range(len(terminals))]
    while not end.is_set():
        when, tap = due[0]
        if (wait := when - time.monotonic_ns()) > 0:
            time.sleep(wait / 1e9)
        voice = voices[tap]
        first, count = sent[tap] % len(voice), (time.monotonic_ns() - begin) // character - sent[tap]
        chunk = (voice[first : first + count] + voice * (count // len(voice) + 1))[:count]
        taken = os.write(terminals[tap], chunk) if chunk else 0
        if taken != len(chunk):
            raise SystemExit("a terminal is full: the machine is too busy for this")
        digests[tap].update(chunk)
        sent[tap] += count
        heapq.heapreplace(due, (when + period, tap))
    results.send([(count, digest.hexdigest()) for count, digest in zip(sent, digests, strict=True)])


def bare(names: list[str], results: Connection) -> None:
    """Polls, reads, counts, until it is told to end."""
    end = False

    def stop(number: int, frame: object) -> None:
        nonlocal end
        end = True

    signal.signal(signal.SIGTERM, stop)
    poll, counts = select.poll(), {}
    for name in names:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
        poll.register(descriptor, select.POLLIN)
        counts[descriptor] = 0
    results.send("ready")
    while not end:
        for descriptor, _ in poll.poll(100):
            counts[descriptor] += len(os.read(descriptor, 4096))
    results.send(list(counts.values()))


def used(process: int) -> float:
    """Seconds that a process has spent in user and system mode."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def share(load: Load, seconds: float, ptys: list[Pty], listener: int) -> tuple[float, list[tuple[int, str]]]:
    """Feeds the terminals; how much of a processor the listener took, and what was fed."""
    end = FORK.Event()
    here, there = FORK.Pipe()
    feeder = FORK.Process(target=feed, args=(load, [pty.fd for pty in ptys], end, there), daemon=True)
    feeder.start()
    time.sleep(_WARM_UP)
    before, began = used(listener), time.monotonic()
    time.sleep(seconds)
    cpu = (used(listener) - before) / (time.monotonic() - began)
    end.set()
    while not here.poll(0.1):
        if not feeder.is_alive():
            raise SystemExit("the feeder is gone")
    fed = here.recv()
    feeder.join()
    time.sleep(_WARM_UP)
    return cpu, fed


def counting(load: Load, seconds: float, ptys: list[Pty]) -> float:
    """Returns the bare loop's share."""
    here, there = FORK.Pipe()
    counter = FORK.Process(target=bare, args=([pty.name for pty in ptys], there), daemon=True)
    counter.start()
    here.recv()
    cpu, fed = share(load, seconds, ptys, counter.pid or 0)
    counter.terminate()
    if here.recv() != [count for count, _ in fed]:
        raise SystemExit("the bare loop lost octets: the machine is too busy for this")
    counter.join()
    return cpu


def capturing(load: Load, seconds: float, ptys: list[Pty], trace: Path) -> tuple[float, int, int]:
    """Returns the capture's share, how many octets were fed, and how many taps have others in the trace."""
    names = [pty.name for pty in ptys]
    links = [f"--link=L{at}={names[2 * at]},{names[2 * at + 1]}" for at in range(load.links)]
    command = [sys.executable, "-m", "vtctap", "capture", *links, "--speed", str(load.speed), "-q", "-w", str(trace)]
    capture = subprocess.Popen(command)
    while not trace.exists() or trace.read_bytes().count(b"opened profile=") < len(ptys):
        time.sleep(0.1)
        if capture.poll() is not None:
            raise SystemExit("the capture is gone")
    cpu, fed = share(load, seconds, ptys, capture.pid)
    capture.send_signal(signal.SIGTERM)
    if capture.wait(60):
        raise SystemExit("the capture failed")
    digests = [hashlib.sha256() for _ in ptys]
    with open_trace(str(trace)) as reader:
        for record in reader:
            octets = bytearray(received(octet, LINE) for octet in record.octets)
            for at in record.parity_errors:
                octets[at] ^= 0x80
            digests[record.tap].update(octets)
    wrong = sum(digest.hexdigest() != tap[1] for digest, tap in zip(digests, fed, strict=True))
    return cpu, sum(count for count, _ in fed), wrong


@contextlib.contextmanager
def terminals(load: Load) -> Iterator[list[Pty]]:
    """Opens a pseudo-terminal for each tap."""
    ptys = [Pty() for _ in range(2 * load.links)]
    try:
        yield ptys
    finally:
        for pty in ptys:
            pty.close()


def measure(load: Load, seconds: float) -> str:
    """Prints a row; what target it misses, if any."""
    with terminals(load) as ptys:
        loop = counting(load, seconds, ptys)
    with terminals(load) as ptys, tempfile.TemporaryDirectory() as folder:
        cpu, octets, wrong = capturing(load, seconds, ptys, Path(folder) / "load.pcapng")
    print(f"| {load.label} | {octets} | {wrong} | {cpu:.1%} | {loop:.1%} | {cpu / max(loop, 0.001):.1f} |", flush=True)
    lost = [f"{wrong} taps have other octets than were fed"] if wrong else []
    much = [f"{cpu:.1%} of a processor, not {MAX_CPU:.0%}"] if cpu > MAX_CPU else []
    return "; ".join(lost + much)


def chunks(links: int, speed: int, timer: int) -> Iterator[tuple[int, int, list[tuple[int, int]]]]:
    """Yields an hour of all taps: arrival (ns), tap, octets."""
    voices = [[(octet, 0) for octet in traffic(tap)] for tap in range(2 * links)]
    character, period = LINE.character_time_ns(speed), timer * 1_000_000
    sent = [0] * len(voices)
    for now in range(period, HOUR + 1, period):
        for tap, voice in enumerate(voices):
            first, count = sent[tap] % len(voice), now // character - sent[tap]
            sent[tap] += count
            yield (
                now,
                tap,
                (voice[first:] + voice)[:count] if first + count > len(voice) else voice[first : first + count],
            )


def remember(links: int, results: Connection) -> None:
    """Plays the hour; the peak of memory, KiB, at 5, 50 and 100 % of it."""
    from vtctap.dissector.dissect import Dissector
    from vtctap.dissector.framing.assembler import Assembler, Tap
    from vtctap.dissector.profiles.files import load
    from vtctap.sniffer.estimator import Estimator

    speed, timer = 9600, 16
    profile = load("iec62055-52")
    dissector = Dissector(profile)
    taps = [Tap(number, (Sender.CLIENT, Sender.SERVER)[number % 2], LINE, speed) for number in range(2 * links)]
    assemblers = [
        Assembler(at, taps[2 * at : 2 * at + 2], gap_limit_ns=profile.timing.gap_limit_ns) for at in range(links)
    ]
    estimators = [Estimator(LINE.character_time_ns(speed), timer * 1_000_000) for _ in taps]
    marks = [HOUR // 20, HOUR // 2, HOUR]
    octets = 0
    with open(os.devnull, "wb") as nowhere, create_trace(nowhere) as writer:
        for now, tap, chunk in chunks(links, speed, timer):
            link = tap // 2
            assembler, pair = assemblers[link], (2 * link, 2 * link + 1)
            records = assembler.feed(tap, estimators[tap].feed(chunk, now))
            if tap % 2:
                for number in pair:
                    records += assembler.feed(number, estimators[number].advance(now))
                records += assembler.advance(min(estimators[number].horizon(now) for number in pair))
            for record in records:
                writer.write(record)
                dissector.dissect(record)
                octets += len(record.octets)
            if now >= marks[0] and tap == len(taps) - 1:
                results.send((octets, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
                del marks[0]
                if not marks:
                    return


def memory(links: int) -> str:
    """Prints a table; what target it misses, if any."""
    print("\n| taps | of an hour | octets | peak, MiB |\n|---:|---:|---:|---:|")
    here, there = FORK.Pipe()
    player = multiprocessing.get_context("spawn").Process(target=remember, args=(links, there), daemon=True)
    player.start()
    there.close()
    peaks = []
    for part in ("5 %", "50 %", "100 %"):
        octets, peak = here.recv()
        peaks.append(peak)
        print(f"| {2 * links} | {part} | {octets} | {peak / 1024:.1f} |", flush=True)
    player.join()
    growth = peaks[-1] / peaks[0] - 1
    return f"memory grew by {growth:.1%}, not {MAX_GROWTH:.0%}" if growth > MAX_GROWTH else ""


def main() -> int:
    """Measures, prints, judges."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--seconds", type=float, default=10, help="how long each load is measured (10)")
    parser.add_argument("--links", type=int, default=1, help="how many links' memory is measured (1)")
    arguments = parser.parse_args()
    print("| taps | bit/s | timer, ms | octets | taps with other octets | capture | bare loop | ratio |")
    print("|---:|---:|---:|---:|---:|---:|---:|---:|")
    failures = [f"{load.label}: {text}" for load in LOADS if (text := measure(load, arguments.seconds))]
    if text := memory(arguments.links):
        failures.append(text)
    print(f"\n{verdict(failures)}")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())

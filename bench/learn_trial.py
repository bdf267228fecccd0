"""What is learned from devices of random dialects, and whether any of it is false (``make learn-trial``).

Each dialect is played by three devices of its kind, three sessions each, in virtual time, and learned from as three
traces. What a dialect states is compared with the answers, choice by choice:

- *recovered*: the right reading is shown;
- *missed*: the capture can show it, but it stays open;
- *open*: the capture cannot show it, and nothing is claimed;
- *false*: another reading is shown. There must be none.

Whether a capture can show a choice is decided by :mod:`learn_truths`, from the dialect and from the undamaged frames,
by other rules than those of the learner. The trial runs on undamaged captures, on captures of which one frame in a
hundred is damaged, and on lines with two sets of faults.
"""

import argparse
import multiprocessing
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from random import Random
from typing import Final

from learn_truths import TRUTHS, Case, score

from vtctap.dissector.dissect import Dissector
from vtctap.dissector.learning.evidence import Answer
from vtctap.dissector.learning.learner import Learner
from vtctap.dissector.profiles.files import load
from vtctap.pcap.record import Line, Record, decode, encode
from vtctap.sniffer import virtual
from vtctap.sniffer.simulated.dialect import Dialect
from vtctap.sniffer.simulated.drawn import draw
from vtctap.sniffer.simulated.session import EPOCH, play

DEVICES, SESSIONS = 3, 3
DAMAGED = 100
"""One frame in this many is damaged."""
VARIANTS: Final[dict[str, tuple[str, ...]]] = {
    "clean": (),
    "damaged": (),
    "faults A": ("noise", "cut", "no-response", "char-gap"),
    "faults B": ("bcc-bad", "parity", "response-late", "undefined-command", "break"),
}
"""The faults of each variant, besides those of the dialect's own story."""
MS = 1_000_000


def capture(dialect: Dialect, seed: int, faults: Sequence[str]) -> list[Record]:
    """The records of one device's sessions as a file gives them: without the messages that the assembler decoded,
    which would hide that octets are damaged later."""
    line = Line.parse(dialect.wiring.format)
    codes = [code for code in faults if code != "parity" or line.has_parity]
    played = play(seed, dialect=dialect, sessions=SESSIONS, faults=codes)
    made = virtual.capture(
        played,
        start=EPOCH,
        speed=dialect.wiring.opening_speed,
        line=line,
        gap_limit_ns=1_500 * MS,
        profile="iec62055-52",
    )
    return [decode(encode(record), record.time) for record in made]


def damaged(record: Record, random: Random) -> Record:
    """The record, or, once in a hundred, with octets that are changed, lost or too many."""
    octets = bytearray(record.octets)
    if not octets or random.randrange(DAMAGED):
        return record
    at, lost = random.randrange(len(octets)), random.randint(1, 3)
    match random.randrange(3):
        case 0:
            octets[at] = random.randrange(128)
        case 1:
            octets[at] ^= 1 << random.randrange(7)
            octets[random.randrange(len(octets))] ^= 1 << random.randrange(7)
        case 2 if lost < len(octets):
            return _shortened(record, at, lost)
    return replace(record, octets=bytes(octets))


def _shortened(record: Record, at: int, lost: int) -> Record:
    """The record without some octets; it begins later or ends sooner where its first or last ones are lost."""
    character_ns = record.duration // len(record.octets)
    octets = record.octets[:at] + record.octets[at + lost :]
    gone = len(record.octets) - len(octets)
    early, late = at == 0, at + lost >= len(record.octets)
    return replace(
        record,
        octets=octets,
        time=record.time + early * gone * character_ns,
        duration=record.duration - (early or late) * gone * character_ns,
    )


def learned(traces: Sequence[Sequence[Record]]) -> list[Answer]:
    """What is learned from traces."""
    learner, profile = Learner(), load()
    for trace in traces:
        learner.begin()
        dissector = Dissector(profile)
        for record in trace:
            learner.feed(dissector.dissect(record))
    learner.close()
    return list(learner.answers())


def trial(seed: int, variant: str) -> tuple[Counter[tuple[str, str]], list[str]]:
    """The outcomes of one dialect by question, and what was false or missed, in words."""
    dialect, faults = draw(seed), VARIANTS[variant]
    traces = [capture(dialect, DEVICES * seed + device, faults) for device in range(DEVICES)]
    case, random = Case(dialect, traces, faults), Random(seed)
    heard = [[damaged(record, random) for record in trace] for trace in traces] if variant == "damaged" else traces
    outcomes: Counter[tuple[str, str]] = Counter()
    notes = []
    answers = learned(heard)
    by_about = {(answer.question, answer.subject): answer for answer in answers}
    for question, subject, outcome in score(case, answers):
        outcomes[question, outcome] += 1
        if outcome in ("false", "missed"):
            answer = by_about.get((question, subject))
            readings = answer.readings if answer else ()
            counts = [(reading.name, reading.seen.count, reading.against.count) for reading in readings]
            verdict = f"{answer.verdict} {answer.reading}" if answer else "nothing"
            notes.append(f"{outcome}: dialect {seed}, {variant}: {question} {subject}: {verdict} {counts}")
    return outcomes, notes


def table(outcomes: Counter[tuple[str, str]]) -> str:
    """The outcomes by question."""
    columns = ("recovered", "missed", "open", "false")
    lines = [f"{'':28}" + "".join(f"{column:>11}" for column in columns)]
    for question in (*TRUTHS, "all"):
        counts = [outcomes[question, column] for column in columns]
        lines.append(f"{question:28}" + "".join(f"{count:11}" for count in counts))
    return "\n".join(lines)


def run(variant: str, seeds: Sequence[int], processes: int) -> tuple[Counter[tuple[str, str]], list[str]]:
    """The outcomes of all dialects, and what was false or missed."""
    outcomes: Counter[tuple[str, str]] = Counter()
    notes: list[str] = []
    with multiprocessing.Pool(processes) as pool:
        for counts, said in pool.imap(partial(trial, variant=variant), seeds, chunksize=4):
            outcomes.update(counts)
            outcomes.update({("all", outcome): count for (_, outcome), count in _by_outcome(counts)})
            notes += said
    return outcomes, notes


def _by_outcome(counts: Counter[tuple[str, str]]) -> list[tuple[tuple[str, str], int]]:
    rows = sorted(counts.items(), key=lambda row: row[0][1])
    return [
        (("all", outcome), sum(count for _, count in group)) for outcome, group in groupby(rows, lambda row: row[0][1])
    ]


def main() -> int:
    """Runs the trial."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dialects", type=int, default=1000, metavar="N", help="how many dialects (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="the first dialect (default: 0)")
    parser.add_argument("--variant", choices=VARIANTS, action="append", help="only this variant")
    parser.add_argument("--notes", type=int, default=20, metavar="N", help="how many misses to show (default: 20)")
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count(), metavar="N")
    arguments = parser.parse_args()
    failed = False
    for variant in arguments.variant or VARIANTS:
        seeds = range(arguments.seed, arguments.seed + arguments.dialects)
        outcomes, notes = run(variant, seeds, arguments.processes)
        recovered, missed, false = (outcomes["all", name] for name in ("recovered", "missed", "false"))
        share = recovered / max(recovered + missed, 1)
        print(
            f"{variant}: {len(seeds)} dialects, {share:.1%} recovered of what the captures show, {false} false claims"
        )
        print(table(outcomes))
        for note in sorted(notes)[: arguments.notes]:
            print(note)
        failed |= bool(false) or (variant == "clean" and share < 0.95)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

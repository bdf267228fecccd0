"""Records whose order is uncertain, by brute force: a finding is reported only if every possible order leads to it."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import pytest

from equipment.sampling import turns
from vtctap.dissector.analysis.cases import unordered
from vtctap.dissector.analysis.check import check
from vtctap.dissector.dissect import Dissector, Frame
from vtctap.dissector.profiles.files import load
from vtctap.pcap import Flag, Kind, Line, Record, Sender
from vtctap.sniffer.simulated.octets import with_check

MS = 1_000_000
SECOND = 1000 * MS
PROFILE = load()
CALL, IDENT = b"/?!\r\n", b"/LGZ5vtc\r\n"
READ, DATA, BREAK = b"\x01R1\x02FFFE()\x03`", b"\x02FFFE(01)\x03\x00", b"\x01B0\x03q"
ACK, NAK, SELECT = b"\x06", b"\x15", b"\x06051\r\n"
CLIENT = (READ, BREAK, SELECT, CALL, NAK)
SERVER = (DATA, ACK, NAK, IDENT)

Said = tuple[str, bytes]


@pytest.mark.parametrize(("apart", "uncertain"), [(30 * MS, True), (30 * MS + 1, False)])
def test_frames_further_apart_than_both_uncertainties_are_in_order(apart: int, uncertain: bool) -> None:
    dissector = Dissector(PROFILE)
    first = Record(SECOND, READ, sender=Sender.CLIENT, uncertainty=10 * MS, flags=Flag.ORDER_UNCERTAIN)
    second = Record(SECOND + apart, DATA, sender=Sender.SERVER, tap=1, uncertainty=20 * MS)
    frames = [frame for each in (first, second) if isinstance(frame := dissector.dissect(each), Frame)]
    assert unordered(frames) == uncertain
    assert not unordered([*map(dissected_as_certain, frames)])


def dissected_as_certain(frame: Frame) -> Frame:
    return replace(frame, record=replace(frame.record, flags=0))


def said(side: str, *octets: bytes) -> list[Said]:
    return [(side, one) for one in octets]


BEFORE: list[list[Said]] = [
    [],
    said("C", READ),
    [("C", CALL), ("S", IDENT)],
    [("C", CALL), ("S", IDENT), ("C", READ), ("S", DATA), ("C", READ)],
    [("C", CALL), ("S", IDENT), ("C", READ), ("S", NAK), ("C", READ), ("S", NAK)],
]
AFTER: list[list[Said]] = [[], said("C", READ), said("S", DATA), [("C", READ), ("S", DATA)], said("C", READ, READ)]


def records(before: list[Said], doubtful: list[Said], after: list[Said]) -> list[Record]:
    """Returns frames of 5 ms, 250 ms apart. Those with an uncertain order are 10 ms apart, and each time is uncertain
    by as much."""
    made: list[Record] = []
    time = 1_000 * SECOND
    for part, gap in ((before, 250 * MS), (doubtful, 10 * MS), (after, 250 * MS)):
        time += 240 * MS
        for side, octets in part:
            flags = Flag.ORDER_UNCERTAIN if part is doubtful else 0
            common = {"line": Line(7, "E", 1), "speed": 300, "duration": 5 * MS, "uncertainty": 20 * MS}
            sender = Sender.CLIENT if side == "C" else Sender.SERVER
            made.append(Record(time, octets, sender=sender, tap="CS".index(side), flags=flags, **common))
            time += gap
    return [*made, Record(time + 10 * SECOND, b"", Kind.EVENT, event="closed")]


def orders(row: list[Record]) -> Iterator[list[int]]:
    """Yields all orders of the flagged records, which are consecutive, that keep the order of each tap."""
    flagged = [at for at, record in enumerate(row) if record.flags]
    for sides in set(product((0, 1), repeat=len(flagged))):
        by_tap = [[at for at in flagged if row[at].tap == tap] for tap in (0, 1)]
        if sum(sides) == len(by_tap[1]):
            merged = [by_tap[side].pop(0) for side in sides]
            yield [*range(flagged[0]), *merged, *range(flagged[-1] + 1, len(row))]


def findings(row: list[Record], order: list[int]) -> set[tuple[str, str, tuple[int, ...]]]:
    """Returns the findings with this order taken as certain, by the numbers of the records in ``row``."""
    times = sorted(record.time for record in row)
    told = [replace(row[at], flags=0, time=time) for at, time in zip(order, times, strict=True)]
    return {
        (found.code, found.severity, tuple(sorted(order[number - 1] + 1 for number in found.frames)))
        for found in check(told, PROFILE)
    }


DOUBTFUL = [
    *([one, other] for c, s in product(CLIENT, SERVER) for one, other in ((("C", c), ("S", s)), (("S", s), ("C", c)))),
    *([("C", one), ("S", s), ("C", other)] for one, s, other in product((READ, BREAK), SERVER, (READ, SELECT))),
    *([("S", one), ("C", c), ("S", other)] for one, c, other in product((DATA, ACK), (READ, NAK), (DATA, NAK))),
]


@pytest.mark.parametrize(("before", "after"), turns(BEFORE, AFTER), ids=lambda part: "".join(side for side, _ in part))
def test_what_is_said_is_said_in_every_order(before: list[Said], after: list[Said]) -> None:
    for doubtful in DOUBTFUL:
        row = records(before, doubtful, after)
        common = set.intersection(*(findings(row, order) for order in orders(row)))
        shown = {(found.code, found.severity, tuple(sorted(found.frames))) for found in check(row, PROFILE)}
        assert shown <= common, doubtful
        assert {code for code, _, _ in common - shown} <= {"repeat", "nak"}, "notes, of which less is said"


def test_a_token_that_is_rejected_is_said_in_every_order() -> None:
    """Behind adapters of 16 ms, the order of an ACK and the client's next message is uncertain."""
    write, rejected = with_check(b"\x01W1\x02FFFF(1)\x03"), with_check(b"\x02FFFE(0A)\x03")
    row = records([("C", CALL), ("S", IDENT), ("C", write)], [("S", ACK), ("C", READ)], said("S", rejected))
    assert [(found.code, found.frames) for found in check(row, PROFILE)] == [("token-rejected", (3, 6))]


def test_what_is_certain_is_said_all_the_same() -> None:
    """The order matters only beside the uncertain frames, not one exchange later, nor where the times decide."""
    lonely = records([("C", CALL), ("S", IDENT)], said("C", READ), [])
    assert [(found.code, found.frames) for found in check(lonely, PROFILE)] == [("no-response", (3,))]
    later = [("C", READ), ("S", DATA), ("C", READ), ("S", DATA), ("S", DATA)]
    row = records([("C", CALL), ("S", IDENT)], [("C", READ), ("S", ACK)], later)
    assert ("unexpected-answer", (9,)) in [(found.code, found.frames) for found in check(row, PROFILE)]
    damaged = records([], [("C", READ[:-1] + b"x"), ("S", DATA)], [])
    assert [found.code for found in check(damaged, PROFILE)] == ["bcc-bad"]

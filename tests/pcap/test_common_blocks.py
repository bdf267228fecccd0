"""The fast way and the exact way to read a trace give the same records, numbers, packets and skipped parts."""

import io
import random
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from unittest import mock

import pytest
from flips import session, written

from vtctap.errors import Error
from vtctap.pcap import CaptureReader, Flag, Interface, Record, create_trace, open_trace
from vtctap.pcap.common_blocks import CommonBlocks
from vtctap.pcap.record import Kind

SESSION = session()
PCAPNG = written(SESSION, ".pcapng")


class Slow(io.BytesIO):
    """A file that returns a few octets at a time."""

    def read1(self, size: int | None = -1) -> bytes:
        """Reads up to 997 octets."""
        return super().read1(997)


def reading(octets: bytes, source: Callable[[bytes], io.BytesIO] = io.BytesIO) -> list[object]:
    """Returns everything that reading a trace gives."""
    given: list[object] = []
    try:
        reader = open_trace(source(octets))
        for item in reader.items():
            given.append((item, reader.number, reader.packet if isinstance(item, Record) else None))
            if isinstance(item, Record):
                given.append(item.chain)
        given += [*reader.torn(), reader.cut, reader.interfaces, reader.profile, reader.number, reader.packet]
    except Error as error:
        given.append(str(error))
    return given


def exactly(octets: bytes) -> list[object]:
    """Returns the same, read without the fast way."""
    with mock.patch.object(CaptureReader, "common_blocks", return_value=None):
        return reading(octets)


def both(octets: bytes) -> None:
    """Both ways give the same, in whatever pieces the file is read."""
    exact = exactly(octets)
    assert reading(octets) == exact
    assert reading(octets, Slow) == exact


def fast(octets: bytes) -> int:
    """Returns how many records the fast way reads."""
    counted = 0
    records = CommonBlocks.records

    def counting(self: CommonBlocks) -> object:
        nonlocal counted
        for each in records(self):
            counted += 1
            yield each

    with mock.patch.object(CommonBlocks, "records", counting):
        reading(octets)
    return counted


def varied() -> list[Record]:
    """A longer trace with varying times, durations, flags, links and options."""
    chance = random.Random(16)
    made = []
    for at, record in enumerate(SESSION * 4):
        change = {"uncertainty": chance.choice((None, 0, 7, 104_166)), "speed": chance.choice((0, 9600))}
        if record.kind is not Kind.EVENT:
            change |= {"link": chance.randrange(2), "inferred": chance.random() < 0.2}
            change |= {"pauses_us": ((1, 5),) if chance.random() < 0.1 and len(record.octets) > 1 else ()}
            change |= {"flags": chance.choice((0, 0, 0, Flag.PARITY, Flag.SYNTHETIC | Flag.CUT))}
        made.append(replace(record, time=record.time + at * 10**9, **change))  # type: ignore[arg-type]
    return made


VARIED = written(varied(), ".pcapng")


def test_whole_traces() -> None:
    both(PCAPNG)
    both(VARIED)
    both(written(SESSION, ".pcap"))
    assert fast(PCAPNG) > len(SESSION) * 0.7
    assert fast(VARIED) > len(SESSION) * 2


def test_two_sections() -> None:
    """The second section describes its interfaces in another order."""
    target = io.BytesIO()
    with create_trace(target, taps=[Interface(147, "other"), Interface(147, "client")]) as writer:
        for record in SESSION:
            writer.write(record)
    both(PCAPNG + target.getvalue() + PCAPNG)


@pytest.mark.parametrize("application", [b"vtctap", b"Vtctap"])
def test_sections_of_other_programs_are_read_exactly(application: bytes) -> None:
    octets = PCAPNG.replace(b"vtctap", application, 1)
    both(octets)
    assert bool(fast(octets)) == (application == b"vtctap")


def test_every_cut() -> None:
    for end in range(0, len(PCAPNG), 23):
        both(PCAPNG[:end])


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (2, 3))])
def test_damage(seed: int) -> None:
    """Octets are inverted, overwritten, removed and inserted."""
    chance = random.Random(seed)
    for _ in range(100):
        octets = bytearray(PCAPNG if seed % 2 else VARIED[:12_000])
        for _ in range(chance.choice((1, 1, 2, 5))):
            at, size = chance.randrange(len(octets)), chance.choice((1, 4, 40))
            change = chance.randrange(4)
            if change == 0:
                octets[at] ^= 1 << chance.randrange(8)
            else:
                put = chance.randbytes(size) if chance.random() < 0.5 else PCAPNG[at : at + size]
                octets[at : at + (0 if change == 1 else size)] = b"" if change == 2 else put
        both(bytes(octets))


def test_iterations_that_take_turns_share_the_place() -> None:
    reader = open_trace(io.BytesIO(PCAPNG))
    taken = [*islice(reader, 20)]
    assert reader.packet
    assert reader.packet.time == taken[-1].time
    assert [*taken, *islice(iter(reader), 7), *reader] == SESSION


def test_a_packet_is_known_after_the_last_record() -> None:
    reader = open_trace(io.BytesIO(PCAPNG))
    *_, last = reader
    assert reader.packet
    assert reader.packet.time == last.time

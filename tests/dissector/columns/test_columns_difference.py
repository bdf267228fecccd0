"""Batches become the same columns as records do one by one: all columns, tokens and what was skipped, of all traces.

``bench/columns_difference.py`` tries a million random and damaged records, this a few; here also are recordings,
sessions in all dialects, every size of a batch, and every prefix of a file.
"""

import io
import random
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from columns_difference import PROFILES, SIZES, answer, block, conversation, difference, exactly, in_batches, trace
from hypothesis import given, settings
from hypothesis import strategies as st

from equipment.recordings import EXAMPLES, RECORDINGS, bursts_of, named
from equipment.sampling import sampled, sizes, turns
from vtctap.dissector.framing.reframe import assemble
from vtctap.pcap import Kind, Record, Sender, create_trace
from vtctap.pcap.record import Line
from vtctap.sniffer import virtual
from vtctap.sniffer.simulated.drawn import dialect
from vtctap.sniffer.simulated.named import NAMED
from vtctap.sniffer.simulated.session import EPOCH, play

each_profile = pytest.mark.parametrize("profile", PROFILES)
FEW = (1, 3, 1 << 20)
"""Sizes of batches, where all would take long."""


def written(records: Iterable[Record]) -> bytes:
    target = io.BytesIO()
    with create_trace(target) as writer:
        for record in records:
            writer.write(record)
    return target.getvalue()


def talk(count: int, *, start: int = EPOCH) -> list[Record]:
    """Reads with their answers on one link."""
    chance = random.Random(count)
    made = []
    for number in range(count):
        asks = number % 2 == 0
        register = b"%d.8.0" % (number // 2 % 3)
        octets = block(b"\x01R1\x02%s()\x03" % register) if asks else answer(chance, register)
        sender = Sender.CLIENT if asks else Sender.SERVER
        made.append(Record(start + number * 10**8, octets, sender=sender, duration=10**6))
    return made


@pytest.mark.parametrize(("seed", "profile"), turns(range(6), PROFILES))
def test_random_and_damaged_traces(seed: int, profile: str) -> None:
    assert difference(trace(random.Random(seed), 150), profile, SIZES[seed % 3 :: 3]) == ""


@each_profile
@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 11, 13])
def test_every_size_of_a_batch(profile: str, size: int) -> None:
    assert difference(written(conversation(random.Random(5), 60)), profile, [size]) == ""


@pytest.mark.parametrize(("entry", "profile"), turns(RECORDINGS, PROFILES), ids=named)
def test_recordings(entry: dict[str, Any], profile: str) -> None:
    records = list(assemble(bursts_of(entry), speed=9600, gap_limit_ns=1_500_000_000))
    assert difference(written(records), profile, FEW[1:]) == ""


@pytest.mark.parametrize(
    ("path", "profile"),
    turns(sorted(EXAMPLES.glob("*.pcapng")), PROFILES),
    ids=lambda value: getattr(value, "stem", value),
)
def test_examples(path: Path, profile: str) -> None:
    assert difference(path.read_bytes(), profile, FEW) == ""


@pytest.mark.parametrize("name", [*NAMED, *sampled(map(str, range(3)), 3)])
def test_dialects(name: str) -> None:
    playing = play(3, dialect=dialect(name), sessions=2, faults=("bcc-bad", "no-response", "cut", "noise"))
    line = Line.parse("7E1")
    records = virtual.capture(
        playing, start=EPOCH, speed=2400, line=line, gap_limit_ns=1_500_000_000, profile=PROFILES[0]
    )
    made = written(records)
    for profile, size in zip(PROFILES, FEW[1:], strict=True):
        assert difference(made, profile, [size]) == ""


@sizes
def test_every_prefix_of_a_file(whole: bool) -> None:
    made = written(talk(2))
    for length in range(28, len(made), 1 if whole else 5):
        assert difference(made[:length], PROFILES[length % 2], FEW[-1:]) == "", length


@settings(max_examples=25, deadline=None)
@given(
    at=st.integers(28, 1900),
    put_in=st.binary(max_size=9),
    left_out=st.integers(0, 9),
    profile=st.sampled_from(PROFILES),
)
def test_any_damage(at: int, put_in: bytes, left_out: int, profile: str) -> None:
    made = written(talk(20))
    assert difference(made[:at] + put_in + made[at + left_out :], profile, FEW[-1:]) == ""


@pytest.mark.parametrize("chunk", [128, 997, 4096])
def test_any_chunk_of_the_file(chunk: int) -> None:
    made = written(conversation(random.Random(2), 200))
    assert difference(made, PROFILES[0], FEW[-1:], chunk) == ""


def test_times_at_the_end_of_the_range() -> None:
    late = [Record((1 << 63) + number, b"/?!\r\n", sender=Sender.CLIENT) for number in range(3)]
    assert difference(written([*talk(9), *late, *talk(9)]), PROFILES[0]) == ""


def test_a_day_passes_and_silence_begins_sessions() -> None:
    made = written([*talk(9), *talk(9, start=EPOCH + 86_400 * 10**9), *talk(9, start=EPOCH)])
    assert difference(made, PROFILES[0]) == ""


OUTAGES = [
    (event, at, back)
    for event in ("lost", "opened", "missed octets=1", "overrun unread=1")
    for at in (4, 5, 9)
    for back in (at, at + 3, 12)
]


@pytest.mark.parametrize(("outage", "profile"), turns(OUTAGES, PROFILES))
def test_an_outage_anywhere(outage: tuple[str, int, int], profile: str) -> None:
    """Between a request and its answer, and between two exchanges; the tap then stays away, or comes back."""
    event, at, back = outage
    events = {at: event, back: "opened" if back > at else event}
    made = [
        Record(record.time - 1, kind=Kind.EVENT, event=events[number]) if early else record
        for number, record in enumerate(talk(16))
        for early in ((True, False) if number in events else (False,))
    ]
    assert difference(written(made), profile, FEW) == ""


C, M = Sender.CLIENT, Sender.SERVER
REGULAR = ("read", "write", "unasked", "acknowledged")
THEN = (
    [(C, b"\x15"), (M, "data")],
    [(C, "read"), (C, b"\x15"), (M, "data")],
    [(C, "read"), (C, "read"), (M, "last")],
    [(C, "same"), (M, "last")],
)


def regular_then(number: int, units: Iterable[str], then: Iterable[tuple[Sender, bytes | str]]) -> Iterator[Record]:
    """Yields regular exchanges on a link, and what may ask once more for the last answer."""
    kinds: list[tuple[Sender, bytes | str]] = []
    for unit in units:
        kinds += {
            "read": [(C, "read"), (M, "data")],
            "write": [(C, "write"), (M, b"\x06")],
            "unasked": [(M, "data")],
            "acknowledged": [(M, b"\x06")],
        }[unit]
    last = {C: b"", M: b""}
    for at, (sender, kind) in enumerate([*kinds, *then]):
        made = {
            "read": block(b"\x01R1\x021.8.0(%d)\x03" % (at // 2)),
            "write": block(b"\x01W1\x021.8.0(%d)\x03" % at),
            "data": block(b"\x021.8.0(%d)\x03" % at),
            "same": last[C],
            "last": last[M],
        }.get(str(kind), b"") or (kind if isinstance(kind, bytes) else b"\x06")
        if made not in (b"\x06", b"\x15"):
            last[sender] = made
        yield Record(EPOCH + at * 10**9 + number, made, sender=sender, link=number, tap=number)


@pytest.mark.parametrize(("then", "profile"), turns(THEN, PROFILES))
def test_what_follows_regular_frames(then: list[tuple[Sender, bytes | str]], profile: str) -> None:
    """Whatever the last frames of the server are, the original of a repeat is the same. Each case has its own link,
    whose first frames are read one by one."""
    links = enumerate(("read", *units) for units in product(REGULAR, repeat=3))
    records = [record for number, units in links for record in regular_then(number, units, then)]
    assert difference(written(sorted(records, key=lambda record: record.time)), profile, FEW[1:]) == ""


def test_most_records_are_batched_here() -> None:
    """Otherwise the comparison is one of the exact way with itself."""
    made = written(talk(1000))
    assert in_batches(made, PROFILES[0], 1 << 20).batched > 990
    assert exactly(made, PROFILES[0]).batched == 0

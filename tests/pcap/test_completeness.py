"""Which parts of a capture are called incomplete: those from whose middle octets are missing, and no others."""

import io
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtctap.pcap import Interface, Kind, Record, Skipped, create_trace, open_trace
from vtctap.pcap.completeness import OctetTally
from vtctap.pcap.ring import RingLimits, RingWriter

NOON = 1_767_268_800 * 10**9
STORIES = st.lists(st.tuples(st.sampled_from(["octets"] * 4 + ["lost and back"]), st.integers(0, 1), st.integers(1, 9)))


def event(text: str, tap: int = 0) -> Record:
    return Record(NOON, kind=Kind.EVENT, tap=tap, event=text)


def noise(octets: bytes, tap: int = 0) -> Record:
    return Record(NOON, octets, Kind.NOISE, tap=tap)


def capture(story: Sequence[tuple[str, int, int]]) -> list[Record]:
    """Returns a capture of two taps, with the totals that its events state."""
    received = [0, 0]
    records = [event(f"opened profile=p octets={octets}", tap) for tap, octets in enumerate(received)]
    for what, tap, octets in story:
        if what == "octets":
            received[tap] += octets
            records.append(noise(bytes(octets), tap))
        else:
            records.append(event(f"lost octets={received[tap]}", tap))
            records.append(event(f"opened profile=p octets={received[tap]}", tap))
    return [*records, *(event(f"closed octets={octets}", tap) for tap, octets in enumerate(received))]


def of_before(records: Sequence[Record]) -> list[Record]:
    """Returns records as earlier versions wrote them: an ``opened`` event states no octets."""
    return [
        replace(record, event=record.event.partition(" octets=")[0]) if record.event.startswith("opened") else record
        for record in records
    ]


def messages(records: Sequence[Record]) -> list[str]:
    tally = OctetTally()
    return [message for record in records if (message := tally.feed(record, record.tap))]


@given(STORIES, st.data())
def test_no_part_of_a_capture_lacks_anything(story: list[tuple[str, int, int]], data: st.DataObject) -> None:
    records = capture(story)
    begin = data.draw(st.integers(0, len(records)))
    part = records[begin : data.draw(st.integers(begin, len(records)))]
    assert messages(part) == []
    assert messages(of_before(part)) == []


@given(STORIES, st.data())
def test_a_record_that_is_missing_is_noticed(story: list[tuple[str, int, int]], data: st.DataObject) -> None:
    """In a whole capture, and in each part that begins with an ``opened`` event of its tap."""
    records = capture([*story, ("octets", 0, 1)])
    gone = data.draw(st.sampled_from([at for at, record in enumerate(records) if record.octets]))
    tap = records[gone].tap
    opened = [at for at in range(gone) if records[at].event.startswith("opened") and records[at].tap == tap]
    begin = data.draw(st.sampled_from(opened))
    assert messages(records[begin:gone] + records[gone + 1 :])


def test_what_is_missing_after_a_port_came_back() -> None:
    """The numbers are those since the event that begins the comparison."""
    back = event("opened profile=p octets=10 port=x")
    assert messages([back, noise(b"hij"), event("closed octets=15")]) == [
        "tap 0 received 5 octets after its first 10 until it was closed, and 3 are here"
    ]
    assert messages([back, noise(b"hijkl"), event("closed octets=15")]) == []
    assert messages([back, noise(b"hij"), event("closed octets=15 unwritten=2")]) == []
    assert messages([back, event("overrun unread=2"), noise(b"hij"), event("closed octets=15")]) == []


def test_earlier_versions_are_compared_from_the_first_number() -> None:
    opened, lost = event("opened profile=p"), event("lost octets=10")
    assert messages([opened, lost, opened, noise(b"hij"), event("closed octets=15")]) == [
        "tap 0 received 5 octets after its first 10 until it was closed, and 3 are here"
    ]


def test_a_closed_event_without_a_number_ends_its_tap() -> None:
    """Two traces were joined: the second one is compared with its own beginning."""
    first = [event("opened profile=p octets=0"), noise(b"hello"), event("closed")]
    second = [event("opened profile=p octets=0"), noise(b"hi"), event("closed octets=5")]
    assert messages([*first, *second]) == ["tap 0 received 5 octets until it was closed, and 2 are here"]


@pytest.mark.parametrize("earlier", [False, True])
def test_ring_files_of_a_port_that_came_back(tmp_path: Path, earlier: bool) -> None:
    """The second file begins with the ``opened`` event. Classic pcap has no statistics that could say that all is
    here."""
    records = capture([("octets", 0, 7), ("octets", 0, 3), ("lost and back", 0, 1), ("octets", 0, 3), ("octets", 0, 2)])
    records = [record for record in records if record.tap == 0]
    create = partial(create_trace, taps=(Interface(147, "x"),))
    with RingWriter(tmp_path / "r.pcap", RingLimits(records=4), create) as writer:
        for record in of_before(records) if earlier else records:
            writer.write(record)
    first, second = sorted(tmp_path.iterdir())
    assert skipped(first.read_bytes()) == skipped(second.read_bytes()) == []
    assert len(skipped(without_packet(second.read_bytes(), 1))) == (not earlier)


def skipped(trace: bytes) -> list[Skipped]:
    return [item for item in open_trace(io.BytesIO(trace)).items() if isinstance(item, Skipped)]


def without_packet(trace: bytes, number: int) -> bytes:
    """Returns a classic trace without one of its packets."""
    at = 24
    for _ in range(number):
        at += 16 + int.from_bytes(trace[at + 8 : at + 12], "little")
    return trace[:at] + trace[at + 16 + int.from_bytes(trace[at + 8 : at + 12], "little") :]

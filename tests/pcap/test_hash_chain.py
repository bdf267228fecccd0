"""The hash chain: a second computation from the specification, and the effect of every change to a trace."""

import hashlib
import struct
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtctap.pcap import Interface, Kind, Packet, Record, RecordError, Sender, create_capture, create_trace, open_capture
from vtctap.pcap.hash_chain import ChainPlace, ChainVerdict, HashChain, HashLink, Verifier, unchained
from vtctap.pcap.record import decode, encode

Run = Callable[..., list[str]]
NOON = 1_767_268_800_123_456_789

PLAIN = [
    Record(NOON, kind=Kind.EVENT, sender=Sender.CLIENT, event="opened profile=iec62055-52 speed=9600"),
    Record(NOON + 5, kind=Kind.EVENT, sender=Sender.SERVER, tap=1, event="opened profile=iec62055-52 speed=9600"),
    Record(NOON + 10**9, b"/?!\r\n", sender=Sender.CLIENT, pauses_us=((2, 400),)),
    Record(NOON + 2 * 10**9, b"\x01R1\x020004()\x03\x64", sender=Sender.CLIENT, parity_errors=(3,)),
    Record(NOON + 3 * 10**9, b"\xff", Kind.NOISE, Sender.SERVER, tap=1),
    Record(NOON + 4 * 10**9, b"\x06", sender=Sender.SERVER, tap=1),
    Record(NOON + 5 * 10**9, kind=Kind.EVENT, sender=Sender.CLIENT, event="closed octets=22"),
    Record(NOON + 5 * 10**9, kind=Kind.EVENT, sender=Sender.SERVER, tap=1, event="closed octets=2"),
]
Packets = list[tuple[int, bytes]]


def chained(records: Iterable[Record] = PLAIN) -> Packets:
    """Returns the packets of a capture: timestamps and data."""
    chain = HashChain()
    return [(record.time, encode(chain.feed(record))) for record in records]


def verified(packets: Packets) -> tuple[list[ChainVerdict], int]:
    """Returns the verdicts and the number of records without a hash."""
    verifier = Verifier()
    for number, (time, data) in enumerate(packets, 1):
        verifier.feed(ChainPlace("t", number), time, data, decode(data, time))
    return list(verifier.verdicts.values()), verifier.bares


def test_the_first_eight_records_without_a_hash_are_named() -> None:
    verifier = Verifier()
    for number in range(1, 12):
        verifier.feed(ChainPlace("t", number), NOON, encode(PLAIN[2]), PLAIN[2])
    assert [place.number for place in verifier.bare] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert verifier.bares == 11
    assert not verifier.verdicts


def test_the_hashes_by_the_specification() -> None:
    """The hashes are computed from docs/link-type.md without the module."""
    before = hashlib.sha256(NOON.to_bytes(8, "big")).digest()
    name = before[:4]
    for number, (time, data) in enumerate(chained(), 1):
        length = int.from_bytes(data[4:8], "big")
        option, octets = data[length - 52 : length], data[length:]
        assert option[:4] == b"\0\x05\0\x30"
        assert option[4:8] == name
        assert option[8:12] == number.to_bytes(4, "big")
        assert option[12:44] == before
        bare = data[:4] + (length - 52).to_bytes(4, "big") + data[8 : length - 52] + octets
        before = hashlib.sha256(before + name + struct.pack(">Iq", number, time) + bare).digest()
        assert option[44:] == before[:8]


def test_the_events_state_the_chain() -> None:
    chain = HashChain()
    records = [chain.feed(record) for record in PLAIN]
    link = HashLink.decode(records[6].chain)
    assert link
    assert records[0].event == f"{PLAIN[0].event} chain={link.id.hex()}"
    assert records[6].event == f"closed octets=22 hashed=6 hash={link.previous.hex()}"
    assert [unchained(record) for record in records] == PLAIN
    assert {unchained(record).chain for record in records} == {b""}


def test_a_whole_chain() -> None:
    (verdict,), bares = verified(chained())
    assert (verdict.intact, verdict.complete, bares) == (True, True, 0)
    assert (verdict.first, verdict.last, verdict.records) == (1, 8, 8)


def test_no_chain() -> None:
    assert verified([(record.time, encode(record)) for record in PLAIN]) == ([], 8)


@pytest.mark.parametrize("first", range(8))
@pytest.mark.parametrize("end", range(1, 9))
def test_every_slice_is_intact_and_says_what_it_is(first: int, end: int) -> None:
    if end <= first:
        return
    (verdict,), _ = verified(chained()[first:end])
    assert verdict.intact
    assert (verdict.first, verdict.last) == (first + 1, end)
    assert verdict.complete == ((first, end) == (0, 8))


def test_every_flipped_bit_is_found_in_its_record() -> None:
    packets = chained()
    for at, (time, data) in enumerate(packets):
        for bit in range(8 * len(data)):
            flipped = bytearray(data)
            flipped[bit // 8] ^= 1 << bit % 8
            changed = [*packets[:at], (time, bytes(flipped)), *packets[at + 1 :]]
            try:
                verdicts, bares = verified(changed)
            except RecordError:  # The reader reports it.
                continue
            named = {place.number for verdict in verdicts for place in verdict.altered}
            assert named == {at + 1} or bares == 1, (at, bit)
            assert not (len(verdicts) == 1 and verdicts[0].intact and not bares), (at, bit)


@pytest.mark.parametrize("bit", [*range(64), 90])  # 2^64 units of a second, from another unit than ns.
def test_every_flipped_bit_of_a_timestamp_is_found(bit: int) -> None:
    packets = chained()
    packets[3] = (packets[3][0] ^ 1 << bit, packets[3][1])
    (verdict,), _ = verified(packets)
    assert [place.number for place in verdict.altered] == [4]


@given(st.permutations(range(8)))
def test_every_other_order_is_found(order: list[int]) -> None:
    packets = chained()
    (verdict,), _ = verified([packets[at] for at in order])
    assert not verdict.altered
    assert not verdict.missing
    assert not verdict.repeated
    assert bool(verdict.moved) == (order != sorted(order))
    assert (verdict.first, verdict.last) == (1, 8)


@given(st.sets(st.integers(0, 7), min_size=1))
def test_every_removal_is_found(kept: set[int]) -> None:
    packets = chained()
    (verdict,), _ = verified([packets[at] for at in sorted(kept)])
    lost = {at + 1 for at in range(min(kept), max(kept)) if at not in kept}
    assert {number for first, last in verdict.missing for number in range(first, last + 1)} == lost
    assert not verdict.altered
    assert verdict.complete == (len(kept) == 8)


def test_a_repeated_record() -> None:
    packets = chained()
    (verdict,), _ = verified([*packets[:4], packets[3], *packets[4:]])
    assert [place.number for place in verdict.repeated] == [5]


def test_an_added_record_has_no_hash() -> None:
    packets = chained()
    added = Record(NOON + 10**9 + 5, b"\x15")
    (verdict,), bares = verified([*packets[:3], (added.time, encode(added)), *packets[3:]])
    assert (verdict.intact, bares) == (True, 1)


def test_a_record_whose_own_hash_was_computed_again() -> None:
    """The next record still states the hash of the original record."""
    packets = chained()
    changed = chained([*PLAIN[:3], replace(PLAIN[3], octets=b"\x01R1\x020005()\x03\x65"), *PLAIN[4:]])
    (verdict,), _ = verified([*packets[:3], changed[3], *packets[4:]])
    assert [place.number for place in verdict.altered] == [4]


def test_a_chain_computed_again_to_its_end_has_another_last_hash() -> None:
    """The hashes alone do not show this change; a signature does."""
    changed = chained([*PLAIN[:3], replace(PLAIN[3], octets=b"\x06"), *PLAIN[4:]])
    (verdict,), _ = verified(changed)
    assert verdict.complete
    assert verdict.hash != verified(chained())[0][0].hash


def test_two_chains_that_are_merged_stay_apart() -> None:
    other = [replace(record, time=record.time + 500) for record in PLAIN]
    packets = sorted([*chained(), *chained(other)], key=lambda packet: packet[0])
    verdicts, bares = verified(packets)
    assert [(verdict.intact, verdict.complete) for verdict in verdicts] == [(True, True)] * 2
    assert not bares


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "capture.pcapng"
    chain = HashChain()
    with create_trace(path, application="vtctap", taps=[Interface(147)] * 2) as writer:
        for record in PLAIN:
            writer.write(chain.feed(record), "a comment")
    return path


def read(path: Path) -> tuple[list[ChainVerdict], int]:
    verifier = Verifier()
    with open_capture(path) as reader:
        for number, packet in enumerate(reader, 1):
            verifier.feed(ChainPlace("t", number), packet.time, packet.data, decode(packet.data, packet.time))
    return list(verifier.verdicts.values()), verifier.bares


TOOLS = {
    "editcap": ("editcap", "{}", "out.pcapng"),
    "editcap to pcap": ("editcap", "-F", "nsecpcap", "{}", "out.pcap"),
    "mergecap": ("mergecap", "-w", "out.pcapng", "{}"),
    "reordercap": ("reordercap", "{}", "out.pcapng"),
    "tshark": ("tshark", "-r", "{}", "-w", "out.pcapng"),
    "tshark to pcap": ("tshark", "-r", "{}", "-F", "nsecpcap", "-w", "out.pcap"),
}


@pytest.mark.parametrize("command", TOOLS.values(), ids=TOOLS)
def test_the_chain_survives_other_programs(command: tuple[str, ...], capture: Path, run: Run, tmp_path: Path) -> None:
    target = next(word for word in command if word.startswith("out."))
    run(*(str(tmp_path / target) if word == target else word.format(capture) for word in command))
    (verdict,), bares = read(tmp_path / target)
    assert (verdict.intact, verdict.complete, bares) == (True, True, 0)


def test_a_slice_that_editcap_makes(capture: Path, run: Run, tmp_path: Path) -> None:
    run("editcap", "-r", capture, tmp_path / "out.pcapng", "2-5")
    (verdict,), _ = read(tmp_path / "out.pcapng")
    assert (verdict.intact, verdict.first, verdict.last) == (True, 2, 5)


def test_a_damaged_option_is_no_hash(tmp_path: Path) -> None:
    """A header without room for the option, and a header that another program has cut."""
    data = encode(Record(NOON, b"\x06"))
    writer = create_capture(tmp_path / "t.pcap", linktype=147)
    writer.close()
    for broken in (data[:33], data[:4] + b"\0\0\0\x24" + data[8:32] + b"\0\x05\0\x30\x06"):
        verifier = Verifier()
        verifier.feed(ChainPlace("t", 1), NOON, Packet(NOON, broken, 147).data, Record(NOON))
        assert verifier.bares == 1

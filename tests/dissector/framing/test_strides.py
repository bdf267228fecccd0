"""A run of octets, compared with the same octets one by one: pieces, records and state are equal for any octets."""

import random
from collections.abc import Iterable, Sequence
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment.recordings import RECORDINGS, bursts_of, named, octets_of
from equipment.sampling import sampled, turns
from vtctap.dissector.framing import reframe
from vtctap.dissector.framing.framer import Framer
from vtctap.dissector.framing.pieces import Octet, Piece, Run
from vtctap.pcap.burst import Burst
from vtctap.pcap.record import MAX_OCTETS, Flag, Sender

T0: Final = 1_700_000_000_000_000_000
CHARACTER: Final = 1_041_666
GAP: Final = 1_500_000_000
MAX_LENGTH: Final = 3000
"""The octets of a recording, divided and damaged in many ways."""
Settings = tuple[Sender, bool, bool, bool]
SETTINGS: Final[list[Settings]] = [
    (Sender.UNKNOWN, False, False, False),
    (Sender.UNKNOWN, True, True, False),
    (Sender.CLIENT, False, False, True),
    (Sender.SERVER, True, False, False),
]
"""Senders, and whether times are synthetic, mode E was selected, and the client omits check characters."""
PARTS: Final = [
    b"/?!\r\n", b"/?12!\r\n", b"/ISk5MT174-0001\r\n", b"\x06050\r\n", b"\x06", b"\x15", b"\0" * 12, b"\0\0",
    b"\x020.0.0(1)\r\n!\r\n\x03", b"\x02a\x03b", b"\x01R1\x021.8.0()\x03Z", b"\x01B0\x03q", b"\x020(1)\x04",
    b"\r\n", b"\n\r\n", b"!", b"/KFM5KAIFA\r\n\r\n1-0:1.8.0(1*kWh)\r\n!12AB\r\n", b"~", b"x" * 90, b"/", b"\x81",
    b"\x7e\xa0\x07\x03\x21\x93\x0f\x01\x7e", b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01", b"\xff",
    bytes(octet ^ 0x7F for octet in b"/ISk5MT174-0001\r\n"), bytes(octet ^ 0xFF for octet in b"/ISk5MT174\r\n"),
]  # fmt: skip


def framer(settings: Settings) -> Framer:
    sender, synthetic, binary, omits = settings
    made = Framer(sender=sender, character_time_ns=CHARACTER, gap_limit_ns=GAP, synthetic=synthetic)
    made.binary, made.omits_checks = binary, omits
    return made


def pieces(runs: Iterable[Run], settings: Settings, *, single: bool) -> list[Piece]:
    """Returns the pieces of runs that are fed whole, or octet by octet."""
    taken = framer(settings)
    found = [piece for run in runs for piece in taken.feed(list(run) if single else run)]
    return found + taken.close()


def flat(found: Iterable[Piece]) -> list[tuple[object, ...]]:
    return [
        (tuple(one.octets), one.values, one.is_frame, one.cut, one.binary, one.later, one.flags,
         one.framing_errors, one.pauses_us(CHARACTER))
        for one in found
    ]  # fmt: skip


def agree(runs: Sequence[Run], settings: Settings) -> None:
    assert flat(pieces(runs, settings, single=False)) == flat(pieces(runs, settings, single=True))


def runs_of(octets: bytes, cuts: Iterable[int], *, pause: int = 0, step: int = CHARACTER, flags: int = 0) -> list[Run]:
    """Returns the octets as runs that end at these places, with a pause (ns) between them."""
    ends = sorted({min(cut, len(octets)) for cut in cuts} | {len(octets)})
    runs, begin, start = [], 0, T0
    for end in ends:
        runs.append(Run(octets[begin:end], start, step, 7, flags))
        start += (end - begin) * step + pause
        begin = end
    return runs


@pytest.mark.parametrize(("entry", "settings"), turns(RECORDINGS, SETTINGS), ids=named)
def test_recordings(entry: dict[str, object], settings: Settings) -> None:
    octets = octets_of(entry)
    chance = random.Random(str(entry["name"]))
    agree([Run(octets, T0, CHARACTER)], settings)
    octets = octets[:MAX_LENGTH]
    for size in (1, 3, 16, 61):
        agree(runs_of(octets, range(size, len(octets), size), pause=chance.choice([0, 0, CHARACTER * 3])), settings)
    for _ in range(3):
        damaged = bytearray(octets)
        for _ in range(max(len(octets) // 200, 1)):
            damaged[chance.randrange(len(damaged))] = chance.choice([chance.randrange(256), *b"\x01\x02\x03/!\r\n~"])
        agree(runs_of(bytes(damaged), [chance.randrange(len(octets))]), settings)


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("pause", [0, 50_000_000, GAP + 1, 3 * GAP])
def test_every_split(settings: Settings, pause: int) -> None:
    octets = PARTS[0] + PARTS[2] + PARTS[3] + PARTS[8] + b"\x0b" + PARTS[16] + PARTS[4] + PARTS[10]
    for cut in range(len(octets) + 1):
        agree(runs_of(octets, [cut], pause=pause), settings)


@given(
    st.lists(st.sampled_from(PARTS) | st.binary(max_size=4), max_size=12).map(b"".join),
    st.lists(st.integers(0, 200), max_size=4),
    st.sampled_from([0, CHARACTER, 20_000_000, GAP + 1, 3 * GAP]),
    st.sampled_from([0, 1, CHARACTER, 3 * CHARACTER, 1100 * CHARACTER, GAP + CHARACTER + 1]),
    st.sampled_from([0, Flag.OVERRUN, Flag.PARITY, Flag.FRAMING]),
    st.sampled_from(SETTINGS),
)
def test_random(octets: bytes, cuts: list[int], pause: int, step: int, flags: int, settings: Settings) -> None:
    agree(runs_of(octets, cuts, pause=pause, step=step, flags=flags), settings)


@pytest.mark.parametrize(("over", "body"), turns([-1, 0, 1, 2], [b"1(2)", b"x"]))
def test_the_longest_frames(over: int, body: bytes) -> None:
    frame = b"\x02" + (body * MAX_OCTETS)[: MAX_OCTETS - 3 + over] + b"\x03"
    agree(runs_of(frame + b"q/?!\r\n", [100]), SETTINGS[2])
    agree(runs_of(b"/ABC5" + b"x" * (MAX_OCTETS + over), []), SETTINGS[2])


@pytest.mark.parametrize("settings", sampled(SETTINGS, 2))
def test_long_noise(settings: Settings) -> None:
    noise = b"h\r\nabc\x85" * (MAX_OCTETS // 6)
    agree(runs_of(noise + b"/?!\r\n" + noise[:100], [10, 20_000], pause=3 * GAP), settings)


@pytest.mark.parametrize("length", range(85, 100))
def test_the_longest_identification(length: int) -> None:
    for cut in (0, 50):
        agree(runs_of(b"/ABC5" + b"x" * length + b"\r\n" + b"\r\n" * 3 + b"1(2)\r\n!\r\n", [cut]), SETTINGS[0])


@pytest.mark.parametrize(("entry", "timed"), turns(RECORDINGS, [False, True]), ids=named)
def test_records_of_imports(entry: dict[str, object], timed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    bursts = bursts_of(entry)
    if timed:
        bursts = [
            Burst(burst.octets, burst.sender, T0 + at * 300_000_000, burst.flags, 1000, 9600)
            for at, burst in enumerate(bursts)
        ]
    records = list(reframe.assemble(bursts, speed=300, gap_limit_ns=GAP))
    monkeypatch.setattr(reframe, "Run", lambda *run: list(Run(*run)))
    assert records == list(reframe.assemble(bursts, speed=300, gap_limit_ns=GAP))


def test_a_run_is_a_sequence_of_octets() -> None:
    run = Run(b"abcd", 10, 3, 5, Flag.OVERRUN)
    octets = [Octet(value, 10 + 3 * at, 5, Flag.OVERRUN) for at, value in enumerate(b"abcd")]
    assert list(run) == octets
    assert [run[at] for at in range(4)] == octets
    assert run[-1] == octets[-1]
    for begin in range(5):
        for end in range(begin, 5):
            assert list(run[begin:end]) == octets[begin:end]
    with pytest.raises(IndexError):
        run[4]

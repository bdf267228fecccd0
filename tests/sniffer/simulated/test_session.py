"""Complete sessions in virtual time: the messages, their times, and the faults that are made on purpose."""

import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from operator import xor

import pytest

from vtctap.pcap.record import Line
from vtctap.sniffer.simulated.dialect import Dialect
from vtctap.sniffer.simulated.faults import FAULTS, PTY_FAULTS
from vtctap.sniffer.simulated.named import GUESS, KNOWN
from vtctap.sniffer.simulated.session import EPOCH, Play, play
from vtctap.sniffer.simulated.wire import WireOctet

MS = 1_000_000
SEEDS = range(12)


@dataclass
class Burst:
    """The octets that one side sent without a pause of more than 15 ms."""

    octets: list[WireOctet]

    @property
    def side(self) -> str:
        return self.octets[0].side

    @property
    def start(self) -> int:
        return self.octets[0].start

    @property
    def end(self) -> int:
        return self.octets[-1].end

    @property
    def text(self) -> bytes:
        return bytes(octet.octet & 0x7F for octet in self.octets)

    @property
    def has_good_check(self) -> bool:
        return reduce(xor, self.text[1:]) == 0


def bursts(octets: list[WireOctet]) -> list[Burst]:
    result: list[Burst] = []
    for octet in octets:
        if result and result[-1].side == octet.side and octet.start - result[-1].end < 15 * MS:
            result[-1].octets.append(octet)
        else:
            result.append(Burst([octet]))
    return result


def run(seed: int = 0, dialect: Dialect = KNOWN, **options: object) -> tuple[list[Burst], Play]:
    played = play(seed, dialect=dialect, **options)  # type: ignore[arg-type]
    return bursts(list(played)), played


def test_the_whole_story() -> None:
    """The known port sends only messages that its two public programs send."""
    said, _ = run()
    tokens = [burst.text[8:28] for burst in said if burst.text.startswith(b"\x01W\x02FFFF(")]

    def checked(text: bytes) -> bytes:
        return text + bytes([reduce(xor, text[1:])])

    def read(register: bytes, count: bytes, value: bytes) -> list[tuple[str, bytes]]:
        request, answer = b"\x01R\x02" + register + count + b"\x03", b"\x02" + register + b"(" + value + b")\x03"
        return [("client", checked(request)), ("server", checked(answer))]

    def enter(token: bytes, *results: bytes) -> list[tuple[str, bytes]]:
        write = [("client", checked(b"\x01W\x02FFFF(" + token + b")\x03")), ("server", b"\x06")]
        return [*write, *(message for result in results for message in read(b"FFFE", b"1", result))]

    busy = (b"10", b"10")
    garbled = next(burst.text for burst in said if burst.text[:1] == b"\x02" and not burst.has_good_check)
    sent = checked(b"\x022009(01)\x03")
    assert len(garbled) == len(sent)
    assert sum(a != b for a, b in zip(garbled, sent, strict=True)) == 1
    credit = 1234 + (int(tokens[0]) >> 16 & 0xFFFF)  # 0.1 kWh, none of which is consumed meanwhile.
    assert 50 <= credit - 1234 <= 2000
    assert [(burst.side, burst.text) for burst in said] == [
        *read(b"2000", b"1", b"01"),
        *read(b"2002", b"1", b"00"),
        *read(b"2006", b"0", b"00123456782"),
        ("client", checked(b"\x01R\x0220091\x03")),
        ("server", garbled),
        ("client", b"\x15"),
        ("server", sent),
        *read(b"200A", b"1", b"12"),
        *read(b"200C", b"0", b"23F0"),
        *read(b"200D", b"0", b"08FC"),
        *read(b"2010", b"0", b"000004D2"),
        *read(b"2011", b"0", b"0001E240"),
        *read(b"2014", b"0", b"0000"),
        *read(b"2016", b"0", b"01E240"),
        *read(b"FFFE", b"1", b"00"),
        *enter(tokens[0], *busy, b"01"),
        *read(b"2011", b"0", b"0001E240"),
        *read(b"2010", b"0", f"{credit:08X}".encode()),
        *enter(tokens[1], *busy, b"02"),
        *enter(tokens[2], *busy, b"03"),
        *read(b"200A", b"1", b"%X2" % (int(tokens[1]) >> 52 & 15)),
        *enter(tokens[0], *busy, b"0A"),
        *enter(tokens[4], *busy, b"0D"),
        *enter(tokens[5], *busy, b"0D"),
        *enter(tokens[6], b"0F"),
        *enter(tokens[7], *busy, b"01"),
    ]
    assert [int(token) >> 27 & 3 for token in tokens] == [0, 2, 2, 0, 0, 0, 0, 1]
    assert max(map(int, tokens)) < 1 << 66


def every_octet(play_: Play) -> list[WireOctet]:
    return list(play_)


@pytest.mark.parametrize("speed", [300, 2400, 9600, 115200])
@pytest.mark.parametrize("faults", [(), FAULTS])
def test_half_duplex_with_reaction_times(speed: int, faults: frozenset[str]) -> None:
    for seed in SEEDS:
        octets = every_octet(play(seed, speed=speed, faults=faults))
        assert octets[0].start > EPOCH
        assert all(octet.start < octet.end for octet in octets)
        for before, after in pairwise(octets):
            assert before.end <= after.start
            if before.side != after.side:
                assert after.start - before.end >= 20 * MS
                if not faults:
                    assert after.start - before.end <= 300 * MS


@pytest.mark.parametrize("speed", [300, 9600])
def test_nothing_else_is_wrong_without_faults(speed: int) -> None:
    for seed in SEEDS:
        said, played = run(seed, GUESS, speed=speed, sessions=2)
        assert all(octet.octet.bit_count() % 2 == 0 for burst in said for octet in burst.octets)
        assert not any(octet.is_break for burst in said for octet in burst.octets)
        blocks = [burst for burst in said if burst.text[0] in (1, 2)]
        bad = [burst for burst in blocks if not burst.has_good_check]
        assert [(fault.time, fault.code, fault.side) for fault in played.faults] == [
            (burst.start, "bcc-bad", burst.side) for burst in bad
        ]
        assert [burst.side for burst in bad] == ["server", "server"]
        statuses = [burst.text[6:-3] for burst in blocks if burst.text[:6] == b"\x02FFFE("]
        finals = [status for status in statuses if status != b"10"]
        assert finals == [b"00", b"01", b"0A", b"01", b"01", b"01", b"0A", b"01"]
        assert [burst.text for burst in said].count(b"\x01B0\x03\x71") == 2


def test_same_seed_same_octets_in_any_process() -> None:
    program = (
        "from vtctap.sniffer.simulated.session import play; from vtctap.sniffer.simulated.faults import FAULTS;"
        "import hashlib; p = play(7, faults=FAULTS, sessions=2); a = list(p);"
        "print(hashlib.sha256(repr((a, p.faults)).encode()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_other_seed_other_octets() -> None:
    assert every_octet(play(1)) != every_octet(play(2))
    tokens = [burst.text for seed in SEEDS for burst in run(seed)[0] if burst.text.startswith(b"\x01W")]
    assert len(set(tokens)) > len(SEEDS)


def test_lines_and_parity() -> None:
    plain = every_octet(play(3, line=Line(8, "N", 1)))
    odd = every_octet(play(3, line=Line(7, "O", 1)))
    assert all(octet.octet < 0x80 for octet in plain)
    assert all(octet.octet.bit_count() % 2 == 1 for octet in odd)
    assert [octet.octet for octet in plain] == [octet.octet & 0x7F for octet in odd]


@pytest.mark.parametrize("speed", [300, 9600, 115200])
def test_every_fault_is_there_and_where_the_list_says(speed: int) -> None:
    for seed in SEEDS:
        said, played = run(seed, GUESS, speed=speed, faults=FAULTS, sessions=2)
        expected = Counter(dict.fromkeys(FAULTS, 2)) + Counter({"bcc-bad": 2})
        assert Counter(fault.code for fault in played.faults) == expected
        assert [fault.time for fault in played.faults] == sorted(fault.time for fault in played.faults)
        at = {burst.start: index for index, burst in enumerate(said)}
        for fault in played.faults:
            index = at[fault.time]
            burst = said[index]
            assert burst.side == fault.side
            shows(fault.code, said, index)
        # There are no other errors, and both sessions are complete.
        assert sum(bad_parity(burst) for burst in said) == 2
        assert [burst.text for burst in said].count(b"\x01B0\x03\x71") == 2
        answers = b"".join(burst.text for burst in said if burst.side == "server")
        assert answers.count(b"\x02FFFE(0A)\x03p") >= 2
        assert b"(13)" not in answers
        assert b"(15)" not in answers


def bad_parity(burst: Burst) -> int:
    return sum(octet.octet.bit_count() % 2 for octet in burst.octets)


def shows(code: str, said: list[Burst], index: int) -> None:
    """Whether the faulty burst and the bursts after it show the fault that its code names."""
    burst, after = said[index], said[index + 1]
    if code == "bcc-bad":
        assert not burst.has_good_check
        assert after.text == b"\x15"
    elif code == "parity":
        assert bad_parity(burst) == 1
        assert burst.has_good_check
        assert after.text == b"\x15"
    elif code == "no-response":
        assert burst.text[:3] == b"\x01R1"
        assert after.text == burst.text
        assert after.start - burst.end > 1_500 * MS
    elif code == "cut":
        assert burst.text[:1] == b"\x02"
        assert not {3, 4} & set(burst.text)
        assert (after.side, after.start - burst.end > 1_500 * MS) == ("client", True)
    elif code == "noise":
        assert not set(burst.text) & set(b"\x00\x01\x02\x03\x04\x06\x15/!~")
        assert (after.side, after.text[:3]) == ("client", b"\x01R1")
    elif code == "response-late":
        assert 1_500 * MS < burst.start - said[index - 1].end < 2_000 * MS
        assert burst.has_good_check
    elif code == "char-gap":
        assert after.side == burst.side
        assert 1_500 * MS < after.start - burst.end < 2_000 * MS
        assert Burst(burst.octets + after.octets).has_good_check
    elif code == "undefined-command":
        assert burst.text[:2] == b"\x01X"
        assert burst.has_good_check
        assert after.text == b"\x15"
    else:
        assert code == "break"
        assert [(octet.octet, octet.is_break) for octet in burst.octets] == [(0, True)]


def test_single_faults() -> None:
    for code in sorted(FAULTS):
        _, played = run(5, faults=[code])
        assert Counter(fault.code for fault in played.faults) == Counter([code, "bcc-bad"])
    assert PTY_FAULTS < FAULTS


def test_wrong_faults() -> None:
    with pytest.raises(ValueError, match="no such fault: bcc-wrong"):
        play(faults=["bcc-wrong"])
    with pytest.raises(ValueError, match="8N1"):
        play(faults=["parity"], line=Line(8, "N", 1))


def test_is_lazy() -> None:
    played = play(sessions=1_000_000)
    first = next(iter(played))
    assert first.octet & 0x7F == 1
    assert played.faults == []

"""Following the speed: on a line that garbles the octets of a wrongly set tap, and message by message."""

import os
import select
import termios
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import reduce
from operator import xor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment import PATIENCE
from equipment.garbling import GarblingTaps
from equipment.receiver import Receiver, Waveform
from equipment.sampling import turns
from vtctap.dissector.framing.assembler import Assembler, Tap
from vtctap.dissector.framing.pieces import Octet
from vtctap.dissector.protocol.messages import decode
from vtctap.dissector.protocol.speeds import MODE_B, MODE_C
from vtctap.pcap.record import Flag, Kind, Line, Record, Sender
from vtctap.sniffer.detect import SPEEDS, Detector
from vtctap.sniffer.port import Settings
from vtctap.sniffer.posix_port import PosixPort
from vtctap.sniffer.simulated.named import GUESS
from vtctap.sniffer.simulated.session import play
from vtctap.sniffer.simulated.wire import Side, WireOctet, received
from vtctap.sniffer.speed import Change, SpeedFollower

MS = 1_000_000
SECOND = 1_000 * MS
GAP_LIMIT = 1_500 * MS
EVEN, EIGHT, ODD = Line(7, "E", 1), Line(8, "N", 1), Line(7, "O", 1)
TWO = {0: Sender.CLIENT, 1: Sender.SERVER}
MERGED = {0: Sender.UNKNOWN}
START = Settings(300, EVEN)
FAST = Settings(9600, EVEN)


def follower(settings: Settings | None = START, taps: dict[int, Sender] = TWO, **options: int) -> SpeedFollower:
    return SpeedFollower(settings, gap_limit_ns=GAP_LIMIT, taps=taps, **options)


class Link:
    """A virtual line with taps whose receivers have the follower's settings. ``delay`` (ns) is how late the octets of
    each millisecond are read. The follower's requests are carried out at once. ``marks``: the adapter marks errors."""

    def __init__(
        self, follower: SpeedFollower, taps: dict[int, Sender], *, line: Line = EVEN, delay: int = 0, marks: bool = True
    ) -> None:
        self.follower = follower
        self.taps = [Tap(number, sender, line, 0) for number, sender in taps.items()]
        self.delay = delay
        self.marks = marks
        self.changes: list[Change] = []
        self.records: list[Record] = []
        self.noise = self.octets = 0
        self.waveforms = [Waveform(line) for _ in taps]
        self.receivers = [Receiver(waveform, 0, EIGHT) for waveform in self.waveforms]
        self._set()
        self.assembler = Assembler(0, self.taps, gap_limit_ns=GAP_LIMIT)

    def _set(self) -> None:
        settings = self.follower.settings
        for receiver, tap in zip(self.receivers, self.taps, strict=True):
            receiver.speed, receiver.line = tap.speed, tap.line = settings.speed, settings.line

    def _do(self, change: Change | None) -> None:
        if change:
            assert change.settings == self.follower.settings
            self.changes.append(change)
            self._set()

    def carry(self, octets: Iterable[WireOctet]) -> None:
        """Plays octets, and three seconds of silence."""
        waiting = list(octets)
        waveforms = {"client": self.waveforms[0], "server": self.waveforms[-1]}
        now, end, read = waiting[0].start - SECOND, waiting[-1].end + 3 * SECOND, []
        while now < end:
            now += MS
            while waiting and waiting[0].start <= now:
                octet = waiting.pop(0)
                waveforms[octet.side].feed(octet)
            for tap, receiver in enumerate(self.receivers):
                if heard := receiver.run(now):
                    step = self.follower.settings.line.character_time_ns(self.follower.settings.speed)
                    stamped = [
                        Octet(octet.value, octet.end - step * 19 // 20, 0, octet.flags if self.marks else 0)
                        for octet in heard
                    ]
                    read.append((now + self.delay, tap, stamped))
            while read and read[0][0] <= now:
                self._hear(now, *read.pop(0)[1:])
            if now % (100 * MS) == 0:
                self._do(self.follower.silence(now))
                self.records += self.assembler.advance(now - 100 * MS)
        self.records += self.assembler.close()

    def _hear(self, now: int, tap: int, octets: list[Octet]) -> None:
        self.octets += len(octets)
        if self.follower.searching:
            self.noise += len(octets)
        else:
            self.records += self.assembler.feed(tap, octets)
        self._do(self.follower.feed(tap, [(octet.value, octet.flags) for octet in octets], now))

    @property
    def frames(self) -> list[bytes]:
        return [record.octets for record in self.records if record.kind is Kind.FRAME]

    @property
    def steps(self) -> list[tuple[int, str]]:
        return [(change.settings.speed, change.why) for change in self.changes]


def messages(octets: Sequence[WireOctet]) -> list[bytes]:
    """Returns the messages on the line in seven bits; a message is what one side sends without a pause."""
    found: list[bytearray] = []
    last: WireOctet | None = None
    for octet in octets:
        if last is None or octet.side != last.side or octet.start > last.end + 5 * MS:
            found.append(bytearray())
        found[-1].append(octet.octet & 0x7F)
        last = octet
    return [bytes(message) for message in found]


UP, DOWN = (9600, "OptionSelect"), (300, "BreakCommand")
STEPS = {
    "B": [(2400, "IDResponse"), (300, "end-of-readout")],
    "C": [UP, DOWN],
    "C readout": [UP, (300, "end-of-readout")],
    "E": [UP, (300, "silence")],
}


@pytest.mark.parametrize("delay", [0, 15 * MS])
@pytest.mark.parametrize("taps", [TWO, MERGED], ids=["two taps", "one tap"])
@pytest.mark.parametrize("mode", ["B", "C", "C readout"])
def test_every_message_of_every_session(mode: str, taps: dict[int, Sender], delay: int) -> None:
    octets = list(play(3, speed=300, mode=mode, sessions=2, dialect=GUESS))
    link = Link(follower(taps=taps), taps, delay=delay)
    link.carry(octets)
    assert link.frames == messages(octets)
    assert {decode(frame).bcc_status for frame in link.frames} == {"good", "none"}
    assert all(record.kind is Kind.FRAME and not record.flags for record in link.records)
    assert link.steps == STEPS[mode] * 2
    fast = STEPS[mode][0][0]
    assert {record.speed for record in link.records} == {300, fast}
    assert {record.speed for record in link.records if b"2011(" in record.octets} == {fast}


@pytest.mark.parametrize("taps", [TWO, MERGED], ids=["two taps", "one tap"])
def test_mode_e(taps: dict[int, Sender]) -> None:
    """The character format changes with the speed. The client signs on again before the session's timeout, so there is
    only one session."""
    octets = list(play(3, speed=300, mode="E"))
    link = Link(follower(taps=taps), taps)
    link.carry(octets)
    assert link.steps == STEPS["E"]
    assert [change.settings.line for change in link.changes] == [EIGHT, EVEN]
    fast = [record for record in link.records if record.speed == 9600]
    assert len(fast) == 4
    assert {record.line for record in fast} == {EIGHT}
    assert b"".join(record.octets for record in fast) == bytes(
        octet.octet for octet in octets if octet.end - octet.start < 2 * MS
    )


def test_a_fixed_speed_changes_nothing() -> None:
    octets = list(play(3, sessions=2, dialect=GUESS))
    link = Link(follower(FAST), TWO)
    link.carry(octets)
    assert link.steps == []
    assert link.frames == messages(octets)


@pytest.mark.parametrize(("speed", "line"), turns([300, 2400, 9600, 115200], [EVEN, EIGHT, ODD]), ids=str)
def test_an_unknown_line(speed: int, line: Line) -> None:
    octets = list(play(3, speed=speed, line=line, sessions=2, dialect=GUESS))
    unknown = follower(None)
    assert unknown.searching
    assert unknown.settings == Detector().settings
    link = Link(unknown, TWO, line=line)
    link.carry(octets)
    assert not unknown.searching
    assert unknown.settings == Settings(speed, line)
    assert link.steps[-1] == (speed, "found")
    assert {why for _, why in link.steps[:-1]} <= {"searching"}
    # Nothing is lost: octets before the first record are noise, and from then on each message has a record.
    assert link.octets == link.noise + sum(len(record.octets) for record in link.records)
    whole = messages(octets)
    assert len(whole) - len(link.frames) <= 9
    assert link.frames[-len(link.frames) + 1 :] == whole[-len(link.frames) + 1 :]


@pytest.mark.parametrize(
    ("speed", "line"), turns([300, 600, 1200, 2400, 4800, 9600, 19200, 115200], [EVEN, EIGHT, ODD]), ids=str
)
@pytest.mark.parametrize("taps", [TWO, MERGED], ids=["two taps", "one tap"])
def test_an_unknown_line_and_an_adapter_that_marks_nothing(taps: dict[int, Sender], speed: int, line: Line) -> None:
    """A CH340, and many CP2102, do not report framing errors, and do not report that either."""
    octets = list(play(3, speed=speed, line=line, sessions=2, dialect=GUESS))
    unknown = follower(None, taps)
    link = Link(unknown, taps, line=line, marks=False)
    link.carry(octets)
    assert not unknown.searching
    assert unknown.settings == Settings(speed, line)
    assert [why for _, why in link.steps].count("found") == 1
    whole = messages(octets)
    assert len(whole) - len(link.frames) <= 12
    assert link.frames[-len(link.frames) + 1 :] == whole[-len(link.frames) + 1 :]


@pytest.mark.parametrize("speed", [300, 1200, 2400, 19200])
def test_a_start_speed_that_is_wrong_is_found_out(speed: int) -> None:
    octets = list(play(3, speed=speed, sessions=4, dialect=GUESS))
    link = Link(wrong := follower(FAST), TWO)
    link.carry(octets)
    assert wrong.settings == Settings(speed, EVEN)
    garbage = [at for at, change in enumerate(link.changes) if change.why == "garbage"]
    assert 1 <= len(garbage) <= 2
    assert link.steps[-1][0] == speed
    assert link.frames[-20:] == messages(octets)[-20:]


def test_joined_in_the_middle_of_a_session() -> None:
    octets = list(play(3, speed=300, mode="C", sessions=3))
    first_fast = next(at for at, octet in enumerate(octets) if octet.end - octet.start < 2 * MS)
    slow = Link(follower(), TWO)
    slow.carry(octets[first_fast + 3 :])
    assert slow.follower.settings == START
    assert slow.steps[-2:] == [UP, DOWN]
    last = messages(octets)[-11:]
    assert slow.frames[-len(last) :] == last


def test_a_line_that_is_wrong() -> None:
    """The speed is right, but the line lacks parity: every other octet is bad, and no octet is lost to a search."""
    octets = list(play(3, line=EIGHT, sessions=2, dialect=GUESS))
    link = Link(wrong := follower(FAST), TWO, line=EIGHT)
    link.carry(octets)
    assert wrong.settings == Settings(9600, EIGHT)
    assert [why for _, why in link.steps] == ["no-parity"]
    assert link.noise == 0


# A speed that is selected but not adopted.

LONG = b"".join(b"1.8.%d(%06d.%03d*kWh)\r\n" % (at, at * 7919, at * 31 % 1000) for at in range(40))


def spoken(*said: tuple[Side, bytes, int, int], line: Line = EVEN) -> list[WireOctet]:
    """Returns the messages: side, octets, speed (bit/s) and the silence before (ms)."""
    octets: list[WireOctet] = []
    now = SECOND
    for side, text, speed, silence in said:
        now += silence * MS
        for value in text:
            end = now + line.character_bits * SECOND // speed
            octets.append(WireOctet(side, received(value, line), now, end))
            now = end
    return octets


def signed_on(select: bytes) -> list[tuple[Side, bytes, int, int]]:
    return [("client", REQUEST, 300, 0), ("server", IDENT, 300, 250), ("client", select, 300, 250)]


@pytest.mark.parametrize("marks", [True, False], ids=["marks", "marks nothing"])
@pytest.mark.parametrize("taps", [TWO, MERGED], ids=["two taps", "one tap"])
@pytest.mark.parametrize("answered", [9600, 4800, 300])
def test_a_speed_that_is_not_taken(answered: int, taps: dict[int, Sender], marks: bool) -> None:
    """The client selects 4800 where 9600 was offered. The meter answers at either speed, or stays at 300. Few octets of
    its readout are lost, and the next session is followed from its beginning."""
    readout = checked(b"\x02" + LONG + b"!\r\n\x03")
    first = spoken(*signed_on(b"\x06040\r\n"), ("server", readout, answered, 300))
    again = spoken(
        *signed_on(OPTION), ("server", checked(b"\x01P0\x02(1)\x03"), 9600, 300), ("client", BREAK, 9600, 250)
    )
    link = Link(follower(taps=taps, marks=marks), taps, marks=marks)
    later = first[-1].end + 4 * SECOND
    link.carry([*first, *(replace(octet, start=octet.start + later, end=octet.end + later) for octet in again)])
    heard = b"".join(record.octets for record in link.records if record.speed == answered)
    kept = next(length for length in range(len(readout), 0, -1) if readout[-length:] in heard)
    if answered == 4800:
        assert kept == len(readout)
        assert "garbage" not in [why for _, why in link.steps]
    else:
        assert len(readout) - kept <= 40, len(readout)
        changes = [(speed, why) for speed, why in link.steps if why != "searching"]
        assert changes[:3] == [(4800, "OptionSelect"), (max(answered, 9600), "garbage"), (answered, "found")]
    assert link.frames[-5:] == messages(again)


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("marks", [True, False], ids=["marks", "marks nothing"])
@pytest.mark.parametrize("taps", [TWO, MERGED], ids=["two taps", "one tap"])
def test_a_speed_that_is_refused(taps: dict[int, Sender], marks: bool, times: int) -> None:
    """The meter answers the selection of a speed that it did not offer with a NAK, and stays at 300. The client repeats
    it, and then selects the present speed."""
    readout = checked(b"\x02" + LONG + b"!\r\n\x03")
    refused = [("server", b"\x15", 300, 250), ("client", b"\x06040\r\n", 300, 250)] * times
    first = spoken(
        *signed_on(b"\x06040\r\n"), *refused[:-1], ("client", b"\x06000\r\n", 300, 250), ("server", readout, 300, 300)
    )
    link = Link(follower(taps=taps, marks=marks), taps, marks=marks)
    link.carry(first)
    heard = b"".join(record.octets for record in link.records if record.speed == 300)
    assert readout[20 if times == 1 else 5 :] in heard
    tried = list(dict.fromkeys(speed for speed, _ in link.steps))
    assert tried == [4800, 9600, 300], "chosen, offered, start"
    assert link.steps[-1] == (300, "found")


@pytest.mark.parametrize("answered", [2400, 300])
def test_a_speed_of_mode_b_that_is_not_taken(answered: int) -> None:
    """The meter states 2400, and changes to it or does not."""
    readout = checked(b"\x02" + LONG + b"!\r\n\x03")
    said = spoken(
        ("client", REQUEST, 300, 0), ("server", b"/ZZzCtest\r\n", 300, 250), ("server", readout, answered, 300)
    )
    link = Link(follower(), TWO)
    link.carry(said)
    heard = b"".join(record.octets for record in link.records if record.speed == answered)
    assert readout[40:] in heard
    assert (readout in heard) == (answered == 2400)


@pytest.mark.parametrize("wrong", [(7, 8), (20, 40, 60), tuple(range(100, 400, 5))])
def test_damage_at_the_speed_that_was_chosen_loses_nothing(wrong: tuple[int, ...]) -> None:
    """Wrong octets among good ones are a disturbance, not a wrong speed."""
    readout = checked(b"\x02" + LONG + b"!\r\n\x03")
    octets = spoken(*signed_on(b"\x06050\r\n"), ("server", readout, 9600, 300))
    begin = len(octets) - len(readout)
    for at in wrong:
        octets[begin + at] = replace(octets[begin + at], octet=octets[begin + at].octet ^ 0x80)
    link = Link(follower(), TWO)
    link.carry(octets)
    assert [why for _, why in link.steps] == ["OptionSelect", "silence"]
    assert link.noise == 0


@pytest.mark.parametrize("marks", [True, False], ids=["marks", "marks nothing"])
@pytest.mark.parametrize("start", [300, 9600])
def test_telegrams_of_p1_at_the_default_speed(start: int, marks: bool) -> None:
    """A slow receiver sees a telegram at 115200 as a few octets; the search begins after seconds."""
    telegram = b"/XMX5LGBBFG10\r\n\r\n" + LONG[:500] + b"!ABCD\r\n"
    said = spoken(*[("server", telegram, 115200, 1000)] * 12, line=EIGHT)
    taps = {0: Sender.SERVER}
    link = Link(follower(Settings(start, EVEN), taps, marks=marks), taps, line=EIGHT, marks=marks)
    link.carry(said)
    assert link.steps[0][1] == "garbage"
    assert link.frames.count(telegram) >= 7


# Message by message.


def checked(message: bytes) -> bytes:
    return message + bytes([reduce(xor, message[1:])])


REQUEST, IDENT, OPTION = b"/?!\r\n", b"/ZZz5test\r\n", b"\x06051\r\n"
BREAK = b"\x01B0\x03\x71"
READOUT = checked(b"\x021.8.0(1)\r\n!\r\n\x03")


class Talk:
    """Tells a follower each message 100 ms after the previous one, with the octets as its line receives them."""

    def __init__(self, follower: SpeedFollower) -> None:
        self.follower = follower
        self.now = 10 * SECOND

    def say(self, text: bytes, tap: int = 0, *, wrong: int | None = None) -> Change | None:
        self.now += 100 * MS
        octets = [(received(octet, self.follower.settings.line), 0) for octet in text]
        if wrong is not None:
            octets[wrong] = (octets[wrong][0] ^ 0x80, 0)
        return self.follower.feed(tap, octets, self.now)

    def wait(self, time: int) -> Change | None:
        self.now += time
        return self.follower.silence(self.now)


@pytest.fixture
def talk() -> Talk:
    return Talk(follower())


def fast(talk: Talk) -> Talk:
    talk.say(REQUEST)
    talk.say(IDENT, 1)
    assert talk.say(OPTION) == Change(FAST, "OptionSelect")
    return talk


@pytest.mark.parametrize(("character", "speed"), MODE_C.items())
def test_option_select(character: str, speed: int) -> None:
    talk = Talk(follower(Settings(4800, EVEN)))
    change = talk.say(b"\x060" + character.encode() + b"1\r\n")
    assert change == (None if speed == 4800 else Change(Settings(speed, EVEN), "OptionSelect"))
    assert talk.follower.settings.speed == speed


@pytest.mark.parametrize(
    "said", [b"\x06001\r\n", b"\x06", b"\x06\r\n", b"\x06071\r\n", b"\x060:1\r\n", REQUEST, IDENT, b"\x15", READOUT]
)
def test_what_changes_nothing(talk: Talk, said: bytes) -> None:
    assert talk.say(said) is None
    assert talk.follower.settings == START


def test_octet_by_octet(talk: Talk) -> None:
    assert [talk.say(bytes([octet])) for octet in OPTION] == [None] * 5 + [Change(FAST, "OptionSelect")]


def test_what_came_in_the_same_read_as_the_option_is_not_heard(talk: Talk) -> None:
    assert talk.say(OPTION + BREAK) == Change(FAST, "OptionSelect")
    assert talk.follower.settings == FAST


@pytest.mark.parametrize("wrong", range(6))
def test_a_damaged_option_select_changes_nothing(talk: Talk, wrong: int) -> None:
    assert talk.say(OPTION, wrong=wrong) is None


@pytest.mark.parametrize(
    ("option", "line", "speed"),
    [(b"252", EIGHT, 9600), (b"202", EIGHT, 300), (b"256", EVEN, 9600), (b"052", EVEN, 9600)],
)
def test_eight_bits_in_mode_e_only(talk: Talk, option: bytes, line: Line, speed: int) -> None:
    assert talk.say(b"\x06" + option + b"\r\n") == Change(Settings(speed, line), "OptionSelect")


@pytest.mark.parametrize(("character", "speed"), MODE_B.items())
def test_identification_of_mode_b(talk: Talk, character: str, speed: int) -> None:
    talk.say(REQUEST)
    identification = f"/ZZz{character}test\r\n".encode()
    assert talk.say(identification, 1) == Change(Settings(speed, EVEN), "IDResponse")
    assert talk.say(READOUT, 1) is None
    assert talk.wait(400 * MS) is None
    assert talk.wait(200 * MS) == Change(START, "end-of-readout")


def test_identification_that_nobody_asked_for(talk: Talk) -> None:
    """A Telegram begins with an identification."""
    assert talk.say(b"/ZZzDtest\r\n", 1) is None


def test_a_tap_that_does_not_hear_who_asked() -> None:
    talk = Talk(follower(taps={0: Sender.SERVER}))
    assert talk.say(b"/ZZzCtest\r\n") == Change(Settings(2400, EVEN), "IDResponse")


def test_an_identification_with_more_behind_it_is_no_mode_b(talk: Talk) -> None:
    talk.say(REQUEST)
    assert talk.say(b"/ZZzCtest\r\n\r\n1.8.0(1)\r\n!\r\n", 1) is None


def test_mode_b_is_over_with_the_session(talk: Talk) -> None:
    talk.say(REQUEST)
    talk.say(BREAK)
    assert talk.say(b"/ZZzCtest\r\n", 1) is None


@pytest.mark.parametrize(
    ("said", "back"),
    [
        (BREAK, True),
        (b"\x01B0\x03\x75", True),  # The sum, which some meters expect.
        (b"\x01B0\x03\x70", False),
        (b"\x01B0\x03", False),
        (b"\x01R1\x020()\x03\x53", False),
    ],
)
def test_break(talk: Talk, said: bytes, back: bool) -> None:
    fast(talk)
    assert talk.say(said) == (Change(START, "BreakCommand") if back else None)


def test_a_break_with_wrong_parity_is_none(talk: Talk) -> None:
    assert fast(talk).say(BREAK, wrong=2) is None


def test_a_second_session(talk: Talk) -> None:
    for _ in range(3):
        fast(talk)
        assert talk.say(checked(b"\x01P0\x02(1)\x03"), 1) is None
        assert talk.say(BREAK) == Change(START, "BreakCommand")


READS = {
    "whole": (b"\x06050\r\n", [READOUT], True),
    "bad check": (b"\x06050\r\n", [READOUT[:-1] + b"\x7f"], False),
    "refused": (b"\x06050\r\n", [READOUT, b"\x15"], False),
    "in parts": (b"\x06050\r\n", [checked(b"\x021.8.0(1)\r\n\x04")], False),
    "of a register": (b"\x06051\r\n", [checked(b"\x021.8.0(1)\x03")], False),
    "programming": (b"\x06051\r\n", [READOUT], False),
}


@pytest.mark.parametrize(("option", "answers", "over"), READS.values(), ids=READS)
def test_the_end_of_a_readout(talk: Talk, option: bytes, answers: list[bytes], over: bool) -> None:
    assert talk.say(option) == Change(FAST, "OptionSelect")
    for answer in answers:
        assert talk.say(answer, 0 if answer == b"\x15" else 1) is None
    assert talk.wait(600 * MS) == (Change(START, "end-of-readout") if over else None)


def test_a_register_that_is_read_in_mode_b_is_no_readout() -> None:
    talk = Talk(follower(taps={0: Sender.SERVER}))
    assert talk.say(b"/ZZzCtest\r\n")
    assert talk.say(checked(b"\x021.8.0(1)\x03")) is None
    assert talk.wait(600 * MS) is None


def test_a_readout_that_a_command_asked_for_ends_nothing(talk: Talk) -> None:
    talk.say(b"\x06050\r\n")
    assert talk.say(checked(b"\x01R5\x02ALL()\x03")) is None
    assert talk.say(READOUT, 1) is None
    assert talk.wait(600 * MS) is None


def test_a_break_after_a_readout_is_heard(talk: Talk) -> None:
    talk.say(b"\x06050\r\n")
    talk.say(READOUT, 1)
    assert talk.say(BREAK) == Change(START, "BreakCommand")


def test_the_length_of_silence(talk: Talk) -> None:
    """A read comes up to two characters late."""
    late = 2 * FAST.line.character_time_ns(FAST.speed)
    fast(talk)
    assert talk.wait(1_500 * MS + late) is None
    assert talk.wait(1) == Change(START, "silence")


def test_the_rest_after_a_readout(talk: Talk) -> None:
    talk.say(REQUEST)
    talk.say(b"/ZZzEtest\r\n", 1)
    talk.say(READOUT, 1)
    assert talk.wait(500 * MS - 1) is None
    assert talk.wait(1) == Change(START, "end-of-readout")


def test_silence(talk: Talk) -> None:
    fast(talk)
    assert talk.wait(1_500 * MS) is None
    assert talk.wait(100 * MS) == Change(START, "silence")
    assert talk.wait(SECOND) is None
    assert talk.say(REQUEST) is None
    assert talk.follower.settings == START


@pytest.mark.parametrize("octet", [(0x00, Flag.FRAMING | Flag.BREAK), (0xF1, 0), (0x2F, 0), (0xB1, 0)])
def test_a_session_goes_on_after_a_silence(talk: Talk, octet: tuple[int, int]) -> None:
    """9600 bit/s received at 300. (2Fh is a slash with wrong parity, B1h a 1 with right parity.)"""
    fast(talk)
    talk.wait(2 * SECOND)
    assert talk.follower.feed(0, [octet], talk.now) == Change(FAST, "session-goes-on")
    assert talk.wait(2 * SECOND) == Change(START, "silence")
    talk.say(BREAK[:1])
    # Sessions still begin where the client signed on.
    assert talk.wait(2 * SECOND) == Change(START, "silence")


def test_mode_e_goes_on_as_mode_e(talk: Talk) -> None:
    talk.say(b"\x06252\r\n")
    assert talk.wait(2 * SECOND) == Change(START, "silence")
    assert talk.follower.feed(0, [(0x35, 0)], talk.now) == Change(Settings(9600, EIGHT), "session-goes-on")


@pytest.mark.parametrize("first", [b"\x00", b"/"])
def test_a_wake_up_or_sign_on_after_a_silence(talk: Talk, first: bytes) -> None:
    fast(talk)
    talk.wait(2 * SECOND)
    assert talk.say(first) is None
    assert talk.say(b"1") is None


def test_at_the_start_speed_silence_is_no_end(talk: Talk) -> None:
    talk.say(REQUEST)
    assert talk.wait(100 * SECOND) is None


def hear(follower: SpeedFollower, octets: Sequence[tuple[int, int]]) -> list[Change | None]:
    return [follower.feed(0, [octet], at * MS) for at, octet in enumerate(octets)]


def test_64_octets_of_garbage(talk: Talk) -> None:
    garbage = [(0x01, 0), (0x83, 0)] * 32  # One of two octets has wrong parity.
    changes = hear(talk.follower, garbage)
    assert changes[:63] == [None] * 63
    assert changes[63] == Change(Detector().settings, "garbage")
    assert talk.follower.searching


def test_a_quarter_is_garbage_and_less_is_not() -> None:
    bad, good = (0x01, 0), (0x81, 0)
    assert not any(hear(follower(), [bad, good, good, good, good] * 100))
    assert any(hear(follower(), [bad, good, good, good] * 16))


def test_good_messages_are_no_garbage(talk: Talk) -> None:
    for _ in range(20):
        for octet in [0x01] * 8 + [0x0A]:
            assert talk.follower.feed(1, [(octet, 0)], talk.now) is None
        assert talk.say(REQUEST) is None
    assert not talk.follower.searching


def test_eight_bits_may_be_anything() -> None:
    octets = [(at * 7 & 0xFF, 0) for at in range(1000)]
    assert not any(hear(follower(Settings(9600, EIGHT)), octets))
    # But if the port reports no framing errors, octets that are no text are the only evidence.
    assert any(hear(follower(Settings(9600, EIGHT), marks=False), octets))
    broken = [(0, Flag.FRAMING), (0x30, 0)] * 32
    assert any(hear(follower(Settings(9600, EIGHT)), broken))


def test_a_glitch_at_a_speed_that_was_stated_is_no_garbage(talk: Talk) -> None:
    """The bad octets arrive at once, as when an optical head is attached, not over seconds."""
    glitch = [(0xFF, Flag.FRAMING)] * 12
    assert talk.follower.feed(0, glitch, talk.now) is None
    assert talk.say(REQUEST) is None
    talk.now += 5 * SECOND
    assert talk.follower.feed(0, glitch, talk.now) is None
    assert not talk.follower.searching


def test_the_event(talk: Talk) -> None:
    before = talk.follower.settings
    change = talk.say(b"\x06252\r\n")
    assert change
    assert change.event(before) == "speed from=300 to=9600 line=8N1 why=OptionSelect"


@given(
    st.lists(
        st.one_of(
            st.sampled_from([REQUEST, IDENT, OPTION, BREAK, READOUT, b"\x06252\r\n", b"/ZZzBtest\r\n", b"\x15"]),
            st.binary(max_size=40),
            st.integers(0, 3 * SECOND),
        ),
        max_size=30,
    ),
    st.sampled_from([START, FAST, None]),
    st.integers(0, 1),
)
def test_whatever_is_heard(said: list[bytes | int], start: Settings | None, tap: int) -> None:
    """The requested speed is always the one that is set, each change changes something, and a search lasts until it
    succeeds."""
    talk = Talk(follower(start))
    for what in said:
        before, searching = talk.follower.settings, talk.follower.searching
        change = talk.wait(what) if isinstance(what, int) else talk.say(what, tap)
        if change is None:
            assert (talk.follower.settings, talk.follower.searching) == (before, searching)
        else:
            assert change.settings == talk.follower.settings
            assert change.settings.speed in SPEEDS
            assert talk.follower.searching == (change.why in ("garbage", "searching"))
            assert change.settings != before or change.why in ("garbage", "found")


# In real time, on pseudo-terminals.


@pytest.fixture
def leakless() -> Iterator[None]:
    files = len(os.listdir("/dev/fd"))
    yield
    assert len(os.listdir("/dev/fd")) == files


def set_speed(port: PosixPort, speed: int) -> None:
    attributes = termios.tcgetattr(port.fileno())
    attributes[4] = attributes[5] = getattr(termios, f"B{speed}")
    termios.tcsetattr(port.fileno(), termios.TCSANOW, attributes)


def on_terminals(
    following: SpeedFollower, octets: Sequence[WireOctet]
) -> tuple[list[Change], list[list[tuple[int, int]]]]:
    """Returns the changes of speed, and the octets received before and after each, of both sides in the order of
    arrival. In virtual time, the octets of a millisecond are read and the ports are set before the next millisecond
    begins."""
    changes: list[Change] = []
    heard: list[list[tuple[int, int]]] = [[]]
    with GarblingTaps(EVEN) as taps:
        ports: dict[Side, PosixPort] = {
            "client": PosixPort(taps.client, following.settings),
            "server": PosixPort(taps.server, following.settings),
        }
        read = dict.fromkeys(ports, 0)
        for step, delivered in enumerate(taps.steps(octets)):
            for number, (side, port) in enumerate(ports.items()):
                while read[side] < delivered[side]:
                    assert select.select([port], [], [], PATIENCE)[0]
                    heard[-1] += (some := port.read())
                    read[side] += len(some)
                    if change := following.feed(number, some, step * MS):
                        for each in ports.values():
                            set_speed(each, change.settings.speed)
                        changes.append(change)
                        heard.append([])
        for port in ports.values():
            port.close()
    return changes, heard


@pytest.mark.usefixtures("leakless")
@pytest.mark.parametrize("mode", ["B", "C"])
def test_on_terminals_that_garble(mode: str) -> None:
    octets = list(play(3, speed=300, mode=mode, dialect=GUESS))
    changes, heard = on_terminals(follower(), octets)
    # Nothing reports the silence here, so the readout of mode B is not over.
    assert [(change.settings.speed, change.why) for change in changes] == STEPS[mode][: 1 if mode == "B" else 2]
    assert all(flags == 0 for part in heard for _, flags in part)
    assert bytes(value for part in heard for value, _ in part) == bytes(octet.octet for octet in octets)


@pytest.mark.usefixtures("leakless")
@pytest.mark.parametrize("speed", [1200, 9600])
def test_an_unknown_line_on_terminals_that_garble(speed: int) -> None:
    octets = list(play(3, speed=speed, dialect=GUESS))[:120]
    changes, heard = on_terminals(follower(None), octets)
    assert changes[-1] == Change(Settings(speed, EVEN), "found")
    assert {change.why for change in changes[:-1]} == {"searching"}
    clear = bytes(value for value, _ in heard[-1])
    assert clear
    assert clear == bytes(octet.octet for octet in octets)[-len(clear) :]

"""The framer, compared with a slow twin and with the laws in its docstring."""

import random
import re
import sys
from collections.abc import Iterable, Sequence
from itertools import product
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment.sampling import sizes, turns
from vtctap.dissector.framing.framer import MIN_REACTION_NS, PATIENCE, STREAM_PAUSE, Framer
from vtctap.dissector.framing.pieces import Octet, Piece
from vtctap.dissector.framing.walker import MAX_IDENTIFICATION, MIN_WAKE_UP
from vtctap.dissector.protocol.checksums import fcs16
from vtctap.pcap.record import MAX_OCTETS, Flag, Sender

T0 = 1_700_000_000_000_000_000
CHARACTER = 1_041_666
GAP = 1_500_000_000
CLIENT, SERVER, UNKNOWN = Sender.CLIENT, Sender.SERVER, Sender.UNKNOWN

Form = tuple[str, bytes]
"""A piece in short form: ``frame``, ``cut`` or ``noise``, and its octets."""


def timed(octets: bytes, pauses: Sequence[int] = ()) -> list[Octet]:
    """Returns octets back to back, except for the pauses (ns) that are given for single octets."""
    result, start = [], T0
    for at, value in enumerate(octets):
        start += pauses[at] if at < len(pauses) else 0
        result.append(Octet(value, start))
        start += CHARACTER
    return result


def paused(octets: bytes, at: int, pause: int) -> list[Octet]:
    """Returns octets back to back, except for one pause."""
    return timed(octets, [0] * at + [pause])


def framer(sender: Sender = SERVER, *, synthetic: bool = False, binary: bool = False) -> Framer:
    new = Framer(sender=sender, character_time_ns=CHARACTER, gap_limit_ns=GAP, synthetic=synthetic)
    new.binary = binary
    return new


def form(piece: Piece) -> Form:
    return ("cut" if piece.cut else "frame") if piece.is_frame else "noise", piece.values


def pieces(octets: Iterable[Octet], sender: Sender = SERVER, **settings: bool) -> list[Piece]:
    new = framer(sender, **settings)
    return new.feed(octets) + new.close()


def forms(octets: Iterable[Octet], sender: Sender = SERVER, **settings: bool) -> list[Form]:
    return [form(piece) for piece in pieces(octets, sender, **settings)]


# The twin: the docstring's table as regular expressions over a whole buffer of seven-bit text, without pauses. A match
# without the group ``end`` is a cut frame.

BLOCK = re.compile(rb"[\x01\x02][^\x03\x04]*(?:(?P<end>[\x03\x04])(?P<check>.)?)?", re.DOTALL)
REQUEST = re.compile(rb"/\?[^!\r\n/\x01\x02]{0,94}(?:(?P<end>!(?:\r\n?|\n)?|\r\n?|\n)|(?=[/\x01\x02])|\Z)")
SERVICE = re.compile(rb"/[ \"-'*-.0-~]!(?:\r\n?|\n)")
OPTION = re.compile(rb"\x06[0-9](?:[ -~]{2}(?P<end>\r\n?|\n)|[ -~]{0,2}\Z)")
MAKER = rb"/(?=[0-9]{0,2}[A-Za-z])[A-Za-z0-9]{3}[ \"-'*-.0-~]"
IDENTIFICATION = re.compile(
    MAKER + rb"(?:[^/!()\r\n]|/(?!\?|[A-Za-z]{3}[ -~])){0,91}(?:(?P<end>\r\n?|\n)|\Z)", re.DOTALL
)
HEAD = re.compile(MAKER + rb"[^/!()\r\n]*\r?\n\r?\n")
EMPTY_LINES = re.compile(rb"(?:\r\n|\n)[\r\n]*")
TELEGRAM_END = re.compile(
    rb"(?P<end>(?:(?<=[\r\n])![0-9A-Fa-f]{0,4}|![0-9A-Fa-f]{1,4})(?:\r\n?|\n|(?=[/\x01\x02])|\Z)"
    rb"|!(?:\r(?!\n)|\r?\n(?![ -.0-~])|(?=[/\x01\x02])|\Z))|(?<=[\r\n])(?=[/\x01\x02])|\Z"
)


def lacks_check(block: re.Match[bytes]) -> bool:
    """Whether SOH or STX stands in place of the check character, and is not the right one."""
    body = block[0][1 : block.end("end") - block.start()]
    by_xor = 0
    for octet in body:
        by_xor ^= octet
    return block["check"] in (b"\x01", b"\x02") and block["check"][0] not in (by_xor, sum(body) % 128)


def telegram_begins(text: bytes, at: int, identification: re.Match[bytes]) -> int | None:
    """Returns where the first line of a Telegram begins after its identification; None if no Telegram follows."""
    empty = EMPTY_LINES.match(text, identification.end())
    if not identification["end"].endswith(b"\n") or not empty or empty.end() - at > MAX_IDENTIFICATION:
        return None
    return None if text[empty.end() : empty.end() + 1] in (b"", *map(bytes, zip(b"/\x01\x02\x06\x15"))) else empty.end()


def cut_by_head(text: bytes, at: int, end: int) -> int | None:
    """Returns where in text[at:end] an identification with an empty line begins another message; None if none does."""
    heads = (head for head in HEAD.finditer(text[:end], at + 1) if len(head[0]) <= MAX_IDENTIFICATION)
    return next((head.start() for head in heads), None)


def scan(text: bytes, at: int, sender: Sender, synthetic: bool) -> tuple[str, int]:
    """Returns what begins at a position, and where it ends."""
    octet = text[at]
    if octet == 0x15:
        return "frame", at + 1
    if octet == 0x00:
        end = at + len(text[at:]) - len(text[at:].lstrip(b"\x00"))
        return ("frame", end) if end - at >= MIN_WAKE_UP else ("noise", at + 1)
    if octet == 0x06:
        option = OPTION.match(text, at)
        if not option:
            return "frame", at + 1
        return ("frame" if option["end"] else "cut"), option.end()
    if block := BLOCK.match(text, at):
        if head := cut_by_head(text, at, block.start("end") if block["end"] else block.end()):
            return "cut", head
        without = sender is UNKNOWN and synthetic and block["check"] is not None and lacks_check(block)
        return ("frame" if block["end"] else "cut"), block.end() - without
    if request := REQUEST.match(text, at):
        return ("frame" if request["end"] else "cut"), request.end()
    if service := SERVICE.match(text, at):
        return "frame", service.end()
    if identification := IDENTIFICATION.match(text, at):
        if not identification["end"]:
            return "cut", identification.end()
        first = telegram_begins(text, at, identification)
        if first is None:
            return "frame", identification.end()
        end_of = TELEGRAM_END.search(text, first)
        assert end_of
        if head := cut_by_head(text, first, end_of.end()):
            return "cut", head
        return ("cut" if end_of["end"] is None else "frame"), end_of.end()
    return "noise", at + 1


def twin(octets: bytes, sender: Sender = SERVER, *, synthetic: bool = False) -> list[Form]:
    text = bytes(octet & 0x7F for octet in octets)
    found: list[Form] = []
    at = 0
    while at < len(text):
        kind, end = scan(text, at, sender, synthetic)
        if kind == "noise" and found and found[-1][0] == "noise":
            found[-1] = ("noise", found[-1][1] + octets[at:end])
        else:
            found.append((kind, octets[at:end]))
        at = end
    return found


FRAMES = [
    b"/?!\r\n",
    b"/?12345678!\r\n",
    b"/?!",
    b"/ISK5\\2MT382-1003\r\n",
    b"/KAM MC\r\n",
    b"/ABC5x\r\n\r\n1.8.0(1*kWh)\r\n!Fa0f\r\n",
    b"/ABC5x\r\n\r\n1.8.0(!)\r\n!\r\n",
    b"/ABC5x\n\na(1)\n!\n",
    b"/ABC5x\r\n\r\na(1!\r\nb(2)\r\n!\r\n",
    b"/ABC5x\r\n\r\n1.8",
    b"/2!\r\n",
    b"/ABC4X/1\r\n",
    b"/1BC4X\r\n",
    b"\x06051\r\n",
    b"\x06",
    b"\x15",
    b"\x01P0\x02(00000000)\x03\x60",
    b"\x01B0\x03\x75",
    b"\x01R1\x020004()\x03\x67",
    b"\x02(16)\x03\x05",
    b"\x020.0.0(123)\r\n!\r\n\x03\x03",
    b"\x02a(\x02\x01)\x04\x15",
    b"\x00" * MIN_WAKE_UP,
    b"\x00" * (MIN_WAKE_UP - 1),
    b"\x01R1\x02x()\x03",
]
"""Complete messages, and two incomplete ones."""

SPECIAL = [bytes([octet]) for octet in b"\x00\x01\x02\x03\x04\x06\x15\r\n/?!()05Ag~\x7f\xaf\x8d"]

NOISY = st.lists(st.one_of(st.sampled_from(FRAMES), st.sampled_from(SPECIAL), st.binary(max_size=4)), max_size=8)


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """Draws what may be on a line: frames, noise, frames with an octet changed, lost or inserted, with parity bits or
    without."""
    octets = bytearray(b"".join(draw(NOISY)))
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(octets)))
        octets[at : at + draw(st.integers(0, 1))] = draw(st.sampled_from([b"", *SPECIAL]))
    if draw(st.booleans()):
        return bytes(octet | (octet.bit_count() % 2) << 7 for octet in octets)
    return bytes(octets)


WIRES = [(CLIENT, False), (SERVER, False), (UNKNOWN, False), (UNKNOWN, True), (CLIENT, True)]

PAUSES = st.lists(
    st.sampled_from([0, 0, 0, 0, 1000, MIN_REACTION_NS, GAP, GAP + 1, PATIENCE * GAP, PATIENCE * GAP + 1, 10 * GAP]),
    max_size=60,
)


@given(lines(), st.sampled_from(WIRES))
def test_twin(octets: bytes, wire: tuple[Sender, bool]) -> None:
    sender, synthetic = wire
    assert forms(timed(octets), sender, synthetic=synthetic) == twin(octets, sender, synthetic=synthetic)


BEGINNINGS = [
    b"",
    b"/ABC",
    b"/ABC5x\r\n",
    b"/ABC5x\r\n\r\n",
    b"/ABC5x\r\n\r\na(1)!",
    b"/?",
    b"\x06",
    b"\x0605",
    b"\x01B0",
    b"\x02(1",
    b"\x00" * (MIN_WAKE_UP - 2),
]
ONE_OF_A_KIND = b"\x00\x01\x02\x03\x06\x15\r\n/?!(5Ag \x7f"


@pytest.mark.parametrize("beginning", BEGINNINGS)
@sizes
def test_twin_for_all_that_is_short(beginning: bytes, whole: bool) -> None:
    """Every text of three (or two) octets, one of each kind that the grammar distinguishes, follows each beginning."""
    for octets in product(ONE_OF_A_KIND, repeat=3 if whole else 2):
        text = beginning + bytes(octets)
        assert forms(timed(text)) == twin(text), text
        assert forms(timed(text), UNKNOWN, synthetic=True) == twin(text, UNKNOWN, synthetic=True), text


@pytest.mark.parametrize("length", range(MAX_IDENTIFICATION - 8, MAX_IDENTIFICATION + 3))
@pytest.mark.parametrize("end", [b"", b"\r\n", b"\n\n\nx", b"\r\n\r\na(1)\r\n!\r\n", b"!\r\n", b"\x02(1)\x033"])
@pytest.mark.parametrize("beginning", [b"/?", b"/ABC5"])
def test_long_candidates(beginning: bytes, end: bytes, length: int) -> None:
    text = beginning.ljust(length, b"x") + end
    found = forms(timed(text), CLIENT)
    assert found == twin(text, CLIENT)
    falls = beginning == b"/ABC5" and end[:1] in (b"!", b"\x02")  # a bracket or a mark before the line end
    assert (found[0][0] == "noise") is (length > MAX_IDENTIFICATION or falls)


def test_the_twin_itself() -> None:
    """Checks the twin itself: some lines by hand."""
    assert twin(b"x/ABC5x\r\n\x02(1)\x0333\x15") == [
        ("noise", b"x"), ("frame", b"/ABC5x\r\n"), ("frame", b"\x02(1)\x033"), ("noise", b"3"), ("frame", b"\x15"),
    ]  # fmt: skip
    assert twin(b"\x06051\r\n\x0605x", CLIENT) == [("frame", b"\x06051\r\n"), ("cut", b"\x0605x")]
    assert twin(b"/ABC5x\r\n\r\na(1)\r\n!1\r\n") == [("frame", b"/ABC5x\r\n\r\na(1)\r\n!1\r\n")]
    assert twin(b"/ABC5x\r\n\r\na(1)\r\n/ABC5y\r\n") == [("cut", b"/ABC5x\r\n\r\na(1)\r\n"), ("frame", b"/ABC5y\r\n")]
    assert twin(b"\x01B0\x03\x02(1)\x033", UNKNOWN, synthetic=True) == [
        ("frame", b"\x01B0\x03"), ("frame", b"\x02(1)\x033"),
    ]  # fmt: skip


# Laws for every input.


def check_law(octets: list[Octet], found: list[Piece]) -> None:
    """Checks that every octet is in one piece, in order and unchanged."""
    assert [octet for piece in found for octet in piece.octets] == octets
    assert all(piece.octets for piece in found)
    assert not any(piece.cut or piece.binary or piece.later for piece in found if not piece.is_frame)


@given(lines(), PAUSES, st.sampled_from(WIRES), st.booleans(), st.randoms(use_true_random=False))
def test_every_split_gives_the_same(
    octets: bytes, pauses: list[int], wire: tuple[Sender, bool], binary: bool, chance: random.Random
) -> None:
    sender, synthetic = wire
    stream = timed(octets, pauses)
    whole = pieces(stream, sender, synthetic=synthetic, binary=binary)
    check_law(stream, whole)
    chunkings = [[[octet] for octet in stream]] + [[stream[:at], stream[at:]] for at in range(len(stream))]
    cuts = sorted(chance.sample(range(len(stream) + 1), k=min(3, len(stream))))
    chunkings.append([stream[a:b] for a, b in zip([0, *cuts], [*cuts, None], strict=True)])
    for chunks in chunkings:
        new = framer(sender, synthetic=synthetic, binary=binary)
        found = [piece for chunk in chunks for piece in new.feed(chunk)]
        assert found + new.close() == whole


@given(lines(), PAUSES, st.sampled_from(WIRES), st.data())
def test_silence_says_nothing_that_octets_do_not(
    octets: bytes, pauses: list[int], wire: tuple[Sender, bool], data: st.DataObject
) -> None:
    """Stating the time at any moment before the next octet gives the same pieces, only earlier. ``open_since_ns`` is
    the start of the first octet that is in no piece yet."""
    sender, synthetic = wire
    stream = timed(octets, pauses)
    new = framer(sender, synthetic=synthetic)
    found: list[Piece] = []
    for at, octet in enumerate(stream):
        for share in data.draw(st.lists(st.integers(0, 100), max_size=2)):
            found += new.silence(new.end_ns + (octet.start - new.end_ns) * share // 100)
        found += new.feed([octet])
        done = sum(len(piece.octets) for piece in found)
        assert new.open_since_ns == (stream[done].start if done <= at else None)
        assert new.end_ns == octet.start + CHARACTER
    found += new.silence(new.end_ns + PATIENCE * GAP)
    whole = pieces(stream, sender, synthetic=synthetic)
    assert found + new.close() == whole
    assert new.open_since_ns is None


def test_silence_ends_what_is_open() -> None:
    for octets in FRAMES:
        new = framer(CLIENT)
        found = new.feed(timed(octets))
        assert new.silence(new.end_ns + PATIENCE * GAP) == []
        found += new.silence(new.end_ns + PATIENCE * GAP + 1)
        assert found == pieces(timed(octets), CLIENT)
        assert new.close() == []


# Pauses.

BEGINS = b"\x00\x01\x02/\x06\x15"
PLACES = [(octets, at) for octets in FRAMES for at in range(1, len(octets)) if octets.strip(b"\x00")]


@pytest.mark.parametrize(("octets", "at"), PLACES)
def test_a_pause_in_each_place(octets: bytes, at: int) -> None:
    before, after = octets[:at], octets[at:]
    apart = twin(before, CLIENT) + twin(after, CLIENT)
    whole = twin(octets, CLIENT)
    soft = before.endswith(b"a(1!\r\n")  # After a possible end, a pause that is long for the speed ends the message.
    assert forms(paused(octets, at, GAP), CLIENT) == (apart if soft else whole)
    assert forms(paused(octets, at, PATIENCE * GAP + 1), CLIENT) == apart
    for pause in (GAP + 1, PATIENCE * GAP):
        assert forms(paused(octets, at, pause), CLIENT) == (apart if soft or after[0] in BEGINS else whole)


CUT_TELEGRAM = b"/ENE5\r\n\r\n1-0:1.8.1(00005"
TELEGRAM = b"/ENE5\r\n\r\n1-0:1.8.1(000050.135*kWh)\r\n!AA84\r\n"


@pytest.mark.parametrize("before", [CUT_TELEGRAM, CUT_TELEGRAM + b"0\r\n1-0:2", b"\x02a(1)\r\n", b"\x01R1\x02"])
def test_an_identification_with_an_empty_line_begins_a_telegram_anywhere(before: bytes) -> None:
    assert forms(timed(before + TELEGRAM)) == [("cut", before), ("frame", TELEGRAM)]
    for at in range(7, len(TELEGRAM) - 8):  # Unless the empty line is lost.
        lost = TELEGRAM.replace(b"\r\n\r\n", b"\r\n")
        assert len(forms(timed(before + lost))) == 1, at


def test_a_slash_in_a_value_ends_no_telegram() -> None:
    telegram = b"/ENE5\r\n\r\n0-0:96.13.0(/SX330 m3/hour)\r\n1-0:1.8.1(1)\r\n!\r\n"
    assert forms(timed(telegram)) == [("frame", telegram)]


def test_a_telegram_makes_no_pause_that_is_long_for_its_speed() -> None:
    """The next message begins right behind it; otherwise the sender, or a network in between, was slow."""
    fast = 86_806
    for rest, apart in ((b"/ENE5x\r\n", True), (b"0)\r\n!\r\n", False)):
        for pause, splits in ((990 * fast, False), (1010 * fast, apart)):
            new = framer(UNKNOWN)
            new.character_time_ns = fast
            start, found = T0, []
            for at, value in enumerate(CUT_TELEGRAM + rest):
                start += pause if at == len(CUT_TELEGRAM) else 0
                found += new.feed([Octet(value, start)])
                start += fast
            found += new.close()
            assert (found[0].values == CUT_TELEGRAM) is splits


@pytest.mark.parametrize(
    ("octets", "whole"),
    [
        (b"a(1!\r\nb(2)\r\n!4DBC\r\n", 1),  # A ``)`` that was received as a ``!``.
        (b"1.6*1(000013,0)!\r\n", 1),
        (b"1.6*1(000013,0)!\r\n/KAM MC\r\n", 2),
        (b"1.6*1(000013,0)!\r\n\x06", 2),
        (b"a(1)!4DBC\r\nnoise", 2),
        (b"a(1)\r\n!\r\nnoise", 2),
    ],
)
def test_a_bang_in_mid_line_is_a_soft_end(octets: bytes, whole: int) -> None:
    assert len(forms(timed(b"/KAM MC\r\n\r\n" + octets))) == whole


def test_silence_after_a_soft_end() -> None:
    new, octets = framer(UNKNOWN), timed(b"/KAM MC\r\n\r\n1.6*1(000013,0)!\r\n")
    assert new.feed(octets) == []
    assert [form(piece) for piece in new.silence(new.end_ns + 1000 * CHARACTER)] == []
    assert [piece.cut for piece in new.silence(new.end_ns + 1000 * CHARACTER + 1)] == [False]


@pytest.mark.parametrize("mark", "0234Xx*")
def test_another_mark_than_a_question(mark: str) -> None:
    request = f"/{mark}!\r\n".encode()
    assert forms(timed(request)) == [("frame", request)]
    assert forms(timed(request[:3] + b"x")) == [("noise", request[:3] + b"x")]


@pytest.mark.parametrize(
    "octets", [b"/1BC4X\r\n", b"/A2C4X\r\n", b"/12C4X\r\n", b"/A234X\r\n", b"/ABC4X/1\r\n", b"/ABC4/\r\n"]
)
def test_identifications_against_the_standard(octets: bytes) -> None:
    assert forms(timed(octets)) == [("frame", octets)]


def test_what_is_no_identification() -> None:
    for octets in (b"/2024 x\r\n", b"/12/05/24\r\n", b"m3/h\r\n", b"/AB"):
        assert [kind for kind, _ in forms(timed(octets))] == ["noise"]


def test_a_message_behind_an_identification_without_its_line_end() -> None:
    assert forms(timed(b"/ABC4X/DEF5Y\r\n")) == [("noise", b"/ABC4X"), ("frame", b"/DEF5Y\r\n")]
    assert forms(timed(b"/ABC4X/?!\r\n")) == [("noise", b"/ABC4X"), ("frame", b"/?!\r\n")]


def test_a_cut_frame_by_hand() -> None:
    assert forms(paused(b"\x02(16)\x03\x05", 3, 10 * GAP)) == [("cut", b"\x02(1"), ("noise", b"6)\x03\x05")]
    assert forms(paused(b"\x02(16)\x03\x05", 6, 10 * GAP)) == [("frame", b"\x02(16)\x03"), ("noise", b"\x05")]
    assert forms(paused(b"/?!\r\n", 2, 10 * GAP)) == [("cut", b"/?"), ("noise", b"!\r\n")]
    assert forms(paused(b"/ABC5x\r\n", 3, 10 * GAP)) == [("noise", b"/AB"), ("noise", b"C5x\r\n")]
    assert forms(paused(b"/ABC5x\r\n", 6, 10 * GAP)) == [("cut", b"/ABC5x"), ("noise", b"\r\n")]


def test_noise_is_divided_by_pauses() -> None:
    assert forms(paused(b"abcd", 2, GAP)) == [("noise", b"abcd")]
    assert forms(paused(b"abcd", 2, GAP + 1)) == [("noise", b"ab"), ("noise", b"cd")]


def test_the_pause_is_counted_from_the_end_of_the_octet() -> None:
    slow = framer()
    slow.character_time_ns = 10 * CHARACTER
    octets = [Octet(value, T0 + at * (GAP + 10 * CHARACTER)) for at, value in enumerate(b"abc")]
    assert [form(piece) for piece in slow.feed(octets) + slow.close()] == [("noise", b"abc")]


# Possible ends.


@pytest.mark.parametrize("sender", [CLIENT, SERVER, UNKNOWN])
def test_ack_or_option_select(sender: Sender) -> None:
    assert forms(timed(b"\x06051\r\n"), sender) == [("frame", b"\x06051\r\n")]
    assert forms(timed(b"\x06\x02(1)\x033"), sender) == [("frame", b"\x06"), ("frame", b"\x02(1)\x033")]
    assert forms(timed(b"\x06\x06\x06"), sender) == [("frame", b"\x06")] * 3
    assert forms(timed(b"\x06abc"), sender) == [("frame", b"\x06"), ("noise", b"abc")]
    assert forms(timed(b"\x0605\x06051\r\n"), sender) == [
        ("frame", b"\x06"), ("noise", b"05"), ("frame", b"\x06051\r\n"),
    ]  # fmt: skip
    assert forms(timed(b"\x06051\r/?!\r\n"), sender) == [("frame", b"\x06051\r"), ("frame", b"/?!\r\n")]


SOFT = [
    b"noise",
    b"\x06",
    b"/ABC5x\r\n",
    b"/ABC5x\r",
    b"/?!",
    b"/?!\r",
    b"\x02(1)\x03",
    b"/ABC5x\r\n\r\na(1)\r\n!",
    b"\x00" * 9,
]
HARD = [b"\x0605", b"/ABC5x", b"/?12", b"\x02(1)", b"/ABC5x\r\n\r\na(1)\r\n", b"/AB", b"noise/AB"]


def test_the_other_side_begins() -> None:
    for octets in SOFT:
        new = framer(CLIENT)
        assert new.feed(timed(octets)) == []
        (piece,) = new.turn(new.end_ns + MIN_REACTION_NS)
        assert form(piece) == ("noise" if octets == b"noise" else "frame", octets)
        assert new.open_since_ns is None
    for octets in HARD:
        new = framer(CLIENT)
        new.feed(timed(octets))
        assert new.turn(new.end_ns + GAP) == new.turn() == []
        assert new.open_since_ns == T0
        assert [form(piece) for piece in new.turn(new.end_ns + GAP + 1)] == twin(octets, CLIENT)
        assert framer(CLIENT, synthetic=True).turn() == []
        made_up = framer(CLIENT, synthetic=True)
        made_up.feed(timed(octets))
        assert [form(piece) for piece in made_up.turn()] == twin(octets, CLIENT)


# Missing check characters.

READ = b"\x01R1\x021.8.0()\x03"  # its check character would be 5Ah
ANSWER = b"\x02(1)\x033"


@pytest.mark.parametrize("begins", [ANSWER, b"\x01B0\x03q", b"\x06", b"\x15"])
def test_missing_check_after_a_reaction(begins: bytes) -> None:
    octets = READ + begins
    apart = [("frame", READ), ("frame", begins)]
    assert forms(paused(octets, len(READ), MIN_REACTION_NS), UNKNOWN) == apart
    early = forms(paused(octets, len(READ), MIN_REACTION_NS - 1), UNKNOWN)
    assert early == twin(octets, UNKNOWN)
    assert early != apart
    for sender in (CLIENT, SERVER):
        assert forms(paused(octets, len(READ), MIN_REACTION_NS), sender) == twin(octets, sender)


def test_missing_check_with_made_up_times() -> None:
    octets = READ + ANSWER
    assert forms(timed(octets), UNKNOWN, synthetic=True) == [("frame", READ), ("frame", ANSWER)]
    assert forms(timed(READ + b"\x06"), UNKNOWN, synthetic=True) == [("frame", READ + b"\x06")]


@pytest.mark.parametrize("block", [b"\x02X(\x1d)\x03", b"\x02Y(\x03"])
@pytest.mark.parametrize("synthetic", [True, False])
def test_a_right_check_character_is_none_that_begins(block: bytes, synthetic: bool) -> None:
    """The code of the check character does not matter, by either rule."""
    body = block[1:]
    by_xor = 0
    for octet in body:
        by_xor ^= octet
    for right in (by_xor, sum(body) % 128):
        for wanted in (0x01, 0x02, 0x06, 0x15):
            # One more octet in the block gives the check character the wanted code.
            more = bytes([by_xor ^ wanted] if right == by_xor else [(wanted - sum(body)) % 128])
            if more[0] in (0x03, 0x04):
                continue
            frame = block[:1] + more + body + bytes([wanted])
            octets = paused(frame + ANSWER, len(frame) - 1, GAP)
            assert forms(octets, UNKNOWN, synthetic=synthetic) == [("frame", frame), ("frame", ANSWER)]


def test_an_octet_with_wrong_parity_begins_nothing_where_a_check_character_is_due() -> None:
    octets = paused(READ + ANSWER, len(READ), MIN_REACTION_NS)
    octets[len(READ)] = octets[len(READ)]._replace(flags=Flag.PARITY)
    assert forms(octets, UNKNOWN) == [("frame", READ + b"\x02"), ("noise", ANSWER[1:])]


# HDLC.

HDLC = b"\x7e\xa0\x07\x03\x21\x93\x0f\x01\x7e"


INITIATE = bytes.fromhex("7ea020230373cb2d8180140502008006020080070400000001080400000001ce6a7e")
"""A frame with information, and therefore both check sequences. It holds an STX."""


@pytest.mark.parametrize("frame", [HDLC, INITIATE])
@pytest.mark.parametrize("before", [b"", b"noise", b"/?!\r\n", b"\x06", b"\x7e\x7e", b"\x93\xbf\x32\x7e"])
def test_hdlc_proves_itself(frame: bytes, before: bytes) -> None:
    """Frames are found in mid-session, after a late start, and with flags in between."""
    found = pieces(timed(before + frame + b"/?!\r\n"), SERVER)
    assert b"".join(piece.values for piece in found) == before + frame + b"/?!\r\n"
    assert [piece.values for piece in found if piece.binary] == [frame]
    assert [form(piece) for piece in found[-2:]] == [("frame", frame), ("frame", b"/?!\r\n")]


@pytest.mark.parametrize("frame", [HDLC, INITIATE])
def test_hdlc_with_a_bit_flipped(frame: bytes) -> None:
    """Without proof it is no frame. In mode E, or with a good header, it is a frame with a bad check sequence."""
    header = 8 if frame == INITIATE else len(frame)
    for bit in range(8, 8 * (len(frame) - 1)):
        damaged = bytearray(frame)
        damaged[bit // 8] ^= 1 << bit % 8
        (*_, last) = found = pieces(timed(damaged), SERVER)
        assert b"".join(piece.values for piece in found) == damaged
        assert last.binary is (bit // 8 >= header)
        if bit >= 24:
            assert forms(timed(damaged), SERVER, binary=True) == [("frame", damaged)]


@pytest.mark.parametrize("binary", [True, False])
def test_two_hdlc_frames_that_share_a_flag(binary: bool) -> None:
    """The flag belongs to the second frame; the first one is complete without it."""
    shared = [HDLC[:-1], INITIATE[:-1], HDLC[:-1], HDLC]
    for split in range(4):
        frames = shared[split:]
        assert forms(timed(b"".join(frames)), SERVER, binary=binary) == [("frame", frame) for frame in frames]
    # A second frame without proof is none.
    assert forms(timed(HDLC + b"\xa0xyz")) == [("frame", HDLC[:-1]), ("noise", b"\x7e\xa0xyz")]
    apart = paused(HDLC + INITIATE[1:], len(HDLC), STREAM_PAUSE * CHARACTER + 1)
    assert form(pieces(apart, SERVER, binary=binary)[0]) == ("frame", HDLC)


def test_a_whole_hdlc_frame_waits_no_longer_than_for_a_shared_flag() -> None:
    new = framer()
    assert new.feed(timed(HDLC)) == new.silence(new.end_ns + STREAM_PAUSE * CHARACTER) == []
    assert [form(piece) for piece in new.silence(new.end_ns + STREAM_PAUSE * CHARACTER + 1)] == [("frame", HDLC)]
    assert new.feed(timed(HDLC)) == []
    assert [form(piece) for piece in new.turn()] == [("frame", HDLC)]


@pytest.mark.parametrize("tail", [b"\x02", b"\x01abc", b"a\r\n\r\n\x02\r\n", b"\x02~~", b"\x02~\xa0\x07"])
def test_hdlc_within_what_looked_like_a_block(tail: bytes) -> None:
    """The tap started within a frame whose rest holds SOH or STX."""
    for frame in (HDLC, INITIATE):
        found = pieces(timed(tail + frame), SERVER)
        assert [form(piece) for piece in found] == [("noise", tail), ("frame", frame)]


@pytest.mark.parametrize(
    "body", [b"~", b"~~", b"a~\xa0", b"~\xa0\x07", b"~\xa0\x20\x23\x03\x73\xcb\x2e", HDLC[:-1] + b"x"]
)
@pytest.mark.parametrize("binary", [True, False])
def test_a_block_that_holds_no_hdlc(body: bytes, binary: bool) -> None:
    """The block ends, is cut, or continues for long."""
    for block in (b"\x02" + body, b"\x02" + body + b"b(1)\r\n", b"\x02" + body.ljust(3000, b"x")):
        stop = block.find(b"\x03")
        if stop >= 0:
            block = block[: stop + 2]
            assert forms(timed(block), SERVER, binary=binary)[0] == ("frame", block)
            continue
        assert forms(timed(block), SERVER, binary=binary) == [("cut", block)]
        assert forms(timed(block + b"\x03!"), SERVER, binary=binary) == [("frame", block + b"\x03!")]


@pytest.mark.parametrize("frame", [HDLC, INITIATE])
def test_hdlc_that_lost_or_gained_octets(frame: bytes) -> None:
    """The next message is found, and no octet is lost."""
    for at in range(1, len(frame)):
        for damaged in (frame[:at] + frame[at + 1 :], frame[:at] + b"\x7e" + frame[at:], frame[:at] + frame[at + 3 :]):
            found = pieces(timed(damaged + INITIATE + INITIATE), SERVER)
            assert b"".join(piece.values for piece in found) == damaged + INITIATE + INITIATE
            assert form(found[-1]) == ("frame", INITIATE)
    lost = INITIATE[:20] + INITIATE[25:]
    assert forms(timed(lost + HDLC)) == [("cut", lost), ("frame", HDLC)]


def test_hdlc_of_mode_e() -> None:
    frame = HDLC[:-2] + b"\x02\x7e"
    assert forms(timed(frame), SERVER) != [("frame", frame)]
    (piece,) = pieces(timed(frame), SERVER, binary=True)
    assert (piece.values, piece.is_frame, piece.cut, piece.binary) == (frame, True, False, True)


def test_hdlc_by_its_length() -> None:
    """Flags inside do not end a frame, the next frame may follow at once, and an identification is still found."""
    inside = b"\x7e\xa0\x08\x03\x7e\x93\x7e\x7e\x01\x7e"
    found = pieces(timed(inside + HDLC + b"/?!\r\n"), UNKNOWN, binary=True)
    assert [form(piece) for piece in found] == [("frame", inside), ("frame", HDLC), ("frame", b"/?!\r\n")]
    assert [piece.binary for piece in found] == [True, True, False]


@pytest.mark.parametrize("length", [9, 0x123, 0x7FF])
def test_hdlc_lengths(length: int) -> None:
    frame = bytes([0x7E, 0xA0 | length >> 8, length & 0xFF]).ljust(length + 1, b"\x55") + b"\x7e"
    assert forms(timed(frame), SERVER, binary=True) == [("frame", frame)]


@pytest.mark.parametrize(
    "octets",
    [
        b"\x7e\xa0\x07\x23\x21\x93\x0f\x11\x7d",  # no flag where the length says so
        b"\x7e\x50\x07\x23\x21\x93\x0f\x11\x7e",  # another format type
        b"\x7e\xa0\x00" + b"\x7e" * 8,  # impossible lengths
        b"\x7e\xa8\x00" + b"\x7e" * 8,
        b"\x7e\xa0\x00\x7e",
    ],
)
def test_what_is_no_hdlc(octets: bytes) -> None:
    found = forms(timed(octets + b"/?!\r\n"), UNKNOWN, binary=True)
    assert found == [("noise", octets), ("frame", b"/?!\r\n")]


def test_an_impossible_hdlc_length_hides_no_frame() -> None:
    assert forms(timed(b"\x7e\xa0\x00" + HDLC), UNKNOWN, binary=True) == [
        ("noise", b"\x7e\xa0\x00"), ("frame", HDLC),
    ]  # fmt: skip


def test_flags_between_hdlc_frames_are_noise() -> None:
    found = forms(timed(b"\x7e\x7e" + HDLC), SERVER, binary=True)
    assert found == [("noise", b"\x7e\x7e"), ("frame", HDLC)]


def test_hdlc_that_is_cut() -> None:
    (piece,) = pieces(timed(HDLC[:5]), SERVER, binary=True)
    assert (piece.values, piece.cut, piece.binary) == (HDLC[:5], True, True)
    found = pieces(paused(HDLC, 5, PATIENCE * GAP + 1), SERVER, binary=True)
    assert form(found[0]) == ("cut", HDLC[:5])


# Frames that do not fit into one record.


LONG = [
    (b"\x02", b"\x03\x55"),
    (b"/ABC5x\r\n\r\n", b"!\r\n"),
    (b"\x02", b"\x03\x02"),
    (b"/ABC5x\r\n\r\n", b"\r\n!A1b2\r\n"),
    (b"/ABC5x\r\n\r\n", b"!\r"),
    (b"\x02", b""),
    (b"\x02", b"\x03"),
]
"""How a long frame begins and ends."""


@pytest.mark.parametrize(("ends", "more"), turns(LONG, [-1, 0, 1, 2]))
def test_a_long_frame_goes_on(ends: tuple[bytes, bytes], more: int) -> None:
    """The end of the frame has every possible place relative to the end of the piece, and a request follows."""
    head, tail = ends
    frame = head.ljust(MAX_OCTETS + more - len(tail), b"a") + tail
    stream = timed(frame) + [Octet(octet.value, octet.start + 10**14) for octet in timed(b"/?!\r\n")]
    found = pieces(stream, UNKNOWN)
    check_law(stream, found)
    *parts, request = found
    assert form(request) == ("frame", b"/?!\r\n")
    open_end = tail == b""
    if more <= 0:
        assert [form(piece) for piece in parts] == [("cut" if open_end else "frame", frame)]
    else:
        assert [form(piece) for piece in parts] == [("cut", frame[:MAX_OCTETS]), ("cut", frame[MAX_OCTETS:])]
    assert [piece.later for piece in found] == [False, *[True] * (more > 0), False]


def test_a_very_long_frame_is_ended_in_each_way() -> None:
    body = b"\x02" + b"a" * (2 * MAX_OCTETS)
    for rest, end in ((b"\x03\x55", b"\x03\x55"), (b"", b"")):
        found = pieces(timed(body + rest), SERVER)
        assert [(len(piece.octets), piece.cut, piece.later) for piece in found] == [
            (MAX_OCTETS, True, False),
            (MAX_OCTETS, True, True),
            (1 + len(end), True, True),
        ]


def test_long_noise() -> None:
    for filler in (b"x", b"/"):
        found = pieces(timed(filler * (2 * MAX_OCTETS + 3)), SERVER)
        assert [len(piece.octets) for piece in found] == [MAX_OCTETS, MAX_OCTETS, 3]
        assert not any(piece.is_frame for piece in found)


def test_long_wake_up() -> None:
    found = pieces(timed(b"\x00" * (MAX_OCTETS + 3) + b"/?!\r\n"), CLIENT)
    assert [(len(piece.octets), piece.is_frame, piece.later) for piece in found] == [
        (MAX_OCTETS, True, False),
        (3, True, True),
        (5, True, False),
    ]


def test_many_empty_lines_make_no_telegram() -> None:
    empty = b"\r\n" * MAX_OCTETS
    stream = timed(b"/ABC5x\r\n" + empty + b"/ABC5x\r\n")
    found = pieces(stream, SERVER)
    check_law(stream, found)
    kinds = [piece.is_frame for piece in found]
    assert kinds[0]
    assert kinds[-1]
    assert not any(kinds[1:-1])


# WakeUp.


@pytest.mark.parametrize("count", range(MIN_WAKE_UP + 3))
def test_wake_up(count: int) -> None:
    nuls = b"\x00" * count
    kind = "frame" if count >= MIN_WAKE_UP else "noise"
    expected = [(kind, nuls)] if count else []
    assert forms(timed(nuls), CLIENT) == expected
    assert forms(timed(nuls + b"/?!\r\n"), CLIENT) == [*expected, ("frame", b"/?!\r\n")]
    assert forms(timed(b"x" + nuls), CLIENT) == (
        [("noise", b"x" + nuls)] if count < MIN_WAKE_UP else [("noise", b"x"), *expected]
    )


def test_wake_up_with_parity_bits_or_framing_errors() -> None:
    octets = [octet._replace(flags=Flag.FRAMING) for octet in timed(b"\x00" * 20)]
    (piece,) = pieces(octets, CLIENT)
    assert piece.is_frame
    assert piece.octets == tuple(octets)


# Unknown settings.


def test_garbage_is_noise_whatever_it_looks_like() -> None:
    """Octets are garbage until the framer is told otherwise; a message that was open is cut."""
    new = framer(UNKNOWN)
    octets = timed(b"\x02(1" + b"/?!\r\n\x06" + b"\x06/?!\r\n")
    found = new.feed(octets[:3])
    new.garbage = True
    found += new.feed(octets[3:9])
    new.garbage = False
    found += new.feed(octets[9:]) + new.close()
    check_law(octets, found)
    assert [form(piece) for piece in found] == [
        ("cut", b"\x02(1"), ("noise", b"/?!\r\n\x06"), ("frame", b"\x06"), ("frame", b"/?!\r\n"),
    ]  # fmt: skip


# Time.


def calls(octets: bytes, **settings: bool) -> int:
    """Counts the calls of functions and built-in methods that the octets cost."""
    stream = timed(octets)
    new = framer(UNKNOWN, **settings)
    count = 0

    def counted(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(counted)
    try:
        for octet in stream:
            new.feed((octet,))
        new.close()
    finally:
        sys.setprofile(None)
    return count


HOSTILE = [
    b"/AAA",
    b"/AAAx",
    b"/AAA5" + b"x" * 100,
    b"/AAA5" + b"\x061" * 46,
    b"/AAA5x\r\n\r",
    b"/AAA5x\r\n\r\n/",
    b"/?",
    b"/?" + b"/AAA5" * 18,
    b"/?" + b"x" * 100,
    b"\x061",
    b"\x06051",
    b"\x00" * (MIN_WAKE_UP - 1) + b"x",
    b"\x02\x03",
    b"\x01",
    b"!",
]


@pytest.mark.parametrize("unit", HOSTILE)
def test_linear_time(unit: bytes) -> None:
    size = 3000
    once, twice = (calls((unit * size)[: size * n]) for n in (1, 2))
    assert once <= 40 * size
    assert twice <= 2.1 * once


def test_linear_time_in_mode_e() -> None:
    """Every third octet opens a frame without a closing flag. Each octet is examined as often as frames begin in such a
    frame."""
    size, length = 1500, 0x3F
    once, twice = (calls((bytes([0x7E, 0xA0, length]) * size)[: size * n], binary=True) for n in (1, 2))
    assert once <= 12 * size * (length // 3)
    assert twice <= 2.3 * once


@pytest.mark.parametrize("before", [b"", b"\x02"])
def test_linear_time_of_hdlc_headers(before: bytes) -> None:
    """Every eighth octet begins an HDLC frame by its header, which does not end where it states."""
    head = b"\x7e\xa7\xf9\x03\x21\x93"
    head += fcs16(head[1:]).to_bytes(2, "little")
    once, twice = (calls((before + head * 2000)[: 7000 * n]) for n in (1, 2))
    assert once <= 40 * 7000
    assert twice <= 2.3 * once

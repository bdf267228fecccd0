"""Other protocols and inverted lines: they are noise, in few pieces, and are recognised.

The octets are made up from the standards and public reports. Lengths, sums and check sequences are not computed by
vtctap.
"""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtctap.dissector.framing.framer import Framer
from vtctap.dissector.framing.pieces import Octet, Piece
from vtctap.dissector.protocol.foreign import HINTS, LEAST, is_inverted, look
from vtctap.pcap.record import Sender

T0, CHARACTER, GAP = 10**18, 1_041_666, 1_500_000_000

SML = bytes.fromhex(
    "1b1b1b1b01010101760500177af36200620072630101760101050007d3a70b090149534b0004000002010163e83800760500177af4"
    "62006200726307017701070b090149534b00040000020701006206020315ff7262016500"
    "0ee5c976001b1b1b1b1a006fa1"
)
MBUS = bytes.fromhex("680e0e680801720000000001060304150102a116")
SHORT = bytes.fromhex("105b015c16")
WRAPPER = bytes.fromhex("0001000100100005c001020304")
CIPHERED = bytes.fromhex("db084b464d1020014bc30f2000000115d102061503020100ffee")
OURS = b"/?!\r\n"


def pieces(octets: bytes, *, synthetic: bool, pauses: dict[int, int] | None = None) -> list[Piece]:
    framer = Framer(sender=Sender.UNKNOWN, character_time_ns=CHARACTER, gap_limit_ns=GAP, synthetic=synthetic)
    found, start = [], T0
    for at, value in enumerate(octets):
        start += (pauses or {}).get(at, 0)
        found += framer.feed([Octet(value, start)])
        start += CHARACTER
    found += framer.close()
    assert b"".join(piece.values for piece in found) == octets
    return found


def inverted(text: bytes) -> bytes:
    """Returns what an 8N1 receiver receives from text that is sent back to back on an inverted line, computed bit by
    bit."""
    line = "".join("1" + f"{~octet & 0xFF:08b}"[::-1] + "0" for octet in text)
    heard, at = bytearray(), 0
    while (at := line.find("0", at)) >= 0 and at + 10 <= len(line):
        heard.append(int(line[at + 1 : at + 9][::-1], 2))
        at += 10
    return bytes(heard)


TELEGRAM = (
    b"/ENE5\\T210-D ESMR5.0\r\n\r\n1-3:0.2.8(50)\r\n1-0:1.8.1(000050.134*kWh)\r\n1-0:2.7.0(00.000*kW)\r\n!AA84\r\n"
)


@pytest.mark.parametrize("synthetic", [True, False])
@pytest.mark.parametrize("foreign", [SML, MBUS, SHORT + MBUS, WRAPPER, CIPHERED])
@pytest.mark.parametrize("before", [b"", b"\xdd", b"x\xff"])
def test_one_piece_of_noise(foreign: bytes, before: bytes, synthetic: bool) -> None:
    """Messages behind the noise are found."""
    found = pieces(before + foreign + OURS, synthetic=synthetic)
    assert [(piece.is_frame, piece.values) for piece in found] == [(False, before + foreign), (True, OURS)]
    assert look(before + foreign) in HINTS


def test_sml_behind_what_looked_like_a_block() -> None:
    (noise, ours) = pieces(b"\x00\x02abc" + SML + OURS, synthetic=True)
    assert (noise.is_frame, ours.values) == (False, OURS)


def test_sml_that_is_cut_ends_with_the_pause() -> None:
    found = pieces(SML[:90] + OURS, synthetic=False, pauses={90: GAP + 1})
    assert [(piece.is_frame, len(piece.values)) for piece in found] == [(False, 90), (True, 5)]


@pytest.mark.parametrize("whole", [MBUS, SHORT, WRAPPER, CIPHERED])
def test_what_only_begins_as_foreign_hides_nothing(whole: bytes) -> None:
    """Every damaged variant is followed at once by a message. If the octets do not prove another protocol, the message
    is found."""
    for cut in range(1, len(whole)):
        *_, last = pieces(whole[:cut] + b"\x15" + OURS, synthetic=False, pauses={cut: 2 * GAP + 1})
        assert last.values == OURS
    command = b"\x01B0\x03q"
    for head in (b"\x00", b"\x10[", b"\x1b\x1b\x1b\x1b", b"h\x03\x03"):
        found = pieces(head + command + OURS, synthetic=True)
        assert [piece.values for piece in found if piece.is_frame][-2:] == [command, OURS] or head[0] == 0x68


@pytest.mark.parametrize("synthetic", [True, False])
def test_an_inverted_line(synthetic: bool) -> None:
    """Its octets are full of the codes of NAK, ACK, SOH and STX."""
    heard = inverted(TELEGRAM * 3)
    assert heard.translate(bytes(octet & 0x7F for octet in range(256))).count(0x15) > 10
    assert look(heard) == "inverted"
    found = pieces(heard, synthetic=synthetic)
    assert len(found) < 10
    assert max(len(piece.values) for piece in found) > len(heard) / 2


def test_a_nak_after_noise_is_one() -> None:
    """The client refuses a damaged answer with NAK: after a pause, or after octets that are no inverted text."""
    heard = inverted(TELEGRAM)
    for pause in (0, CHARACTER, CHARACTER + 1, 10 * CHARACTER):  # From the end of the noise.
        last = pieces(heard + b"\x15", synthetic=False, pauses={len(heard): pause})[-1]
        assert last.is_frame == (pause > CHARACTER), pause
    noise = random.Random(1).randbytes(40).translate(None, b"\x00\x01\x02\x03\x04\x06\x15\x81\x82\x86\x95/\xaf~")
    assert [piece.values for piece in pieces(noise + b"\x15", synthetic=True)][-1] == b"\x15"


@pytest.mark.parametrize(
    "octets", [TELEGRAM, b"0" * 99, b"\xa0" * 99, b"U" * 40, bytes(40), b"", b"x", b"hello, world" * 9]
)
def test_what_looks_like_nothing(octets: bytes) -> None:
    assert look(octets) is None
    assert look(bytes(octet | (octet.bit_count() % 2) << 7 for octet in octets if octet < 0x80)) is None


@given(st.binary(min_size=LEAST, max_size=200))
def test_random_octets_are_nothing(octets: bytes) -> None:
    assert not is_inverted(octets)


PARTS = [
    SML,
    MBUS,
    SHORT,
    WRAPPER,
    CIPHERED,
    inverted(TELEGRAM),
    b"\x10[",
    b"h\x05\x05h",
    b"\xdb\x08ABC",
    b"\x1b" * 4,
    b"\x00\x01",
]


@given(st.lists(st.sampled_from([*PARTS, OURS, b"\x02(1)\x03\x33", b"\x15", b"~", b"\x00"]), max_size=6), st.data())
def test_every_octet_is_in_one_piece(parts: list[bytes], data: st.DataObject) -> None:
    """The pieces are in order, whatever is cut or lost, with pauses in any place."""
    octets = bytearray(b"".join(parts))
    for _ in range(data.draw(st.integers(0, 2))):
        at = data.draw(st.integers(0, len(octets)))
        del octets[at : at + data.draw(st.integers(0, 3))]
    places = data.draw(st.dictionaries(st.integers(0, len(octets)), st.sampled_from([GAP + 1, 3 * GAP]), max_size=2))
    pieces(bytes(octets), synthetic=data.draw(st.booleans()), pauses=places)


@pytest.mark.parametrize(
    "unit", [b"h\xff\xffh", b"\x10[\x01", b"\xdb\x08ABC123456\x82\x0f\xff", b"\x00\x01\x00\x01\x00\x01\x0f\xff"]
)
def test_linear(unit: bytes) -> None:
    """Octets that begin a foreign frame again and again are examined no more often than such a frame may be long."""
    framer = Framer(sender=Sender.UNKNOWN, character_time_ns=CHARACTER, gap_limit_ns=GAP)
    for at, value in enumerate(unit * 3000):
        framer.feed([Octet(value, T0 + at * CHARACTER)])
    framer.close()

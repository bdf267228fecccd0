"""The structural index finds what the decoder of messages finds, and nothing in frames that are not plain."""

import random

import numpy
import pytest
from decode_difference import octets
from hypothesis import given
from hypothesis import strategies as st

from vtctap.dissector.columns.data_sets import ACKNOWLEDGED, COMMANDS, data_sets
from vtctap.dissector.columns.octets import gathered, hexadecimal, texts
from vtctap.dissector.protocol.checksums import bcc_xor
from vtctap.dissector.protocol.messages import decode

ANY = st.text(alphabet="\x01\x02\x03\x04\r\n!()*ER1 a\x7f\x80", max_size=12).map(lambda text: text.encode("latin-1"))


def compare(frames: list[bytes]) -> int:
    """Compares the plain ones of these frames with what the decoder says; returns how many they are."""
    ends = numpy.cumsum([len(frame) + 3 for frame in frames]) - 3
    begins = ends - [len(frame) for frame in frames]
    taken, offsets = gathered(b"\x02xx".join(frames), begins, ends)
    assert taken.tobytes() == b"".join(frames)
    assert hexadecimal(taken, offsets).to_pylist() == [frame.hex() for frame in frames]
    sets = data_sets(taken, offsets)
    parts = [texts(taken, *part).to_pylist() for part in (sets.register, sets.value, sets.unit)]
    for at, frame in enumerate(frames):
        own = slice(sets.offsets[at], sets.offsets[at + 1])
        if not sets.plain[at]:
            assert own.start == own.stop
            continue
        message = decode(frame)
        found = [tuple(part[own]) for part in parts]
        assert found == [message.register, message.value, message.unit], frame
        if sets.command[at] == ACKNOWLEDGED:
            assert repr(message) == repr(decode(b"\x06"))
            continue
        assert COMMANDS[sets.command[at]] == (message.cmd or "")
        count = int(chr(sets.counted[at]), 16) if sets.counted[at] else None
        assert (message.text, message.error_code, message.count) == (None, None, count), frame
        assert (message.bcc, message.bcc_expected, message.bcc_rule) == (sets.check[at], sets.check[at], "xor")
    return int(sets.plain.sum())


@pytest.mark.parametrize("seed", range(3))
def test_random_frames(seed: int) -> None:
    chance = random.Random(seed)
    assert compare([octets(chance) for _ in range(3000)]) > 150


@given(st.lists(st.tuples(ANY, st.booleans()), max_size=5))
def test_any_octets(middles: list[tuple[bytes, bool]]) -> None:
    bodies = [(b"\x01R1\x02" if asks else b"\x02") + middle + b"\x03" for middle, asks in middles]
    compare([b"", *(body + bytes([bcc_xor(body[1:])]) for body in bodies), b""])


READ = b"\x01R\x02FFFE1\x03"


@pytest.mark.parametrize(
    "frame", [b"", b"\x06", READ, b"\x01R1\x022006F\x03", b"\x02\x03", b"\x02a(1*V)b(2)\r\n!\r\n\x03", b"\x02(ER1)\x03"]
)
def test_every_changed_octet(frame: bytes) -> None:
    changed = [frame[:at] + bytes([octet]) + frame[at + 1 :] for at in range(len(frame)) for octet in range(256)]
    compare([each + bytes([bcc_xor(each[1:])]) for each in [frame, *changed]] + changed)

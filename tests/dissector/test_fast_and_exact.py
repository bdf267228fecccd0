"""The fast ways give the results of the exact ones: ``bench/decode_difference.py`` compares a million records, this
test a few."""

import random

import pytest
from decode_difference import PROFILES, difference, octets, trace
from hypothesis import given
from hypothesis import strategies as st

from vtctap.dissector.protocol import common_frames, messages
from vtctap.dissector.protocol.checksums import bcc_xor

READ, ANSWER = b"\x01R1\x022006(00000000)\x03", b"\x022006(0000001.5*kWh)\x03"


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("seed", range(2))
def test_random_and_damaged_traces(profile: str, seed: int) -> None:
    assert difference(trace(random.Random(seed), 1000), profile) == ""


def test_many_of_these_frames_are_common() -> None:
    """Otherwise the test would compare the exact way with itself."""
    chance = random.Random(1)
    found = [common_frames.decode(octets(chance)) is not None for _ in range(1000)]
    assert 100 < sum(found) < 900


def one_by_one(frame: bytes) -> list[bytes]:
    """Yields the frame with each octet replaced by each other one, and with each octet left out."""
    changed = [frame[:at] + bytes([octet]) + frame[at + 1 :] for at in range(len(frame)) for octet in range(256)]
    return (
        changed + [frame[:at] + frame[at + 1 :] for at in range(len(frame))] + [frame[:at] for at in range(len(frame))]
    )


@pytest.mark.parametrize("body", [READ, ANSWER, b"\x02a(1)b(2*V)\r\n!\r\n\x03", b"\x02(ER1)\x03", b"\x02()\x03"])
def test_every_changed_octet(body: bytes) -> None:
    """The check character also fits the change, so that the structure alone decides."""
    for changed in one_by_one(body):
        for frame in (changed + bytes([bcc_xor(body[1:])]), changed + bytes([bcc_xor(changed[1:])])):
            common = common_frames.decode(frame)
            assert common is None or repr(common) == repr(messages.decode(frame)), frame


@given(
    st.text(alphabet="\x01\x02\x03\x04\r\n!()*ER10 /a\x7f\x80", max_size=12).map(lambda text: text.encode("latin-1"))
)
def test_any_octets(middle: bytes) -> None:
    for start in (b"\x02", b"\x01R1\x02"):
        body = start + middle + b"\x03"
        common = common_frames.decode(body + bytes([bcc_xor(body[1:])]))
        assert common is None or repr(common) == repr(messages.decode(body + bytes([bcc_xor(body[1:])])))

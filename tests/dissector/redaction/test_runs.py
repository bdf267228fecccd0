"""Numbers that noise spreads over records."""

import pytest

from vtctap.dissector.redaction.runs import NumberRuns
from vtctap.pcap.record import Kind, Record, Sender

NUMBER = b"0123456789" * 9


def noise(octets: bytes, sender: Sender = Sender.CLIENT) -> Record:
    return Record(0, octets, Kind.NOISE, sender)


@pytest.mark.parametrize("size", [1, 2, 7, 90])
@pytest.mark.parametrize("length", [5, 6, 20, 63, 64])
def test_a_number_in_pieces(length: int, size: int) -> None:
    """It is found whole, between other octets, in pieces of any size, and beside the other side's noise."""
    runs = NumberRuns()
    text = b"a" + NUMBER[:length] + b"b"
    found: list[bytes] = []
    for at in range(0, len(text), size):
        found += runs.feed(noise(text[at : at + size]))
        assert list(runs.feed(noise(b"7x", Sender.SERVER))) == []
    assert found == ([NUMBER[:length]] if length > 5 else [])


def test_a_number_is_awaited_up_to_64_digits() -> None:
    """Noise of digits alone does not fill the memory."""
    runs = NumberRuns()
    found = [list(runs.feed(noise(NUMBER[at : at + 1]))) for at in range(70)]
    assert [at for at, numbers in enumerate(found, 1) if numbers] == [64]
    assert found[63] == [NUMBER[:64]]
    assert list(runs.unended()) == [NUMBER[64:70]]


def test_a_frame_ends_a_number() -> None:
    runs = NumberRuns()
    assert list(runs.feed(noise(b"123456"))) == []
    assert list(runs.unended()) == [b"123456"]
    assert list(runs.feed(Record(0, b"\x06", sender=Sender.CLIENT))) == [b"123456"]
    assert list(runs.unended()) == []

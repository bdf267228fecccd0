"""The words of an event, written out by hand."""

import pytest

from vtctap.pcap.events import MAX_DIGITS, event_name, event_number, event_words


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("", "", {}),
        ("lost", "lost", {}),
        ("opened profile=p octets=7 port=/dev/x=y", "opened", {"profile": "p", "octets": "7", "port": "/dev/x=y"}),
        ("opened  octets=7  stray =8 low=", "opened", {"octets": "7", "": "8", "low": ""}),
        ("closed octets=1 octets=2", "closed", {"octets": "2"}),
        ("octets=5", "octets=5", {}),
    ],
)
def test_words(text: str, name: str, words: dict[str, str]) -> None:
    assert event_words(text) == (name, words)
    assert event_name(text) == name


@pytest.mark.parametrize(
    ("value", "number"),
    [("0", 0), ("007", 7), ("9" * MAX_DIGITS, 10**19 - 1), ("9" * 20, None), ("9" * 65000, None)]
    + [(bad, None) for bad in ("", "-1", "+1", "1.5", "1_0", "0x1", "²", "٣", "x")],
)
def test_numbers(value: str, number: int | None) -> None:
    assert event_number({"octets": value}, "octets") == number
    assert event_number({"octets": value}, "unread") is None

"""The virtual wire: parity, times, and which side receives what."""

from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from vtctap.pcap.record import Line
from vtctap.sniffer.simulated.machine import Action, ChangeSpeed, Done, Send
from vtctap.sniffer.simulated.wire import Character, Side, VirtualWire, WireOctet, received

LINE = Line(7, "E", 1)


@dataclass
class Scripted:
    """A device that sends its script at once, and then answers each octet that is a key of ``answers``."""

    begin: list[Action] = field(default_factory=list)
    answers: dict[int, list[Action]] = field(default_factory=dict)
    heard: list[tuple[int, int]] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)

    def feed(self, octet: int, now: int) -> list[Action]:
        self.heard.append((octet, now))
        return self.answers.pop(octet, [])

    def sent(self, now: int) -> list[Action]:
        self.gone.append(now)
        return []

    def wake_at(self) -> int | None:
        return 0 if self.begin else None

    def timeout(self, now: int) -> list[Action]:
        actions, self.begin = self.begin, []
        return actions


# Octets that an 8N1 receiver gets from 7E1, by hand: A 41h has two ones, C 43h three, DEL seven.
@pytest.mark.parametrize(
    ("line", "octet", "good", "bad"),
    [
        ("7E1", 0x41, 0x41, 0xC1),
        ("7E1", 0x43, 0xC3, 0x43),
        ("7E2", 0x7F, 0xFF, 0x7F),
        ("7O1", 0x41, 0xC1, 0x41),
        ("7O1", 0x43, 0x43, 0xC3),
        ("7M1", 0x41, 0xC1, 0x41),
        ("7S1", 0x43, 0x43, 0xC3),
        ("7N2", 0x43, 0x43, 0x43),
        ("8N1", 0x43, 0x43, 0x43),
        ("8E1", 0x43, 0x43, 0x43),
    ],
)
def test_parity_as_received(line: str, octet: int, good: int, bad: int) -> None:
    assert received(octet, Line.parse(line)) == good
    assert received(octet, Line.parse(line), bad_parity=True) == bad


def test_times_are_exact_and_do_not_drift() -> None:
    client = Scripted([Send(b"A" * 9600, 5), Done()])
    octets = list(VirtualWire({"client": client}, speed=9600, line=LINE, now=1_000).run())
    assert octets[0].start == 1_005
    assert octets[-1].end == 1_005 + 10_000_000_000  # 9600 characters of ten bits at 9600 bit/s take ten seconds
    assert all(before.end == after.start for before, after in pairwise(octets))
    assert {octet.end - octet.start for octet in octets} == {1_041_666, 1_041_667}
    assert client.gone == [octets[-1].end]


@pytest.mark.parametrize(("line", "bits"), [("7E1", 10), ("8N1", 10), ("8E1", 11), ("7E2", 11), ("7N1", 9)])
def test_character_length(line: str, bits: int) -> None:
    wire = VirtualWire({"client": Scripted([Send(b"A", 0), Done()])}, speed=1_000, line=Line.parse(line), now=0)
    assert [octet.end - octet.start for octet in wire.run()] == [bits * 1_000_000]


def test_the_other_side_hears_and_answers() -> None:
    client = Scripted([Send(b"?", 0)])
    server = Scripted(answers={0x3F: [Send(b"!", 20_000_000)]})
    client.answers[0x21] = [Done()]
    octets = list(VirtualWire({"client": client, "server": server}, speed=10_000, line=LINE, now=0).run())
    assert octets == [
        WireOctet("client", 0x3F, 0, 1_000_000),
        WireOctet("server", 0x21, 21_000_000, 22_000_000),
    ]
    assert server.heard == [(0x3F, 1_000_000)]
    assert client.heard == [(0x21, 22_000_000)]


def test_damaged_characters_arrive_as_nul() -> None:
    def disturb(side: Side, octets: bytes, start: int) -> list[Character]:
        return [Character(0x43, bad_parity=True), Character(0x43), Character(0, gap_ns=500_000, is_break=True)]

    server = Scripted()
    client = Scripted([Send(b"C", 0), Done()])
    wire = VirtualWire({"client": client, "server": server}, speed=10_000, line=LINE, now=0, disturbance=disturb)
    assert list(wire.run()) == [
        WireOctet("client", 0x43, 0, 1_000_000),
        WireOctet("client", 0xC3, 1_000_000, 2_000_000),
        WireOctet("client", 0x00, 2_500_000, 4_500_000, is_break=True),
    ]
    assert [octet for octet, _ in server.heard] == [0x00, 0x43, 0x00]


def test_speed_changes_for_what_is_sent_afterwards() -> None:
    client = Scripted([Send(b"A", 0), ChangeSpeed(1_000), Send(b"B", 0), Done()])
    server = Scripted(answers={0x42: [Send(b"B", 0)]})
    octets = list(VirtualWire({"client": client, "server": server}, speed=10_000, line=LINE, now=0).run())
    assert [(octet.side, octet.start, octet.end) for octet in octets] == [
        ("client", 0, 1_000_000),
        ("client", 1_000_000, 11_000_000),
        ("server", 11_000_000, 12_000_000),
    ]


def test_somebody_else_on_the_line() -> None:
    server = Scripted(answers={0x43: [ChangeSpeed(1_000), Send(b"A", 0)]})
    wire = VirtualWire({"server": server}, speed=10_000, line=LINE, now=0)
    assert wire.next_due() is None
    assert list(wire.advance(5_000_000)) == []
    wire.feed("client", b"AC", 5_000_000)
    wire.feed("client", b"A", 5_000_000)
    assert wire.next_due() == 6_000_000
    assert [octet.end for octet in wire.advance(7_999_999)] == [6_000_000, 7_000_000]
    assert [octet.end for octet in wire.advance(8_000_000)] == [8_000_000]
    assert list(wire.advance(17_000_000)) == [WireOctet("server", 0x41, 7_000_000, 17_000_000)]
    wire.feed("client", b"A", 20_000_000)
    assert list(wire.advance(30_000_000)) == [WireOctet("client", 0x41, 20_000_000, 30_000_000)]

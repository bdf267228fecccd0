"""Exchanges are held back until no event can say that octets were missing in them."""

import pytest

from vtctap.dissector.analysis.exchanges import Exchange
from vtctap.dissector.analysis.hindsight import LATENESS_NS, Hindsight
from vtctap.dissector.dissect import Dissector, Frame
from vtctap.dissector.profiles.files import load
from vtctap.pcap.record import Kind, Line, Record, Sender

START, LENGTH = 1_767_268_800_000_000_000, 5_000_000


def frames(*senders: Sender) -> tuple[Frame, ...]:
    """Returns frames that begin at :data:`START`, one after the other."""
    dissector = Dissector(load())
    records = [
        Record(START + at * LENGTH, b"\x06", sender=sender, line=Line(7, "E", 1), duration=LENGTH)
        for at, sender in enumerate(senders)
    ]
    return tuple(found for found in map(dissector.dissect, records) if isinstance(found, Frame))


def missed(time: int, link: int = 0) -> Record:
    return Record(time, kind=Kind.EVENT, link=link, event="missed octets=1")


@pytest.mark.parametrize("before", [True, False])
def test_what_a_loss_concerns_keeps_its_frames_and_their_roles(before: bool) -> None:
    """An exchange may have no request, or no frame at all; its event may come before it is complete."""
    request, answer = frames(Sender.CLIENT, Sender.SERVER)
    given = [Exchange(1, 0, None, ()), Exchange(1, 0, None, (request,)), Exchange(1, 0, request, (answer,))]
    hindsight = Hindsight()
    if before:
        hindsight.see(missed(START + 1))
    for exchange in given:
        hindsight.feed(exchange)
    if not before:
        hindsight.see(missed(START + 1))
    judged = list(hindsight.close())
    assert [each.blind for each in judged] == [False, True, True]
    for exchange, each in zip(given, judged, strict=True):
        assert [frame.record for frame in each.frames] == [frame.record for frame in exchange.frames]
        assert (each.request is None) == (exchange.request is None)
        assert all(frame.place.request_in is None for frame in each.frames)


@pytest.mark.parametrize(
    ("offset", "link", "blind"),
    [
        (-1, 0, False), (0, 0, True), (LENGTH + LATENESS_NS, 0, True), (LENGTH + LATENESS_NS + 1, 0, False),
        (0, 1, False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("before", [True, False])
def test_a_loss_concerns_what_began_before_its_event_and_ended_shortly_before(
    offset: int, link: int, blind: bool, before: bool
) -> None:
    (frame,) = frames(Sender.SERVER)
    hindsight, event = Hindsight(), missed(START + offset, link)
    if before:
        hindsight.see(event)
    hindsight.feed(Exchange(1, 0, None, (frame,)))
    if not before:
        hindsight.see(event)
    assert [each.blind for each in hindsight.close()] == [blind]


def test_an_exchange_is_ready_when_no_event_can_concern_it() -> None:
    (frame,) = frames(Sender.SERVER)
    hindsight = Hindsight()
    hindsight.feed(Exchange(1, 0, None, (frame,)))
    assert list(hindsight.ready(START + LENGTH + LATENESS_NS)) == []
    assert hindsight.oldest == frame.number
    assert len(list(hindsight.ready(START + LENGTH + LATENESS_NS + 1))) == 1
    assert hindsight.oldest is None

"""The part of a capture that leaves out what comes after a stop condition."""

from equipment.outlets import event, frame
from vtctap.capturing.remainder import Remainder


def test_all_records_pass_until_it_is_full() -> None:
    records = [event(1, "opened"), frame(2), event(3, "closed octets=1")]
    assert Remainder(lambda: False).feed(records, 0) == records


def test_only_the_closed_events_pass_then_and_state_what_was_left_out() -> None:
    remainder = Remainder(lambda: True)
    assert remainder.feed([frame(1, b"abc"), event(2, "speed from=300 to=9600"), frame(3, b"de", tap=1)], 0) == []
    assert remainder.feed((), 1) == []
    closed = [
        event(4, "closed octets=9"),
        event(4, "closed octets=9 frame=0", tap=1),
        event(4, "closed octets=0", tap=2),
    ]
    assert [record.event for record in remainder.feed(closed, 2)] == [
        "closed octets=9 unwritten=3",
        "closed octets=9 frame=0 unwritten=2",
        "closed octets=0",
    ]

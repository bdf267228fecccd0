"""``-a``: the conditions that end a capture."""

from collections.abc import Callable
from typing import cast

from equipment.outlets import event, frame
from vtctap.capturing.conditions import Limits
from vtctap.capturing.ending import Ending
from vtctap.capturing.printing import Printing
from vtctap.capturing.recording import Recording
from vtctap.capturing.trigger import Trigger
from vtctap.dissector.dissect import Dissector
from vtctap.dissector.filter import compile_filter

Dissectors = Callable[[], Dissector]


class Written:
    """A recording of a given size, whose last file is full or not."""

    size, full = 0, False


class Printed:
    unread = False


def ending(
    dissector: Dissectors,
    *,
    trigger: Trigger | None = None,
    recording: Written | None = None,
    printing: Printed | None = None,
    duration: float | None = None,
    packets: int | None = None,
    size: int | None = None,
    match: str | None = None,
) -> Ending:
    limits = Limits(duration, packets, size, (compile_filter(match),) if match else ())
    return Ending(
        limits,
        trigger or Trigger(None, dissector()),
        cast("Recording | None", recording),
        cast("Printing | None", printing),
        dissector(),
    )


def test_without_a_condition_there_is_no_end(dissector: Dissectors) -> None:
    end = ending(dissector)
    for now in range(100):
        end.feed([event(now)], 1e6 * now)
    assert (end.full, end.over, end.written) == (False, False, 100)


def test_packets(dissector: Dissectors) -> None:
    """Events do not count."""
    end = ending(dissector, packets=2)
    end.feed([event(1), event(2), frame(3)], 0)
    end.feed((), 0)
    assert not end.full
    end.feed([frame(4)], 0)
    assert (end.full, end.over) == (True, False)


def test_packets_and_time_count_from_the_trigger(dissector: Dissectors) -> None:
    trigger = Trigger("vtc.tap == 1", dissector())
    end = ending(dissector, trigger=trigger, packets=2, duration=5)
    for second in range(4):
        end.feed(trigger.feed([frame(second)], 100 + second), 100 + second)
    assert (end.full, end.over, end.written) == (False, False, 0)
    end.feed(trigger.feed([frame(4, tap=1)], 104), 104)
    end.feed((), 108.9)
    assert (end.full, end.over, end.written) == (False, False, 5)
    end.feed((), 109)
    assert end.over
    end.feed([frame(5)], 109)
    assert end.full


def test_size_and_files_are_the_recordings(dissector: Dissectors) -> None:
    written = Written()
    by_size, by_files = ending(dissector, recording=written, size=1000), ending(dissector, recording=written)
    written.size = 999
    assert not by_size.full
    assert not by_files.full
    written.size, written.full = 1000, True
    assert by_size.full
    assert by_files.full


def test_a_match_ends_it_but_not_one_from_before_the_trigger(dissector: Dissectors) -> None:
    end = ending(dissector, match="vtc.tap == 1")
    end.feed([event(1, tap=1), event(2)], 0)
    assert not end.full
    end.feed([event(3, tap=1)], 0)
    end.feed([event(4)], 0)
    assert end.full


def test_nobody_reads_what_is_printed(dissector: Dissectors) -> None:
    printed = Printed()
    end = ending(dissector, printing=printed)
    end.feed((), 0)
    assert not end.over
    printed.unread = True
    end.feed((), 0)
    assert (end.over, end.full) == (True, False)

"""The loop of a capture, with scripted ports."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from equipment.outlets import TAPS, Memory, event, frame
from vtctap.capturing.conditions import Limits
from vtctap.capturing.counts import Counts
from vtctap.capturing.ending import Ending
from vtctap.capturing.keyboard import Keyboard
from vtctap.capturing.marks import Marks
from vtctap.capturing.parts import Chain
from vtctap.capturing.recording import Recording
from vtctap.capturing.remainder import Remainder
from vtctap.capturing.report import Report
from vtctap.capturing.screen import Screen
from vtctap.capturing.signals import Signals
from vtctap.capturing.sink import Sink
from vtctap.capturing.trigger import Trigger
from vtctap.dissector.dissect import Dissector
from vtctap.pcap.record import Record
from vtctap.pcap.trace import create_trace, open_trace

Build = Callable[..., Sink]


class Scripted:
    """Ports that deliver one record each turn, after calling ``before``."""

    def __init__(self, turns: int, before: Callable[[int], None] = lambda turn: None) -> None:
        self.turns, self.before, self.turn, self.octets = turns, before, 0, 0
        self.drops = Counter({1: 7})
        self.lost: list[str] = []
        self.marks: list[str] = []

    def poll(self, timeout: float) -> list[Record]:
        self.before(self.turn)
        self.turn += 1
        return [event(self.turn)]

    def mark(self, note: str) -> None:
        self.marks.append(note)

    def close(self) -> list[Record]:
        return [event(100, "closed octets=0")]


class Frames(Scripted):
    """Ports that deliver one frame each turn, and another one when they are closed."""

    def poll(self, timeout: float) -> list[Record]:
        return [frame(record.time / 1e9) for record in super().poll(timeout)]

    def close(self) -> list[Record]:
        return [frame(99), *super().close()]


@pytest.fixture
def build(tmp_path: Path, screen: Screen, dissector: Callable[[], Dissector]) -> Build:
    def sink(packets: int | None = None) -> Sink:
        recording = Recording(
            str(tmp_path / "t.pcapng"), lambda target, taps: create_trace(target, taps=taps, force=True), screen.say
        )
        counts, trigger, signals, keyboard = Counts(), Trigger(None, dissector()), Signals(), Keyboard()
        marks = Marks(keyboard, signals, screen)
        ending = Ending(Limits(None, packets, None, ()), trigger, recording, None, dissector())
        report = Report(None, False, screen, counts, trigger, marks, recording, None, ending)
        return Sink(
            Chain([Remainder(lambda: ending.full), counts, trigger, recording, ending]),
            ending,
            signals,
            keyboard,
            marks,
            screen,
            report,
        )

    return sink


def written(folder: Path) -> list[int]:
    with open_trace(folder / "t.pcapng") as reader:
        return [record.time // 10**9 for record in reader]


def test_it_ends_when_there_can_be_no_more_and_takes_the_rest(build: Build, tmp_path: Path, memory: Memory) -> None:
    sink, source = build(), Scripted(3)
    with sink.writing(TAPS):
        sink.run(source, lambda: source.turn < 3, drain=0.01)
    assert written(tmp_path) == [1, 2, 3, 4, 100]
    assert sink.report.recording
    assert sink.report.recording.drops == {1: 7}
    assert len(memory.lines) == 1
    assert memory.lines[0].startswith("vtctap: 0 frames, 0 with a bad check character; ")


def test_as_many_packets_as_were_asked_for_and_the_closed_events(build: Build, tmp_path: Path) -> None:
    sink, source = build(packets=2), Frames(9)
    with sink.writing(TAPS):
        sink.run(source)
    assert written(tmp_path) == [1, 2, 100]


def test_a_signal_ends_it_and_what_had_come_is_written(build: Build, tmp_path: Path) -> None:
    sink = build()
    with sink.writing(TAPS):

        def at(turn: int) -> None:
            sink.signals.marks += turn == 1
            sink.signals.stopped = turn == 1

        source = Scripted(9, at)
        sink.run(source)
    assert source.marks == ["SIGUSR1-1"]
    assert written(tmp_path) == [1, 2, 100]


def test_an_error_closes_the_trace_and_reports_nothing(build: Build, tmp_path: Path, memory: Memory) -> None:
    sink = build()
    with pytest.raises(ZeroDivisionError), sink.writing(TAPS):
        sink.take(event(1 // second) for second in (1, 0))
    assert written(tmp_path) == [1]
    assert memory.lines == []


def test_a_closed_pipe_is_an_end(build: Build, tmp_path: Path, memory: Memory) -> None:
    sink = build()
    with sink.writing(TAPS):
        sink.take([event(1)])
        raise BrokenPipeError
    assert written(tmp_path) == [1]
    assert len(memory.lines) == 1

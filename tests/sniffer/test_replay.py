"""Replay: the octets of a trace are sent again at their times, and a tap makes the same trace of them."""

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from equipment.meter_port import MeterPort
from vtctap.dissector.framing.reframe import received
from vtctap.pcap import Kind, Line, Record, Sender, open_trace
from vtctap.pcap.record import Flag
from vtctap.sniffer import virtual
from vtctap.sniffer.replay import Stage, paced, turns, wire_octets
from vtctap.sniffer.simulated.device import Device
from vtctap.sniffer.simulated.meter import MeterMachine
from vtctap.sniffer.simulated.named import GUESS
from vtctap.sniffer.simulated.ptys import Pty
from vtctap.sniffer.simulated.replayed import PATIENCE_NS, QUIET_NS, ReplayedMachine
from vtctap.sniffer.simulated.session import EPOCH, play
from vtctap.sniffer.simulated.wire import VirtualWire, WireOctet
from vtctap.sniffer.speaking import Speaker

pytest.importorskip("termios")

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.pcapng"))
SEVEN_EVEN = Line(7, "E", 1)
GAP = 1_500_000_000
MS = 1_000_000
NOON = 1_767_268_800_000_000_000


def of(path: Path) -> list[Record]:
    with open_trace(path) as trace:
        return list(trace)


def said(records: list[Record], sender: Sender) -> bytes:
    return b"".join(received(record) for record in records if record.sender is sender and record.kind is not Kind.EVENT)


# Octets and their times, in virtual time.


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
@pytest.mark.parametrize("speed_up", [1, 7])
def test_every_octet_in_order(path: Path, speed_up: int) -> None:
    records = of(path)
    octets = list(wire_octets(records, speed_up))
    for sender in (Sender.CLIENT, Sender.SERVER):
        side = [octet for octet in octets if octet.side == sender.name.lower()]
        assert bytes(octet.octet for octet in side) == said(records, sender)
        assert [octet.end for octet in side] == sorted(octet.end for octet in side)
    held = [record for record in records if record.kind is not Kind.EVENT]
    starts = {octet.start for octet in octets}
    assert {record.time // speed_up for record in held} <= starts


@pytest.mark.parametrize("faults", [(), ("parity", "cut", "noise", "char-gap", "bcc-bad")])
def test_a_replay_of_a_capture_is_the_same_capture(faults: tuple[str, ...]) -> None:
    """Virtual time has no uncertainty: octets, order, errors and times are equal to the nanosecond."""
    playing = list(play(3, speed=9600, line=SEVEN_EVEN, faults=faults, dialect=GUESS))
    how = {"start": EPOCH, "speed": 9600, "line": SEVEN_EVEN, "gap_limit_ns": GAP, "profile": "p"}
    before = list(virtual.capture(playing, **how))  # type: ignore[arg-type]
    again = list(wire_octets(before))
    after = list(virtual.capture(again, **how))  # type: ignore[arg-type]
    assert [(one.side, one.octet) for one in again] == [(one.side, one.octet) for one in playing]
    held = [[record for record in trace if record.kind is not Kind.EVENT] for trace in (before, after)]
    assert len(held[0]) > 30
    for one, other in zip(*held, strict=True):
        assert abs(one.time - other.time) <= 1000  # Pauses are kept in microseconds.
        assert (one.octets, one.sender, one.kind, one.parity_errors, one.flags, one.line) == (
            other.octets,
            other.sender,
            other.kind,
            other.parity_errors,
            other.flags,
            other.line,
        )


def test_two_sides_at_once_are_interleaved() -> None:
    long = Record(NOON, bytes(100), sender=Sender.CLIENT, line=SEVEN_EVEN, speed=300, duration=3_333_333_300)
    short = Record(NOON + 10**9, b"\x06", sender=Sender.SERVER, tap=1, line=SEVEN_EVEN, speed=300)
    ends = [octet.end for octet in wire_octets([long, short])]
    assert ends == sorted(ends)
    assert [octet.side for octet in wire_octets([long, short])].index("server") == 31


class Clock:
    """A clock that advances while the program waits, and that can be delayed."""

    def __init__(self) -> None:
        self.now = 5_000
        self.delays: dict[int, int] = {}
        self._waits = 0

    def __call__(self) -> int:
        return self.now

    def wait(self, seconds: float) -> None:
        self._waits += 1
        self.now += round(seconds * 1e9) + self.delays.get(self._waits, 0)


def test_the_pace() -> None:
    octets = [WireOctet("client", at, NOON + at * 7 * MS, NOON + at * 7 * MS + MS) for at in range(50)]
    clock = Clock()
    clock.delays = {10: 20 * MS}  # The program does not run for 20 ms.
    played = [(octet.octet, clock.now - 5_000, due - 5_000) for octet, due in paced(octets, clock, clock.wait)]
    due = [octet.end - NOON for octet in octets]
    late = [time - wanted for (_, time, _), wanted in zip(played, due, strict=True)]
    assert [(value, wanted) for value, _, wanted in played] == list(enumerate(due))
    assert all(lateness == 0 for at, lateness in enumerate(late) if at not in (9, 10, 11))
    assert 0 < max(late) <= 20 * MS


# Through pseudo-terminals.


def test_nobody_is_waited_for_twice() -> None:
    with Stage(merged=False) as stage:
        stage.release()
        assert (stage.watched, stage.deserted) == (False, True)
        with opened(stage.names[0]):
            assert (stage.watched, stage.deserted) == (False, False)
            with opened(stage.names[1]):
                assert (stage.watched, stage.deserted) == (True, False)
                stage.hold()
        stage.write(WireOctet("client", 65, 0, 0))
        stage.release()
        assert stage.deserted
    with Stage(merged=True) as stage:
        assert len(stage.names) == 1


@contextlib.contextmanager
def opened(name: str) -> Iterator[int]:
    fd = os.open(name, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
    yield fd
    os.close(fd)


def test_what_nobody_reads_is_counted() -> None:
    with Stage(merged=True) as stage:
        for _ in range(200_000):
            stage.write(WireOctet("client", 65, 0, 0))
        assert 0 < stage.lost < 200_000
        kept = 0
        with opened(stage.names[0]) as terminal, contextlib.suppress(BlockingIOError):
            while octets := os.read(terminal, 4096):
                kept += len(octets)
        assert kept + stage.lost == 200_000


# One side.


def session(seed: int = 2) -> list[Record]:
    how = {"start": EPOCH, "speed": 9600, "line": SEVEN_EVEN, "gap_limit_ns": GAP, "profile": "p"}
    return list(virtual.capture(play(seed, speed=9600, line=SEVEN_EVEN, sessions=1, dialect=GUESS), **how))  # type: ignore[arg-type]


def bare(records: list[Record]) -> list[Record]:
    """The same session on a line without parity, as the devices of the virtual wire see it."""
    return [replace(record, line=Line(8, "N", 1)) for record in records]


def meter_hears(machine: ReplayedMachine, meter: MeterMachine) -> list[WireOctet]:
    wire = VirtualWire({"client": machine, "server": meter}, speed=9600, line=SEVEN_EVEN, now=0)
    octets = []
    while (due := wire.next_due()) is not None and due < 10**12:
        octets += list(wire.advance(due))
    return octets


def test_the_client_alone_to_a_meter() -> None:
    """The meter answers as in the trace, except for the answer that the line garbled there. The pauses before requests
    are those of the trace."""
    records = bare(session())
    machine = ReplayedMachine(turns(records, Sender.CLIENT), waits=False)
    octets = meter_hears(machine, MeterMachine(Random("2 meter"), Device(GUESS, 2)))
    assert bytes(each.octet & 0x7F for each in octets if each.side == "client") == said(records, Sender.CLIENT)
    assert machine.heard == machine.expected > 15
    assert machine.expected - machine.same == 1
    pauses = [pause(before, after) for before, after in pairwise(octets) if turn(before, after)]
    held = [record for record in records if record.kind is not Kind.EVENT]
    recorded = [
        after.time - before.end
        for before, after in pairwise(held)
        if (before.sender, after.sender) == (Sender.SERVER, Sender.CLIENT)
    ]
    assert len(pauses) == len(recorded)
    assert max(abs(one - other) for one, other in zip(pauses, recorded, strict=True)) < MS


def turn(before: WireOctet, after: WireOctet) -> bool:
    return (before.side, after.side) == ("server", "client")


def pause(before: WireOctet, after: WireOctet) -> int:
    return after.start - before.end


TWO = [
    Record(NOON, b"/?!\r\n", sender=Sender.CLIENT, speed=300),
    Record(NOON + 300 * MS, b"/ISK5X\r\n", sender=Sender.SERVER, speed=300),
    Record(NOON + 600 * MS, b"\x06051\r\n", sender=Sender.CLIENT, speed=9600),
    Record(NOON + 900 * MS, b"\x02()\x03\x01", sender=Sender.SERVER, speed=9600),
]


def test_a_partner_that_says_nothing_less_or_more() -> None:
    machine = ReplayedMachine(turns(TWO, Sender.CLIENT), waits=False)
    assert machine.wake_at() == 0
    (send,) = machine.timeout(1000)
    assert (send.octets, send.delay_ns) == (b"/?!\r\n", 0)  # type: ignore[union-attr]
    assert machine.wake_at() is None
    assert machine.sent(2000) == []
    assert machine.wake_at() == 2000 + 300 * MS + PATIENCE_NS
    assert machine.feed(ord("/"), 50 * MS) == []
    assert machine.wake_at() == 50 * MS + QUIET_NS
    change, send = machine.timeout(50 * MS + QUIET_NS)
    assert change.speed == 9600  # type: ignore[union-attr]
    # 300 ms after the last octet, as in the trace: at once, since as much has passed.
    assert (send.octets, send.delay_ns) == (b"\x06051\r\n", 0)  # type: ignore[union-attr]
    assert machine.feed(0, 60 * MS) == []  # Messages in another order.
    machine.sent(400 * MS)
    done = machine.timeout(machine.wake_at() or 0)
    assert [type(action).__name__ for action in done] == ["Done"]
    assert (machine.heard, machine.expected, machine.same) == (1, 2, 0)
    assert (machine.wake_at(), machine.timeout(0)) == (None, [])


def test_a_client_waits_for_a_silent_meter_that_begins_the_trace() -> None:
    """The client continues 2 s later than in the trace, counted from when it began to wait."""
    machine = ReplayedMachine(turns(TWO[1:], Sender.CLIENT), waits=False)
    assert machine.wake_at() == 0
    assert machine.timeout(1000) == []
    assert machine.wake_at() == 1000 + PATIENCE_NS
    change, send = machine.timeout(1000 + PATIENCE_NS)
    assert change.speed == 9600  # type: ignore[union-attr]
    assert (send.octets, send.delay_ns) == (b"\x06051\r\n", 300 * MS)  # type: ignore[union-attr]
    assert (machine.heard, machine.expected) == (0, 2)


def test_a_client_hears_a_meter_that_begins_the_trace() -> None:
    """A meter that sends less than in the trace has ended its turn after a silence, whenever it began."""
    machine = ReplayedMachine(turns(TWO[1:], Sender.CLIENT), waits=False)
    assert machine.timeout(machine.wake_at() or 0) == []
    assert machine.feed(ord("/"), 50 * MS) == []
    assert machine.wake_at() == 50 * MS + QUIET_NS
    _, send = machine.timeout(50 * MS + QUIET_NS)
    assert (send.octets, machine.heard) == (b"\x06051\r\n", 1)  # type: ignore[union-attr]


def test_a_server_waits_for_ever() -> None:
    machine = ReplayedMachine(turns(TWO, Sender.SERVER), waits=True)
    assert machine.wake_at() is None
    actions = [action for octet in b"/?!\r\n" for action in machine.feed(octet, 7 * MS)]
    assert [(action.octets, action.delay_ns // MS) for action in actions] == [(b"/ISK5X\r\n", 300)]  # type: ignore[union-attr]


def test_the_client_alone_on_a_real_port() -> None:
    """Octets that were captured on 7E1 are sent with their parity bits, which this meter ignores."""
    records = [record for record in session() if record.kind is not Kind.EVENT][:12]
    machine = ReplayedMachine(turns(records, Sender.CLIENT), waits=False, mask=0x7F)
    with MeterPort(MeterMachine(Random(3), Device(GUESS, 2))) as meter, Speaker(meter.port, 9600) as speaker:
        speaker.run(machine)
    assert (machine.heard, machine.expected) == (6, 6)
    assert machine.same >= 5  # One answer was garbled on the line.


@pytest.mark.parametrize("sent", [0, 5])
def test_a_meter_is_not_blamed_for_a_program_that_was_stopped(sent: int) -> None:
    """The client waits 2.3 s for this answer, and the program is stopped for longer: before it has sent its request, or
    after that."""
    machine = ReplayedMachine(turns(TWO[:2], Sender.CLIENT), waits=False)
    now, heard, stopped = 0, b"", False

    with contextlib.closing(Pty()) as far, Speaker(far.name, 300) as speaker:

        def clock() -> int:
            nonlocal now, heard, stopped
            now += 2 * MS
            came = far.read()
            heard += came
            if came and heard == TWO[0].octets:
                far.write(TWO[1].octets)
            if not stopped and now > 20 * MS and len(heard) >= sent:
                stopped = True
                now += 10_000 * MS
            return now

        speaker.run(machine, clock=clock)
    assert (machine.heard, machine.same) == (1, 1)


def test_both_sides_play_against_each_other() -> None:
    """The client's part and the server's part of a trace are replayed over a network, and each receives the other part
    of the trace."""
    import socket

    records = [record for record in session() if record.kind is not Kind.EVENT][:8]
    sides = [
        ReplayedMachine(turns(records, Sender.CLIENT), waits=False),
        ReplayedMachine(turns(records, Sender.SERVER), waits=True),
    ]
    with socket.create_server(("127.0.0.1", 0)) as listening, contextlib.ExitStack() as stack:
        speakers = [
            stack.enter_context(Speaker(f"socket://127.0.0.1:{listening.getsockname()[1]}", 9600)) for _ in sides
        ]
        ends = [stack.enter_context(listening.accept()[0]) for _ in sides]
        threads = [
            threading.Thread(target=pump, args=pair, daemon=True) for pair in (tuple(ends), tuple(reversed(ends)))
        ]
        threads += [
            threading.Thread(target=speaker.run, args=(machine,))
            for speaker, machine in zip(speakers, sides, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads[2:]:
            thread.join(60)
        for end in ends:
            end.shutdown(socket.SHUT_RDWR)
        for thread in threads[:2]:
            thread.join(60)
    assert [(side.heard, side.same) for side in sides] == [(side.expected, side.expected) for side in sides]


def pump(source, target) -> None:  # type: ignore[no-untyped-def]
    while octets := source.recv(4096):
        target.sendall(octets)


def test_errors_of_parity_are_said_again() -> None:
    record = Record(
        NOON, b"/?!\r\n", sender=Sender.CLIENT, line=SEVEN_EVEN, speed=300, flags=Flag.PARITY, parity_errors=(1, 2)
    )
    (piece,) = turns([record], Sender.CLIENT)
    assert piece.octets == received(record) == b"\xaf\xbf\xa1\x8d\x0a"

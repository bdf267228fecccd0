"""The server's state, followed through stories written by hand, and the consistency of its tables."""

import pytest

from vtctap.dissector.analysis.check import check
from vtctap.dissector.analysis.exchanges import exchanges
from vtctap.dissector.analysis.meter_state import TABLE, UNLAWFUL, Event, MeterState, State
from vtctap.dissector.dissect import dissections
from vtctap.dissector.profiles.files import load
from vtctap.pcap import Line, Record, Sender
from vtctap.sniffer import virtual
from vtctap.sniffer.simulated.named import GUESS
from vtctap.sniffer.simulated.octets import with_check
from vtctap.sniffer.simulated.session import EPOCH, play

CALL, IDENT, BREAK, ACK, NAK = b"/?!\r\n", b"/LGZ5vtc\r\n", b"\x01B0\x03q", b"\x06", b"\x15"
READ, DATA = with_check(b"\x01R1\x022011()\x03"), with_check(b"\x022011(1*kWh)\x03")
TOKEN = with_check(b"\x01W1\x02FFFF(00000000000150997584)\x03")
OTHER = with_check(b"\x01W1\x022011(1)\x03")
POLL = with_check(b"\x01R1\x02FFFE()\x03")
STATUS = {value: with_check(b"\x02FFFE(%02X)\x03" % value) for value in (1, 10, 15, 16)}

WRITTEN = [(TOKEN, ACK)]
SIGNED_ON = [(CALL, IDENT)]

Story = list[tuple[bytes, bytes | None]]


def records(story: Story) -> list[Record]:
    found, time = [], EPOCH
    for request, response in story:
        for octets, sender in ((request, Sender.CLIENT), (response, Sender.SERVER)):
            time += 250_000_000
            if octets is not None:
                found.append(Record(time, octets, sender=sender, line=Line(7, "E", 1), uncertainty=0))
    return found


@pytest.mark.parametrize(
    ("story", "state"),
    [
        ([], State.UNKNOWN),
        ([(READ, DATA)], State.UNKNOWN),
        ([(CALL, IDENT)], State.OPEN),
        ([(CALL, None)], State.UNKNOWN),
        ([(CALL, IDENT), (BREAK, None)], State.IDLE),
        ([(CALL, IDENT), *WRITTEN], State.EXECUTING),
        ([(CALL, IDENT), (TOKEN, NAK)], State.OPEN),
        ([(CALL, IDENT), (OTHER, ACK)], State.UNKNOWN),
        ([*WRITTEN, (OTHER, ACK)], State.EXECUTING),
        ([*WRITTEN, (POLL, STATUS[16])], State.EXECUTING),
        ([*WRITTEN, (POLL, STATUS[16]), (POLL, STATUS[1])], State.OPEN),
        ([*WRITTEN, (POLL, STATUS[1][:-1] + b"x")], State.EXECUTING),
        ([*WRITTEN, (POLL, STATUS[15])], State.LOCKED),
        ([*WRITTEN, (BREAK, None), (CALL, IDENT)], State.EXECUTING),
        ([(POLL, STATUS[15]), (BREAK, None), (CALL, IDENT)], State.LOCKED),
        ([(POLL, STATUS[15]), (POLL, STATUS[10])], State.OPEN),
    ],
)
def test_states(story: Story, state: State) -> None:
    meter = MeterState()
    for exchange in exchanges(records(story)):
        list(meter.feed(exchange))
    assert meter.state is state


@pytest.mark.parametrize(
    ("story", "frames"),
    [
        ([*SIGNED_ON, (BREAK, None), (READ, DATA)], [(4, 5)]),
        ([*SIGNED_ON, (BREAK, None), (CALL, IDENT), (READ, DATA)], []),
        ([*SIGNED_ON, (POLL, STATUS[16])], [(3, 4)]),
        ([(POLL, STATUS[16])], []),
        ([*SIGNED_ON, *WRITTEN, (POLL, STATUS[1]), (POLL, STATUS[16])], [(7, 8)]),
        ([(POLL, STATUS[15]), (POLL, STATUS[16])], [(3, 4)]),
        ([*SIGNED_ON, *WRITTEN, *WRITTEN], [(5, 6)]),
        ([*SIGNED_ON, (OTHER, ACK), (POLL, STATUS[16])], []),
        ([*SIGNED_ON, *WRITTEN, (POLL, STATUS[1]), *WRITTEN], []),
    ],
)
def test_what_it_had_no_way_to_do(story: Story, frames: list[tuple[int, int]]) -> None:
    found = [finding for finding in check(records(story), load()) if finding.code == "server-state"]
    assert [finding.frames for finding in found] == frames
    assert {finding.severity for finding in found} <= {"note"}


def test_the_tables_hang_together() -> None:
    assert TABLE.keys() == set(State)
    assert all(state is not State.UNKNOWN for state, _ in UNLAWFUL), "of an unknown server nothing is unlawful"
    reached = {State.UNKNOWN}
    while more := {after for state in reached for after in TABLE[state].values()} - reached:
        reached |= more
    assert reached == set(State)
    assert {event for row in TABLE.values() for event in row} | {event for _, event in UNLAWFUL} == set(Event)


@pytest.mark.parametrize("seed", range(4))
def test_the_simulated_meter_does_nothing_unlawful(seed: int) -> None:
    faults = ("no-response", "cut", "bcc-bad", "response-late")
    playing = play(seed, sessions=4, faults=faults, dialect=GUESS)
    heard = virtual.capture(
        playing, start=EPOCH, speed=9600, line=Line(7, "E", 1), gap_limit_ns=1_500_000_000, profile="demo"
    )
    assert "server-state" not in {finding.code for finding in check(dissections(heard), load())}

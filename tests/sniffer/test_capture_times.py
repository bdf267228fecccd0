"""The timestamps of a capture, their uncertainty, and the order of messages, all in virtual time."""

from collections.abc import Iterable, Sequence
from functools import reduce
from operator import xor

import pytest

from equipment.virtual_time import START, Machine
from vtctap.dissector.analysis.check import check
from vtctap.dissector.profiles.files import load
from vtctap.pcap.record import Flag, Kind, Line, Record, Sender
from vtctap.sniffer.adapter import Adapter
from vtctap.sniffer.capture import Capture, Link, Opening, Wire
from vtctap.sniffer.port import Settings

MS = 1_000_000
PROFILE = load()
SETTINGS = Settings(9600, Line(7, "E", 1))
CHARACTER = SETTINGS.line.character_time_ns(9600)
LINK = Link((Wire("client", Sender.CLIENT), Wire("server", Sender.SERVER)))


def block(octets: bytes) -> bytes:
    return octets + bytes([reduce(xor, octets[1:])])


SESSION = [
    ("client", b"/?!\r\n"),
    ("server", b"/ZZz5vtctap-test\r\n"),
    ("client", block(b"\x01R1\x020021()\x03")),
    ("server", block(b"\x020021(00123.4*kWh)\x03")),
    ("client", block(b"\x01W1\x020010(1)\x03")),
    ("server", b"\x06"),
    ("client", block(b"\x01W1\x020020(1)\x03")),
    ("server", b"\x15"),
    ("client", block(b"\x01B0\x03")),
]


def play(machine: Machine, session: Sequence[tuple[str, bytes]] = SESSION, pause: int = 30 * MS) -> list[int]:
    """Plays a session on the line, and returns the time at which each message begins. The pause after the previous
    message is given."""
    starts, at = [], 20 * MS
    for name in ("client", "server"):
        machine.port(name)
    for name, message in session:
        starts.append(START + at)
        ends = [at + number * CHARACTER for number in range(1, len(message) + 1)]
        machine.say(name, zip((octet | (octet.bit_count() & 1) << 7 for octet in message), ends, strict=True))
        at = ends[-1] + pause
    return starts


def capture(
    machine: Machine, *, until: int = 5_000 * MS, latency_ns: int | None = None, link: Link = LINK
) -> list[Record]:
    records: list[Record] = []
    with Capture(
        [link], SETTINGS, gap_limit_ns=1_500 * MS, profile="p", opening=Opening(latency_ns), clock=machine.clock
    ) as capturing:
        while machine.now < START + until:
            records += capturing.poll(0.02)
        return records + capturing.close()


def frames(records: Iterable[Record]) -> list[Record]:
    return [record for record in records if record.kind is not Kind.EVENT]


def behind(monkeypatch: pytest.MonkeyPatch, **adapters: Adapter) -> None:
    """The facts on the adapter of each port."""
    monkeypatch.setattr("vtctap.sniffer.opening.find_adapter", lambda name: adapters[name])


def test_times_order_and_uncertainty(machine: Machine) -> None:
    starts = play(machine)
    records = capture(machine)
    heard = frames(records)
    assert [(record.sender.name.lower(), record.octets) for record in heard] == SESSION
    assert [record.time for record in records] == sorted(record.time for record in records)
    for record, start in zip(heard, starts, strict=True):
        assert record.flags == 0
        assert abs(record.time - start) < MS // 10
        assert record.uncertainty is not None
        assert 1.8 * MS < record.uncertainty <= 2 * MS


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_a_program_that_was_not_run(machine: Machine, known: bool) -> None:
    """If the system counts the delay, the true time is within the uncertainty. If it does not, nothing shows the
    delay."""
    (start,) = play(machine, [("server", b"\x06")])
    machine.late.append(10 * MS)
    machine.counts = known
    (ack,) = frames(capture(machine))
    assert ack.uncertainty is not None
    assert (abs(ack.time - start) <= ack.uncertainty) is known


def test_a_caller_who_was_away(machine: Machine) -> None:
    play(machine, [("client", b"/?!\r\n")])
    with Capture([LINK], SETTINGS, gap_limit_ns=1_500 * MS, profile="p", clock=machine.clock) as capturing:
        machine.sleep(0.5)
        records = capturing.poll(0.02)
        machine.sleep(1)
        (request,) = frames(records + capturing.close())
    assert request.uncertainty is not None
    assert request.time - request.uncertainty <= START + 20 * MS
    assert request.uncertainty < 520 * MS


def test_close_answers_are_ordered_by_the_protocol_and_flagged(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program answers after one millisecond, behind an adapter that holds octets for 16 ms."""
    slow = Adapter("ftdi_sio", 16 * MS, source="timer")
    behind(monkeypatch, client=slow, server=slow)
    play(machine, SESSION[2:4], pause=MS)
    request, answer = frames(capture(machine))
    assert (request.sender, answer.sender) == (Sender.CLIENT, Sender.SERVER)
    assert request.flags == answer.flags == Flag.ORDER_UNCERTAIN


# Facts on the adapters.


@pytest.mark.parametrize(
    ("latency_ns", "stated", "most"),
    [(None, "latency=16ms latency_source=assumed", 18), (MS, "latency=1ms latency_source=stated", 3)],
)
def test_latency(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, latency_ns: int | None, stated: str, most: int
) -> None:
    behind(monkeypatch, client=Adapter("cp210x", 16 * MS, source="assumed"), server=Adapter())
    play(machine, [("client", b"\x06")])
    records = capture(machine, latency_ns=latency_ns)
    assert records[0].event == f"opened profile=p speed=9600 line=7E1 octets=0 adapter=cp210x {stated} port=client"
    (ack,) = frames(records)
    assert ack.uncertainty is not None
    assert (most / 2 - 1) * MS < ack.uncertainty <= most * MS


def test_a_fifo_keeps_characters_so_its_latency_follows_the_speed(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind(monkeypatch, client=Adapter("", characters=11, source="fifo"))
    machine.say("client", [(0x06, 800 * MS), (0x06, 3_000 * MS)])
    records, link = [], Link((Wire("client"),))
    with Capture(
        [link], Settings(300, SETTINGS.line), gap_limit_ns=1_500 * MS, profile="p", clock=machine.clock
    ) as capturing:
        while machine.now < START + 2_000 * MS:
            records += capturing.poll(0.02)
        capturing.set(Settings(19200, SETTINGS.line))
        while machine.now < START + 4_000 * MS:
            records += capturing.poll(0.02)
        records += capturing.close()
    slow, fast = (record.uncertainty or 0 for record in frames(records))
    assert slow > 100 * MS > 10 * MS > fast
    assert "latency=11characters latency_source=fifo" in records[0].event


# Ports behind a network.

NETWORK = Adapter(time_ns=16 * MS, source="network")


def test_nothing_bounds_the_times_of_a_network(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    behind(monkeypatch, client=NETWORK)
    play(machine, [("client", b"/?!\r\n")])
    records = capture(machine, link=Link((Wire("client"),)))
    assert "latency=unknown latency_source=network" in records[0].event
    (request,) = frames(records)
    assert (request.uncertainty, request.flags) == (None, 0)
    assert abs(request.time - START - 20 * MS) < 20 * MS  # The timestamp is estimated all the same.


def test_the_order_of_a_networks_taps_is_uncertain(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """One port behind a network makes the order of both taps uncertain: its octets may have been sent long before."""
    behind(monkeypatch, client=NETWORK, server=Adapter())
    play(machine)
    heard = frames(capture(machine))
    assert [(record.sender.name.lower(), record.octets) for record in heard] == SESSION
    assert {record.flags for record in heard} == {Flag.ORDER_UNCERTAIN}
    assert {record.uncertainty is None for record in heard if record.sender is Sender.CLIENT} == {True}
    assert {record.uncertainty is None for record in heard if record.sender is Sender.SERVER} == {False}


def test_the_protocol_orders_what_a_network_brings_in_disorder(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind(monkeypatch, client=NETWORK, server=NETWORK)
    play(machine, [SESSION[5], SESSION[4]])  # The answer comes first.
    assert [record.sender for record in frames(capture(machine))] == [Sender.CLIENT, Sender.SERVER]


@pytest.mark.parametrize("latency_ns", [None, 3_000 * MS, MS])
def test_a_network_makes_no_device_late(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, latency_ns: int | None
) -> None:
    """Answers arrive 2 s after their requests. The meter counts as late only if the user states that the network takes
    less."""
    behind(monkeypatch, client=NETWORK)
    session = [("client", octets) for _, octets in SESSION]
    play(machine, session, pause=2_000 * MS)
    records = capture(machine, until=30_000 * MS, latency_ns=latency_ns, link=Link((Wire("client"),)))
    assert [record.octets for record in frames(records)] == [octets for _, octets in SESSION]
    late = {finding.code for finding in check(records, PROFILE)} & {"response-late", "response-early", "char-gap"}
    assert late == ({"response-late"} if latency_ns == MS else set())

"""``vtctap replay`` and ``capture --wait`` as a user runs them."""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from equipment.meter_port import MeterPort
from vtctap.dissector.framing.reframe import received
from vtctap.pcap import Kind, Line, Record, Sender, create_trace
from vtctap.sniffer.replay import Stage, paced, wire_octets
from vtctap.sniffer.simulated.meter import MeterMachine

pytest.importorskip("termios")

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., "subprocess.Popen[bytes]"]
Records = Callable[[Path | str], list[Record]]
Until = Callable[..., None]

EXAMPLES = Path(__file__).parents[2] / "examples"
NOON = 1_767_268_800_000_000_000
PATIENCE = 60


def heard(records: list[Record]) -> list[Record]:
    return [record for record in records if record.kind is not Kind.EVENT]


@pytest.mark.parametrize("taps", [{"client": "c", "server": "s"}, {"both": "both"}], ids=["two", "one"])
def test_a_capture_of_a_replay(start: Start, records: Records, tmp_path: Path, taps: dict[str, str]) -> None:
    """For the first messages of the session, octets, senders and parity are those of the original, and the capture ends
    by itself."""
    options = [word for side, name in taps.items() for word in ("-i" if side == "both" else f"--{side}", name)]
    replay = start("replay", EXAMPLES / "session.pcapng", "-Y", "frame.number <= 8", *options)
    assert replay.stdout
    assert replay.stderr
    assert [replay.stdout.readline().decode() for _ in taps] == [f"{side}: {name}\n" for side, name in taps.items()]
    capture = start("capture", *options, "-w", "again.pcapng", "-q")
    wanted = heard(records(EXAMPLES / "session.pcapng"))[:6]
    played = (
        f"vtctap: {sum(len(record.octets) for record in wanted)} octets played, at most [0-9]+[.][0-9]{{3}} ms late"
    )
    said = replay.stderr.readline().decode()
    assert re.fullmatch(f"{played}; the replay ends when no program has the port open\n", said)
    capture.send_signal(signal.SIGINT)
    assert capture.wait(PATIENCE) == 0
    assert replay.wait(PATIENCE) == 0
    again = heard(records(tmp_path / "again.pcapng"))
    assert [(record.sender, received(record)) for record in again] == [
        (record.sender, received(record)) for record in wanted
    ]
    assert {path.name for path in tmp_path.iterdir()} == {"again.pcapng"}


@pytest.mark.slow(reason="a capture that is woken late on a busy machine states less than it should")
def test_a_replay_and_its_capture_as_processes(start: Start, records: Records, tmp_path: Path) -> None:
    """One offset maps all timestamps of the original to those of the capture, within the uncertainty in the capture and
    the delay that replay reports."""
    options = ["--client", "c", "--server", "s"]
    replay = start("replay", EXAMPLES / "session.pcapng", "-Y", "frame.number <= 14", *options)
    assert replay.stdout
    assert replay.stderr
    replay.stdout.readline()
    capture = start("capture", *options, "--speed", "9600", "-w", "again.pcapng", "-q")
    late = re.search(r"at most (\d+)\.(\d{3}) ms late", replay.stderr.readline().decode())
    assert late
    late_ns = int(late[1] + late[2]) * 1000 + 1000
    capture.send_signal(signal.SIGINT)
    assert capture.wait(PATIENCE) == 0
    assert replay.wait(PATIENCE) == 0
    before = heard(records(EXAMPLES / "session.pcapng"))[:12]
    again = heard(records(tmp_path / "again.pcapng"))
    assert [(record.sender, received(record)) for record in again] == [
        (record.sender, received(record)) for record in before
    ]
    earliest, latest = [], []
    for one, other in zip(before, again, strict=True):
        assert other.uncertainty is not None
        clock = other.duration * 15 // 1000  # The speed of a line may be wrong by 1.5 %.
        earliest.append(other.time - one.time - other.uncertainty - clock - late_ns)
        latest.append(other.time - one.time + other.uncertainty + clock)
    assert max(earliest) <= min(latest)


@pytest.mark.slow(reason="a capture that is woken late on a busy machine states less than it should")
def test_the_times_of_a_replay_that_is_captured(
    start: Start, records: Records, listening: Callable[..., None], tmp_path: Path
) -> None:
    """The timestamps are compared with the times at which each octet was written, so a busy machine changes nothing: a
    timestamp differs from the true time by no more than its uncertainty. If the player was late and then hurried, the
    octets came faster than a line can carry them. The timestamps may then be those of any line that keeps its speed and
    has sent these octets by these times."""
    before = heard(records(EXAMPLES / "session.pcapng"))[:12]
    character = Line(7, "E", 1).character_time_ns(9600)
    ends: dict[str, list[tuple[int, int]]] = {"client": [], "server": []}
    with Stage(merged=False) as stage:
        client, server = stage.names
        capture = start("capture", "--client", client, "--server", server, "--speed", "9600", "-w", "t.pcapng")
        listening(tmp_path / "t.pcapng")
        for octet, _ in paced(wire_octets(before), time.monotonic_ns, time.sleep):
            began = time.time_ns()
            stage.write(octet)
            ends[octet.side].append((began, time.time_ns()))
        capture.send_signal(signal.SIGINT)
        assert capture.wait(PATIENCE) == 0
    again = heard(records(tmp_path / "t.pcapng"))
    assert [(record.octets, record.sender, record.parity_errors) for record in again] == [
        (record.octets, record.sender, record.parity_errors) for record in before
    ]
    for record in again:
        of_side = ends[record.sender.name.lower()]
        written, of_side[:] = of_side[: len(record.octets)], of_side[len(record.octets) :]
        earliest = min(began - (at + 1) * character for at, (began, _) in enumerate(written))
        latest = written[0][1] - character
        assert record.uncertainty is not None
        slack = record.uncertainty + len(written) * character * 15 // 1000  # The speed of a line may be wrong by 1.5 %.
        assert earliest - slack <= record.time <= latest + slack


def test_it_begins_when_somebody_listens(start: Start, until: Until, tmp_path: Path) -> None:
    replay = start("replay", EXAMPLES / "telegram.pcapng", "-i", "port", "--speed-up", "1000")
    until((tmp_path / "port").is_symlink)
    with pytest.raises(subprocess.TimeoutExpired):
        replay.wait(1)
    with open(tmp_path / "port", "rb", buffering=0) as terminal:
        octets = b""
        until(lambda: (octets := terminal.read(4096)) and octets[:1] == b"/")
        assert octets is not None
    assert replay.wait(PATIENCE) == 0


@pytest.mark.parametrize("side", ["client", "server"])
def test_ctrl_c_while_nobody_listens(start: Start, until: Until, tmp_path: Path, side: str) -> None:
    replay = start("replay", EXAMPLES / "session.pcapng", "--client", "c", "--server", "s")
    until((tmp_path / "s").is_symlink)
    replay.send_signal(signal.SIGINT)
    assert replay.wait(PATIENCE) == 130
    assert os.listdir(tmp_path) == []


def test_one_side_to_a_meter(vtctap: Run) -> None:
    with MeterPort(MeterMachine(Random(3)), speed=2400) as meter:
        session = ("replay", EXAMPLES / "session.pcapng", "-Y", "frame.number <= 12", "--as", "client")
        result = vtctap(*session, "--port", meter.port, timeout=PATIENCE)
    assert result.returncode == 0
    assert result.stderr.startswith("vtctap: played; the server spoke 5 of 5 times, ")


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["--as", "client"], 2, "--as SIDE and --port PORT go together"),
        (["--port", "x"], 2, "--as SIDE and --port PORT go together"),
        (["--as", "client", "--port", "x", "-i", "y"], 2, "--as plays on --port at true pace"),
        (["--as", "client", "--port", "x", "--speed-up", "2"], 2, "--as plays on --port at true pace"),
        (["--client", "x"], 2, "name both pseudo-terminals"),
        (["-i", "x", "--client", "y", "--server", "z"], 2, "name both pseudo-terminals"),
        (["--speed-up", "0"], 2, "'0' is no whole number from 1 to 1000000"),
        (["-Y", "frame.number > 1000"], 2, "there is nothing to play"),
        (["--client", "x", "--server", "./x"], 2, "give the two pseudo-terminals two names"),
        (["-i", "nowhere/x"], 4, "nowhere/x: No such file or directory; create the folder nowhere"),
        (["--client", "x", "--server", "nowhere/x"], 4, "create the folder nowhere"),
        (["-i", "taken"], 2, "taken exists: choose another name, or remove it"),
        (["--client", "x", "--server", "taken"], 2, "taken exists: choose another name, or remove it"),
        (["--as", "client", "--port", "/dev/nothing"], 3, "/dev/nothing"),
        (["--as", "client", "--port", "x", "-Y", 'vtc.sender == "server"'], 2, "known to be the client's"),
        ([EXAMPLES / "telegram.pcapng"], 2, "replay plays one trace"),
    ],
)
def test_wrong_use(inside: Run, tmp_path: Path, arguments: list[str], status: int, says: str) -> None:
    (tmp_path / "taken").touch()
    result = inside("replay", EXAMPLES / "session.pcapng", *arguments)
    assert (result.returncode, result.stdout) == (status, "")
    assert says in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert os.listdir(tmp_path) == ["taken"]


def test_several_links_are_refused(inside: Run, tmp_path: Path) -> None:
    with create_trace(tmp_path / "t.pcapng") as writer:
        for link in range(2):
            writer.write(Record(NOON, b"\x06", link=link, tap=link, sender=Sender.SERVER))
    with MeterPort(MeterMachine(Random(3))) as meter:
        result = inside("replay", "t.pcapng", "--as", "server", "--port", meter.port)
    assert result.returncode == 2
    assert "add -Y 'vtc.link == 0'" in result.stderr


# capture --wait


def test_capture_waits_for_an_adapter(start: Start, until: Until, records: Records, taps, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    capture = start("capture", "-i", tmp_path / "port", "--wait", "-w", "t.pcapng", "-a", "packets:1")
    assert capture.stderr
    assert capture.stderr.readline().decode() == f"vtctap: waiting for {tmp_path / 'port'}\n"
    assert not (tmp_path / "t.pcapng").exists()
    (tmp_path / "port").symlink_to(taps.names[0])
    until(lambda: (tmp_path / "t.pcapng").exists() and b"opened profile=" in (tmp_path / "t.pcapng").read_bytes())
    taps.say(0, b"/?!\r\n")
    assert capture.wait(PATIENCE) == 0
    assert [record.octets for record in heard(records(tmp_path / "t.pcapng"))] == [b"/?!\r\n"]


def test_capture_waits_for_a_host(start: Start, records: Records, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    url = f"socket://127.0.0.1:{port}"
    capture = start("capture", "-i", url, "--wait", "-w", "t.pcapng", "-a", "packets:1")
    assert capture.stderr
    assert capture.stderr.readline().decode().startswith(f"vtctap: waiting for {url}: ")
    with socket.create_server(("127.0.0.1", port)) as listening:
        listening.settimeout(PATIENCE)
        connection, _ = listening.accept()
        with connection:
            connection.sendall(b"\xaf\x3f\x21\x8d\x0a")
            assert capture.wait(PATIENCE) == 0
    (record,) = heard(records(tmp_path / "t.pcapng"))
    assert (record.octets, record.uncertainty) == (b"/?!\r\n", None)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_waiting_ends(start: Start, tmp_path: Path, number: int) -> None:
    capture = start("capture", "-i", tmp_path / "port", "--wait", "-w", "t.pcapng")
    assert capture.stderr
    capture.stderr.readline()
    capture.send_signal(number)
    assert capture.wait(PATIENCE) == 130
    assert os.listdir(tmp_path) == []


def test_what_else_is_wrong_is_said_before_waiting(vtctap: Run, tmp_path: Path) -> None:
    (tmp_path / "t.pcapng").touch()
    result = vtctap("capture", "-i", tmp_path / "port", "--wait", "-w", "t.pcapng")
    assert result.returncode == 2
    assert "--force" in result.stderr
    assert "waiting" not in result.stderr

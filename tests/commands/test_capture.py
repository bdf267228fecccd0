"""``vtctap capture``: a process that captures pseudo-terminals, and every way in which it can end."""

import contextlib
import json
import os
import re
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from equipment import PATIENCE
from vtctap.capturing.report import Report
from vtctap.command_line.service_manager import ServiceManager
from vtctap.pcap.hash_chain import unchained
from vtctap.pcap.record import Flag, Kind, Line, Record, Sender

pytest.importorskip("termios")

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., "subprocess.Popen[bytes]"]
Listening = Callable[..., None]
Records = Callable[[Path], list[Record]]
Said = Callable[[list[Record]], list[bytes]]

REQUEST, ANSWER = b"/?!\r\n", b"/ZZz5vtctap-test\r\n"
READ, DATA = b"\x01R1\x020021()\x03\x60", b"\x020021(00123.4*kWh)\x03\x55"


def blocks(octets: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields the type and the body of each block of a pcapng file, which must be complete."""
    at = 0
    while at < len(octets):
        kind, length = struct.unpack_from("<II", octets, at)
        assert octets[at + length - 4 : at + length] == struct.pack("<I", length)
        yield kind, octets[at + 8 : at + length - 4]
        at += length
    assert at == len(octets)


def kinds(path: Path) -> list[int]:
    return [kind for kind, _ in blocks(path.read_bytes())]


SECTION, INTERFACE, STATISTICS, PACKET = 0x0A0D0D0A, 1, 5, 6


def pair(taps: Any) -> list[str]:
    return ["--client", taps.names[0], "--server", taps.names[1]]


def end(process: "subprocess.Popen[bytes]", number: int = signal.SIGTERM) -> tuple[int, str]:
    """Sends a signal, and returns the exit status and the text on standard error."""
    process.send_signal(number)
    _, errors = process.communicate(timeout=PATIENCE)
    return process.returncode, errors.decode()


def pace(seconds: float = 0.05) -> None:
    """Waits between a message and that of the other side."""
    time.sleep(seconds)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_properly(
    taps: Any, tmp_path: Path, start: Start, listening: Listening, records: Records, number: int
) -> None:
    path = tmp_path / "trace.pcapng"
    process = start("capture", *pair(taps), "-w", path)
    listening(path)
    for tap, octets in enumerate((REQUEST, ANSWER)):
        taps.say(tap, octets)
        pace(0.15)
    status, errors = end(process, number)
    assert status == 0
    assert errors == (
        "vtctap: 2 frames, 0 with a bad check character; 0 pieces of noise; 23 octets received, "
        f"{path.stat().st_size} octets in {path}\n"
    )
    assert kinds(path) == [SECTION, INTERFACE, INTERFACE, *[PACKET] * 6, STATISTICS, STATISTICS]
    found = records(path)
    assert [(record.kind, record.sender, record.octets) for record in found] == [
        (Kind.EVENT, Sender.CLIENT, b""),
        (Kind.EVENT, Sender.SERVER, b""),
        (Kind.FRAME, Sender.CLIENT, REQUEST),
        (Kind.FRAME, Sender.SERVER, ANSWER),
        (Kind.EVENT, Sender.CLIENT, b""),
        (Kind.EVENT, Sender.SERVER, b""),
    ]
    assert [unchained(found[at]).event for at in (4, 5)] == ["closed octets=5", "closed octets=18"]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="shows what a process has opened")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_wait_for_a_fifo_that_nobody_reads(
    taps: Any, tmp_path: Path, start: Start, until: Any, number: int
) -> None:
    """Nothing is captured."""
    os.mkfifo(tmp_path / "trace.pcapng")
    process = start("capture", "-i", taps.names[0], "-w", "trace.pcapng")

    def opened() -> bool:
        with contextlib.suppress(OSError):  # The process opens and closes files meanwhile.
            return any(os.readlink(file) == taps.names[0] for file in Path(f"/proc/{process.pid}/fd").iterdir())
        return False

    until(opened)
    assert end(process, number) == (130, "")


def test_what_it_writes_is_there_at_once_and_survives_being_killed(
    taps: Any, tmp_path: Path, start: Start, listening: Listening, until: Any, records: Records, said: Said
) -> None:
    path = tmp_path / "trace.pcapng"
    process = start("capture", *pair(taps), "-w", path)
    listening(path)
    taps.say(0, REQUEST)
    until(lambda: taps.read(0))
    pace()
    taps.say(1, ANSWER)
    until(lambda: taps.read(1))
    pace()
    taps.say(0, READ)
    until(lambda: REQUEST in path.read_bytes() and ANSWER in path.read_bytes())
    process.kill()
    process.wait(PATIENCE)
    assert {REQUEST, ANSWER} <= {*said(records(path))}  # A busy machine may leave their order uncertain.


def test_nohup(taps: Any, tmp_path: Path, start: Start, listening: Listening) -> None:
    """With nohup, the user wants the capture to outlive the terminal."""
    path = tmp_path / "trace.pcapng"
    process = start("capture", "-q", *pair(taps), "-w", path, shell="trap '' HUP")
    listening(path)
    process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert process.poll() is None
    assert end(process) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "links", "senders"),
    [
        (["--client", "0", "--server", "1"], [0, 0], [Sender.CLIENT, Sender.SERVER]),
        (["--client", "0"], [0], [Sender.CLIENT]),
        (["--server", "0"], [0], [Sender.SERVER]),
        (["-i", "0"], [0], [Sender.UNKNOWN]),
        (["--link", "A=0,1"], [0, 0], [Sender.CLIENT, Sender.SERVER]),
        (["--link", "A_1=0", "--link", "b-2=1"], [0, 1], [Sender.UNKNOWN] * 2),
    ],
)
def test_ways_to_name_the_ports(
    taps: Any, tmp_path: Path, vtctap: Run, records: Records, arguments: list[str], links: list[int], senders: Any
) -> None:
    named = [text.replace("0", taps.names[0]).replace("=1", "=" + taps.names[1]) for text in arguments]
    named = [text.replace(",1", "," + taps.names[1]) if text != "1" else taps.names[1] for text in named]
    named = [text if "A_" not in text else f"A_1={taps.names[0]}" for text in named]
    result = vtctap("capture", "-q", *named, "-a", "duration:0.1", "-w", "t.pcapng")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    opened = [record for record in records(tmp_path / "t.pcapng") if record.event.startswith("opened")]
    assert [record.link for record in opened] == links
    assert [record.sender for record in opened] == senders
    assert [record.tap for record in opened] == list(range(len(links)))


def test_interfaces_say_what_they_are(taps: Any, tmp_path: Path, vtctap: Run) -> None:
    vtctap("capture", "-q", "--link", f"A={taps.names[0]},{taps.names[1]}", "--speed", "300", "--line", "7O1",
           "--dlt", "150", "-a", "duration:0.1", "-w", "t.pcapng")  # fmt: skip
    bodies = [body for kind, body in blocks((tmp_path / "t.pcapng").read_bytes()) if kind == INTERFACE]
    for body, name, what in zip(bodies, taps.names, ("client", "server"), strict=True):
        assert body[:2] == struct.pack("<H", 150)
        assert f"A:{name}".encode() in body
        assert f"the {what}'s octets, 7O1".encode() in body
        assert struct.pack("<HHQ", 8, 8, 300) in body


def test_one_wire_and_odd_octets(
    taps: Any, tmp_path: Path, start: Start, listening: Listening, records: Records
) -> None:
    """Noise, wrong parity and FFh: every received octet is in the trace, and counted."""
    path = tmp_path / "trace.pcapng"
    process = start("capture", "-i", taps.names[0], "-w", path, "--stats-json", "stats.json")
    listening(path, 1)
    taps.put(0, b"\xff\xff\x7f")
    pace()
    taps.put(0, b"\xaf\x3f\x21\x0d\x0a")  # /?! CR LF: the CR without its parity bit
    pace()
    taps.say(0, ANSWER)
    pace()
    taps.say(0, b"\x01R1\x020021()\x03\x61")  # The check character is 60h.
    pace(0.15)
    status, errors = end(process)
    assert status == 0
    assert errors.startswith("vtctap: 3 frames, 1 with a bad check character; 1 piece of noise; 38 octets received, ")
    heard = [record for record in records(path) if record.kind is not Kind.EVENT]
    assert [(record.kind, record.sender, record.octets) for record in heard] == [
        (Kind.NOISE, Sender.UNKNOWN, b"\x7f\x7f\x7f"),
        (Kind.FRAME, Sender.CLIENT, REQUEST),
        (Kind.FRAME, Sender.SERVER, ANSWER),
        (Kind.FRAME, Sender.CLIENT, b"\x01R1\x020021()\x03\x61"),
    ]
    # FFh has eight ones and is even; 7Fh has seven and is not.
    assert [record.parity_errors for record in heard] == [(2,), (3,), (), ()]
    assert json.loads((tmp_path / "stats.json").read_text()) == {
        "records": 6,
        "written": 6,
        "frame": 3,
        "noise": 1,
        "event": 2,
        "octets": 38,
        "parity_errors": 2,
        "framing_errors": 0,
        "breaks": 0,
        "overruns": 0,
        "cut": 0,
        "check_characters": {"good": 0, "bad": 1, "missing": 0},
        "crcs": {"good": 0, "bad": 0, "missing": 0},
        "messages": {"IDRequest": 1, "IDResponse": 1, "ReadCommand": 1},
        "marks": 0,
        "files": [str(path)],
        "size": path.stat().st_size,
        "lost": [],
    }


def test_eight_bits(taps: Any, tmp_path: Path, start: Start, listening: Listening, records: Records) -> None:
    path = tmp_path / "trace.pcapng"
    process = start("capture", "-q", "-i", taps.names[0], "--line", "8n1", "-w", path)
    listening(path, 1)
    octets = bytes(range(0x80, 0x100))
    taps.put(0, octets)
    pace(0.15)
    assert end(process) == (0, "")
    heard = [record for record in records(path) if record.kind is not Kind.EVENT]
    assert b"".join(record.octets for record in heard) == octets
    assert {(record.line, record.flags & Flag.PARITY) for record in heard} == {(Line(8, "N", 1), 0)}


# Where the trace is written.


def test_whole_trace_through_a_pipe(
    taps: Any, tmp_path: Path, start: Start, listening: Listening, records: Records, said: Said
) -> None:
    path = tmp_path / "trace.pcapng"
    with path.open("wb") as file:
        cat = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=file)
        process = start("capture", *pair(taps), "-w", "-", "--print", stdout=cat.stdin)
        assert cat.stdin
        cat.stdin.close()
        listening(path)
        taps.say(0, REQUEST)
        pace()
        taps.say(1, ANSWER)
        pace(0.15)
        status, errors = end(process)
        assert cat.wait(PATIENCE) == 0
    assert status == 0
    assert errors.endswith(f"{path.stat().st_size} octets on standard output\n")
    assert said(records(path)) == [REQUEST, ANSWER]
    assert kinds(path)[-2:] == [STATISTICS, STATISTICS]


@pytest.mark.parametrize("extra", [["-w", "-"], []])
def test_nobody_reads_any_more(taps: Any, start: Start, extra: list[str]) -> None:
    process = start("capture", *pair(taps), *extra)
    assert process.stdout
    assert process.stdout.read(150)[:4] in (b"\x0a\x0d\x0d\x0a", b"    ")
    process.stdout.close()
    taps.say(0, REQUEST)
    pace()
    taps.say(1, ANSWER)
    assert process.wait(PATIENCE) == 0
    assert process.stderr
    errors = process.stderr.read().decode()
    assert errors.startswith("vtctap: ")
    assert errors.count("\n") == 1


@pytest.mark.parametrize("output", [["-w", "-"], []])
def test_nobody_ever_read(taps: Any, vtctap: Run, output: list[str]) -> None:
    unread, pipe = os.pipe()
    os.close(unread)
    result = vtctap("capture", "-q", *pair(taps), *output, "-a", "duration:2", capture_output=False, stdout=pipe,
                    stderr=subprocess.PIPE)  # fmt: skip
    os.close(pipe)
    assert (result.returncode, result.stderr) == (0, "")


def test_nobody_reads_what_is_printed_beside_a_trace(
    taps: Any, tmp_path: Path, start: Start, listening: Listening, records: Records
) -> None:
    path = tmp_path / "trace.pcapng"
    process = start("capture", *pair(taps), "--print", "-w", path, "--stats-json", "stats.json")
    listening(path)
    assert process.stdout
    process.stdout.close()
    taps.say(0, REQUEST)
    pace()
    taps.say(1, ANSWER)
    assert process.wait(PATIENCE) == 0
    assert kinds(path)[-2:] == [STATISTICS, STATISTICS]
    assert json.loads((tmp_path / "stats.json").read_text())["records"] == len(records(path))


def test_printing(taps: Any, start: Start) -> None:
    process = start("capture", *pair(taps), "-a", "packets:2", bufsize=0)
    assert process.stdout
    shown = b""
    for lines, say in ((2, (0, REQUEST)), (3, (1, ANSWER))):
        while shown.count(b"\n") < lines:
            shown += os.read(process.stdout.fileno(), 4096)
        taps.say(*say)
    output, errors = process.communicate(timeout=PATIENCE)
    lines = (shown + output).decode().splitlines()
    assert process.returncode == 0
    assert [line.split()[2:4] for line in lines] == [
        ["C>", "opened"],
        ["M>", "opened"],
        ["C>", "IDRequest"],
        ["M>", "IDResponse"],
        ["C>", "closed"],
        ["M>", "closed"],
    ]
    assert errors == b"vtctap: 2 frames, 0 with a bad check character; 0 pieces of noise; 23 octets received\n"


def test_print_beside_a_trace(taps: Any, tmp_path: Path, vtctap: Run, records: Records) -> None:
    result = vtctap("capture", "-q", *pair(taps), "--print", "-w", "t.pcap", "-a", "duration:0.1")
    assert (result.returncode, result.stderr) == (0, "")
    assert len(result.stdout.splitlines()) == len(records(tmp_path / "t.pcap")) == 4


def test_fifo(taps: Any, tmp_path: Path, start: Start, said: Said, records: Records) -> None:
    """A fifo of any name gets pcapng, because Wireshark asks for it."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    process = start("capture", "-q", *pair(taps), "-w", fifo, "-a", "packets:1")
    with fifo.open("rb") as file:
        pace(0.3)
        taps.say(0, REQUEST)
        pace()
        taps.say(1, ANSWER)
        (tmp_path / "copy.pcapng").write_bytes(file.read())
    assert process.wait(PATIENCE) == 0
    assert said(records(tmp_path / "copy.pcapng")) == [REQUEST]


def test_a_service_manager_is_told(taps: Any, tmp_path: Path, start: Start, listening: Listening) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(PATIENCE)
        environment = os.environ | {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"}
        process = start("capture", *pair(taps), "-w", "t.pcapng", env=environment)
        assert manager.recv(100) == b"READY=1"
        listening(tmp_path / "t.pcapng")
        assert [manager.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        process.terminate()
        while (state := manager.recv(100)) == b"WATCHDOG=1":
            pass
        assert state == b"STOPPING=1"
        assert process.wait(PATIENCE) == 0


def test_a_service_that_is_stopped_as_soon_as_it_is_ready(
    taps: Any, tmp_path: Path, inside: Run, monkeypatch: pytest.MonkeyPatch, records: Records
) -> None:
    monkeypatch.setattr(ServiceManager, "ready", lambda manager: os.kill(os.getpid(), signal.SIGTERM))
    assert inside("capture", *pair(taps), "-w", "t.pcapng").returncode == 0
    events = [record.event.partition(" ")[0] for record in records(tmp_path / "t.pcapng")]
    assert events == ["opened", "opened", "closed", "closed"]


def test_a_signal_that_comes_when_the_capture_has_ended_by_itself(
    taps: Any, tmp_path: Path, inside: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with timeout(1) of the same length: the statistics are written, and the exit status is the same."""
    as_json = Report._json

    def late(report: Report) -> dict[str, Any]:
        os.kill(os.getpid(), signal.SIGTERM)
        return as_json(report)

    monkeypatch.setattr(Report, "_json", late)
    options = ["-w", "t.pcapng", "--stats-json", "s.json", "-a", "duration:0.1"]
    assert inside("capture", "-i", taps.names[0], *options).returncode == 0
    assert json.loads((tmp_path / "s.json").read_text())["records"] == 2


# Stop conditions.


def test_duration(taps: Any, tmp_path: Path, vtctap: Run, records: Records) -> None:
    began = time.monotonic()
    assert vtctap("capture", "-q", *pair(taps), "-w", "t.pcapng", "-a", "duration:1").returncode == 0
    assert time.monotonic() - began >= 1
    found = records(tmp_path / "t.pcapng")
    assert found[-1].time - found[0].time > 0.8e9


def test_packets(taps: Any, tmp_path: Path, start: Start, vtctap: Run, listening: Listening, records: Records) -> None:
    """``packets:N`` counts N records of traffic. Events come in addition, also those at the end."""
    path = tmp_path / "t.pcapng"
    process = start("capture", "-q", *pair(taps), "-w", path, "-a", "duration:30", "-a", "packets:3")
    listening(path)
    for _ in range(3):
        taps.say(0, READ)
        pace()
        taps.say(1, DATA)
        pace()
    assert process.wait(PATIENCE) == 0
    found = records(path)
    assert [record.kind for record in found] == [Kind.EVENT] * 2 + [Kind.FRAME] * 3 + [Kind.EVENT] * 2
    assert [record.event.partition(" ")[0] for record in found[-2:]] == ["closed", "closed"]
    assert kinds(path)[-2:] == [STATISTICS, STATISTICS]
    verdict = vtctap("verify", path)
    assert (verdict.returncode, verdict.stdout[:11]) == (0, "whole: all ")


def test_filesize(taps: Any, tmp_path: Path, start: Start, listening: Listening, records: Records) -> None:
    path = tmp_path / "t.pcapng"
    process = start("capture", "-q", *pair(taps), "-w", path, "-a", "filesize:2")
    listening(path)
    for _ in range(20):
        taps.say(0, READ)
        pace(0.03)
        taps.say(1, DATA)
        pace(0.03)
        if process.poll() is not None:
            break
    assert process.wait(PATIENCE) == 0
    assert [record.event.partition(" ")[0] for record in records(path)[-2:]] == ["closed", "closed"]
    *sizes, _, _ = [len(body) + 12 for kind, body in blocks(path.read_bytes()) if kind != STATISTICS]
    assert sum(sizes) >= 2000 > sum(sizes[:-1])


# Errors.


class Plugs:
    """Links to the taps, as in /dev/serial/by-id: a link disappears when its adapter is removed."""

    def __init__(self, taps: Any, folder: Path) -> None:
        self._taps = taps
        self.names = [str(folder / name) for name in ("client", "server")]
        for name, device in zip(self.names, taps.names, strict=True):
            os.symlink(device, name)

    def pull(self, tap: int) -> None:
        os.unlink(self.names[tap])
        self._taps.unplug(tap)

    def put_in(self, tap: int, device: str) -> None:
        os.symlink(device, self.names[tap])


def test_lost_ports(
    taps: Any, tmp_path: Path, start: Start, listening: Listening, until: Any, records: Records, said: Said
) -> None:
    """The capture continues until the user ends it, even if no port is left. At the end it names the missing ports."""
    path = tmp_path / "trace.pcapng"
    plugs = Plugs(taps, tmp_path)
    process = start("capture", *pair(plugs), "-w", path)
    listening(path)
    taps.say(0, REQUEST)
    pace()
    taps.say(1, ANSWER[:6])
    until(lambda: taps.read(0))
    plugs.pull(0)
    until(lambda: b"lost octets=5" in path.read_bytes())
    taps.say(1, ANSWER[6:])
    until(lambda: taps.read(1))
    plugs.pull(1)
    until(lambda: b"lost octets=18" in path.read_bytes())
    pace(0.3)
    assert process.poll() is None
    status, errors = end(process)
    assert status == 3
    away = "at the end a port was still lost"
    lines = errors.splitlines()
    assert lines[-2:] == [f"vtctap: {away}: {name}: the device is gone" for name in plugs.names]
    for name, line in zip(plugs.names, lines, strict=False):
        assert re.fullmatch(
            rf"vtctap: {re.escape(name)} is lost since 20[-\d]+ [:\d]+; vtctap tries to reopen it", line
        )
    # On a busy machine the pause in the answer is one that ends a message.
    assert b"".join(said(records(path))) == REQUEST + ANSWER
    assert kinds(path)[-2:] == [STATISTICS, STATISTICS]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_lost_port_and_a_signal(
    taps: Any, tmp_path: Path, start: Start, listening: Listening, until: Any, number: int
) -> None:
    """A port is missing at the end: the exit status is 3, although the user stopped the capture."""
    path = tmp_path / "trace.pcapng"
    plugs = Plugs(taps, tmp_path)
    process = start("capture", "-q", *pair(plugs), "-w", path)
    listening(path)
    plugs.pull(0)
    until(lambda: b"lost octets=0" in path.read_bytes())
    assert end(process, number) == (
        3, f"vtctap: at the end a port was still lost: {plugs.names[0]}: the device is gone\n"
    )  # fmt: skip


def test_lost_port_and_a_stop_condition(taps: Any, tmp_path: Path, start: Start, listening: Listening) -> None:
    path = tmp_path / "trace.pcapng"
    plugs = Plugs(taps, tmp_path)
    process = start("capture", "-q", "-i", plugs.names[0], "-w", path, "-a", "duration:2")
    listening(path, 1)
    plugs.pull(0)
    assert process.wait(PATIENCE) == 3


def test_pulled_out_and_back(
    taps: Any, tmp_path: Path, start: Start, listening: Listening, until: Any, records: Records, said: Said
) -> None:
    """The trace continues with the same taps, and the capture ends without an error."""
    path = tmp_path / "trace.pcapng"
    plugs = Plugs(taps, tmp_path)
    process = start("capture", *pair(plugs), "-w", path)
    listening(path)
    taps.say(0, REQUEST)
    until(lambda: taps.read(0))
    plugs.pull(0)
    until(lambda: b"lost octets=5" in path.read_bytes())
    taps.say(1, ANSWER)
    pace(0.1)
    spare = type(taps)(1)
    plugs.put_in(0, spare.names[0])
    listening(path, 3)
    spare.say(0, READ)
    pace(0.1)
    taps.say(1, DATA)
    pace(0.1)
    status, errors = end(process)
    assert status == 0
    lost, back, _ = errors.splitlines()
    assert lost.startswith(f"vtctap: {plugs.names[0]} is lost since 20")
    assert back.startswith(f"vtctap: {plugs.names[0]} is back since 20")
    found = records(path)
    assert said(found) == [REQUEST, ANSWER, READ, DATA]
    assert [record.tap for record in found if record.kind is Kind.FRAME] == [0, 1, 0, 1]
    own = [record.event.split()[0] for record in found if record.tap == 0 and record.kind is Kind.EVENT]
    assert own == ["opened", "lost", "opened", "closed"]
    spare.close()


def test_what_is_stated_of_the_adapter(taps: Any, tmp_path: Path, vtctap: Run, records: Records) -> None:
    arguments = ["-i", taps.names[0], "--latency", "2.5", "--low-latency", "-a", "duration:0.1", "-w", "t.pcapng"]
    assert vtctap("capture", "-q", *arguments).returncode == 0
    opened = records(tmp_path / "t.pcapng")[0].event.split()
    assert {"latency=2.5ms", "latency_source=stated", "low_latency=no"} < set(opened)
    assert b"latency 2.5 ms (stated)" in (tmp_path / "t.pcapng").read_bytes()


def test_power_for_a_port_that_has_none(taps: Any, tmp_path: Path, inside: Run) -> None:
    result = inside("capture", "-i", taps.names[0], "--power", "dtr", "-w", "t.pcapng")
    assert result.returncode == 3
    assert result.stderr == f"vtctap: {taps.names[0]}: this port has no DTR to power a head from\n"
    assert list(tmp_path.iterdir()) == []


DROPS = struct.pack("<HHQ", 5, 8, 12)
"""The option isb_ifdrop of a pcapng statistics block (draft-ietf-opsawg-pcapng section 4.6)."""


def test_drops_are_in_the_statistics(
    taps: Any, tmp_path: Path, inside: Run, monkeypatch: pytest.MonkeyPatch, records: Records
) -> None:
    from vtctap.sniffer import counters

    totals = iter([counters.Counters()] * 4)  # Two reads for each tap: when its port opens, and when the tap begins.
    after = counters.Counters(overrun=2, buf_overrun=10)
    monkeypatch.setattr(counters, "read", lambda descriptor: next(totals, after))
    assert inside("capture", "-q", *pair(taps), "-a", "duration:0.1", "-w", "t.pcapng").returncode == 0
    statistics = [body for kind, body in blocks((tmp_path / "t.pcapng").read_bytes()) if kind == STATISTICS]
    assert len(statistics) == 2
    assert all(DROPS in body for body in statistics)


def test_missing_port_makes_no_file(taps: Any, tmp_path: Path, vtctap: Run) -> None:
    result = vtctap("capture", "--client", taps.names[0], "--server", "/dev/ttyUSB99", "-w", "t.pcapng")
    assert result.returncode == 3
    assert result.stderr == ("vtctap: /dev/ttyUSB99: there is no such port; 'vtctap ports' lists the ports\n")
    assert list(tmp_path.iterdir()) == []


def test_missing_port_spares_the_file_that_force_would_overwrite(tmp_path: Path, inside: Run) -> None:
    path = tmp_path / "t.pcapng"
    path.write_bytes(b"precious")
    assert inside("capture", "-i", "/dev/ttyUSB99", "-w", path, "--force").returncode == 3
    assert path.read_bytes() == b"precious"


@pytest.mark.parametrize("option", [["-w"], ["-w", "new.pcapng", "--stats-json"]])
def test_no_file_is_overwritten_without_force(
    taps: Any, tmp_path: Path, vtctap: Run, records: Records, option: list[str]
) -> None:
    path = tmp_path / "t.pcapng"
    path.write_bytes(b"precious")
    result = vtctap("capture", *pair(taps), "-a", "duration:1", *option, "t.pcapng")
    assert result.returncode == 2
    assert result.stderr == "vtctap: t.pcapng exists: choose another name, or --force to overwrite it\n"
    assert path.read_bytes() == b"precious"
    assert [entry.name for entry in tmp_path.iterdir()] == ["t.pcapng"]
    if option == ["-w"]:
        assert vtctap("capture", "-q", *pair(taps), "-a", "duration:0.1", "-w", path, "--force").returncode == 0
        assert len(records(path)) == 4


@pytest.mark.parametrize("name", ["trace.txt", "trace", "trace.pcapng.gz"])
def test_unknown_suffix(taps: Any, tmp_path: Path, inside: Run, name: str) -> None:
    result = inside("capture", *pair(taps), "-w", name)
    assert result.returncode == 2
    assert result.stderr == f"vtctap: {name}: the name must end in .pcapng or .pcap\n"
    assert list(tmp_path.iterdir()) == []


def test_output_that_cannot_be_made(taps: Any, tmp_path: Path, inside: Run) -> None:
    (tmp_path / "folder.pcapng").mkdir()
    missing = "No such file or directory; create the folder nowhere"
    for name, reason in [("nowhere/t.pcapng", missing), ("folder.pcapng", "Is a directory")]:
        result = inside("capture", *pair(taps), "-w", name, "-a", "duration:1")
        assert (result.returncode, result.stderr) == (4, f"vtctap: {name}: {reason}\n")


def test_statistics_that_cannot_be_written(taps: Any, tmp_path: Path, vtctap: Run, records: Records) -> None:
    result = vtctap("capture", *pair(taps), "-w", "t.pcapng", "-a", "duration:0.1", "--stats-json", "nowhere/s.json")
    assert (result.returncode, result.stderr) == (
        4, "vtctap: nowhere/s.json: No such file or directory; create the folder nowhere\n"
    )  # fmt: skip
    assert len(records(tmp_path / "t.pcapng")) == 4


def test_full_device(taps: Any, vtctap: Run) -> None:
    for output in (["-w", "/dev/full"], []):
        with open("/dev/full", "wb") as full:
            result = vtctap("capture", *pair(taps), *output, "-a", "duration:2", capture_output=False,
                            stdout=full, stderr=subprocess.PIPE)  # fmt: skip
        assert result.returncode == 4
        assert "No space left on device" in result.stderr
        assert result.stderr.count("\n") == 1


def test_disk_that_fills(taps: Any, tmp_path: Path, start: Start, listening: Listening, vtctap: Run) -> None:
    """The system's limit on the size of a file stands in for a full disk."""
    path = tmp_path / "t.pcapng"
    process = start("capture", *pair(taps), "-w", path, shell="export PYTHONDONTWRITEBYTECODE=1; ulimit -f 2")
    listening(path)
    for _ in range(40):
        taps.say(0, READ)
        pace(0.03)
        taps.say(1, DATA)
        pace(0.03)
        if process.poll() is not None:
            break
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 4
    assert errors.decode() == f"vtctap: {path}: File too large; the part written before is readable\n"
    assert path.stat().st_size in (1024, 2048)  # Two blocks, of 512 octets by POSIX and of 1024 in some shells.
    result = vtctap("read", path)
    assert result.returncode == 1
    assert "ends cut" in result.stderr
    assert "ReadCommand" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["--client", "A", "--server", "B"],
            "client and server have the same port; use -i for a wire",
        ),
        (
            ["--client", "B", "--server", "A"],
            "client and server have the same port; use -i for a wire",
        ),
        (["--link", "x=A", "--link", "y=B"], "a port is named twice: give each wire a port of its own"),
        (["--link", "x=A,B"], "a port is named twice: give each wire a port of its own"),
    ],
)
def test_a_device_and_a_link_to_it_are_one_port(inside: Run, tmp_path: Path, arguments: list[str], says: str) -> None:
    """Neither is opened."""
    (tmp_path / "A").touch()
    (tmp_path / "B").symlink_to("A")
    result = inside("capture", *arguments, "-w", "t.pcapng")
    assert result.returncode == 2
    assert result.stderr.startswith(f"vtctap: {says}")
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "t.pcapng").exists()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "name the ports: either -i PORT, or --client PORT and --server PORT, or --link NAME=PORT"),
        (["-i", "A", "--client", "B"], "name the ports: either"),
        (["-i", "A", "--link", "x=B"], "name the ports: either"),
        (["--client", "A", "--server", "A"], "client and server have the same port"),
        (["--link", "A"], "write NAME=PORT or NAME=CLIENT,SERVER"),
        (["--link", "a b=A"], "a name has letters, digits, _ and -"),
        (["--link", "=A"], "a name has letters, digits, _ and -"),
        (["--link", "x="], "write NAME=PORT"),
        (["--link", "x=A,"], "write NAME=PORT"),
        (["--link", "x=A,B,C"], "write NAME=PORT"),
        (["--link", "x=A", "--link", "x=B"], "two links have the same name"),
        (["--link", "x=A", "--link", "y=A"], "a port is named twice"),
        (["-i", "A", "--line", "9N1"], "9N1 is not a character format such as 7E1 or 8N1"),
        (["-i", "A", "--line", "7X1"], "is not a character format"),
        (["-i", "A", "--speed", "fast"], "'fast' is not a speed in bit/s"),
        (["-i", "A", "--speed", "0"], "'0' is not a speed in bit/s"),
        (["-i", "A", "--speed", "-1"], "--speed"),
        (["-i", "A", "--latency", "-1"], "--latency"),
        (["-i", "A", "--latency", "soon"], "'soon' is not a latency in milliseconds"),
        (["-i", "A", "--latency", "1e3"], "'1e3' is not a latency in milliseconds"),
        (["-i", "A", "--power", "rts"], "invalid choice: 'rts'"),
        (["-i", "A", "--dlt", "1"], "'1' is not a link type for private use: choose one from 147 to 162"),
        (
            ["-i", "A", "-a", "duration:0"],
            "is not a condition: write one of duration:SECONDS, packets:NUMBER, filesize:KILOBYTES",
        ),
        (["-i", "A", "-a", "hours:1"], "is not a condition: write one of duration:SECONDS"),
        (["-i", "A", "-a", "packets"], "is not a condition: write one of duration:SECONDS"),
        (["-i", "A", "--profile", "nosuch"], "there is no profile 'nosuch'"),
        (["-i", "A", "--nosuch"], "there is no option --nosuch"),
        (["-i"], "expected one argument"),
        (["A"], "unrecognized arguments: A"),
    ],
)
def test_wrong_use(inside: Run, tmp_path: Path, arguments: list[str], text: str) -> None:
    result = inside("capture", *arguments, "-w", "t.pcapng")
    assert (result.returncode, result.stdout) == (2, "")
    assert text in result.stderr
    assert result.stderr.startswith("vtctap")
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []

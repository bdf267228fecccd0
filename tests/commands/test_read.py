"""``vtctap read`` and ``reframe``: their output for complete traces, for damaged ones, and for foreign files."""

import bz2
import json
import lzma
import os
import re
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from equipment import PATIENCE
from vtctap.pcap.capture_file import Interface, Packet
from vtctap.pcap.formats import create_capture
from vtctap.pcap.hash_chain import unchained
from vtctap.pcap.record import Flag, Kind, Line, Record, Sender
from vtctap.pcap.ring import RingLimits, RingWriter
from vtctap.pcap.trace import create_trace

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., "subprocess.Popen[bytes]"]
Records = Callable[[Path], list[Record]]

LINE = Line(7, "E", 1)
NOON = 1_767_268_800_000_000_000
"""2026-01-01 12:00:00 UTC."""
MS = 1_000_000

SHORT = [
    Record(NOON, b"", Kind.EVENT, Sender.CLIENT, line=LINE, speed=9600, event="opened profile=iec62055-52"),
    Record(NOON + 5 * MS, b"/?!\r\n", sender=Sender.CLIENT, line=LINE, speed=9600, duration=5 * MS),
    Record(NOON + 250_500_000, b"\x022011(0001E240)\x03r", sender=Sender.SERVER, tap=1, line=LINE, speed=9600),
    Record(NOON + 1000 * MS, b"\x01R1\x02\xe9()\x03\x00", flags=Flag.CUT, line=Line(8, "N", 1)),
    Record(NOON + 2000 * MS, b"X\x00", Kind.NOISE, Sender.SERVER, tap=1, line=LINE, parity_errors=(1,)),
]


@pytest.fixture(params=[".pcapng", ".pcap"])
def short(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A trace written by hand, in each format."""
    path = tmp_path / f"short{request.param}"
    with create_trace(path) as writer:
        for record in SHORT:
            writer.write(record)
    return path


def test_lines(vtctap: Run, short: Path) -> None:
    result = vtctap("read", short)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "    1     0.000000 C> opened profile=iec62055-52",
        "    2     0.005000 C> IDRequest",
        "    3     0.250500 M> Data 2011(0001E240) cumulativeConsumption=12345.6 kWh",
        "    4     1.000000 ?? ReadCommand R1 <E9>() [cut] [bad check character 00h, not 0Ah]",
        "    5     2.000000 M> noise X<NUL> [wrong parity at 1]",
    ]


@pytest.mark.parametrize(
    ("form", "stamps"),
    [
        ("a", ["12:00:00.000000", "12:00:00.005000", "12:00:00.250500", "12:00:01.000000", "12:00:02.000000"]),
        ("ad", [f"2026-01-01 12:00:0{at}" for at in ("0.000000", "0.005000", "0.250500", "1.000000", "2.000000")]),
        ("d", ["0.000000", "0.005000", "0.245500", "0.749500", "1.000000"]),
        ("e", [f"17672688{at}" for at in ("00.000000", "00.005000", "00.250500", "01.000000", "02.000000")]),
        ("r", ["0.000000", "0.005000", "0.250500", "1.000000", "2.000000"]),
    ],
)
def test_times(inside: Run, short: Path, monkeypatch: pytest.MonkeyPatch, form: str, stamps: list[str]) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    lines = inside("read", short, "-t", form).stdout.splitlines()
    assert [re.match(r" +\d+ +(.*?) (?:C>|M>|\?\?) ", line)[1] for line in lines] == stamps  # type: ignore[index]


def named(path: Path, *names: str) -> Path:
    with create_trace(path, taps=[Interface(147, name) for name in names]) as writer:
        for tap, _ in enumerate(names):
            writer.write(Record(NOON, b"\x06", link=tap, tap=tap, sender=Sender.CLIENT))
    return path


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["A:/dev/ttyUSB0", "longer:/dev/ttyUSB1"], ["A      C>", "longer C>"]),
        (["A:/dev/ttyUSB0", "A:/dev/ttyUSB1"], ["C>", "1 C>"]),
        (["one file.exchange:octets", "b.exchange:octets"], ["one_file.exchange C>", "b.exchange        C>"]),
        (["/dev/serial/by-path/pci-0000:00:14.0", "socket://host:1"], ["C>", "1 C>"]),
        (["A:socket://host:1", "B:socket://host:2"], ["A C>", "B C>"]),
    ],
)
def test_links_have_names(inside: Run, tmp_path: Path, names: list[str], shown: list[str]) -> None:
    lines = inside("read", named(tmp_path / "t.pcapng", *names)).stdout.splitlines()
    assert [line[19:-4] for line in lines] == shown
    assert "link" not in inside("read", "--json", tmp_path / "t.pcapng").stdout.replace("vtc.link", "")


def test_links_without_names(inside: Run, tmp_path: Path) -> None:
    lines = inside("read", named(tmp_path / "t.pcap", "A:x", "B:y")).stdout.splitlines()
    assert [line[19:-4] for line in lines] == ["C>", "1 C>"]


def test_everything(inside: Run, tmp_path: Path) -> None:
    with create_trace(tmp_path / "t.pcapng") as writer:
        writer.write(Record(NOON, b"\x02a(1)b(2)c(3)d(4)e(5)f(6)\x03\x03"))
    assert inside("read", "t.pcapng").stdout.endswith("d(4) ... 2 more data sets\n")
    for option in ("-V", "--full"):
        assert inside("read", option, "t.pcapng").stdout.endswith("d(4) e(5) f(6)\n")


def test_octets(inside: Run, short: Path) -> None:
    lines = inside("read", short, "-x").stdout.splitlines()
    assert lines[1:3] == [
        "    2     0.005000 C> IDRequest",
        "      0000  2f 3f 21 0d 0a                                   /?!..",
    ]
    assert lines[4:6] == [
        "      0000  02 32 30 31 31 28 30 30 30 31 45 32 34 30 29 03  .2011(0001E240).",
        "      0010  72                                               r",
    ]


def test_json(inside: Run, short: Path) -> None:
    result = inside("read", short, "--json")
    assert result.stdout.isascii()
    objects = [json.loads(line) for line in result.stdout.splitlines()]
    assert [entry["frame.number"] for entry in objects] == [1, 2, 3, 4, 5]
    assert objects[2] | {"vtc.confidence": "x", "vtc.assumed": []} == {
        "frame.number": 3,
        "frame.time_epoch": "1767268800.250500000",
        "frame.time_relative": "0.250500000",
        "vtc.octets": "0232303131283030303145323430290372",
        "vtc.kind": "frame",
        "vtc.sender": "server",
        "vtc.link": 0,
        "vtc.tap": 1,
        "vtc.speed": 9600,
        "vtc.line": "7E1",
        "vtc.duration": 0.0,
        "vtc.gap": 0.2405,
        "vtc.request_in": 2,
        "vtc.response_time": 0.2405,
        "vtc.session": 1,
        "vtc.message": "Data",
        "vtc.register": ["2011"],
        "vtc.value": ["0001E240"],
        "vtc.unit": [""],
        "vtc.register.name": ["cumulativeConsumption"],
        "vtc.value.decoded": ["12345.6 kWh"],
        "vtc.bcc": 0x72,
        "vtc.bcc.expected": 0x72,
        "vtc.bcc.status": "good",
        "vtc.bcc.rule": "xor",
        "vtc.confidence": "x",
        "vtc.assumed": [],
    }
    assert objects[4]["vtc.error.parity"] == [1]
    assert objects[4]["vtc.octets"] == "5800"
    assert objects[0]["vtc.event"] == "opened"


def test_standard_input(vtctap: Run, short: Path) -> None:
    with short.open("rb") as file:
        from_pipe = vtctap("read", "-", stdin=file)
    assert from_pipe.stdout == vtctap("read", short).stdout
    with short.open("rb") as file:
        assert vtctap("read", "-", "--follow", stdin=file).stdout == from_pipe.stdout


def test_profile(inside: Run, short: Path) -> None:
    assert "cumulativeConsumption" not in inside("read", short, "--profile", "iec62056-21").stdout


def test_filter(inside: Run, trace: Path) -> None:
    result = inside("read", trace, "--filter", 'vtc.message == "NAK"')
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout
    assert all(" NAK" in line for line in result.stdout.splitlines())
    wrong = inside("read", trace, "--filter", "vtc.mesage")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "vtc.message" in wrong.stderr


# Damaged and foreign files.


def test_cut_at_every_octet_of_its_end(inside: Run, tmp_path: Path) -> None:
    """Cut at steps of several octets, because each cut runs a process."""
    path = tmp_path / "t.pcapng"
    with create_trace(path) as writer:
        for record in SHORT:
            writer.write(record)
        size = writer.size
    whole = path.read_bytes()[:size]
    for missing in (1, 4, 30, 59):
        path.write_bytes(whole[:-missing])
        result = inside("read", path)
        assert result.returncode == 1
        assert len(result.stdout.splitlines()) == 4
        assert result.stderr.startswith(f"vtctap: {path} is damaged at offset ")
        assert result.stderr.endswith("octets skipped: the file ends cut, in the middle of a record\n")
        assert result.stderr.count("\n") == 1


def foreign(path: Path, linktype: int, octets: bytes) -> Path:
    with create_capture(path, linktype=linktype) as writer:
        writer.add_interface(Interface(linktype))
        writer.write(Packet(NOON, octets, linktype))
    return path


def unreadable(folder: Path) -> Iterator[tuple[str, Path, str]]:
    """Yields a name, a file, and the message that is expected for it."""
    yield "missing", folder / "missing.pcapng", "No such file or directory"
    (folder / "folder").mkdir()
    yield "folder", folder / "folder", "Is a directory"
    (folder / "below").write_text("")
    yield "below a file", folder / "below" / "t.pcapng", "Not a directory"
    (folder / "text").write_text("C> 2f 3f 21 0d 0a\n")
    yield "text", folder / "text", "is no capture file (.pcapng or .pcap)"
    (folder / "xz").write_bytes(lzma.compress(bytes(99)))
    yield "xz", folder / "xz", "is compressed by xz: unpack it first"
    (folder / "bzip2").write_bytes(bz2.compress(bytes(99)))
    yield "bzip2", folder / "bzip2", "is compressed by bzip2: unpack it first"
    (folder / "half").write_bytes(b"\x0a\x0d\x0d\x0b")
    yield "half a magic", folder / "half", "is no capture file"
    yield "ethernet", foreign(folder / "ethernet.pcap", 1, bytes(60)), "is of link type 1"
    yield "user0 of others", foreign(folder / "user0.pcapng", 147, b"/?!\r\n"), "begins with 2f 3f"
    yield "empty user0 packet", foreign(folder / "empty0.pcapng", 147, b""), "begins with nothing"
    yield "version 9", foreign(folder / "v9.pcapng", 150, b"VT\x09" + bytes(40)), "packet 1 is damaged: version 9"
    whole = foreign(folder / "broken.pcapng", 147, b"VT").read_bytes()
    (folder / "broken.pcapng").write_bytes(whole + struct.pack("<III", 6, 13, 13))
    yield "impossible block", folder / "broken.pcapng", "damaged"


CASES = ["missing", "folder", "below a file", "text", "xz", "bzip2", "half a magic", "ethernet", "user0 of others",
         "empty user0 packet", "version 9", "impossible block"]  # fmt: skip


@pytest.mark.parametrize("command", [["read"], ["read", "--json"], ["reframe", "-w", "out.pcapng"]])
@pytest.mark.parametrize("case", CASES)
def test_unreadable(inside: Run, tmp_path: Path, case: str, command: list[str]) -> None:
    cases = {name: (path, text) for name, path, text in unreadable(tmp_path)}
    assert list(cases) == CASES
    path, text = cases[case]
    result = inside(*command, path)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"vtctap: {path}")
    assert text in result.stderr
    assert result.stderr.count("\n") == 1
    assert not list(tmp_path.glob("*out*")) + list(tmp_path.glob(".*"))


def test_empty_file_is_a_trace_that_was_cut_at_once(inside: Run, tmp_path: Path) -> None:
    path = tmp_path / "empty.pcapng"
    path.touch()
    result = inside("read", path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", f"vtctap: {path} is empty\n")


def test_what_was_good_is_shown_before_what_is_not(inside: Run, tmp_path: Path) -> None:
    path = tmp_path / "t.pcapng"
    with create_trace(path) as writer:
        for record in SHORT:
            writer.write(record)
        writer._writer.write(Packet(NOON, b"other", 147))
    result = inside("read", path)
    assert result.returncode == 1
    assert len(result.stdout.splitlines()) == 5
    assert "packet 6 begins with 6f 74" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "name a trace to read"),
        (["a", "-c", "x"], "is not a number of records"),
        (["a", "-t", "x"], "invalid choice: 'x'"),
        (["a", "--profile", "nosuch"], "there is no profile 'nosuch'"),
        (["a", "--profile", "nosuch.toml"], "nosuch.toml: No such file or directory"),
    ],
)
def test_wrong_use(inside: Run, arguments: list[str], text: str) -> None:
    result = inside("read", *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert text in result.stderr
    assert result.stderr.count("\n") == 1


# Pipes and signals.


@pytest.mark.parametrize("form", [[], ["--json"], ["-x"], ["--follow"]])
def test_head(vtctap: Run, start: Start, trace: Path, tmp_path: Path, form: list[str]) -> None:
    whole = trace.read_bytes()
    large = tmp_path / "large.pcapng"
    large.write_bytes(whole * 200)  # A file may hold several sections.
    reader = start("read", *form, large)
    assert reader.stdout
    assert reader.stdout.readline()
    reader.stdout.close()
    assert reader.wait(30) == 0
    assert reader.stderr
    assert reader.stderr.read() == b""


def test_full_disk(vtctap: Run, trace: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    for form in ([], ["--json"]):
        with open("/dev/full", "wb") as full:
            result = vtctap("read", trace, *form, capture_output=False, stdout=full, stderr=subprocess.PIPE)
        assert (result.returncode, result.stderr) == (4, "vtctap: standard output: No space left on device\n")


@pytest.mark.parametrize("form", [[], ["--follow"]])
def test_ctrl_c(start: Start, trace: Path, tmp_path: Path, form: list[str]) -> None:
    """The command is waiting for more octets, from a pipe or of a growing file."""
    if form:
        process = start("read", "--follow", trace)
    else:
        process = start("read", "-", stdin=subprocess.PIPE, env={**os.environ, "PYTHONUNBUFFERED": "1"})
        assert process.stdin
        process.stdin.write(trace.read_bytes())
        process.stdin.flush()
    assert process.stdout
    assert process.stdout.readline()
    process.send_signal(signal.SIGINT)
    if process.stdin:
        process.wait(30)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert errors == b""


def test_follow(start: Start, tmp_path: Path) -> None:
    """Records are shown as they arrive, even if a record arrives in two pieces."""
    path = tmp_path / "t.pcapng"
    with create_trace(path) as writer:
        for record in SHORT:
            writer.write(record)
        size = writer.size
    whole = path.read_bytes()[:size]
    path.write_bytes(whole[:-10])
    process = start("read", "--follow", path)
    assert process.stdout
    shown = [process.stdout.readline() for _ in range(4)]
    assert b"IDRequest" in shown[1]
    with path.open("ab") as file:
        file.write(whole[-10:-3])
        file.flush()
        file.write(whole[-3:])
    assert b"noise" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output, errors) == (130, b"", b"")


def bound(process: "subprocess.Popen[bytes]") -> None:
    """Kills a process that has not ended in time, so that waiting for its lines ends."""
    timer = threading.Timer(PATIENCE, process.kill)
    timer.daemon = True
    timer.start()


@pytest.mark.parametrize("times", [1, 300])
def test_follow_ends_where_the_trace_is_overwritten(start: Start, tmp_path: Path, times: int) -> None:
    """Nothing of the new trace is shown. The lines of 1500 records do not fit into the pipe: there the reader has not
    reached the end of the old trace when it is overwritten."""
    path = tmp_path / "t.pcapng"
    old = SHORT * times
    with create_trace(path) as writer:
        for record in old:
            writer.write(record)
    process = start("read", "--follow", "t.pcapng")
    bound(process)
    assert process.stdout
    shown = [process.stdout.readline() for _ in SHORT]
    with create_trace(path, force=True) as writer:
        for record in old * 3:
            writer.write(replace(record, time=record.time + 10**9))
    shown += process.stdout.readlines()
    assert len(shown) == len(old)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert errors == b"vtctap: t.pcapng was overwritten while it was read: start again\n"


def test_follow_goes_on_with_the_next_ring_files(start: Start, tmp_path: Path) -> None:
    """The records are shown while the ring is written, and numbered through; a file that is missing is told."""
    with RingWriter(tmp_path / "t.pcapng", RingLimits(records=2)) as ring:
        ring.write(SHORT[0])
        process = start("read", "--follow", "--join", *ring.kept)
        bound(process)
        assert process.stdout
        for number in range(1, 10):
            assert process.stdout.readline().split()[0] == str(number).encode()
            ring.write(replace(SHORT[0], time=SHORT[0].time + number * 10**9))
        assert process.stdout.readline().split()[0] == b"10"
    (tmp_path / Path(ring.kept[-1]).name.replace("_00005_", "_00007_")).write_bytes(Path(ring.kept[0]).read_bytes())
    assert process.stdout.readline().split()[0] == b"11"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert errors.count(b"\n") == 1
    assert b"is incomplete at offset 0: the ring lacks 1 file before it" in errors


def test_live_through_a_pipe(start: Start, trace: Path) -> None:
    """With --follow, records from a pipe are shown at once, and the command ends with the pipe."""
    process = start("read", "--follow", "-", stdin=subprocess.PIPE)
    assert process.stdin
    assert process.stdout
    process.stdin.write(trace.read_bytes()[:1000])
    process.stdin.flush()
    assert b"opened" in process.stdout.readline()
    output, errors = process.communicate(trace.read_bytes()[1000:], timeout=PATIENCE)
    assert (process.returncode, errors) == (0, b"")
    assert b"WriteCommand" in output


# reframe


def same(left: list[Record], right: list[Record]) -> bool:
    """Whether records are equal apart from the rounding of durations: a character's duration is no whole number of
    ns."""
    return [replace(record, duration=0) for record in left] == [
        replace(record, duration=0) for record in right
    ] and all(abs(one.duration - other.duration) < 1000 for one, other in zip(left, right, strict=True))


def test_reframe_of_a_good_trace_is_the_same_trace(inside: Run, trace: Path, tmp_path: Path, records: Records) -> None:
    result = inside("reframe", trace, "-w", "again.pcapng")
    done = f"vtctap: {len(records(trace))} records in again.pcapng\n"
    assert (result.returncode, result.stdout, result.stderr) == (0, "", done)
    assert inside("reframe", trace, "-q", "-w", "quiet.pcapng").stderr == ""
    assert same(records(tmp_path / "again.pcapng"), list(map(unchained, records(trace))))
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["again.pcapng", "quiet.pcapng", "trace.pcapng"]


def test_reframe_reads_eight_bits_as_seven(inside: Run, tmp_path: Path, records: Records) -> None:
    path = tmp_path / "t.pcapng"
    with create_trace(path) as writer:
        writer.write(Record(NOON, b"\xaf\x3f\x21\x8d\x0a", Kind.NOISE, line=Line(8, "N", 1), speed=300))
    assert inside("reframe", path, "-w", "u.pcap", "--line", "7E1").returncode == 0
    (record,) = records(tmp_path / "u.pcap")
    assert (record.octets, record.kind, record.sender, record.line) == (b"/?!\r\n", Kind.FRAME, Sender.CLIENT, LINE)


def test_reframe_through_pipes(vtctap: Run, trace: Path, tmp_path: Path, records: Records) -> None:
    with trace.open("rb") as source, (tmp_path / "u.pcapng").open("wb") as target:
        result = vtctap("reframe", "-", "-w", "-", stdin=source, capture_output=False, stdout=target)
    assert result.returncode == 0
    assert same(records(tmp_path / "u.pcapng"), list(map(unchained, records(trace))))


def test_reframe_onto_itself(inside: Run, trace: Path, records: Records) -> None:
    before, octets = records(trace), trace.read_bytes()
    result = inside("reframe", trace, "-w", trace)
    assert result.returncode == 2
    assert result.stderr == f"vtctap: {trace} exists: choose another name, or --force to overwrite it\n"
    assert trace.read_bytes() == octets
    assert inside("reframe", trace, "-w", trace, "--force").returncode == 0
    assert same(records(trace), list(map(unchained, before)))


@pytest.mark.parametrize(
    ("target", "status", "text"),
    [("t.txt", 2, "t.txt: the name must end in .pcapng or .pcap"), ("no/t.pcap", 4, "no/t.pcap: No such file")],
)
def test_reframe_names_the_file_that_was_asked_for(
    inside: Run, trace: Path, tmp_path: Path, target: str, status: int, text: str
) -> None:
    result = inside("reframe", trace, "-w", target)
    assert result.returncode == status
    assert result.stderr.startswith(f"vtctap: {text}")
    assert [entry.name for entry in tmp_path.iterdir()] == ["trace.pcapng"]


def test_reframe_that_fails_leaves_the_old_file(inside: Run, tmp_path: Path, trace: Path) -> None:
    old = tmp_path / "old.pcapng"
    old.write_bytes(b"old")
    bad = foreign(tmp_path / "bad.pcapng", 147, b"other")
    assert inside("reframe", bad, "-w", old, "--force").returncode == 2
    assert old.read_bytes() == b"old"


def test_reframe_to_a_full_device(inside: Run, trace: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("there is no /dev/full")
    result: Any = inside("reframe", trace, "-w", "/dev/full")
    assert result.returncode == 4
    assert "No space left on device" in result.stderr

"""The import formats: hand-written inputs, their runs, and errors that name the place."""

import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtctap.pcap import Flag, Record, Sender, create_capture, create_trace, exchange
from vtctap.pcap.capture_file import Interface, Packet
from vtctap.pcap.imports import IMPORTERS, detect
from vtctap.pcap.run import ImportFormatError, Run

SECOND = 1_000_000_000


def runs_of(text: str) -> list[Run]:
    return list(exchange.parse(text, "x.exchange"))


def test_exchange() -> None:
    text = """# a comment
        # t=0.25
        C> 2f 3f 21 0D 0a
        M> 2F4953

        # t=1
        M>15
        """
    assert runs_of(text) == [
        Run(b"/?!\r\n", Sender.CLIENT, SECOND // 4),
        Run(b"/IS", Sender.SERVER, None),
        Run(b"\x15", Sender.SERVER, SECOND),
    ]


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("0", 0),
        ("12.000000001", 12 * SECOND + 1),
        ("00:00:01.5", 1_500_000_000),
        ("22:35:04.878", ((22 * 60 + 35) * 60 + 4) * SECOND + 878_000_000),
    ],
)
def test_times_are_exact(time: str, expected: int) -> None:
    assert runs_of(f"# t={time}\nC> 06")[0].time == expected


def test_a_time_of_day_passes_midnight() -> None:
    times = [run.time for run in runs_of("# t=23:59:59\nC> 06\n# t=00:00:01\nM> 06\n# t=00:00:00.5\nM> 06")]
    day = 86_400 * SECOND
    assert times == [day - SECOND, day + SECOND, day + SECOND // 2]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("C> 2f 3", 1, "hexadecimal"),
        ("C> 06\nM> zz", 2, "hexadecimal"),
        ("# fine\n\nX> 06", 3, "must begin with"),
        ("# t=noon\nC> 06", 1, "a time is"),
        ("# t=1:2\nC> 06", 1, "a time is"),
    ],
)
def test_errors_name_file_and_line(text: str, line: int, reason: str) -> None:
    with pytest.raises(ImportFormatError, match=rf"^x\.exchange, line {line}: .*{reason}"):
        runs_of(text)


@given(
    st.lists(
        st.tuples(st.sampled_from([Sender.CLIENT, Sender.SERVER]), st.binary(), st.none() | st.integers(0, 10**17))
    )
)
def test_any_runs_come_back(runs: list[tuple[Sender, bytes, int | None]]) -> None:
    text = ""
    for sender, octets, time in runs:
        if time is not None:
            text += f"# t={time // SECOND}.{time % SECOND:09d}\n"
        text += f"{'C' if sender is Sender.CLIENT else 'M'}> {octets.hex(' ')}\n"
    assert runs_of(text) == [Run(octets, sender, time) for sender, octets, time in runs]


def test_raw(tmp_path: Path) -> None:
    path = tmp_path / "dump.bin"
    path.write_bytes(b"\x00\xff/?!")
    assert detect(str(path)) == "raw"
    assert list(IMPORTERS["raw"].read(str(path))) == [Run(b"\x00\xff/?!")]


def rtac_capture(path: Path) -> Path:
    events = [(1, b""), (11, b"/?!\r\n"), (7, b""), (12, b"/IS"), (2, b"ab"), (0, b""), (10, b"x")]
    with create_capture(path, linktype=250) as writer:
        writer.add_interface(Interface(250))
        for number, (event, octets) in enumerate(events):
            header = struct.pack(">IIBBH", 1000 + number, 250_000, event, 0x2A, 0)
            writer.write(Packet(0, header + octets, 250))
    return path


def test_rtac(tmp_path: Path) -> None:
    path = rtac_capture(tmp_path / "serial.pcap")
    assert detect(str(path)) == "rtac"
    assert list(IMPORTERS["rtac"].read(str(path))) == [
        Run(b"/?!\r\n", Sender.UNKNOWN, 1_001_250_000_000),
        Run(b"/IS", Sender.UNKNOWN, 1_003_250_000_000, Flag.FRAMING),
        Run(b"ab", Sender.SERVER, 1_004_250_000_000),
        Run(b"x", Sender.UNKNOWN, 1_006_250_000_000, Flag.OVERRUN),
    ]


def test_rtac_is_read_as_tshark_reads_it(tmp_path: Path) -> None:
    path = rtac_capture(tmp_path / "serial.pcap")
    command = ["tshark", "-r", str(path), "-T", "fields", "-e", "rtacser.eventtype"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert [int(event, 0) for event in shown] == [1, 11, 7, 12, 2, 0, 10]


def test_user0(tmp_path: Path) -> None:
    path = tmp_path / "logger.pcapng"
    with create_capture(path, linktype=148) as writer:
        writer.add_interface(Interface(148))
        for flags, octets in ((0, b"/?!\r\n"), (1, b"\x06"), (2, b"VT no header")):
            writer.write(Packet(5 * SECOND, octets, 148, flags=flags))
    with pytest.raises(ImportFormatError, match="--from user0"):
        detect(str(path))
    senders = [Sender.UNKNOWN, Sender.CLIENT, Sender.SERVER]
    octets = [b"/?!\r\n", b"\x06", b"VT no header"]
    assert list(IMPORTERS["user0"].read(str(path))) == [
        Run(each, sender, 5 * SECOND) for each, sender in zip(octets, senders, strict=True)
    ]


def test_a_trace_is_not_imported(tmp_path: Path) -> None:
    path = tmp_path / "trace.pcapng"
    with create_trace(path) as writer:
        writer.write(Record(0, b"\x15"))
    with pytest.raises(ImportFormatError, match="reframe"):
        detect(str(path))
    with pytest.raises(ImportFormatError, match="reframe"):
        list(IMPORTERS["user0"].read(str(path)))


@pytest.mark.parametrize(("name", "content"), [("notes.txt", b"hello"), ("empty.log", b"")])
def test_what_is_in_no_known_format_is_refused(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ImportFormatError, match="--from"):
        detect(str(path))


def test_other_link_types_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "ethernet.pcap"
    with create_capture(path, linktype=1) as writer:
        writer.add_interface(Interface(1))
        writer.write(Packet(0, b"x" * 60, 1))
    with pytest.raises(ImportFormatError, match="link type 1 "):
        detect(str(path))
    for name in ("rtac", "user0"):
        with pytest.raises(ImportFormatError, match="link type 1,"):
            list(IMPORTERS[name].read(str(path)))

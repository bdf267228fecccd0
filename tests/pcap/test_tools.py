"""Other programs read vtctap's files correctly, and vtctap reads theirs: tshark, capinfos, editcap, mergecap, text2pcap
and Scapy."""

from collections.abc import Callable
from pathlib import Path

import pytest

from vtctap.pcap import (
    ForeignTrace,
    Interface,
    Packet,
    Record,
    create_capture,
    create_trace,
    open_capture,
    open_trace,
)

Run = Callable[..., list[str]]

CLIENT = Interface(147, "client", "tap on the client's wire", "USB adapter, latency 1 ms", 9600)
SERVER = Interface(147, "server")
FIELDS = [
    "frame.number",
    "frame.time_epoch",
    "frame.interface_id",
    "frame.interface_name",
    "frame.interface_description",
    "frame.packet_flags_direction",
    "frame.packet_flags_symbol_error",
    "frame.packet_flags_unaligned_frame_error",
    "frame.packet_flags_start_frame_delimiter_error",
    "frame.packet_flags_packet_too_short_error",
    "frame.packet_flags_crc_error",
    "frame.comment",
]


def fields(run: Run, path: Path, *names: str) -> list[list[str]]:
    options = [part for name in names for part in ("-e", name)]
    lines = run("tshark", "-r", path, "-T", "fields", "-E", "separator=|", *options)
    # tshark prints booleans as 0 and 1, and from 4.2 on as False and True.
    words = {"False": "0", "True": "1"}
    return [[words.get(value, value) for value in line.split("|")] for line in lines]


@pytest.fixture(params=[".pcapng", ".pcap"])
def trace(request: pytest.FixtureRequest, tmp_path: Path, records: list[Record]) -> Path:
    path = tmp_path / f"trace{request.param}"
    with create_trace(path, application="vtctap 0.1.0", taps=[CLIENT, SERVER]) as writer:
        for record in records:
            writer.write(record, "note: echo" if record.flags & 128 else None)
        writer.close({0: 2})
    return path


def seconds(record: Record) -> str:
    return f"{record.time // 10**9}.{record.time % 10**9:09}"


def test_tshark(trace: Path, run: Run, records: list[Record]) -> None:
    lines = fields(run, trace, *FIELDS)
    assert [line[:2] for line in lines] == [[str(n), seconds(record)] for n, record in enumerate(records, 1)]
    if trace.suffix == ".pcap":
        return
    client, server = ["0", CLIENT.name, CLIENT.description], ["1", "server", ""]
    none = [""] * 5
    assert [line[2:] for line in lines] == [
        [*client, "", *none, ""],
        [*client, "0x00000001", "0", "0", "0", "0", "0", ""],
        [*server, "0x00000002", "1", "1", "0", "0", "0", ""],
        [*server, "0x00000000", "0", "0", "1", "0", "0", "note: echo"],
        [*client, "0x00000001", "0", "0", "0", "1", "0", ""],
    ]


def test_tshark_reads_the_octets(trace: Path, run: Run, records: list[Record]) -> None:
    lines = run("tshark", "-r", trace, "-x", "-Y", "frame.number==2")
    octets = bytes.fromhex("".join(line[6:54] for line in lines if line[:4].isalnum()))
    assert octets[:2] == b"VT"
    assert octets.endswith(b"/?!\r\n")
    assert len(octets) == 37


def test_capinfos(trace: Path, run: Run, records: list[Record]) -> None:
    text = "\n".join(line.strip() for line in run("capinfos", trace))
    assert "File encapsulation:  USER 0" in text
    assert "File timestamp precision:  nanoseconds (9)" in text
    assert f"Number of packets:   {len(records)}" in text
    if trace.suffix == ".pcap":
        return
    assert "Capture application: vtctap 0.1.0" in text
    assert "Number of interfaces in file: 2" in text
    assert "Name = client\nDescription = tap on the client's wire\n" in text
    assert "Hardware = USB adapter, latency 1 ms\nSpeed = 9600\n" in text
    assert "Number of stat entries = 1\nNumber of packets = 3\n" in text
    assert "Number of stat entries = 1\nNumber of packets = 2" in text


@pytest.mark.parametrize("form", ["pcapng", "nsecpcap", "pcap"])
def test_editcap(form: str, trace: Path, tmp_path: Path, run: Run, records: list[Record]) -> None:
    """The trace passes through Wireshark's own reader and writer."""
    other = tmp_path / "other.cap"
    run("editcap", "-F", form, trace, other)
    unit = 1000 if form == "pcap" else 1
    with open_trace(other) as reader:
        read = list(reader)
        assert reader.cut is None
        names = [interface.name for interface in reader.interfaces]
    assert [record.time for record in read] == [record.time // unit * unit for record in records]
    assert [(r.octets, r.flags, r.sender, r.event) for r in read] == [
        (r.octets, r.flags, r.sender, r.event) for r in records
    ]
    if form == "pcapng" and trace.suffix == ".pcapng":
        assert names == ["client", "server"]


def test_editcap_keeps_what_it_may(trace: Path, tmp_path: Path, run: Run) -> None:
    other = tmp_path / "other.pcapng"
    run("editcap", trace, other)
    with open_capture(trace) as ours, open_capture(other) as theirs:
        if trace.suffix == ".pcapng":
            assert list(theirs) == list(ours)
            assert [(i.name, i.description, i.hardware, i.speed) for i in theirs.interfaces] == [
                (i.name, i.description, i.hardware, i.speed) for i in ours.interfaces
            ]
        else:
            assert [packet[:3] for packet in theirs] == [packet[:3] for packet in ours]


def test_mergecap(tmp_path: Path, run: Run) -> None:
    paths = [tmp_path / "a.pcapng", tmp_path / "b.pcap"]
    for number, path in enumerate(paths):
        with create_trace(path, taps=[CLIENT]) as writer:
            for step in range(3):
                writer.write(Record(10**18 + 2 * step + number, bytes([number])))
    merged = tmp_path / "merged.pcapng"
    run("mergecap", "-w", merged, *paths)
    with open_trace(merged) as reader:
        assert [record.octets[0] for record in reader] == [0, 1, 0, 1, 0, 1]
        assert len(reader.interfaces) == 2


@pytest.mark.parametrize("form", ["pcapng", "pcap"])
def test_text2pcap(form: str, tmp_path: Path, run: Run) -> None:
    """A capture file of another program with the same link type: its packets are readable, and it is refused as a
    trace."""
    text, path = tmp_path / "dump.txt", tmp_path / "theirs.cap"
    text.write_text("2023-11-14 22:13:20.123456\n0000 2f 3f 21 0d 0a\n")
    run("text2pcap", "-q", "-F", form, "-l", "147", "-t", "%Y-%m-%d %H:%M:%S.%f", text, path)
    with open_capture(path) as reader:
        (packet,) = reader
    assert packet[:3] == (1_700_000_000_123_456_000, b"/?!\r\n", 147)
    with open_trace(path) as trace, pytest.raises(ForeignTrace, match="begins with 2f 3f"):
        list(trace)


@pytest.fixture
def scapy() -> object:
    utils = pytest.importorskip("scapy.utils")
    return utils


def test_scapy_reads(trace: Path, records: list[Record], scapy: object) -> None:
    with open_capture(trace) as capture:
        packets = list(capture)
    if trace.suffix == ".pcap":
        with scapy.RawPcapReader(str(trace)) as reader:  # type: ignore[attr-defined]
            read = list(reader)
        assert [(m.sec, m.usec, data) for data, m in read] == [
            (r.time // 10**9, r.time % 10**9, p.data) for r, p in zip(records, packets, strict=True)
        ]
        return
    with scapy.RawPcapNgReader(str(trace)) as reader:  # type: ignore[attr-defined]
        read = list(reader)
    assert [(m.tshigh << 32 | m.tslow, m.tsresol, data) for data, m in read] == [
        (r.time, 10**9, p.data) for r, p in zip(records, packets, strict=True)
    ]
    assert {m.linktype for _, m in read} == {147}
    assert [m.ifname for _, m in read] == [b"client", b"client", b"server", b"server", b"client"]
    assert [m.direction for _, m in read] == [None, 1, 2, 0, 1]
    assert [m.comments for _, m in read] == [None, None, None, [b"note: echo"], None]


@pytest.mark.parametrize("nano", [False, True])
@pytest.mark.parametrize("sign", ["<", ">"])
def test_scapy_writes_classic(sign: str, nano: bool, tmp_path: Path, scapy: object) -> None:
    path = tmp_path / "theirs.pcap"
    with scapy.RawPcapWriter(str(path), linktype=147, endianness=sign, nano=nano) as writer:  # type: ignore[attr-defined]
        writer.write_header(b"")
        writer.write_packet(b"abc", sec=1_700_000_000, usec=123_456)
        writer.write_packet(b"", sec=1, usec=2, wirelen=7)
    unit = 1 if nano else 1000
    with open_capture(path) as reader:
        assert list(reader) == [
            Packet(1_700_000_000 * 10**9 + 123_456 * unit, b"abc", 147, 0, 3),
            Packet(10**9 + 2 * unit, b"", 147, 0, 7),
        ]


def test_scapy_writes_pcapng(tmp_path: Path, scapy: object) -> None:
    path = tmp_path / "theirs.pcapng"
    with scapy.RawPcapNgWriter(str(path)) as writer:  # type: ignore[attr-defined]
        writer.linktype = 147
        writer.write_header(b"")
        writer.write_packet(b"abcde", sec=1_700_000_000.5)
    with open_capture(path) as reader:
        assert [packet[:3] for packet in reader] == [(1_700_000_000_500_000_000, b"abcde", 147)]


@pytest.mark.parametrize("suffix", [".pcapng", ".pcap"])
def test_longest_packet_that_wireshark_reads(suffix: str, tmp_path: Path, run: Run) -> None:
    """16 384 octets with a pause and every error at each stay below Wireshark's limit of 262 144."""
    path = tmp_path / f"long{suffix}"
    every = tuple(range(16384))
    with create_trace(path) as writer:
        for pauses in (tuple((position, 1) for position in every), ()):
            writer.write(Record(10**18, bytes(16384), parity_errors=every, framing_errors=every, pauses_us=pauses))
    assert fields(run, path, "frame.number") == [["1"], ["2"]]


def test_packets_of_another_link_type(tmp_path: Path, run: Run) -> None:
    """The same writers serve the export to other link types, such as RTAC serial (250)."""
    for suffix in (".pcapng", ".pcap"):
        path = tmp_path / f"rtac{suffix}"
        with create_capture(path, linktype=250) as writer:
            writer.add_interface(Interface(250))
            writer.write(Packet(10**18, bytes(12) + b"/?!", 250))
        assert fields(run, path, "rtacser.eventtype", "frame.len") == [["0x00", "15"]]

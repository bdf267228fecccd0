"""The import formats: hand-written inputs give their bursts, and errors name the place."""

import re
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtctap.pcap import Flag, Record, Sender, TraceError, create_capture, create_trace, exchange, rtac
from vtctap.pcap.burst import Burst, ImportFormatError
from vtctap.pcap.capture_file import Interface, Packet
from vtctap.pcap.importers.account import Account
from vtctap.pcap.imports import IMPORTERS, detect

SECOND = 1_000_000_000
CORPUS = Path(__file__).parent.parent.parent.parent / "shared" / "corpus"


def bursts_of(text: str) -> list[Burst]:
    return list(exchange.parse(text, "x.exchange"))


def test_exchange() -> None:
    text = """# a comment
        # t=0.25
        C> 2f 3f 21 0D 0a
        M> 2F4953

        # t=1
        M>15
        """
    assert bursts_of(text) == [
        Burst(b"/?!\r\n", Sender.CLIENT, SECOND // 4),
        Burst(b"/IS", Sender.SERVER, None),
        Burst(b"\x15", Sender.SERVER, SECOND),
    ]


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("0", 0),
        ("12.000000001", 12 * SECOND + 1),
        ("00:00:01.5", 1_500_000_000),
        ("22:35:04.878", ((22 * 60 + 35) * 60 + 4) * SECOND + 878_000_000),
        ("9:05:00", (9 * 60 + 5) * 60 * SECOND),
        ("1700000000.123456789", 1_700_000_000_123_456_789),
        ("0.1", 100_000_000),
    ],
)
def test_times_are_exact(time: str, expected: int) -> None:
    assert bursts_of(f"# t={time}\nC> 06")[0].time == expected


def test_a_time_of_day_passes_midnight() -> None:
    times = [burst.time for burst in bursts_of("# t=23:59:59\nC> 06\n# t=00:00:01\nM> 06\n# t=00:00:00.5\nM> 06")]
    day = 86_400 * SECOND
    assert times == [day - SECOND, day + SECOND, day + SECOND // 2]


def test_every_midnight_is_a_new_day_and_noon_is_none() -> None:
    hours = (13, 0, 12, 11, 23, 10)
    bursts = bursts_of("".join(f"# t={hour}:00:00\nC> 06\n" for hour in hours))
    assert [(burst.time or 0) // (3600 * SECOND) for burst in bursts] == [13, 24, 36, 35, 47, 58]


def test_seconds_pass_no_midnight() -> None:
    assert [burst.time for burst in bursts_of("# t=99999\nC> 06\n# t=00:00:01\nM> 06")] == [99_999 * SECOND, SECOND]


def test_a_time_is_of_the_next_octets_alone() -> None:
    bursts = bursts_of("# t=1\n# t=2\n# why\n\nC> 06\nM> 06\n# t=3")
    assert [burst.time for burst in bursts] == [2 * SECOND, None]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_files_of_other_systems(end: str, tmp_path: Path) -> None:
    path = tmp_path / "x.exchange"
    lines = ("# caf\xe9 \x0c \x85 C>", "# t=5", "C> 2F3F 21", "\tM>06  ", "")
    for mark, encoding in (("", "latin-1"), ("\ufeff", "utf-8")):
        path.write_bytes((mark + end.join(lines)).encode(encoding))
        expected = [Burst(b"/?!", Sender.CLIENT, 5 * SECOND), Burst(b"\x06", Sender.SERVER)]
        assert list(IMPORTERS["exchange"].read(str(path), Account())) == expected
        with path.open("rb") as file:
            assert list(IMPORTERS["exchange"].read(file, Account())) == expected
            assert not file.closed


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the recordings are not here")
def test_the_corpus_has_the_octets_of_its_dumps() -> None:
    files = sorted(CORPUS.glob("**/*.exchange"))
    assert len(files) > 10
    for path in files:
        (whole,) = IMPORTERS["raw"].read(path.with_suffix(".bin"), Account())
        assert b"".join(burst.octets for burst in IMPORTERS["exchange"].read(path, Account())) == whole.octets


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("C> 2f 3", 1, "hexadecimal"),
        ("C> 06\nM> zz", 2, "hexadecimal"),
        ("# fine\n\nX> 06", 3, "must begin with"),
        ("# t=noon\nC> 06", 1, "a time is"),
        ("# t=1:2\nC> 06", 1, "a time is"),
        ("# t=24:00:00\nC> 06", 1, "a time is"),
        ("# t=10:60:00\nC> 06", 1, "a time is"),
        ("# t=10:00:60\nC> 06", 1, "a time is"),
        ("# t=-1\nC> 06", 1, "a time is"),
        ("# t=1e3\nC> 06", 1, "a time is"),
        ("# t=", 1, "a time is"),
        ("C> 0 6", 1, "hexadecimal"),
        ("C> 06 # ack", 1, "hexadecimal"),
        ("C>0x06", 1, "hexadecimal"),
        ("c> 06", 1, "must begin with"),
        ("# \x0b\x85\n06", 2, "must begin with"),
    ],
)
def test_errors_name_file_and_line(text: str, line: int, reason: str) -> None:
    with pytest.raises(ImportFormatError, match=rf"^x\.exchange, line {line}: .*{reason}"):
        bursts_of(text)


@given(
    st.lists(
        st.tuples(st.sampled_from([Sender.CLIENT, Sender.SERVER]), st.binary(), st.none() | st.integers(0, 10**17))
    )
)
def test_any_bursts_come_back(bursts: list[tuple[Sender, bytes, int | None]]) -> None:
    text = ""
    for sender, octets, time in bursts:
        if time is not None:
            text += f"# t={time // SECOND}.{time % SECOND:09d}\n"
        text += f"{'C' if sender is Sender.CLIENT else 'M'}> {octets.hex(' ')}\n"
    assert bursts_of(text) == [Burst(octets, sender, time) for sender, octets, time in bursts]


def test_raw(tmp_path: Path) -> None:
    path = tmp_path / "dump.bin"
    path.write_bytes(b"\x00\xff/?!")
    assert detect(str(path)) == "raw"
    assert list(IMPORTERS["raw"].read(str(path), Account())) == [Burst(b"\x00\xff/?!")]


EVENTS = [(1, b""), (11, b"/?!\r\n"), (7, b""), (12, b"/IS"), (2, b"ab"), (0, b""), (10, b"x")]


def rtac_capture(path: Path, events: list[tuple[int, bytes]] = EVENTS, time: int = 0) -> Path:
    with create_capture(path, linktype=250) as writer:
        writer.add_interface(Interface(250))
        for number, (event, octets) in enumerate(events):
            header = struct.pack(">IIBBH", 1000 + number, 250_000, event, 0x2A, 0)
            writer.write(Packet(time and time + number, header + octets, 250))
    return path


def test_rtac(tmp_path: Path) -> None:
    path = rtac_capture(tmp_path / "serial.pcap")
    assert detect(str(path)) == "rtac"
    assert list(IMPORTERS["rtac"].read(str(path), Account())) == [
        Burst(b"/?!\r\n", Sender.UNKNOWN, 1_001_250_000_000),
        Burst(b"/IS", Sender.UNKNOWN, 1_003_250_000_000, Flag.FRAMING),
        Burst(b"ab", Sender.SERVER, 1_004_250_000_000),
        Burst(b"x", Sender.UNKNOWN, 1_006_250_000_000, Flag.OVERRUN),
    ]


@pytest.mark.parametrize("time", [-1, 2**32 * SECOND, 2**40 * SECOND])
def test_rtac_states_only_some_times(time: int) -> None:
    """Its seconds have 32 bits."""
    with pytest.raises(TraceError, match=f"RTAC serial cannot state a time of {time} ns"):
        list(rtac.written(Burst(b"/", time=time)))
    (packet,) = rtac.written(Burst(b"/", time=2**32 * SECOND - 1))
    assert packet.data[:8] == b"\xff\xff\xff\xff" + (999_999).to_bytes(4, "big")


def test_rtac_senders(tmp_path: Path) -> None:
    path = rtac_capture(tmp_path / "serial.pcapng", [(event, b"\x06") for event in range(14)], 5 * SECOND)
    client, server = {1, 3}, {2, 4}
    for event, burst in enumerate(IMPORTERS["rtac"].read(path, Account())):
        sender = Sender.CLIENT if event in client else Sender.SERVER if event in server else Sender.UNKNOWN
        assert (burst.octets, burst.sender) == (b"\x06", sender)
        assert burst.time == 5 * SECOND + event, "the packet's time, to the nanosecond"


@pytest.mark.parametrize(
    ("events", "flags"),
    [
        ([8, 1, 2], [0, Flag.PARITY]),
        ([2, 8, 1], [0, Flag.PARITY]),
        ([2, 5, 1, 9, 2, 4], [0, 0, Flag.OVERRUN | Flag.BREAK, 0]),
        ([10], []),
    ],
)
def test_rtac_errors_are_of_what_is_received_next(events: list[int], flags: list[int], tmp_path: Path) -> None:
    named = [(event, b"" if event > 4 else b"\x06") for event in events]
    path = rtac_capture(tmp_path / "serial.pcap", named)
    assert [burst.flags for burst in IMPORTERS["rtac"].read(path, Account())] == flags


def test_rtac_packet_without_its_header(tmp_path: Path) -> None:
    path = tmp_path / "serial.pcap"
    with create_capture(path, linktype=250) as writer:
        writer.add_interface(Interface(250))
        writer.write(Packet(0, bytes(11), 250))
    with pytest.raises(ImportFormatError, match="packet 1 is shorter than its header of 12"):
        list(IMPORTERS["rtac"].read(path, Account()))


def test_rtac_is_read_as_tshark_reads_it(tmp_path: Path) -> None:
    """The senders follow tshark's names of the events, and the data begin where tshark's do."""
    events = [(event, bytes([event, 0xFF])) for event in range(11)]
    path = rtac_capture(tmp_path / "serial.pcap", events, 1_000_250_000_000)
    command = ["tshark", "-r", str(path), "-T", "fields", "-E", "separator=|", "-e", "_ws.col.Info"]
    command += ["-e", "rtacser.timestamp", "-e", "data.data", "-e", "frame.time_epoch"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    senders = {"DATA_TX_START": 1, "DATA_TX_END": 1, "DATA_RX_START": 2, "DATA_RX_END": 2}
    errors = {
        "CAPTURE_DATA_LOST": Flag.OVERRUN,
        "FRAMING_ERROR": Flag.FRAMING,
        "PARITY_ERROR": Flag.PARITY,
        "SERIAL_BREAK_EVENT": Flag.BREAK,
        "SERIAL_OVERFLOW_EVENT": Flag.OVERRUN,
    }
    bursts = list(IMPORTERS["rtac"].read(path, Account()))
    assert len(bursts) == len(shown) == 11
    for number, (burst, line) in enumerate(zip(bursts, shown, strict=True)):
        event, written, octets, time = line.split("|")
        name = event.split()[0]
        assert (int(burst.sender), burst.flags) == (senders.get(name, 0), errors.get(name, 0)), name
        assert (burst.octets.hex(), f"{(burst.time or 0) / SECOND:.9f}") == (octets, time)
        assert float(written) == 1000.25 + number, "the header's time"


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
    assert list(IMPORTERS["user0"].read(str(path), Account())) == [
        Burst(each, sender, 5 * SECOND) for each, sender in zip(octets, senders, strict=True)
    ]


def test_a_trace_is_not_imported(tmp_path: Path) -> None:
    path = tmp_path / "trace.pcapng"
    with create_trace(path) as writer:
        writer.write(Record(0, b"\x15"))
    with pytest.raises(ImportFormatError, match="reframe"):
        detect(str(path))
    with pytest.raises(ImportFormatError, match="reframe"):
        list(IMPORTERS["user0"].read(str(path), Account()))


def pcap(linktype: int, time: int, kept: bytes, original: int) -> bytes:
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, linktype)
    return head + struct.pack("<IIII", time, 0, len(kept), original) + kept


def test_what_a_capture_leaves_out_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "short.pcap"
    path.write_bytes(pcap(250, 7, bytes(8) + b"\x01\0\0\0/?", 17))
    assert list(IMPORTERS["rtac"].read(path, Account())) == [Burst(b"/?", Sender.CLIENT, 7 * SECOND, Flag.OVERRUN)]
    path.write_bytes(pcap(147, 7, b"/?", 5))
    assert list(IMPORTERS["user0"].read(path, Account())) == [Burst(b"/?", Sender.UNKNOWN, 7 * SECOND, Flag.OVERRUN)]


def test_a_packet_without_a_time_has_none(tmp_path: Path) -> None:
    path = tmp_path / "timeless.pcap"
    path.write_bytes(pcap(147, 0, b"/?", 2))
    assert list(IMPORTERS["user0"].read(path, Account())) == [Burst(b"/?")]
    path.write_bytes(pcap(250, 0, bytes(12) + b"/?", 14))
    assert list(IMPORTERS["rtac"].read(path, Account())) == [Burst(b"/?")]


@pytest.mark.parametrize(
    ("content", "reason"),
    [(pcap(250, 0, b"", 0)[:24], "holds no packets"), (pcap(250, 0, b"", 0)[:-1], "ends cut")],
)
def test_captures_without_a_packet_are_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(content)
    with pytest.raises(ImportFormatError, match=reason):
        detect(path)


@pytest.mark.parametrize(
    ("name", "format"), [("a.exchange", "exchange"), ("A.EXCHANGE", "exchange"), ("a.b.raw", "raw"), ("x.dat", "raw")]
)
def test_the_name_settles_the_format(name: str, format: str) -> None:
    assert detect(f"nowhere/{name}") == format


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        detect(tmp_path / "none.pcap")
    for importer in IMPORTERS.values():
        with pytest.raises(FileNotFoundError):
            list(importer.read(tmp_path / "none", Account()))


@pytest.mark.parametrize(
    ("name", "content", "first"),
    [
        ("notes.txt", b"hello\r\nyou", "'hello'"),
        ("long.log", b"z" * 61, f"'{'z' * 60}'..."),
        ("octets.log", b"\x1b\xff", r"'\x1b\xff'"),
    ],
)
def test_what_is_in_no_known_format_is_refused(name: str, content: bytes, first: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ImportFormatError) as refused:
        detect(str(path))
    said = (
        f"{path}: no form fits (first line: {first}); 'vtctap help importing' lists the forms, and --from selects one"
    )
    assert str(refused.value) == said


def test_an_empty_log_is_called_empty(tmp_path: Path) -> None:
    path = tmp_path / "empty.log"
    path.touch()
    with pytest.raises(ImportFormatError, match=rf"^{re.escape(str(path))} is empty$"):
        detect(str(path))


def test_other_link_types_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "ethernet.pcap"
    with create_capture(path, linktype=1) as writer:
        writer.add_interface(Interface(1))
        writer.write(Packet(0, b"x" * 60, 1))
    advice = rf"link type 1,.*`editcap -T user0 {re.escape(str(path))} .*--from user0"
    with pytest.raises(ImportFormatError, match=advice):
        detect(str(path))
    for name in ("rtac", "user0"):
        with pytest.raises(ImportFormatError, match=advice):
            list(IMPORTERS[name].read(str(path), Account()))


def test_a_capture_that_ends_cut_is_told(tmp_path: Path) -> None:
    path = rtac_capture(tmp_path / "serial.pcap")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    account = Account()
    list(IMPORTERS["rtac"].read(path, account))
    assert len(account.faults) == 1
    assert "ends cut" in account.faults[0]
    path.write_bytes(whole)
    list(IMPORTERS["rtac"].read(path, account))
    assert len(account.faults) == 1


def test_exchange_as_text() -> None:
    lines = 'C> "/?!\\r\\n"\nM> "\\x02(16)\\x03\\x05"\nM>"\\"\\\\"\n'
    assert bursts_of(lines) == [
        Burst(b"/?!\r\n", Sender.CLIENT),
        Burst(b"\x02(16)\x03\x05", Sender.SERVER),
        Burst(b'"\\', Sender.SERVER),
    ]
    for wrong in ('C> "', 'C> "\\q"', 'C> "a" b', 'C> "a" "b"', 'C> "caf\xe9"'):
        with pytest.raises(ImportFormatError, match="or text in quotes"):
            bursts_of(wrong)


def test_times_of_an_exchange_that_go_back_are_told(tmp_path: Path) -> None:
    path = tmp_path / "x.exchange"
    path.write_text("# t=2\nC> 06\n# t=1\nM> 06\n")
    account = Account()
    assert [burst.time for burst in IMPORTERS["exchange"].read(path, account)] == [2 * SECOND, SECOND]
    assert [*account.notes] == ["times go back 1 time; the order of the lines is kept"]
    assert account.complete

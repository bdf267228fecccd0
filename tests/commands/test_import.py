"""``vtctap import``: several files, and the descriptions in the trace."""

import lzma
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from vtctap.commands import import_
from vtctap.pcap import Interface, Packet, create_capture, open_trace

Run = Callable[..., "subprocess.CompletedProcess[str]"]
RTAC_SERIAL, SENT, LOST = 250, 1, 5


def rtac(path: Path, *events: tuple[int, bytes]) -> None:
    with create_capture(path, linktype=RTAC_SERIAL) as writer:
        writer.add_interface(Interface(RTAC_SERIAL))
        for second, (event, octets) in enumerate(events, 1):
            header = struct.pack(">IIBBH", second, 0, event, 0, 0)
            writer.write(Packet(second * 10**9, header + octets, RTAC_SERIAL))


def test_each_tap_of_each_file_is_described(inside: Run, tmp_path: Path) -> None:
    """Each tap of each file is described, even if a recording knows the sender of only some octets. Times of files
    without times begin in 1970."""
    rtac(tmp_path / "some.pcap", (SENT, b"/?!\r\n"), (LOST, b"?"))
    (tmp_path / "both.exchange").write_text("C> 15\nM> 15\n")
    (tmp_path / "none.bin").write_bytes(b"\x15")
    (tmp_path / "empty.bin").write_bytes(b"")
    names = ["some.pcap", "both.exchange", "none.bin", "empty.bin"]
    assert inside("import", *names, "-w", "t.pcapng").returncode == 0
    with open_trace(tmp_path / "t.pcapng") as trace:
        heard = [(record.link, trace.interfaces[record.tap].name, record.octets) for record in trace]
    assert heard == [
        (1, "both.exchange:client", b"\x15"),
        (2, "none.bin:octets", b"\x15"),
        (1, "both.exchange:server", b"\x15"),
        (0, "some.pcap:client", b"/?!\r\n"),
        (0, "some.pcap:octets", b"?"),
    ]


@pytest.mark.parametrize(("files", "status"), [(128, 0), (129, 2)])
def test_as_many_files_as_taps_can_be_numbered(inside: Run, tmp_path: Path, files: int, status: int) -> None:
    (tmp_path / "t.exchange").write_text("C> 15\nM> 15\n")
    done = inside("import", *["t.exchange"] * files, "-w", "t.pcapng")
    assert done.returncode == status
    assert ("a trace holds at most 256 taps" in done.stderr) == bool(status)
    assert (tmp_path / "t.pcapng").exists() != bool(status)


ESPHOME = """[10:31:25][D][uart_debug:158]: >>> "/?!\\r\\n"
[10:31:26][C][wifi:391]: Connected
[10:31:26][D][uart_debug:158]: <<< "/LOG5LK13BE803039\\r\\n"
"""


def octets_in(trace: Path) -> list[tuple[str, bytes]]:
    with open_trace(trace) as reader:
        return [(record.sender.name, record.octets) for record in reader]


def test_a_log_is_recognised_and_what_was_not_used_is_told(inside: Run, tmp_path: Path) -> None:
    (tmp_path / "x.log").write_text(ESPHOME)
    done = inside("import", "x.log", "-w", "t.pcapng")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "vtctap: x.log is read as esphome (ESPHome's UART debugging, hexadecimal or quoted)",
        "vtctap: x.log: 2 of 3 lines used",
        "vtctap: x.log: 1 line skipped, the first is line 2: no octets in it that this form knows",
        "vtctap: 2 records in t.pcapng",
    ]
    assert octets_in(tmp_path / "t.pcapng") == [("CLIENT", b"/?!\r\n"), ("SERVER", b"/LOG5LK13BE803039\r\n")]


def test_sides_are_turned(inside: Run, tmp_path: Path) -> None:
    (tmp_path / "x.log").write_text(ESPHOME.replace(">>>", "=").replace("<<<", ">>>").replace("=", "<<<"))
    inside("import", "x.log", "-w", "t.pcapng", "--swap")
    assert octets_in(tmp_path / "t.pcapng") == [("CLIENT", b"/?!\r\n"), ("SERVER", b"/LOG5LK13BE803039\r\n")]


def test_where_two_forms_fit_it_is_asked(inside: Run, tmp_path: Path) -> None:
    (tmp_path / "x.log").write_text("47 63 33 13 10\n")
    done = inside("import", "x.log", "-w", "t.pcapng")
    assert done.returncode == 2
    assert "say with --from which format it is in: hex (" in done.stderr
    assert "decimal (" in done.stderr
    assert inside("import", "x.log", "-w", "t.pcapng", "--from", "decimal").returncode == 0
    assert octets_in(tmp_path / "t.pcapng") == [("CLIENT", b"/?!\r\n")]


def test_raw_that_is_plainly_a_log(inside: Run, tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_text(ESPHOME)
    done = inside("import", "x.bin", "-w", "t.pcapng")
    assert "x.bin looks like a log, but is imported as plain octets: add --from esphome to parse" in done.stderr


def test_standard_input_is_read_twice(inside: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.log").write_text(ESPHOME)
    with (tmp_path / "x.log").open() as file:
        monkeypatch.setattr("sys.stdin", file)
        assert inside("import", "-", "--from", "esphome", "-w", "t.pcapng").returncode == 1
    assert octets_in(tmp_path / "t.pcapng") == [("CLIENT", b"/?!\r\n"), ("SERVER", b"/LOG5LK13BE803039\r\n")]


def test_a_logger_that_marks_all_as_transmitted(inside: Run, tmp_path: Path) -> None:
    """The messages show who sent them. The trace has one tap and marks the senders as inferred."""
    said = (b"/?!\r\n", b"/ISk5ME162-0033\r\n", b"\x06051\r\n", b"\x01P0\x02(00000000)\x03\x60", b"\x01B0\x03\x71")
    rtac(tmp_path / "one.pcap", *((SENT, octets) for octets in said))
    done = inside("import", "one.pcap", "-w", "t.pcapng")
    assert done.returncode == 0
    assert "one.pcap: its messages contradict the directions that it states" in done.stderr
    with open_trace(tmp_path / "t.pcapng") as trace:
        heard = [(record.sender.name, record.inferred, record.octets) for record in trace]
        assert [tap.name for tap in trace.interfaces] == ["one.pcap:octets"]
    sides = ("CLIENT", "SERVER", "CLIENT", "SERVER", "CLIENT")
    assert heard == [(side, True, octets) for side, octets in zip(sides, said, strict=True)]
    assert inside("check", "t.pcapng").stdout == ""


def test_several_files_are_merged_by_time(inside: Run, tmp_path: Path) -> None:
    """Records are merged by time, as by mergecap; equal times keep the order of the files, and each file keeps its own
    order."""
    for name, seconds in {"a": (10, 30, 20, 50), "b": (5, 20, 40)}.items():
        lines = [f'# t={second}\nC> "/?{name}{second}!\\r\\n"\n' for second in seconds]
        (tmp_path / f"{name}.exchange").write_text("".join(lines))
    (tmp_path / "c.bin").write_bytes(b"/?c!\r\n")
    assert inside("import", "a.exchange", "b.exchange", "c.bin", "-w", "t.pcapng").returncode == 0
    with open_trace(tmp_path / "t.pcapng") as trace:
        found = [(record.link, record.octets[2:-3].decode()) for record in trace]
    assert found == [
        (2, "c"),
        *[(1, "b5"), (0, "a10"), (1, "b20"), (0, "a30"), (0, "a20"), (1, "b40"), (0, "a50")],
    ]


SOCAT = """\
> 2026/11/27 06:18:26.000000000  length=5 from=0 to=4
 2f 3f 21 0d 0a
< 2026/11/27 06:18:27.000000000  length=17 from=0 to=16
 2f 49 53 6b 35 4d 54 31 37 34 2d 30 30 30 31 0d 0a
> 2026/11/27 06:18:28.000000000  length=6 from=5 to=10
 06 30 35 30 0d 0a
"""


def test_swapped_sides_are_named_as_they_are_after_the_swap(inside: Run, tmp_path: Path) -> None:
    (tmp_path / "x.log").write_text(SOCAT)
    done = inside("import", "x.log", "-w", "t.pcapng")
    assert "> sent first and is taken for the client, < for the server; --swap reverses that" in done.stderr
    assert "contradict" not in done.stderr
    first = SOCAT.index("<")
    (tmp_path / "x.log").write_text(SOCAT[first:])
    done = inside("import", "x.log", "-w", "s.pcapng", "--swap")
    assert "x.log: < sent first and is taken for the server, > for the client, by --swap" in done.stderr
    assert "contradict" not in done.stderr
    assert octets_in(tmp_path / "s.pcapng") == octets_in(tmp_path / "t.pcapng")[1:]


def test_a_swap_that_the_messages_contradict(inside: Run, tmp_path: Path) -> None:
    """The option is named, not the log, which states no directions; the inferred ones replace all."""
    (tmp_path / "x.log").write_text(SOCAT)
    done = inside("import", "x.log", "-w", "t.pcapng", "--swap")
    assert done.returncode == 0
    assert "its messages contradict the directions after --swap: leave it out" in done.stderr
    assert "that it states" not in done.stderr
    assert [side for side, _ in octets_in(tmp_path / "t.pcapng")] == ["CLIENT", "SERVER", "CLIENT"]


@pytest.mark.parametrize(
    ("log", "options", "told"),
    [
        (
            "2f 3f 21 0d 0a\n",
            ["--from", "esphome"],
            "x.log: no line of it gives octets as esphome (line 1: no octets in it that this form knows): "
            "leave --from out, so that the format is recognised",
        ),
        (
            "0000000 037457 006441 000012\n0000005\n",
            ["--from", "hexdump"],
            "x.log: 16-bit words in an unknown byte order: make it again with `hexdump -C` or `od -t x1`",
        ),
        (
            SOCAT.replace("\n 2f", "\n/").replace("\n 06", "\n."),
            [],
            "x.log: made with `socat -v` alone, which does not state control characters: log with `socat -x`",
        ),
    ],
)
def test_a_log_without_usable_lines(inside: Run, tmp_path: Path, log: str, options: list[str], told: str) -> None:
    """One line names the cause, and no trace is written, also where another file could be used."""
    (tmp_path / "x.log").write_text(log)
    (tmp_path / "y.log").write_text(ESPHOME)
    done = inside("import", "x.log", "-w", "t.pcapng", *options)
    assert (done.returncode, done.stderr) == (2, f"vtctap: {told}\n")
    assert inside("import", "y.log", "x.log", "-w", "t.pcapng", *options).returncode == 2
    assert not (tmp_path / "t.pcapng").exists()


def test_a_log_that_is_known_to_hold_no_octets(inside: Run, tmp_path: Path) -> None:
    (tmp_path / "x.log").write_text("\n\n")
    assert inside("import", "x.log", "--from", "vzlogger", "-w", "t.pcapng").returncode == 0
    assert octets_in(tmp_path / "t.pcapng") == []


def test_a_log_in_a_compression_that_is_not_known(inside: Run, tmp_path: Path) -> None:
    (tmp_path / "x.log.xz").write_bytes(lzma.compress(ESPHOME.encode()))
    done = inside("import", "x.log.xz", "-w", "t.pcapng")
    assert done.returncode == 2
    assert done.stderr == "vtctap: x.log.xz is compressed by xz: unpack it first, or compress it by gzip instead\n"


@pytest.mark.parametrize("more", ["M> 15\n", "M> 1", "C> 15\n"], ids=["another sender", "half a line", "more octets"])
def test_a_log_that_grows_between_its_two_readings_is_refused(
    inside: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: str
) -> None:
    log, survey = tmp_path / "t.exchange", import_._survey
    log.write_text("C> 15\n")

    def surveyed(*arguments: object) -> object:
        result = survey(*arguments)  # type: ignore[arg-type]
        with log.open("a") as file:
            file.write(more)
        return result

    monkeypatch.setattr(import_, "_survey", surveyed)
    done = inside("import", "t.exchange", "-w", "t.pcapng")
    assert (done.returncode, done.stderr) == (
        2,
        "vtctap: t.exchange changed while import read it: copy it, and import the copy\n",
    )
    assert [path.name for path in tmp_path.iterdir()] == ["t.exchange"]

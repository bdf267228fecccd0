"""``vtctap export``: other programs can read the files, and the octets survive a round trip."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vtctap.dissector.protocol.characters import received
from vtctap.pcap import CaptureReader, Kind, Line, Record, Sender, create_trace, open_trace
from vtctap.pcap.record import Flag

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Records = Callable[[Path | str], list[Record]]

EXAMPLES = Path(__file__).parents[2] / "examples"
TABLES = ["records", "exchanges", "tokens", "findings", "registers"]
LINE = Line(7, "E", 1)
NOON = 1_767_268_800_000_000_000
MS = 1_000_000


def written(path: Path, *records: Record) -> Path:
    with create_trace(path) as writer:
        for record in records:
            writer.write(record)
    return path


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


# Tables.


def test_json_lines_are_what_read_prints(inside: Run) -> None:
    for name in ("session.pcapng", "faults.pcapng", "telegram.pcapng"):
        read = inside("read", "--json", EXAMPLES / name)
        exported = inside("export", EXAMPLES / name, "-o", "-", "--format", "jsonl")
        assert (exported.returncode, exported.stderr) == (0, read.stderr)
        trace = {"trace": str(EXAMPLES / name)}
        assert objects(exported.stdout) == [trace | each for each in objects(read.stdout)]


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_every_table_in_every_form(inside: Run, tmp_path: Path, table: str, form: str) -> None:
    if form == "parquet":
        pytest.importorskip("pyarrow")
    out = tmp_path / f"out.{form}"
    result = inside("export", EXAMPLES / "faults.pcapng", "--table", table, "-o", out)
    assert result.returncode == 0
    assert f" in {out}" in result.stderr
    assert out.stat().st_size
    assert sorted(path.name for path in tmp_path.iterdir()) == [out.name]


def test_standard_output_gets_the_same(vtctap: Run, inside: Run, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    for form in ("csv", "jsonl", "parquet", "pcap", "exchange"):
        table = ("--table", "records") if form == "parquet" else ()
        inside("export", EXAMPLES / "faults.pcapng", "-o", f"t.{form}", *table)
        piped = vtctap("export", EXAMPLES / "faults.pcapng", "-o", "-", "--format", form, text=False)
        assert piped.returncode == 0
        assert piped.stdout == (tmp_path / f"t.{form}").read_bytes()


def test_fields_and_filters(inside: Run) -> None:
    wanted = ("-e", "vtc.token", "-e", "frame.number", "-Y", "vtc.token.class == 0")
    result = inside("export", EXAMPLES / "session.pcapng", "-o", "-", "--format", "csv", *wanted)
    assert result.stdout.splitlines() == [
        '"vtc.token","frame.number"',
        '"01114810529030948552",29',
        '"01114810529030948552",59',
        '"01061967579298906193",67',
        '"00474769202555948389",75',
        '"01151804061576976435",83',
    ]


def test_a_row_stays_where_one_of_its_records_matches(inside: Run) -> None:
    findings = ("export", EXAMPLES / "faults.pcapng", "--table", "findings", "-o", "-", "--format", "jsonl")
    every = objects(inside(*findings).stdout)
    for number in {frame for finding in every for frame in finding["frames"]}:
        kept = inside(*findings, "-Y", f"frame.number == {number}")
        assert objects(kept.stdout) == [finding for finding in every if number in finding["frames"]]


def test_a_filter_counts_packets_that_are_no_records(inside: Run, tmp_path: Path) -> None:
    """They have numbers, as in Wireshark, and no rows."""
    octets = bytearray((EXAMPLES / "session.pcapng").read_bytes())
    at = octets.index(b"VT\x01")
    octets[at : at + 2] = b"XX"
    (tmp_path / "t.pcapng").write_bytes(octets)
    export = ("export", "t.pcapng", "-o", "-", "--format", "jsonl")
    every = objects(inside(*export).stdout)
    for number in (every[0]["frame.number"], every[-1]["frame.number"]):
        kept = inside(*export, "-Y", f"frame.number == {number}")
        assert objects(kept.stdout) == [row for row in every if row["frame.number"] == number]


def test_several_traces_are_one_table(inside: Run) -> None:
    traces = [EXAMPLES / "session.pcapng", EXAMPLES / "telegram.pcapng"]
    rows = objects(inside("export", *traces, "-o", "-", "--format", "jsonl").stdout)
    assert list(dict.fromkeys(row["trace"] for row in rows)) == list(map(str, traces))
    assert next(row["frame.number"] for row in rows if row["trace"] == str(traces[1])) == 1
    joined = objects(inside("export", "--join", *traces, "-o", "-", "--format", "jsonl").stdout)
    assert {row["trace"] for row in joined} == {str(traces[0])}
    assert [row["frame.number"] for row in joined] == list(range(1, len(rows) + 1))


def test_a_key_file_that_is_not_there(inside: Run, tmp_path: Path) -> None:
    exported = inside("export", EXAMPLES / "session.pcapng", "-o", "-", "--format", "csv", "--keys", "nokeys.toml")
    assert exported.returncode == 2
    assert "nokeys.toml" in exported.stderr


# Bad input.


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["-o", "-"], 2, "its format is not known: add --format"),
        (["-o", "t.foo"], 2, "t.foo: its format is not known: add --format, one of csv, jsonl"),
        (["-o", "t.pcapng"], 2, "'vtctap read TRACE -Y EXPR -w OUT' writes one"),
        (["-o", "t.csv", "-e", "vtc.tokn"], 2, "no column vtc.tokn; did you mean vtc.token?"),
        (["-o", "t.csv", "-e", "vtc.response_in"], 2, "no column vtc.response_in"),
        (["-o", "t.pcap", "-e", "vtc.token"], 2, "file holds octets, not tables: leave out --table and -e"),
        (["-o", "t.exchange", "--table", "tokens"], 2, "file holds octets, not tables: leave out --table and -e"),
        (["-o", "t.csv", "-Y", "vtc.nothing"], 2, "vtc.nothing"),
        (["-o", "nowhere/t.csv"], 4, "nowhere/t.csv: No such file or directory; create the folder nowhere"),
        (["-o", "t.csv", "--findings"], 2, "are for a set"),
        (["-o", "t.parquet", "-"], 2, "knows traces by their content; - is none"),
        (["-o", EXAMPLES / "session.txt", "--format", "parquet"], 2, "is a file: name another folder, or --table"),
        (["-o", "t.parquet", "--jobs", "0"], 2, "'0' is no number of processors"),
        (["-o", "t.pcap", EXAMPLES / "telegram.pcapng"], 2, "holds one trace: name one, or add --join"),
    ],
)
def test_wrong_use(inside: Run, tmp_path: Path, arguments: list[str], status: int, says: str) -> None:
    result = inside("export", EXAMPLES / "session.pcapng", *arguments)
    assert (result.returncode, result.stdout) == (status, "")
    assert says in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet", "t.pcap", "t.exchange"])
def test_nothing_is_overwritten_and_nothing_partial_appears(inside: Run, tmp_path: Path, name: str) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    table = ("--table", "records") if name.endswith("parquet") else ()
    (tmp_path / "other.pcapng").write_text("no trace")
    (tmp_path / name).write_text("mine")
    refused = inside("export", EXAMPLES / "session.pcapng", "-o", name, *table)
    assert (refused.returncode, (tmp_path / name).read_text()) == (2, "mine")
    assert "--force" in refused.stderr
    failed = inside("export", "--join", EXAMPLES / "session.pcapng", "other.pcapng", "-o", name, "--force", *table)
    assert (failed.returncode, (tmp_path / name).read_text()) == (2, "mine")
    assert "other.pcapng" in failed.stderr
    assert inside("export", EXAMPLES / "session.pcapng", "-o", name, "--force", *table).returncode == 0
    assert (tmp_path / name).read_bytes() != b"mine"
    assert {path.name for path in tmp_path.iterdir()} == {"other.pcapng", name}


def test_a_trace_that_ends_cut_is_exported_with_a_warning(inside: Run, tmp_path: Path) -> None:
    (tmp_path / "cut.pcapng").write_bytes((EXAMPLES / "session.pcapng").read_bytes()[:2000])
    result = inside("export", "cut.pcapng", "-o", "cut.csv")
    assert result.returncode == 1
    assert "ends cut" in result.stderr
    assert len((tmp_path / "cut.csv").read_text().splitlines()) > 10


def test_an_input_that_is_not_there_is_the_input(inside: Run, tmp_path: Path) -> None:
    result = inside("export", EXAMPLES / "session.pcapng", "nothere.pcapng", "-o", "t.csv")
    assert (result.returncode, result.stderr) == (2, "vtctap: nothere.pcapng: No such file or directory\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "pcap", "exchange"])
def test_a_full_disk(vtctap: Run, form: str) -> None:
    if form == "parquet":
        pytest.importorskip("pyarrow")
    result = vtctap("export", EXAMPLES / "session.pcapng", "-o", "/dev/full", "--format", form)
    assert (result.returncode, result.stderr) == (4, "vtctap: /dev/full: No space left on device\n")


def test_a_reader_that_had_enough(trace: Path) -> None:
    command = f"{sys.executable} -m vtctap export {trace} -o - --format csv; echo $? >&2"
    done = subprocess.run(["sh", "-c", f"({command}) | head -1"], capture_output=True, text=True, check=True)
    assert (done.stdout[:8], done.stderr) == ('"trace",', "0\n")


def test_parquet_says_what_it_needs(inside: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    result = inside("export", EXAMPLES / "session.pcapng", "-o", "t.parquet")
    assert result.returncode == 2
    assert result.stderr.startswith("vtctap: Parquet needs pyarrow: ")
    assert list(tmp_path.iterdir()) == []


# Round trips of octets.


def heard(records: list[Record]) -> list[Record]:
    return [record for record in records if record.kind is not Kind.EVENT]


def sides(records: list[Record]) -> list[tuple[Sender, bytes]]:
    """Returns the received octets of each side, however they are divided into records."""
    runs: list[tuple[Sender, bytes]] = []
    for record in heard(records):
        octets = received(record)
        if runs and runs[-1][0] is record.sender:
            octets = runs.pop()[1] + octets
        runs.append((record.sender, octets))
    return runs


@pytest.mark.parametrize("name", ["session", "faults", "programming", "readout", "telegram"])
def test_trace_to_exchange_to_trace(inside: Run, records: Records, tmp_path: Path, name: str) -> None:
    before = records(EXAMPLES / f"{name}.pcapng")
    speed = next(record.speed for record in before if record.speed)
    assert inside("export", EXAMPLES / f"{name}.pcapng", "-o", "t.exchange").returncode == 0
    assert inside("import", "t.exchange", "--speed", str(speed), "-w", "back.pcapng").returncode == 0
    after = records(tmp_path / "back.pcapng")
    assert sides(after) == sides(before)
    if name == "session":  # Without faults and with times, the records are equal, except for what only a tap can know.
        unsaid = {"tap": 0, "uncertainty": None, "pauses_us": (), "flags": 0, "duration": 0}
        assert [replace(record, **unsaid) for record in after] == [replace(each, **unsaid) for each in heard(before)]
        durations = zip(after, heard(before), strict=True)
        assert max(abs(one.duration - other.duration) for one, other in durations) < 100  # ns; times are rounded


def test_errors_and_pauses_come_through_exchange(inside: Run, records: Records, tmp_path: Path) -> None:
    character = LINE.character_time_ns(9600)
    octets = b"/ISK5MT382-1000\r\n"
    before = [
        Record(NOON, b"/?!\r\n", sender=Sender.CLIENT, line=LINE, speed=9600, duration=5 * character),
        Record(
            NOON + 250 * MS, octets, sender=Sender.SERVER, tap=1, line=LINE, speed=9600, flags=Flag.PARITY,
            duration=len(octets) * character + 40 * MS, parity_errors=(5,), pauses_us=((9, 40_000),),
        ),
    ]  # fmt: skip
    written(tmp_path / "t.pcapng", *before)
    inside("export", "t.pcapng", "-o", "t.exchange")
    inside("import", "t.exchange", "--speed", "9600", "-w", "back.pcapng")
    assert [replace(record, uncertainty=None) for record in records(tmp_path / "back.pcapng")] == before


def test_an_unknown_sender_and_synthetic_times_come_through_exchange(
    inside: Run, records: Records, tmp_path: Path
) -> None:
    written(
        tmp_path / "t.pcapng",
        Record(0, b"xy", Kind.NOISE, flags=Flag.SYNTHETIC),
        Record(10**9, b"/?!\r\n", sender=Sender.CLIENT, flags=Flag.SYNTHETIC),
        Record(0, b"", Kind.EVENT, event="mark note=a\nC> 00"),
    )
    inside("export", "t.pcapng", "-o", "t.exchange")
    assert (tmp_path / "t.exchange").read_text().splitlines() == [
        "# ?> ? bit/s, character format unknown",
        "?> 78 79",
        "# C> ? bit/s, character format unknown",
        "C> 2f 3f 21 0d 0a",
        "# event: mark note=a?C> 00",
    ]
    inside("import", "t.exchange", "-w", "back.pcapng")
    assert [(record.sender, record.octets) for record in records(tmp_path / "back.pcapng")] == [
        (Sender.UNKNOWN, b"xy"),
        (Sender.CLIENT, b"/?!\r\n"),
    ]
    assert all(record.flags & Flag.SYNTHETIC for record in records(tmp_path / "back.pcapng"))


@pytest.mark.parametrize("name", ["session", "faults", "programming", "readout", "telegram"])
def test_trace_to_rtac_to_trace(inside: Run, records: Records, tmp_path: Path, name: str) -> None:
    before = heard(records(EXAMPLES / f"{name}.pcapng"))
    exported = inside("export", EXAMPLES / f"{name}.pcapng", "-o", "t.pcap")
    assert exported.returncode == 0
    with CaptureReader(tmp_path / "t.pcap") as reader:
        packets = [packet for packet in reader if len(packet.data) > 12]
    assert {packet.linktype for packet in packets} == {250}
    assert [(packet.data[12:], packet.time) for packet in packets] == [(each.octets, each.time) for each in before]
    assert inside("import", "t.pcap", "-w", "back.pcapng").returncode == 0
    after = records(tmp_path / "back.pcapng")
    assert [(sender, bytes(octet & 0x7F for octet in octets)) for sender, octets in sides(after)] == [
        (sender, bytes(octet & 0x7F for octet in octets)) for sender, octets in sides(before)
    ]
    if name == "session":
        assert [(record.time, record.octets) for record in after] == [(record.time, record.octets) for record in before]


def test_rtac_cannot_state_a_time_after_2106(inside: Run, tmp_path: Path) -> None:
    with create_trace(tmp_path / "t.pcapng") as writer:
        writer.write(Record(5_000_000_000 * 10**9, b"\x06", sender=Sender.SERVER))
    done = inside("export", "t.pcapng", "-o", "t.pcap")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "RTAC serial cannot state a time" in done.stderr
    assert not (tmp_path / "t.pcap").exists()


def test_errors_in_rtac_are_those_of_received_data(inside: Run, records: Records, tmp_path: Path) -> None:
    written(
        tmp_path / "t.pcapng",
        Record(NOON, b"/?!\r\n", sender=Sender.CLIENT, line=LINE, flags=Flag.PARITY, parity_errors=(1,)),
        Record(NOON + MS * 300, b"/ISK5X\r\n", sender=Sender.SERVER, line=LINE, flags=Flag.PARITY | Flag.OVERRUN),
    )
    assert "errors of the client's octets: those of 1 record" in inside("export", "t.pcapng", "-o", "t.pcap").stderr
    inside("import", "t.pcap", "-w", "back.pcapng")
    assert [record.flags for record in records(tmp_path / "back.pcapng")] == [0, Flag.PARITY | Flag.OVERRUN]


@pytest.mark.parametrize("name", ["t.pcap", "t.exchange"])
def test_several_links_are_refused(inside: Run, records: Records, tmp_path: Path, name: str) -> None:
    written(
        tmp_path / "t.pcapng",
        Record(NOON, b"/?!\r\n", sender=Sender.CLIENT),
        Record(NOON + MS, b"\x06", sender=Sender.SERVER, link=1, tap=1),
    )
    result = inside("export", "t.pcapng", "-o", name)
    assert (result.returncode, (tmp_path / name).exists()) == (2, False)
    assert "add -Y 'vtc.link == 0'" in result.stderr
    assert inside("export", "t.pcapng", "-o", name, "-Y", "vtc.link == 1").returncode == 0
    inside("import", name, "-w", "back.pcapng")
    assert [record.octets for record in records(tmp_path / "back.pcapng")] == [b"\x06"]


def test_tshark_reads_rtac_without_our_dissector(inside: Run, tmp_path: Path) -> None:
    import shutil

    if not shutil.which("tshark"):
        pytest.skip("tshark is not here")
    inside("export", EXAMPLES / "session.pcapng", "-o", "t.pcap")
    command = ["tshark", "-r", str(tmp_path / "t.pcap"), "-T", "fields", "-e", "rtacser.eventtype", "-e", "data.data"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | {"HOME": str(tmp_path)})
    with open_trace(EXAMPLES / "session.pcapng") as trace:
        said = [(int(record.sender), record.octets.hex()) for record in heard(list(trace))]
    assert [(int(event, 0), data) for event, data in map(str.split, done.stdout.splitlines())] == said

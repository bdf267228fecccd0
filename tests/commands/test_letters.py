"""Options of one letter do what tshark and dumpcap do."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from vtctap.pcap.record import Record
from vtctap.pcap.trace import open_trace

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Records = Callable[[Path | str], list[Record]]


@pytest.mark.parametrize("command", [["read"], ["check"], ["stats"]])
def test_r_names_a_trace(command: list[str], inside: Run, trace: Path) -> None:
    assert inside(*command, "-r", trace).stdout == inside(*command, trace).stdout != ""
    assert inside(*command, trace, "-r", trace).stdout == inside(*command, trace, trace).stdout
    nothing = inside(*command)
    assert (nothing.returncode, nothing.stderr) == (2, "vtctap: name a trace to read; - is standard input\n")


def test_y_filters(inside: Run, trace: Path) -> None:
    assert (
        inside("read", trace, "-Y", "vtc.token").stdout == inside("read", trace, "--filter", "vtc.token").stdout != ""
    )


def test_c_reads_the_first_records(inside: Run, trace: Path) -> None:
    """As in tshark, ``-c`` counts the records that are read, not those that are shown."""
    whole = inside("read", trace).stdout.splitlines()
    assert inside("read", trace, "-c", "10").stdout.splitlines() == whole[:10]
    assert inside("read", trace, "-c", "10", "-Y", "frame.number > 4").stdout.splitlines() == whole[4:10]
    assert "'0' is not a number of records" in inside("read", trace, "-c", "0").stderr


def test_n_shows_no_names(inside: Run, trace: Path) -> None:
    assert "tokenStatus" in inside("read", trace).stdout
    bare = inside("read", trace, "-n").stdout
    assert "tokenStatus" not in bare
    assert "R FFFE count 1" in bare
    for line in inside("read", trace, "-n", "--json").stdout.splitlines():
        assert not json.loads(line).keys() & {"vtc.register.name", "vtc.value.decoded", "vtc.id.manufacturer.name"}


def test_capture_lists_interfaces(inside: Run) -> None:
    listed, ports = inside("capture", "-D"), inside("ports")
    assert (listed.returncode, listed.stdout, listed.stderr) == (ports.returncode, ports.stdout, ports.stderr)


def test_capture_stops_after_c_records(vtctap: Run) -> None:
    """``-c N`` is ``-a packets:N``."""
    counted = [vtctap("demo", "--fast", *stop).stdout for stop in (["-c", "12"], ["-a", "packets:12"])]
    assert counted[0] == counted[1]
    events = [line for line in counted[0].splitlines() if line.split()[3] in ("opened", "closed")]
    assert (len(counted[0].splitlines()), len(events)) == (12 + 4, 4)


def test_several_traces(inside: Run, trace: Path) -> None:
    one = inside("read", trace)
    two = inside("read", trace, trace)
    head = f"==> {trace} <==\n"
    assert two.stdout == f"{head}{one.stdout}\n{head}{one.stdout}"
    objects = [json.loads(line) for line in inside("read", "--json", trace, trace).stdout.splitlines()]
    assert {object["trace"] for object in objects} == {str(trace)}
    assert "trace" not in json.loads(inside("read", "--json", trace).stdout.splitlines()[0])
    joined = inside("read", "--join", "--json", trace, trace).stdout.splitlines()
    assert [json.loads(line)["frame.number"] for line in joined] == list(range(1, len(joined) + 1))


def test_what_passes_is_written(inside: Run, trace: Path, tmp_path: Path, records: Records) -> None:
    done = inside("read", trace, "-Y", "vtc.sender == client", "-w", "out.pcapng")
    wanted = [record for record in records(trace) if record.sender.name == "CLIENT"]
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"vtctap: {len(wanted)} records in out.pcapng\n"
    assert records(tmp_path / "out.pcapng") == wanted
    with open_trace(trace) as before, open_trace(tmp_path / "out.pcapng") as after:
        assert (len(list(before)), len(list(after))) > (1, 1)
        assert before.interfaces == after.interfaces
    refused = inside("read", trace, "-w", "out.pcapng")
    assert (refused.returncode, refused.stderr) == (
        2,
        "vtctap: out.pcapng exists: choose another name, or --force to overwrite it\n",
    )


def test_ring_files_become_one(inside: Run, tmp_path: Path, trace: Path, records: Records) -> None:
    assert inside("demo", "--fast", "-q", "-b", "packets:20", "-w", "ring.pcapng").returncode == 0
    files = sorted(tmp_path.glob("ring_*.pcapng"))
    assert len(files) > 2
    assert inside("read", "--join", *files, "-q", "-w", "whole.pcapng").returncode == 0
    assert records(tmp_path / "whole.pcapng") == records(trace)
    alone = inside("read", *files, "-w", "x.pcapng")
    assert (alone.returncode, alone.stderr) == (
        2,
        "vtctap: -w writes one trace: name one, or add --join for ring files\n",
    )


def test_what_passes_to_a_pipe(vtctap: Run, trace: Path) -> None:
    piped = vtctap("read", trace, "-w", "-", text=False)
    shown = vtctap("read", "-", input=piped.stdout, text=False)
    assert shown.stdout.decode() == vtctap("read", trace).stdout


@pytest.mark.parametrize("option", ["--follow", "--json"])
def test_writing_is_not_showing(option: str, inside: Run, trace: Path, tmp_path: Path) -> None:
    assert inside("read", trace, option, "-w", "out.pcapng").returncode == 2
    assert not (tmp_path / "out.pcapng").exists()

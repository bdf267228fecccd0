"""Measures all that the project says of speed, beside its peers, and writes ``docs/performance.md``.

    python bench/performance.py [--quick | --short] [--only WORD] [--tshark PATH ...] [--largest N] [-o FILE]

The table below names the measurements. Each is a script of its own that prints tables in Markdown and ends with what it
missed; it runs as a process of its own, since a process inherits the peak memory of the one that starts it. ``--quick``
tries all of them with few records, and writes nothing unless told where; ``--short`` takes a tenth of the records, but
for the export, which is measured once. ``--tshark`` measures the dissector and the export beside these, one after the
other, instead of the one of PATH. Exit status 1 where a target is missed.
"""

import argparse
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from measuring import table

from vtctap import __version__

HERE: Final = Path(__file__).resolve().parent
PAGE: Final = HERE.parent / "docs" / "performance.md"
PACKAGES: Final = ("dpkt", "scapy", "pyshark", "pyarrow", "duckdb", "pyserial")
MISSED: Final = "Missed:"


@dataclass(frozen=True, slots=True)
class Measurement:
    """A script, what its tables show, and its arguments for a trial and for a short run. ``tsharks``: it is repeated
    with each tshark."""

    script: str
    title: str
    shows: str
    quick: tuple[str, ...]
    short: tuple[str, ...] = ()
    tsharks: bool = False


MEASUREMENTS: Final = (
    Measurement(
        "decode_rate",
        "Reading and decoding",
        "CPU time. `ratio` is our rate by that of the program beside, "
        "`least` the target. The traces: `plain`, reads and answers with one data set, none equal; `known`, of "
        "registers that the profile knows; `sets`, answers with eight data sets; `sessions`, simulated sessions with "
        "faults.",
        ("--records", "4000", "--rounds", "1"),
        ("--records", "20000"),
    ),
    Measurement(
        "set_rate",
        "Export to Parquet",
        "Whole processes with their start. Slow programs read a part of the trace of distinct frames. Below: "
        "exports of more and more records; and what two processes are worth beside two bare loops in the same run.",
        ("--records", "10000", "--largest", "10000", "--rounds", "1"),
        ("--rounds", "1"),
        tsharks=True,
    ),
    Measurement(
        "lua_rate",
        "The dissector in Wireshark",
        "User time of tshark with the generated dissector, beside a dissector in Lua with two fields, on the same "
        "trace.",
        ("--frames", "5000", "--records", "0"),
        ("--frames", "50000", "--records", "100000"),
        tsharks=True,
    ),
    Measurement(
        "scapy_rate",
        "Scapy and pyshark",
        "The layer beside a layer of two flat fields and one that is written by hand; a trace read by Scapy beside "
        "pyshark.",
        ("--records", "500"),
        ("--records", "5000"),
    ),
    Measurement(
        "check_rate",
        "check, stats and profile learn",
        "User time beside `vtctap read`, and memory beside that for a tenth of the trace.",
        ("--records", "10000"),
        ("--records", "100000"),
    ),
    Measurement(
        "export_rate",
        "Export to tables",
        "User time beside `vtctap read --json`.",
        ("--records", "4000", "--rounds", "1"),
        ("--records", "20000"),
    ),
    Measurement(
        "import_rate",
        "Import of logs",
        "Beside a bare loop over the lines of the file.",
        ("--megabytes", "1"),
        ("--megabytes", "2"),
    ),
    Measurement(
        "hash_rate",
        "The hash chain",
        "Processor time of a capture per record.",
        ("--sessions", "2"),
        ("--sessions", "5"),
    ),
    Measurement("startup", "Start of the commands", "Whole processes, beside `import serial`.", ("3",)),
    Measurement(
        "load",
        "Captures under load",
        "Pseudo-terminals that send without a pause; the bare loop polls, reads and counts.",
        ("--seconds", "1"),
        ("--seconds", "4"),
    ),
)


def machine(tsharks: Sequence[str]) -> str:
    """Returns the table of the machine and of the versions."""
    rows = [
        ("processor", f"{_processor()}, {os.cpu_count()} cores"),
        ("memory", f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"),
        ("system", f"{platform.system()} {platform.release()}, {platform.machine()}"),
        ("Python", f"{platform.python_implementation()} {platform.python_version()}"),
        ("vtctap", __version__),
        *((name, _version(name)) for name in PACKAGES),
        *(("tshark", _tshark(path)) for path in tsharks),
        ("day", time.strftime("%Y-%m-%d", time.gmtime())),
    ]
    return table(("", ""), rows)


def _processor() -> str:
    found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text()) if sys.platform == "linux" else None
    return found[1] if found else platform.processor()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _tshark(path: str) -> str:
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    except OSError:
        return "not installed"
    found = re.search(r"\d+\.\d+\.\d+", said)
    return found[0] if found else said.splitlines()[0]


def measured(measurement: Measurement, words: Sequence[str], tshark: str) -> str:
    """Returns what a measurement prints; where it breaks off, its last line, as a missed target."""
    command = [sys.executable, str(HERE / f"{measurement.script}.py"), *words]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"VTCTAP_TSHARK": tshark}
    )
    if done.returncode in (0, 1) and "Traceback" not in done.stderr:
        return done.stdout.strip()
    last = (done.stderr or done.stdout).strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
    return f"{done.stdout.strip()}\n\n{MISSED}\n\n- not measured: {last[0]}".strip()


def sections(
    chosen: Sequence[Measurement], tsharks: Sequence[str], size: str, largest: int | None
) -> Iterator[tuple[str, str]]:
    """Yields the title and the text of each section as it is measured."""
    for measurement in chosen:
        words = list({"quick": measurement.quick, "short": measurement.short}.get(size, ()))
        if measurement.script == "set_rate" and largest:
            words += ["--largest", str(largest)]
        before, texts = os.getloadavg()[0], []
        for at, tshark in enumerate(tsharks if measurement.tsharks else tsharks[:1]):
            alone = ["--largest", "0"] if at and measurement.script == "set_rate" else []
            head = f"tshark {_tshark(tshark)}:\n\n" if measurement.tsharks and len(tsharks) > 1 else ""
            texts.append(head + measured(measurement, words + alone, tshark))
        busy = f"(Load of the machine before and after: {before:.1f}, {os.getloadavg()[0]:.1f}.)"
        yield measurement.title, "\n\n".join([measurement.shows, *texts, busy])


def page(parts: Sequence[tuple[str, str]], tsharks: Sequence[str]) -> str:
    """Returns the page."""
    missed = [
        f"- {title}: {line.removeprefix('- ')}"
        for title, text in parts
        for block in text.split(MISSED)[1:]
        for line in block.strip().split("\n\n")[0].splitlines()
        if line.startswith("- ")
    ]
    return (
        "\n\n".join(
            [
                "# Performance",
                "`make bench` measures all that this project says of speed, beside programs that read the same trace\n"
                "in the same run, and writes this page. Ratios carry over to other machines; rates do not.",
                machine(tsharks),
                "## Targets that are missed",
                "\n".join(missed) or "None.",
                *(f"## {title}\n\n{text}" for title, text in parts),
            ]
        )
        + "\n"
    )


def main() -> int:
    """Measures, and writes the page; 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", dest="size", action="store_const", const="quick", default="", help="a trial")
    parser.add_argument("--short", dest="size", action="store_const", const="short", help="a tenth of the records")
    parser.add_argument("--only", default="", metavar="WORD", help="the scripts whose name has this word")
    parser.add_argument("--tshark", action="append", metavar="PATH")
    parser.add_argument("--largest", type=int, metavar="N", help="records of the longest export")
    parser.add_argument("-o", dest="output", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    tsharks = arguments.tshark or ["tshark"]
    chosen = [each for each in MEASUREMENTS if arguments.only in each.script]
    parts = []
    for title, text in sections(chosen, tsharks, arguments.size, arguments.largest):
        print(f"## {title}\n\n{text}\n", flush=True)
        parts.append((title, text))
    output = arguments.output or (None if arguments.size == "quick" or arguments.only else PAGE)
    if output:
        output.write_text(page(parts, tsharks), "utf-8")
    return int(any(MISSED in text for _, text in parts))


if __name__ == "__main__":
    sys.exit(main())

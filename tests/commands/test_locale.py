"""Without a UTF-8 locale, no text becomes a question mark, and nothing ends in a traceback."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from vtctap.pcap.record import Kind, Record
from vtctap.pcap.trace import create_trace

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
ROOT = Path(__file__).parents[2]
PLAIN = os.environ | {
    "LC_ALL": "C",
    "LANG": "C",
    "PYTHONIOENCODING": "ascii",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
}


@pytest.mark.parametrize(
    "arguments",
    [
        ["read", "t.pcapng"],
        ["read", "t.pcapng", "t.pcapng", "-V", "-x"],
        ["read", "--json", "t.pcapng"],
        ["check", "t.pcapng"],
        ["stats", "t.pcapng", "--sessions"],
        ["help", "wiring"],
        ["help", "pages"],
        ["profile", "show"],
        ["demo", "--fast"],
    ],
    ids=" ".join,
)
def test_ascii_is_enough(arguments: list[str], vtctap: Run, trace: Path) -> None:
    """The output is that of UTF-8, except for signs that ASCII lacks; those stay recognisable."""
    trace.rename(trace.with_name("t.pcapng"))
    plain = vtctap(*arguments, env=PLAIN, text=False)
    usual = vtctap(*arguments, env=os.environ | {"PYTHONIOENCODING": "utf-8"}, text=False)
    assert plain.returncode == usual.returncode
    assert plain.stdout.isascii()
    assert plain.stdout == usual.stdout.decode().encode("ascii", "backslashreplace")


def test_an_operators_words(vtctap: Run, tmp_path: Path) -> None:
    with create_trace(tmp_path / "t.pcapng") as writer:
        writer.write(Record(1, b"", Kind.EVENT, event="mark gr\u00fcn"))
    done = vtctap("read", "t.pcapng", env=PLAIN, text=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.endswith(b"mark gr\\xfcn\n")


def test_a_name_that_is_no_text(vtctap: Run, trace: Path) -> None:
    name = os.fsdecode(b"t\xff.pcapng")
    trace.rename(trace.with_name(name))
    done = vtctap("read", name, name, text=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"==> t\\udcff.pcapng <==\n")


def test_nothing_in_the_sources_needs_more_than_ascii() -> None:
    for folder in ("vtctap", "dissector", "sniffer", "pcap"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".lua", ".toml"):
                assert path.read_bytes().isascii(), path


def test_the_demonstration_prints_no_column_after_which_tshark_puts_an_arrow() -> None:
    """tshark puts an arrow between a source and a destination."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    (columns,) = re.findall(r"^ASCII_COLUMNS := .*", makefile, re.MULTILINE)
    assert "%d" not in columns
    assert re.search(r"^\t\$\(TSHARK\) -r demo.pcapng .*\$\(ASCII_COLUMNS\)$", makefile, re.MULTILINE)

"""Fixtures of the tests in this folder: the generated dissector run by tshark, and its comparison with vtctap's own
decoder."""

import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

import pytest

from vtctap.dissector.catalogue import BOOLEAN, FIELDS, SECONDS
from vtctap.dissector.dissect import Dissector
from vtctap.dissector.fields import Value
from vtctap.dissector.profiles.files import load
from vtctap.dissector.profiles.model import Profile
from vtctap.dissector.wireshark import generator as lua
from vtctap.pcap import Record, create_trace

FROM_WIRESHARK = {
    ("_ws.malformed", "[Malformed Packet: DLMS]"),
    ("_ws.malformed", "Malformed Packet"),
    ("_ws.malformed.expert", "Malformed Packet (Exception occurred)"),
}
"""What Wireshark's own DLMS dissector, which gets the HDLC frames, says of a damaged one since 4.6."""


@dataclass(frozen=True, slots=True)
class Item:
    """An item of Wireshark's tree: its field, its value, its text in the tree, and the octets that it stands for."""

    name: str
    shown: str
    label: str
    at: int
    size: int


class Wireshark:
    """tshark with the dissector of one or several profiles. The first profile is that of vtctap's own decoder."""

    def __init__(self, folder: Path, *profiles: Profile) -> None:
        self.folder = folder
        self.profile = profiles[0]
        self.script = folder / "vtctap.lua"
        self.script.write_text(lua.generate(*profiles, version="1.2.3"), "ascii")

    def trace(self, records: Sequence[Record]) -> Path:
        path = self.folder / "trace.pcapng"
        with create_trace(path, force=True) as writer:
            for record in records:
                writer.write(record)
        return path

    def run(self, trace: Path, *more: str) -> str:
        """Returns tshark's output, and asserts that tshark reports no error."""
        command = ["tshark", "-r", str(trace), "-X", f"lua_script:{self.script}", *more]
        done = subprocess.run(command, capture_output=True, text=True)
        assert [line for line in done.stderr.splitlines() if not line.startswith("Running as user")] == []
        assert done.returncode == 0
        return done.stdout

    def items(self, trace: Path, *more: str) -> list[list[Item]]:
        """Returns the items of each packet's tree that are vtctap's fields or errors, in order. Asserts that the tree
        shows no error of the script, which Wireshark reports only there."""
        shown = self.run(trace, "-T", "pdml", *more)
        assert "_ws.lua.error" not in shown
        assert "_ws.malformed" not in shown
        return [
            [
                Item(
                    name,
                    field.get("show", ""),
                    field.get("showname", ""),
                    int(field.get("pos", "0")),
                    int(field.get("size", "0")),
                )
                for field in packet.iter("field")
                if (name := field.get("name", "")) in FIELDS or name.startswith("vtc.expert.")
            ]
            for packet in ElementTree.fromstring(shown).iter("packet")
        ]

    def each(self, trace: Path, *more: str) -> Iterator[dict[str, list[str | int]]]:
        """Yields the values of each packet in turn, for traces whose trees take gigabytes. Asserts that neither the
        script nor Wireshark reports an error."""
        packets: list[dict[str, list[str | int]]] = []

        def begin(tag: str, attributes: dict[str, str]) -> None:
            if tag == "packet":
                packets.append({})
            elif (name := attributes.get("name", "")) in FIELDS:
                packets[-1].setdefault(name, []).append(plain(name, attributes["show"]))
            else:
                theirs = (name, attributes.get("showname")) in FROM_WIRESHARK
                harmless = theirs or name.startswith(("_ws.expert", "_ws.lua.fake"))
                assert harmless or not name.startswith("_ws."), attributes

        parser = expat.ParserCreate()
        parser.StartElementHandler = begin
        command = ["tshark", "-r", str(trace), "-X", f"lua_script:{self.script}", "-T", "pdml", *more]
        complaints = self.folder / "stderr"
        with complaints.open("wb") as errors, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors) as tool:
            assert tool.stdout
            while chunk := tool.stdout.read(1 << 20):
                parser.Parse(chunk)
                yield from packets[:-1]
                del packets[:-1]
            yield from packets
        assert [line for line in complaints.read_text().splitlines() if not line.startswith("Running as user")] == []
        assert tool.returncode == 0

    def differences(self, records: Sequence[Record], *more: str) -> list[object]:
        """Yields the records in which tshark's fields differ from those of :class:`Dissector`: octets, vtctap's fields
        and Wireshark's fields."""
        dissect = Dissector(self.profile).dissect
        ours = [dissect(record) for record in records]
        shown = self.items(self.trace(records), *more)
        assert len(shown) == len(ours)
        found: list[object] = []
        for dissection, items in zip(ours, shown, strict=True):
            expected, theirs = self.comparable(dissection.fields()), self.values(items)
            if expected != theirs:
                names = [name for name in expected.keys() | theirs.keys() if expected.get(name) != theirs.get(name)]
                found.append(
                    (dissection.record.octets, [(name, expected.get(name), theirs.get(name)) for name in names])
                )
        return found

    @staticmethod
    def values(items: Sequence[Item]) -> dict[str, list[str | int]]:
        """Returns the values of each field in a tree, in order."""
        found: dict[str, list[str | int]] = {}
        for item in items:
            if item.name in FIELDS:
                found.setdefault(item.name, []).append(plain(item.name, item.shown))
        return found

    @staticmethod
    def comparable(fields: dict[str, Value]) -> dict[str, list[str | int]]:
        """Returns vtctap's fields in the same form, without those that a Python library reads."""
        return {
            name: [plain(name, item) for item in (value if isinstance(value, list) else [value])]
            for name, value in fields.items()
            if not FIELDS[name].extra
        }


def plain(name: str, value: object) -> str | int:
    """Returns times as whole nanoseconds (vtctap's are binary fractions), booleans as 0 or 1, and other values as
    text."""
    type = FIELDS[name].type
    if type is SECONDS:
        return round(float(str(value)) * 1e9)
    return int(str(value) in ("1", "True")) if type is BOOLEAN else str(value)


@dataclass(frozen=True, slots=True)
class Compared:
    """A row of the differential test: how much of a source was compared, and in how much Wireshark differs."""

    source: str
    records: int
    values: int
    differences: int


PROOF = pytest.StashKey[list[Compared]]()


@pytest.fixture(scope="session")
def proof(pytestconfig: pytest.Config) -> Callable[..., None]:
    """Adds a row to the table that is shown when the tests have ended."""
    rows = pytestconfig.stash.setdefault(PROOF, [])
    return lambda *row: rows.append(Compared(*row))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = config.stash.get(PROOF, [])
    if not rows:
        return
    version = subprocess.run(["tshark", "--version"], capture_output=True, text=True).stdout.partition("\n")[0]
    terminalreporter.section("Differential test")
    terminalreporter.line(f"vtctap read --json against {version}")
    terminalreporter.line(f"{'':52}{'records':>10}{'values':>12}{'differences':>14}")
    total = Compared("in all", *(sum(getattr(row, name) for row in rows) for name in Compared.__slots__[1:]))
    for row in (*rows, total):
        terminalreporter.line(f"{row.source:52}{row.records:10}{row.values:12}{row.differences:14}")


@pytest.fixture
def wireshark(tmp_path: Path) -> Callable[..., Wireshark]:
    """Makes a Wireshark with the dissector of these profiles, by default the default profile."""
    return lambda *profiles: Wireshark(tmp_path, *(profiles or (load(),)))

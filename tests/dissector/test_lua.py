"""The generated dissector as a program: it compiles, leaves no globals, takes nothing for code, declines what is
foreign. What it decodes is tests/test_agreement.py's."""

import re
import subprocess
from pathlib import Path

import pytest

from vtctap.dissector import lua
from vtctap.dissector.profile import Profile, load, parse
from vtctap.pcap import Record, create_capture, create_trace
from vtctap.pcap.capture_file import Interface, Packet

API = {
    "Address", "DissectorTable", "NSTime", "Proto", "ProtoExpert", "ProtoField", "base", "bit", "expert", "ipairs",
    "math", "pairs", "set_plugin_info", "string", "table", "tonumber", "wtap",
}  # fmt: skip
HOSTILE = (
    '"] = 1 } os.exit(7) --',
    "]] .. os.execute('x') .. [[",
    "\\",
    '\\"',
    "new\nline\rand\ttab",
    "--[[ comment",
    "Zähler ☃ \x7f",
    "%s %d \x00 nul",
    "$(id) `id` {{7*7}}",
)


def write(path: Path, profile: Profile | None = None, linktype: int = 147) -> Path:
    path.write_text(lua.generate(profile or load(), version="1.2.3", linktype=linktype), "ascii")
    return path


def tshark(trace: Path, script: Path, *more: str) -> list[str]:
    command = ["tshark", "-r", str(trace), "-X", f"lua_script:{script}", *more]
    done = subprocess.run(command, capture_output=True, text=True)
    assert [line for line in done.stderr.splitlines() if not line.startswith("Running as user")] == []
    assert done.returncode == 0
    return done.stdout.splitlines()


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    path = tmp_path / "trace.pcapng"
    with create_trace(path) as writer:
        writer.write(Record(10**18, b"\x020004(5)\x03\x31"))
        writer.write(Record(10**18, b"\x01B0\x03\x72"))
    return path


@pytest.mark.parametrize("version", ["5.2", "5.4"])
def test_compiles_and_uses_no_global_but_the_api(version: str, tmp_path: Path) -> None:
    script = write(tmp_path / "vtctap.lua")
    listing = subprocess.run(
        [f"luac{version}", "-l", "-l", "-o", "/dev/null", str(script)], capture_output=True, text=True, check=True
    ).stdout
    used = re.findall(r"\b(GET|SET)TABUP\b.*?; _ENV \"(\w+)\"", listing)
    assert {name for action, name in used if action == "GET"} <= API
    assert [name for action, name in used if action == "SET"] == []
    assert used


def test_is_the_same_each_time_and_names_what_it_is_made_of() -> None:
    first, second = (lua.generate(load(), version="1.2.3") for _ in range(2))
    assert first == second
    assert "vtctap 1.2.3, profile iec62055-52" in first.splitlines()[0]
    assert first.isascii()


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_a_profile_is_never_code(text: str, trace: Path, tmp_path: Path) -> None:
    def toml(value: str) -> str:
        return '"' + "".join(f"\\u{ord(character):04x}" for character in value) + '"'

    words = toml(text)
    profile = parse(
        f"""
        [profile]
        name = {words}
        title = {words}
        source = {words}
        confidence = "assumed"
        [line]
        format = "7E1"
        speed = 9600
        [timing]
        gap_limit = 1.5
        reaction_min = 0.02
        reaction_max = 1.5
        [registers.entries]
        "0004" = {{ name = {words}, table = {words} }}
        {words} = {{ name = "x" }}
        [tables.{words}.values]
        5 = {words}
        """,
        "hostile",
    )
    script = write(tmp_path / "vtctap.lua", profile)
    shown = tshark(trace, script, "-T", "fields", "-e", "vtc.message", "-e", "vtc.register", "-e", "vtc.confidence")
    assert shown == ["Data\t0004\tassumed", "BreakCommand\t\tassumed"]
    names = tshark(trace, script, "-Y", "vtc.register.name", "-T", "fields", "-e", "vtc.register.name")
    assert len("".join(names)) > 0
    if text.isprintable() and text.isascii() and "\\" not in text:
        assert names == [text]


def test_packets_without_the_magic_are_declined(tmp_path: Path) -> None:
    path = tmp_path / "foreign.pcapng"
    with create_capture(path, linktype=147) as writer:
        writer.add_interface(Interface(147))
        for data in (
            b"",
            b"V",
            b"hello, this is somebody else's use of it",
            b"VT\x02" + bytes(29),
            b"VT\x01\x03" + bytes(28),
        ):
            writer.write(Packet(10**18, data, 147))
    script = write(tmp_path / "vtctap.lua")
    assert tshark(path, script, "-Y", "vtc") == []
    assert len(tshark(path, script)) == 5


def test_every_cut_of_a_packet_passes(tmp_path: Path) -> None:
    """A header that is cut anywhere, options included, is declined or decoded, and never a Lua error."""
    from vtctap.pcap.record import encode

    whole = encode(Record(0, b"\x020004(16)\x03\x04", parity_errors=(1, 2), pauses=((3, 9000),), event="mark x=1"))
    path = tmp_path / "cuts.pcapng"
    with create_capture(path, linktype=147) as writer:
        writer.add_interface(Interface(147))
        for end in range(len(whole) + 1):
            writer.write(Packet(10**18, whole[:end], 147))
    assert len(tshark(path, write(tmp_path / "vtctap.lua"), "-V")) > len(whole)


def test_another_link_type_is_registered_alone(trace: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.pcapng"
    with create_trace(other, linktype=150) as writer:
        writer.write(Record(10**18, b"\x15"))
    script = write(tmp_path / "vtctap.lua", linktype=150)
    assert len(tshark(other, script, "-Y", 'vtc.message == "NAK"')) == 1
    assert tshark(trace, script, "-Y", "vtc") == []


def test_faults_can_be_filtered(trace: Path, tmp_path: Path) -> None:
    script = write(tmp_path / "vtctap.lua")
    assert len(tshark(trace, script, "-Y", "vtc.expert.bcc_bad")) == 2
    assert len(tshark(trace, script, "-Y", "vtc.expert.rejected")) == 1
    assert len(tshark(trace, script, "-Y", 'vtc.assumed == "vtc.register.name"')) == 1

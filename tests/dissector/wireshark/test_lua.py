"""The generated dissector as a program: it compiles, sets no globals, runs no text of a profile as code, and declines
packets of others. It decodes any octets as our own decoder does, and shows them in the tree. (tests/test_agreement.py
compares traces of sessions.)"""

import json
import random
import re
import resource
import struct
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from equipment.profiles import profile_text
from equipment.sampling import sizes, turns
from vtctap.dissector.catalogue import CATALOGUE, FIELDS
from vtctap.dissector.dissect import Dissector
from vtctap.dissector.meaning import Meaning
from vtctap.dissector.profiles.files import load, parse
from vtctap.dissector.profiles.model import Profile
from vtctap.dissector.protocol.characters import show
from vtctap.dissector.protocol.checksums import bcc_xor
from vtctap.dissector.protocol.messages import Message
from vtctap.dissector.wireshark import generator as lua
from vtctap.dissector.wireshark.tables import TOLD
from vtctap.pcap import Flag, Kind, Line, Record, Sender, create_capture, create_trace
from vtctap.pcap.capture_file import Interface, Packet
from vtctap.pcap.record import RecordError, decode, encode

START = 1_767_225_600_000_000_000
API = {
    "Address", "DissectorTable", "Field", "Listener", "MENU_TOOLS_UNSORTED", "NSTime", "Pref", "Proto", "ProtoExpert",
    "ProtoField", "Struct", "TextWindow", "UInt64", "apply_filter", "base", "bit", "collectgarbage", "expert",
    "frametype", "ftypes", "get_filter", "gui_enabled", "ipairs", "math", "next", "pairs", "pcall", "print",
    "register_menu", "register_packet_menu", "register_stat_cmd_arg", "retap_packets", "set_filter", "set_plugin_info",
    "setmetatable", "string", "table", "tonumber", "tostring", "type", "unpack", "wtap",
}  # fmt: skip
HOSTILE = (
    '"] = 1 } os.exit(7) --',
    "]] .. os.execute('x') .. [[",
    "\\",
    '\\"',
    "--[[ comment",
    "Zähler ☃",
    "%s %d %c",
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
        writer.write(Record(10**18, b"\x02FFFE(05)\x031"))
        writer.write(Record(10**18, b"\x01B0\x03\x72"))
        writer.write(Record(10**18, b"\x02200D(01)\x03\x75"))
    return path


@pytest.mark.parametrize("version", ["5.2", "5.4"])
def test_the_script_compiles_and_uses_no_global_but_the_api(version: str, tmp_path: Path) -> None:
    script = write(tmp_path / "vtctap.lua")
    listing = subprocess.run(
        [f"luac{version}", "-l", "-l", "-o", "/dev/null", str(script)], capture_output=True, text=True, check=True
    ).stdout
    used = re.findall(r"\b(GET|SET)TABUP\b.*?; _ENV \"(\w+)\"", listing)
    assert {name for action, name in used if action == "GET"} <= API
    assert [name for action, name in used if action == "SET"] == []
    assert used


def test_a_second_copy_leaves_the_decoding_to_the_first(trace: Path, tmp_path: Path) -> None:
    """Loading another copy by ``-X`` beside the installed dissector changes no line of the output."""
    first, second = write(tmp_path / "first.lua"), write(tmp_path / "second.lua")
    alone = tshark(trace, first, "-V")
    assert tshark(trace, first, "-X", f"lua_script:{second}", "-V") == alone
    assert any("Data" in line for line in alone)


def test_the_script_is_the_same_each_time_and_names_its_version_profile_and_parts() -> None:
    first, second = (lua.generate(load(), version="1.2.3") for _ in range(2))
    assert first == second
    assert "vtctap 1.2.3, profile iec62055-52" in first.splitlines()[0]
    assert re.findall(r"(?m)^-- (\w+) -{99,}$", first) == list(lua.PARTS[1:])
    assert first.isascii()


def test_no_line_of_the_hand_written_code_is_longer_than_120() -> None:
    code = lua.generate(load(), version="1.2.3").partition("local bxor")[2]
    assert [line for line in code.splitlines() if len(line) > 120] == []


def test_the_tree_has_a_part_for_each_field_of_a_message() -> None:
    """A field without an entry in PARTS counts as one of the tap header, and is missing when it alone is requested.
    (test_each_field_by_itself shows the same in tshark, slowly.)"""
    source = (Path(lua.__file__).parent / "lua" / "tree.lua").read_text("ascii")
    (table,) = re.findall(r"local PARTS = \{(.*?)\}", source, re.DOTALL)
    parts = {quoted or plain for quoted, plain in re.findall(r'(?:\["([\w.]+)"\]|(\w+)) = "', table)}
    of_messages = {*Message.__slots__, *Meaning.__slots__}
    names = [field.name.removeprefix("vtc.") for field in CATALOGUE if field.attribute in of_messages or field.context]
    assert [name for name in names if not {name, name.split(".")[0]} & parts] == ["gap"]  # Of the tap header.


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
        "FFFE" = {{ name = {words}, table = {words} }}
        {words} = {{ name = "x" }}
        [tables.{words}.values]
        5 = {words}
        """,
        "hostile",
    )
    script = write(tmp_path / "vtctap.lua", profile)
    names = ("vtc.message", "vtc.register", "vtc.confidence", "vtc.register.name")
    shown = tshark(trace, script, "-T", "fields", *(word for name in names for word in ("-e", name)))
    first, name = shown[0].rsplit("\t", 1)
    assert [first, *shown[1:]] == ["Data\tFFFE\tassumed", "BreakCommand\t\tassumed\t", "Data\t200D\tassumed\t"]
    assert name
    if text.isprintable() and text.isascii() and "\\" not in text:
        assert name == text


def test_fields_that_link_packets_have_their_kind_of_link(trace: Path, tmp_path: Path) -> None:
    """Wireshark draws requests, answers and repeats beside its packet list by the kinds of these fields."""
    script = write(tmp_path / "vtctap.lua")
    told = """
local made = ProtoField.framenum
function ProtoField.framenum(name, title, base, kind, ...)
    print(name, kind)
    return made(name, title, base, kind, ...)
end
print("kinds", frametype.REQUEST, frametype.RESPONSE, frametype.RETRANS_PREV)
"""
    script.write_text(told + script.read_text("ascii"), "ascii")
    (_, *kinds), *links = [line.split("\t") for line in tshark(trace, script, "-q")]
    kinds += ["nil"] * 2
    names = ("vtc.request_in", "vtc.response_in", "vtc.repeat_of", "vtc.status.token_in", "vtc.token.status_in")
    assert dict(links) == dict(zip(names, kinds, strict=True))
    assert len(set(kinds)) == 4


def test_packets_of_others_are_declined(tmp_path: Path) -> None:
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


def test_a_packet_that_is_cut_anywhere_is_no_error(tmp_path: Path) -> None:
    """A packet that is cut anywhere is declined or decoded, and never a Lua error or malformed."""
    from vtctap.pcap.record import encode

    whole = encode(Record(0, b"\x02FFFE(10)\x03\x04", parity_errors=(1, 2), pauses_us=((3, 9000),), event="mark x=1"))
    path = tmp_path / "cuts.pcapng"
    with create_capture(path, linktype=147) as writer:
        writer.add_interface(Interface(147))
        for end in range(len(whole) + 1):
            writer.write(Packet(10**18, whole[:end], 147))
    shown = tshark(path, write(tmp_path / "vtctap.lua"), "-V")
    assert len(shown) > len(whole)
    assert [line for line in shown if "Lua Error" in line or "Malformed" in line] == []


def test_a_script_for_another_link_type_decodes_that_one_only(trace: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.pcapng"
    with create_trace(other, linktype=150) as writer:
        writer.write(Record(10**18, b"\x15"))
    script = write(tmp_path / "vtctap.lua", linktype=150)
    assert len(tshark(other, script, "-Y", 'vtc.message == "NAK"')) == 1
    assert tshark(trace, script, "-Y", "vtc") == []


def test_display_filters_find_faults(trace: Path, tmp_path: Path) -> None:
    script = write(tmp_path / "vtctap.lua")
    assert len(tshark(trace, script, "-Y", "vtc.expert.bcc_bad")) == 2
    assert len(tshark(trace, script, "-Y", "vtc.expert.token_rejected")) == 1
    assert len(tshark(trace, script, "-Y", 'vtc.assumed == "vtc.register.name"')) == 1


SMALL = (
    b"/?!\r\n", b"/?0012!\r\n", b"/ISK5\\2MT174\r\n", b"\x06051\r\n", b"\x06", b"\x15", b"\x00\x00", b"\x7e\xa0\x7e",
    b"\x01P0\x02(1234)\x03\x60", b"\x01R1\x02FFFE()\x03d", b"\x01W1\x02FFFF(99)\x03\x11", b"\x01B0\x03q",
    b"\x01R\x02FFFE1\x03\x61",
    b"\x01E2\x020040(1)\x03\x15", b"\x01X9\x02a(1)\x03\x11", b"\x02FFFE(10)\x03\x04", b"\x02FFFE(05)FFFF(1*k)\x03\x04",
    b"\x02(ER01)\x03\x05", b"\x02P(1)(2)\x04\x03", b"\x02G(1(2)3(4))x\x03y", b"\x02a(b*c*d)\r\n!\r\n\x03x",
    b"/ISK5X\r\n\r\n1.8(1*k)\r\n!12aF\r\n", b"/ISK5X\n\n1(2)\n!\n", b"xyz",
)  # fmt: skip
"""A frame of each message, and of each form that its rules know."""

WORDS = (
    b"(", b")", b"(", b")", b"*", b"!", b"?", b"/", b"\r\n", b"\r", b"\n", b"\x00", b"\x01", b"\x02", b"\x03", b"\x04",
    b"\x06", b"\x15", b"\x7e", b"\x7f", b"\x80", b"\xff", b"\xe4", b" ", b"\\", b"%s", b"ER", b"ER07x", b"FFFE",
    b"FFFF", b"R1", b"W", b"B0", b"12", b"5", b"000000005", b"0000000005", b"5 ", b"a.b", b"12AF", b"kWh",
)  # fmt: skip
HOSTILE_OCTETS = b"\x00\x80\xff()*\r\n\x01\x02\x03\x04!5"


def even(frame: bytes) -> bytes:
    """Returns a frame with even parity bits, as a line of 7E1 sends it."""
    return bytes(octet | (octet.bit_count() & 1) << 7 for octet in frame)


def frames(octets: Iterable[bytes]) -> list[Record]:
    return [Record(START + number * 10**9, each, duration=5 * 10**6) for number, each in enumerate(octets)]


@sizes
def test_frames_cut_anywhere_or_with_a_replaced_octet_are_decoded_the_same(
    whole: bool, wireshark: Callable[..., Any]
) -> None:
    octets = [variant[:end] for frame in SMALL for variant in (frame, even(frame)) for end in range(len(frame) + 1)]
    octets += [
        variant[:at] + bytes([hostile]) + variant[at + 1 :]
        for frame in SMALL
        for variant in (frame, even(frame))
        for at in range(len(frame))
        for hostile in HOSTILE_OCTETS
    ]
    assert len(octets) > 5000
    assert wireshark().differences(frames(octets if whole else octets[::5])) == []


@sizes
def test_random_sequences_of_words_are_decoded_the_same(whole: bool, wireshark: Callable[..., Any]) -> None:
    chance = random.Random(55)
    octets = [
        chance.choice((b"\x01R1\x02", b"\x01", b"\x02", b"\x02", b"/", b"/?", b"/ISK5X\r\n\r\n", b"\x06", b""))
        + b"".join(chance.choices(WORDS, k=chance.randrange(12)))
        for _ in range(3000 if whole else 1000)
    ]
    octets += [even(frame) for frame in octets[: len(octets) // 6]]
    assert wireshark().differences(frames(octets)) == []


EVENTS = (b"mark note=Z\xc3\xa4hler \xe2\x98\x83 \xf0\x9f\x98\x80", b"lost", b"a b c", b" x", b"y ", b"")


@sizes
def test_random_headers_are_decoded_the_same_or_declined(whole: bool, wireshark: Callable[..., Any]) -> None:
    """Packets with random headers and options are declined if our reader refuses them, and decoded the same if not."""
    chance = random.Random(62)
    packets, count = [], 2000 if whole else 800
    for _ in range(count):
        options = b""
        for _ in range(chance.randrange(4)):
            number = chance.choice((1, 2, 3, 4, 9, 4096))
            value = chance.choice(EVENTS) if number == 4 else chance.randbytes(chance.randrange(30))
            wrong = number != 4 and chance.random() < 0.1
            options += struct.pack(">HH", number, len(value) + wrong * chance.randrange(20))
            options += value + bytes(-len(value) % 4)
        length = 32 + len(options) if chance.random() < 0.8 else chance.choice((28, 32, 36, 33, 36 + len(options), 60))
        head = chance.choice((b"VT\x01",) * 19 + (b"VT\x02", b"TV\x01")) + bytes([chance.choice((0, 0, 1, 2, 3))])
        head += struct.pack(">I", length) + chance.randbytes(8)
        head += struct.pack(">IIQ", *(chance.choice((0, chance.randrange(2**32), 2**32 - 1)) for _ in "ab"), 2**45)
        packets.append(head + options + chance.choice((b"", b"\x02FFFE(10)\x03\x04", b"\x15")))
    assert len({packet[:33] for packet in packets}) > 0.95 * count
    tool = wireshark()
    path = tool.folder / "headers.pcapng"
    with create_capture(path, linktype=147) as writer:
        writer.add_interface(Interface(147))
        for number, packet in enumerate(packets):
            writer.write(Packet(START + number * 10**9, packet, 147))
    dissect = Dissector(load()).dissect
    taken = [0]  # Wireshark counts the declined packets as well.
    for number, (packet, items) in enumerate(zip(packets, tool.items(path), strict=True)):
        try:
            record = decode(packet, START + number * 10**9)
        except RecordError:
            assert items == []
            continue
        taken.append(number + 1)
        fields = dissect(record).fields()
        fields |= {
            name: taken[int(str(fields[name]))] for name in ("vtc.request_in", "vtc.repeat_of") if name in fields
        }
        assert tool.values(items) == tool.comparable(fields), packet
    assert 0.5 * count < len(taken) < 0.95 * count


@sizes
def test_the_longest_frames_are_decoded_the_same(whole: bool, wireshark: Callable[..., Any]) -> None:
    long = (b"\x02" + b"()" * 32767, b"/A\r\n" + b"a(b*c)" * 10921)
    octets = [
        (start + 65535 * fill)[:65535] for start in (b"\x02", b"/?!", b"/A\r\n") for fill in (b"(", b"\r", b"!", b"x")
    ]
    pauses = tuple((at, 1000 + at) for at in range(20_000))
    records = [*frames([*long, *(octets if whole else octets[::7])]), Record(START, b"\x02" * 20_000, pauses_us=pauses)]
    assert wireshark().differences(records) == []


def test_the_gap_is_that_of_the_decoder(wireshark: Callable[..., Any]) -> None:
    """The gap is right across links, backwards in time, over noise and beside synthetic times; in one pass, in two, and
    with a display filter."""
    records = [
        Record(START + 10**9, b"\x06", duration=10**6),
        Record(START, b"\x15", link=1, duration=7),
        Record(START + 10**9 + 10**6, b"\x06"),
        Record(START + 2 * 10**9, b"??", Kind.NOISE, duration=10**9),
        Record(START + 2 * 10**9 + 1, b"\x06", duration=10**10),
        Record(START + 3 * 10**9, b"\x06", duration=123_456_789),
        Record(START + 4 * 10**9, b"\x15", link=1, flags=Flag.SYNTHETIC),
        Record(START + 86_400 * 10**9 * 30 + 7, b"\x15", link=1),
        Record(START + 86_400 * 10**9 * 30 + 8, b"\x06"),
        Record(START + 5 * 10**9, b"\x06", link=2),
        Record(START, b"\x06", link=2),
    ]
    tool = wireshark()
    gaps = [None, None, 0, None, 999_000_001, None, None, 2_591_996_000_000_007, 2_591_996_876_543_219, None, None]
    for passes in ((), ("-2",)):
        assert tool.differences(records, *passes) == []
        shown = [tool.values(items).get("vtc.gap", [None]) for items in tool.items(tool.trace(records), *passes)]
        assert shown == [[gap] for gap in gaps]
        answer = tool.run(tool.trace(records), *passes, "-Y", "frame.number == 5", "-T", "fields", "-e", "vtc.gap")
        assert answer == "0.999000001\n"


ODD_PROFILE = profile_text("odd", """\
[messages]
Data = { confidence = "confirmed" }
BreakCommand = { confidence = "assumed" }
[registers.entries]
"" = { name = "nameless", confidence = "confirmed" }
"a.b" = { name = "Zähler ☃", confidence = "confirmed", table = "words" }
"0004" = { name = "status", confidence = "confirmed", table = "tokenStatus" }
"0010" = { name = "", table = "words", confidence = "assumed" }
[tables.words.values]
5 = ""
12 = "zwölf"
[tables.tokenStatus]
confidence = "confirmed"
[tables.tokenStatus.values]
5 = ""
12 = "twelve"
""")  # fmt: skip


@pytest.mark.parametrize("profile", ["iec62056-21", "odd"])
def test_other_profiles_are_read_the_same(profile: str, wireshark: Callable[..., Any]) -> None:
    chance = random.Random(profile)
    registers = (b"a.b", b"FFFE", b"FFFF", b"", b"x")
    numbers = (b"5", b"12", b"05", b"7", b"", b"5*k", b"000000012", b"0000000012")
    octets = [
        chance.choice((b"\x02", b"\x02", b"\x01R1\x02", b"\x01B0\x02", b"/ISK5X\r\n\r\n"))
        + b"".join(chance.choice(registers) + b"(" + chance.choice(numbers) + b")" for _ in range(chance.randrange(4)))
        for _ in range(500)
    ]
    tool = wireshark(parse(ODD_PROFILE, "odd") if profile == "odd" else load(profile))
    assert tool.differences(frames(octets)) == []


def test_items_mark_their_octets(wireshark: Callable[..., Any]) -> None:
    """Each field that is not generated shows the octets of the packet that its item marks."""
    tool = wireshark()
    records = frames([*SMALL, b"\x02a(b*c)d(e*)(*f)\x03g", b"\x02x\r\ny(1)z\x03!", b"/?12!ab\r\n",
                      b"\x7e\xa0\x0b\x23\x03\x73\x8d\x62ab\xff\xff\x7e"])  # fmt: skip
    seen = set()
    for record, items in zip(records, tool.items(tool.trace(records)), strict=True):
        packet = encode(record)
        for item in items:
            if not FIELDS[item.name].generated if item.name in FIELDS else False:
                octets = packet[item.at : item.at + item.size]
                seen.add(item.name)
                match item.name:
                    case "vtc.message":
                        assert octets == record.octets
                    case "vtc.count":
                        assert int(octets, 16) == int(item.shown)
                    case "vtc.bcc":
                        assert octets == bytes([int(item.shown)])
                    case "vtc.crc":
                        assert int(octets, 16) == int(item.shown)
                    case "vtc.hcs" | "vtc.fcs":
                        assert int.from_bytes(octets, "little") == int(item.shown)
                    case "vtc.text" if b"\r\n" in octets or b"(" in octets or b"\x03" in octets:
                        first, last = item.shown.split(" ")[0], item.shown.split(" ")[-1]
                        assert octets.startswith(first.encode())
                        assert octets.endswith(last.encode())
                    case _:
                        assert show(octets) == item.shown, (item, record.octets)
    assert seen == {field.name for field in CATALOGUE if not field.generated and not field.extra}


def test_the_tree_of_an_answer(wireshark: Callable[..., Any]) -> None:
    """Derived fields and expert infos are in brackets; fields that the octets hold are not."""
    tool = wireshark()
    record = Record(START, b"\x02FFFE(05)x\x03D", sender=Sender.SERVER, inferred=True, line=Line(7, "E", 1), speed=300)
    tree = tool.run(tool.trace([record]), "-O", "vtc").splitlines()
    assert [line.strip() for line in tree[1:] if line.strip()] == [
        'Virtual token carrier, Data FFFE(05) tokenStatus=KeyTypeError "x" [bad check character 44h, not 7Ch]',
        "Tap header",
        "Kind: frame",
        "Sender: server",
        "Sender inferred: True",
        "Link: 0",
        "Tap: 0",
        "Speed: 300",
        "Line: 7E1",
        "Duration: 0.000000000 seconds",
        "Message: Data",
        "Data set 1: FFFE(05) tokenStatus",
        "Register: FFFE",
        "[Register name: tokenStatus]",
        "Value: 05",
        "[Decoded value: KeyTypeError]",
        "Unit:",
        "Text: x",
        "Check character: 68 (0x44)",
        "[Check character expected: 124 (0x7c)]",
        "[Check character status: bad]",
        "[Expert Info (Error/Checksum): A check character, or a Telegram's CRC, is wrong]",
        "[A check character, or a Telegram's CRC, is wrong]",
        "[Severity level: Error]",
        "[Group: Checksum]",
        "[Token status: 5]",
        "[Expert Info (Note/Response): The meter rejected a token]",
        "[The meter rejected a token]",
        "[Severity level: Note]",
        "[Group: Response]",
        "[Token status name: KeyTypeError]",
        "[Token status meaning: the meter's key may not change to a key of that type]",
        "[Token status outcome: rejected]",
        "[Session: 1]",
        "[Confidence: derived]",
    ]


FAULTS = {
    "bcc_bad": Record(START, b"\x01B0\x03r"),
    "fcs_bad": Record(START, b"\x7e\xa0\x07\x03\x21\x93\x0f\x02\x7e"),
    "bcc_missing": Record(START, b"\x01B0\x03"),
    "parity": Record(START, b"\x06", flags=Flag.PARITY, parity_errors=(0,)),
    "framing_error": Record(START, b"\x06", flags=Flag.FRAMING, framing_errors=(0,)),
    "break": Record(START, b"\x00", Kind.NOISE, flags=Flag.BREAK),
    "overrun": Record(START, b"\x06", flags=Flag.OVERRUN),
    "cut": Record(START, b"/?12", flags=Flag.CUT),
    "echo": Record(START, b"\x06", flags=Flag.ECHO),
    "undefined_command": Record(START, b"\x01Q0\x03b"),
    "nak": Record(START, b"\x15"),
    "char_gap": Record(START, b"\x06051\r\n", uncertainty=0, pauses_us=((1, 1_000_000), (2, 1_500_001))),
    "speed": Record(START, b"", Kind.EVENT, event="speed from=300 to=9600 why=option"),
}


def test_each_fault_is_marked_by_its_own_expert_info_alone(wireshark: Callable[..., Any]) -> None:
    sound = frames([b"/?!\r\n", b"\x01B0\x03q", b"\x06", b"/ISK5X\r\n\r\n1(2)\r\n!\r\n", b"\x00"])
    statuses = [b"\x02FFFE(%02X)\x03" % status for status in range(20)]
    rejected = [status + bytes([bcc_xor(status[1:])]) for status in statuses]
    tool = wireshark()
    shown = tool.items(tool.trace([*sound, *FAULTS.values(), *frames(rejected)]))
    named = {f"vtc.expert.{kind.expert}" for kind in TOLD}
    faults = [{item.name for item in items if item.name in named} for items in shown]
    assert faults[: len(sound)] == [set()] * len(sound)
    assert faults[len(sound) : -20] == [{f"vtc.expert.{name}"} for name in FAULTS]
    assert [number for number, found in enumerate(faults[-20:]) if found] == [*range(4, 16)]
    assert faults[-5] == {"vtc.expert.token_lockout"}
    assert set().union(*faults[-20:-5]) == {"vtc.expert.token_rejected"}


FORMER = {
    "crc_bad": (Record(START, b"/ISK5X\r\n\r\n1(2)\r\n!12AF\r\n"), "bcc_bad"),
    "framing": (FAULTS["framing_error"], "framing_error"),
    "undefined": (FAULTS["undefined_command"], "undefined_command"),
    "rejected": (Record(START, b"\x02FFFE(05)\x031"), "token_rejected"),
    "lockout": (Record(START, b"\x02FFFE(0F)\x03\x00"), "token_lockout"),
}


@pytest.mark.parametrize(("former", "more"), turns(FORMER, ["", "-2", "-V"]))
def test_former_names_of_filters_find_their_packets(former: str, more: str, wireshark: Callable[..., Any]) -> None:
    """Former names find their packets in one pass, in two and with the tree, and are never shown."""
    record, name = FORMER[former]
    tool = wireshark()
    trace = tool.trace([FAULTS["bcc_bad"], record])
    found = tool.run(trace, "-Y", f"vtc.expert.{former}", "-T", "fields", "-e", "frame.number", *more.split())
    assert found.split() == ["2"]
    shown = tool.run(trace, "-V", "-Y", f"vtc.expert.{name}")
    assert shown.count("Virtual token carrier,") == 1 + (name == "bcc_bad")
    assert f"vtc.expert.{former}" not in shown


def test_the_columns_name_the_sides_and_summarise_the_record(wireshark: Callable[..., Any]) -> None:
    tool = wireshark()
    records = [
        Record(START, b"", Kind.EVENT, event="opened speed=9600"),
        Record(START, b"/?!\r\n", sender=Sender.CLIENT),
        Record(START, b"/ISK5\\2X\r\n", sender=Sender.SERVER, inferred=True),
        Record(START, b"\x06"),
        Record(START, bytes(40), Kind.NOISE, sender=Sender.SERVER),
        Record(START, b"\x02" + b"a(1*k)" * 6 + b"\x03"),
    ]
    names = ("Source", "Destination", "Protocol", "Info")
    shown = tool.run(tool.trace(records), "-T", "json", *(word for name in names for word in ("-e", f"_ws.col.{name}")))
    rows = [[value for (value,) in packet["_source"]["layers"].values()] for packet in json.loads(shown)]
    assert rows == [
        ["unknown", "unknown", "VTC", "opened speed=9600"],
        ["client", "server", "VTC", "IDRequest"],
        ["server", "client", "VTC", "IDResponse ISK 5 \\2X (Iskraemeco, Slovenia?)"],
        ["unknown", "unknown", "VTC", "ACK"],
        ["server", "client", "VTC", "noise " + "<NUL>" * 32 + " ... 8 more octets"],
        ["unknown", "unknown", "VTC", "Data a(1*k) a(1*k) a(1*k) a(1*k) ... 2 more data sets"],
    ]


def test_the_flow_graph_has_two_addresses(wireshark: Callable[..., Any]) -> None:
    tool = wireshark()
    records = [Record(START, b"/?!\r\n", sender=Sender.CLIENT), Record(START, b"\x06", sender=Sender.SERVER)]
    # tshark 4.0 takes the graph's addresses from the columns in one of its two modes, 4.4 in the other.
    graph = "".join(tool.run(tool.trace(records), "-q", "-z", f"flow,any,{mode}") for mode in ("standard", "network"))
    assert "10.0.0.1" in graph
    assert "10.0.0.2" in graph


def test_octets_of_an_event_that_are_no_text_are_shown_by_name(wireshark: Callable[..., Any]) -> None:
    """Octets of an event that are no text are shown by name: a NUL would end the string, and invalid UTF-8 would make
    the output of tshark unreadable."""
    tool = wireshark()
    odd = [b"mark a\0b", b"mark \xff", b"mark \xc3\xa4\xa4", b"mark \xe2\x98", b"mark \xed\xa0\x80", b"mark \xc0\xaf"]
    whole = encode(Record(START, b"", Kind.EVENT, event="mark " + "x" * 7))
    path = tool.folder / "odd.pcapng"
    with create_capture(path, linktype=147) as writer:
        writer.add_interface(Interface(147))
        for event in odd:
            writer.write(Packet(START, whole[:34] + struct.pack(">H", len(event)) + event.ljust(12, b"\0"), 147))
    shown = [tool.values(items)["vtc.event.detail"] for items in tool.items(path)]
    assert shown == [["a<NUL>b"], ["<FF>"], ["<C3><A4><A4>"], ["<E2><98>"], ["<ED><A0><80>"], ["<C0><AF>"]]


@pytest.mark.parametrize(("start", "fill", "message"), [(b"/ISk5\r\n", b"!0", "Telegram"), (b"\x02a(", b"00", "Data")])
def test_a_long_record_takes_linear_time(tmp_path: Path, start: bytes, fill: bytes, message: str) -> None:
    """A Telegram with 32 000 soft ends, and a value of 64 000 characters without an end, take less than 2.5 times as
    long as with 500. Joining the pieces of the Telegram's text one by one took five times as long; trying the value at
    each length, minutes."""
    script = write(tmp_path / "vtctap.lua")

    def seconds(count: int) -> float:
        trace = tmp_path / f"{count}.pcapng"
        with create_trace(trace) as writer:
            writer.write(Record(10**18, start + fill * count))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert tshark(trace, script, "-T", "fields", "-e", "vtc.message") == [message]
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime

    assert seconds(32_000) < 2.5 * seconds(500)

"""The generated dissector marks the faults that ``check`` finds, and shows statistics and sessions as text, in tshark
and in windows."""

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from equipment.sampling import sampled
from vtctap.__main__ import main
from vtctap.dissector.analysis.check import check
from vtctap.dissector.analysis.findings import KINDS
from vtctap.dissector.profiles.files import load
from vtctap.dissector.protocol.checksums import bcc_xor
from vtctap.pcap import Flag, Kind, Record, Sender, open_trace

START = 1_767_225_600_000_000_000
APART = {"bcc-bad", "cut", "token-rejected", "token-lockout"}
"""Findings that differ from their expert infos: ``check`` reports a rejected token once, and the dissector marks it
wherever the meter says so; of cut messages and Telegrams, ``check`` reports more."""
CODES = {kind.code: kind.expert for kind in KINDS.values() if kind.group and kind.code not in APART}
SECOND, MILLI = 10**9, 10**6


def found_by_check(records: list[Record]) -> set[tuple[int, str]]:
    """Returns what ``check`` finds: the record's number, and the name of the expert info."""
    return {
        (finding.frames[-1], CODES[finding.code])
        for finding in check(records, load())
        if finding.code in CODES
        and not (finding.code == "no-response" and finding.severity == "note")
        and records[finding.frames[-1] - 1].kind is not Kind.EVENT
    }


def at_the_end(records: list[Record]) -> set[tuple[int, str]]:
    """Returns the findings about the last request of each link, which has no answer because the trace ends: the
    dissector does not know that it ends."""
    requests = {record.link: number for number, record in enumerate(records, 1) if record.sender is Sender.CLIENT}
    return {(number, "no_response") for number in requests.values()}


def marked(tool: Any, trace: Path) -> set[tuple[int, str]]:
    return {
        (number, item.name.removeprefix("vtc.expert."))
        for number, items in enumerate(tool.items(trace, "-2"), 1)
        for item in items
        if item.name.removeprefix("vtc.expert.") in CODES.values()
    }


def block(octets: bytes) -> bytes:
    return octets + bytes([bcc_xor(octets[1:])])


CLIENT = (b"/?!\r\n", b"/?!", block(b"\x01R1\x02FFFE()\x03"), block(b"\x01B0\x03"), b"\x15", b"\x06", b"\x01Q0\x03b",
          b"\x00\x00", b"\x7e\xa0\x07\x03\x21\x93\x0f\x02\x7e", b"xyz")  # fmt: skip
SERVER = (b"/ABC5X\r\n", block(b"\x02FFFE(05)\x03"), b"\x02FFFE(05)\x03!", b"\x15", b"\x06", b"\x7e\xa0\x7e", b"xyz")


def story(chance: random.Random, count: int) -> list[Record]:
    """Returns frames in random order, at times around the limits."""
    time, records = START, []
    for _ in range(count):
        sender = chance.choice((Sender.CLIENT, Sender.CLIENT, Sender.SERVER, Sender.SERVER, Sender.UNKNOWN))
        octets = chance.choice(CLIENT if sender is Sender.CLIENT else SERVER)
        if chance.random() < 0.1:
            octets = chance.choice(CLIENT + SERVER)
        time += chance.choice(
            (0, MILLI, 19 * MILLI, 20 * MILLI, 21 * MILLI, 100 * MILLI, 1500 * MILLI, 1501 * MILLI, 130 * SECOND)
        )
        duration = chance.choice((0, 5 * MILLI))
        if chance.random() < 0.02:
            # Only check knows of a `missed` event what was lost before it.
            event = chance.choice(("lost", *["opened"] * 4, "overrun unread=1", "overrun unread=1", "mark x"))
            records.append(
                Record(time, kind=Kind.EVENT, link=chance.randrange(2), tap=chance.randrange(2), event=event)
            )
        flags = chance.choice((0, 0, 0, 0, Flag.CUT, Flag.ECHO, Flag.ORDER_UNCERTAIN, Flag.SYNTHETIC, Flag.OVERRUN))
        records.append(
            Record(
                time,
                octets,
                sender=sender,
                link=chance.randrange(2),
                uncertainty=chance.choice((None, 0, 0, MILLI)),
                duration=duration,
                flags=flags,
                pauses_us=((1, chance.choice((1_499_000, 1_500_000, 1_500_001, 1_503_000))),)
                if chance.random() < 0.1
                else (),
            )
        )
        time += duration
    return records


@pytest.mark.parametrize("seed", sampled(range(4), 4))
def test_frames_in_random_order_are_marked_as_check_finds_them(seed: int, wireshark: Callable[..., Any]) -> None:
    """The 1300 frames fill more than two pages of places, so some answers are on a later page."""
    tool = wireshark()
    records = story(random.Random(seed), 1300)
    trace = tool.trace(records)
    with open_trace(trace) as reader:
        stored = list(reader)
    naks = {(number, "nak") for number, record in enumerate(stored, 1) if record.octets == b"\x15"}
    found, wanted = marked(tool, trace), found_by_check(stored)
    # The dissector marks every NAK; check reports only those that refuse something.
    assert found - naks <= wanted
    assert wanted - found <= at_the_end(stored)
    assert naks <= found
    assert {name for _, name in found} >= set(CODES.values()) - {"parity", "framing_error", "break", "bcc_missing"}


@pytest.mark.parametrize("seed", [3, 4])
def test_the_demonstration_is_marked_as_check_finds_it(
    seed: int, wireshark: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "demo.pcapng"
    assert main(["demo", "--fast", "--faults", "--seed", str(seed), "-q", "-w", str(path)]) == 0
    with open_trace(path) as reader:
        records = list(reader)
    found, wanted = marked(wireshark(), path), found_by_check(records)
    assert found <= wanted
    assert wanted - found <= at_the_end(records)


def exchange() -> list[Record]:
    octets = (
        (b"/?!\r\n", Sender.CLIENT), (b"/ABC5X\r\n", Sender.SERVER), (block(b"\x01R1\x022006()\x03"), Sender.CLIENT),
        (block(b"\x022006(12)\x03"), Sender.SERVER), (b"/?!\r\n", Sender.CLIENT), (b"\x02(1)\x03!", Sender.SERVER),
    )  # fmt: skip
    return [Record(START + number * 250 * MILLI, each, sender=who) for number, (each, who) in enumerate(octets)]


STATISTICS = """\
6 frames

Messages
  client   IDRequest                 2
  client   ReadCommand               1
  server   Data                      2
  server   IDResponse                1

Errors (vtc.expert.*)
  bcc_bad                            1

Response times, ms                 answers      least       mean       most
  2006 meterNumber                       1    250.000    250.000    250.000
  IDRequest                              2    250.000    250.000    250.000
"""


def test_statistics_as_text(wireshark: Callable[..., Any]) -> None:
    tool = wireshark()
    trace = tool.trace(exchange())
    for more in (("-z", "vtc,stats"), ("-X", "lua_script1:stats"), ("-2", "-z", "vtc,stats")):
        assert tool.run(trace, "-q", *more) == STATISTICS


def test_statistics_mark_assumed_names(wireshark: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    """Names of registers have the question mark that ``vtctap stats`` shows."""
    example = Path(__file__).parents[3] / "examples" / "session.pcapng"
    assert main(["stats", str(example)]) == 0
    name = re.compile(r"\b[0-9A-F]{4} [A-Za-z]\w*\??")
    registers, shown = set(name.findall(capsys.readouterr().out)), wireshark().run(example, "-q", "-z", "vtc,stats")
    assert any(register.endswith("?") for register in registers)
    assert set(name.findall(shown)) == registers


def test_a_session_as_text(wireshark: Callable[..., Any]) -> None:
    tool = wireshark()
    for how in (("-z", "vtc,session=2"), ("-X", "lua_script1:session=2")):
        assert tool.run(tool.trace(exchange()), "-q", *how).splitlines() == [
            "     5    1.000000 client  IDRequest",
            "     6    1.250000 server  Data (1) [bad check character 21h, not 33h]",
        ]
    assert tool.run(tool.trace(exchange()), "-q", "-z", "vtc,session=9") == "There is no session 9.\n"
    wrong = "vtc: -z vtc,stats or -z vtc,session=NUMBER, not vtc,session\n"
    assert tool.run(tool.trace(exchange()), "-q", "-z", "vtc,session") == wrong
    assert tool.run(tool.trace(exchange()), "-q", "-X", "lua_script1:vtctap") == ""


BEFORE = """
local menus, buttons = {}, {}
local function gui_enabled() return true end
local function register_menu(name, action) menus[name] = action end
local function register_packet_menu(name, action, needed)
    menus["packet/" .. name] = needed == "vtc.session" and action
end
local current = true
local function retap_packets() current = false end
local function field(name, value)
    return setmetatable({}, { __index = function(_, key)
        assert(current, "expired FieldInfo")
        return key == "name" and name or value
    end })
end
local function get_filter() return "nonsense ==" end
local function set_filter(filter) print("filter " .. filter) end
local function apply_filter() print("applied") end
local TextWindow = { new = function(title)
    return { set_atclose = function() end, add_button = function(_, label, action) buttons[label] = action end,
        set = function(_, text)
            print(title .. "\\n" .. text)
            local pressed = text:find("Session 1 of 2") and { "Next", "Next", "Filter", "Previous", "Filter" } or {}
            for _, label in ipairs(pressed) do
                buttons[label]()
            end
        end }
end }
"""
AFTER = """
menus["packet/vtctap/Session as text"](field("vtc.link", 7), field("vtc.session", 2), field("vtc.message", "Data"))
menus["vtctap/Statistics"]()
menus["vtctap/Session as text"]()
"""


def test_statistics_and_sessions_in_windows(wireshark: Callable[..., Any]) -> None:
    """The code of the menus runs with stand-ins for Wireshark's windows, which print their text and press buttons."""
    tool = wireshark()
    tool.script.write_text(BEFORE + tool.script.read_text() + AFTER)
    shown = tool.run(tool.trace(exchange()), "-q")
    assert "vtctap: statistics\n" + STATISTICS in shown
    head = "vtctap: session as text\nSession"
    assert f"{head} 2 of 2, packets 5 to 6\n\n     5    1.000000 client  IDRequest\n" in shown
    assert f"{head} 1 of 2, packets 1 to 4\n\n     1    0.000000 client  IDRequest\n" in shown
    pressed = "filter vtc.session == 2\napplied\nfilter vtc.session == 1\napplied\n"
    assert shown.count("filter") == 2
    assert pressed in shown


def test_flow_graphs_have_client_and_server(wireshark: Callable[..., Any]) -> None:
    """With the preference ``vtc.addresses`` both kinds of flow graphs, and the columns, have an address for each side;
    without it the columns name the sides."""
    tool = wireshark()
    trace = tool.trace(exchange())
    for kind in ("standard", "network"):
        drawn = tool.run(trace, "-o", "vtc.addresses:TRUE", "-q", "-z", f"flow,any,{kind}").splitlines()
        assert "10.0.0.1" in drawn[0]
        assert "10.0.0.2" in drawn[1]
    assert "client → server" in tool.run(trace).splitlines()[0]
    assert "10.0.0.1 → 10.0.0.2" in tool.run(trace, "-o", "vtc.addresses:TRUE").splitlines()[0]


def test_preferences_set_the_limits_and_show_the_octets(wireshark: Callable[..., Any]) -> None:
    """The limits are the profile's unless a preference sets others; another preference shows the octets."""
    tool = wireshark()
    trace = tool.trace(exchange()[:2])
    late = tool.run(trace, "-o", "vtc.reaction_max:249", "-Y", "vtc.expert.response_late")
    assert late == ""  # The uncertainty of these times is unknown.
    sure = [Record(record.time, record.octets, sender=record.sender, uncertainty=0) for record in exchange()[:2]]
    trace = tool.trace(sure)
    assert tool.run(trace, "-Y", "vtc.expert.response_late") == ""
    assert len(tool.run(trace, "-o", "vtc.reaction_max:249", "-Y", "vtc.expert.response_late").splitlines()) == 1
    assert len(tool.run(trace, "-o", "vtc.reaction_min:251", "-Y", "vtc.expert.response_early").splitlines()) == 1
    shown = tool.run(trace, "-o", "vtc.octets:TRUE").splitlines()
    assert shown[0].endswith("IDRequest | 2f 3f 21 0d 0a")


def test_a_preference_selects_one_of_several_profiles(wireshark: Callable[..., Any]) -> None:
    """Registers have the names of the first profile unless a preference selects another one."""
    obis = load("iec62056-21")
    tool = wireshark(load(), obis)
    ask = Record(START, block(b"\x01R1\x022011()\x03"), sender=Sender.CLIENT, uncertainty=0)
    answer = Record(
        START + obis.timing.reaction_max_ns + 1, block(b"\x022011(5)\x03"), sender=Sender.SERVER, uncertainty=0
    )
    energy = Record(START + 3 * SECOND, block(b"\x021.8.0(12.5*kWh)\x03"), sender=Sender.SERVER, uncertainty=0)
    trace = tool.trace([ask, answer, energy])
    name = ("-T", "fields", "-e", "vtc.register.name")
    first, second = load().registers["2011"].name, obis.registers["1.8.0"].name
    assert tool.run(trace, *name).splitlines() == [first, first, ""]
    assert tool.run(trace, *name, "-o", "vtc.profile:iec62055-52").splitlines() == [first, first, ""]
    assert tool.run(trace, *name, "-o", "vtc.profile:iec62056-21").splitlines() == ["", "", second]


def test_frames_of_mode_e_are_handed_to_wiresharks_dlms_dissector(wireshark: Callable[..., Any]) -> None:
    """Wireshark's dissector "dlms" (from 4.6 on; a stand-in here) receives undamaged frames only, and an error in it is
    no Lua error of ours."""
    frame, damaged = bytes.fromhex("7ea0070321930f017e"), bytes.fromhex("7ea0070321931f0f7e")
    tool = wireshark()
    said = [frame, damaged, b"\x06"]
    trace = tool.trace([Record(START + at * SECOND, said[at], sender=Sender.CLIENT) for at in range(3)])
    stand_in = """
local Dissector = { get = function(name)
    return { call = function(_, tvb, pinfo, tree) tree:add(name .. " was given " .. tvb:raw():gsub(".", function(octet)
        return string.format("%02x", octet:byte()) end)) error("malformed") end }
end }
"""
    tool.script.write_text(stand_in + tool.script.read_text())
    shown = tool.run(trace, "-V")
    assert shown.count("dlms was given") == 1
    assert "dlms was given 7ea0070321930f017e" in shown
    assert "Lua Error" not in shown

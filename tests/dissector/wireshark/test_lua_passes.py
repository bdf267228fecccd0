"""The generated dissector finds the same for a packet however Wireshark reads it: with a read filter, which renumbers
packets, after a time reference, and in any order."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vtctap.dissector.dissect import Dissector
from vtctap.dissector.profiles.files import load
from vtctap.dissector.protocol.checksums import bcc_xor
from vtctap.pcap import Flag, Kind, Record, Sender, create_capture, open_trace
from vtctap.pcap.capture_file import Interface, Packet
from vtctap.pcap.record import encode

START = 1_767_225_600_000_000_000
SECOND = 10**9
PLACE = ("vtc.session", "vtc.gap", "vtc.request_in", "vtc.response_in", "vtc.response_time", "vtc.repeat_of",
         "vtc.status.token_in", "vtc.token.status_in")  # fmt: skip


def block(octets: bytes) -> bytes:
    return octets + bytes([bcc_xor(octets[1:])])


def sessions(count: int) -> list[Record]:
    octets = (
        (b"/?!\r\n", Sender.CLIENT), (b"/ABC5X\r\n", Sender.SERVER), (block(b"\x01R1\x020020()\x03"), Sender.CLIENT),
        (block(b"\x020020(12)\x03"), Sender.SERVER),
    )  # fmt: skip
    return [
        Record(START + number * SECOND // 4, each, sender=who, duration=10**6 + 1, uncertainty=0)
        for number, (each, who) in enumerate(octets * count)
    ]


def places(tool: Any, trace: Path, *more: str) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in tool.values(items).items() if name in PLACE}
        for items in tool.items(trace, "-2", *more)
    ]


@pytest.mark.parametrize("side", ["client", "server"])
def test_what_a_read_filter_leaves_out_is_no_request_and_no_answer(side: str, wireshark: Callable[..., Any]) -> None:
    """A packet that is filtered out leaves its number to the next one, which must not inherit its links."""
    tool = wireshark()
    trace = tool.trace([*sessions(3), Record(START + 9 * SECOND, b"\x06")])
    shown = places(tool, trace, "-R", f'vtc.sender == "{side}" || vtc.sender == "unknown"')
    assert [place["vtc.session"] for place in shown] == [["1"], ["1"], ["2"], ["2"], ["3"], ["3"], ["3"]]
    assert {name for place in shown for name in place} == {"vtc.session", "vtc.gap"}


REGISTERED = 'DissectorTable.get("wtap_encap")'
# Stands between Wireshark and the dissector: pinfo with another relative time.
BETWEEN = """
local first
local function seen(pinfo, relative)
    return setmetatable({}, { __newindex = pinfo, __index = function(_, name)
        return name == "rel_ts" and relative or pinfo[name]
    end })
end
"""
# As if the user had set time references and then changed a preference, so that all packets are dissected again.
REFERENCES = """
function protocol.dissector(tvb, pinfo, tree)
    first = (pinfo.number % 5 == 0 or not first) and pinfo.rel_ts or first
    return dissect(tvb, seen(pinfo, pinfo.rel_ts - first), tree)
end
"""
# As Wireshark's window reads a file with a read filter that passes everything: each packet is dissected twice.
TWICE = """
function protocol.dissector(tvb, pinfo, tree)
    if not pinfo.visited then
        dissect(tvb, seen(pinfo, 0), tree)
    end
    return dissect(tvb, pinfo, tree)
end
"""


@pytest.mark.parametrize("way", [REFERENCES, TWICE], ids=["time references", "read filter"])
def test_places_do_not_depend_on_the_way_of_reading(way: str, wireshark: Callable[..., Any]) -> None:
    tool = wireshark()
    trace = tool.trace(sessions(100))
    wanted = places(tool, trace)
    assert wanted[3] == {
        "vtc.session": ["1"], "vtc.gap": [248_999_999], "vtc.request_in": ["3"], "vtc.response_time": [248_999_999]
    }  # fmt: skip
    script = tool.script.read_text().replace("function protocol.dissector(", "local function dissect(")
    tool.script.write_text(script.replace(REGISTERED, BETWEEN + way + REGISTERED))
    shown = places(tool, trace)
    assert [place["vtc.session"] for place in shown] == [place["vtc.session"] for place in wanted]
    for ours, theirs in zip(wanted, shown, strict=True):
        assert ours.keys() == theirs.keys()
        for name, (value,) in ours.items():
            # After a reference, times are only as exact as a double holds times since 1970.
            assert theirs[name] == [value] or abs(int(theirs[name][0]) - int(value)) < 1000


def test_gaps_of_years(wireshark: Callable[..., Any]) -> None:
    """Gaps of years, as between merged traces, are right on the first pass and when they are looked up again."""
    year = 365 * 86_400 * SECOND
    records = [Record(START + age * year, b"\x06") for age in (0, 1, 3, 53)]
    records += [Record(START + 53 * year, b"\x06")] * 1100
    tool = wireshark()
    for passes in ((), ("-2",)):
        shown = tool.run(tool.trace(records), *passes, "-T", "fields", "-e", "vtc.gap").splitlines()
        assert [round(float(gap) / 31_536_000, 6) for gap in shown[1:4]] == [1, 2, 50]


def test_frames_that_a_snapshot_length_cut_are_flagged_as_cut(wireshark: Callable[..., Any]) -> None:
    """Frames that a snapshot length cut are flagged as cut and have no other fault, here and in our own reader."""
    tool = wireshark()
    whole = [
        Record(START, block(b"\x02FFFE(10)\x03")),
        Record(START, b"??", Kind.NOISE),
        Record(START, b"/?", flags=Flag.CUT),
    ]
    path = tool.folder / "short.pcapng"
    with create_capture(path, linktype=147) as writer:
        writer.add_interface(Interface(147))
        for record in (*whole, whole[0]):
            data = encode(record)
            writer.write(Packet(record.time, data[:-1], 147, 0, len(data)))
        writer.write(Packet(START, encode(whole[0]), 147))
    with open_trace(path) as reader:
        records = list(reader)
    assert [record.flags for record in records] == [Flag.CUT, 0, Flag.CUT, Flag.CUT, 0]
    dissect = Dissector(load()).dissect
    for record, items in zip(records, tool.items(path), strict=True):
        assert tool.values(items) == tool.comparable(dissect(record).fields())
        faults = [item.name for item in items if item.name.startswith("vtc.expert.")]
        assert faults == (["vtc.expert.cut"] if record.flags else [])


@pytest.mark.skipif(not shutil.which("sharkd"), reason="sharkd is not here")
def test_the_requested_fields_may_change_from_one_packet_to_the_next(wireshark: Callable[..., Any]) -> None:
    """Columns are right if one packet is requested for some fields and the next for others, as when Wireshark's window
    draws rows and a search continues after them."""
    tool = wireshark()
    trace = tool.trace(sessions(1))
    home = tool.folder / "home"
    plugins = home / ".local/lib/wireshark/plugins"
    plugins.mkdir(parents=True)
    shutil.copy(tool.script, plugins / "vtctap.lua")
    asked = (
        ("load", {"file": str(trace)}),
        ("frames", {"limit": 2}),
        ("frames", {"skip": 2, "column0": "vtc.cmd:1", "column1": "vtc.value:1"}),
    )
    lines = [
        json.dumps({"jsonrpc": "2.0", "id": number, "method": name, "params": what})
        for number, (name, what) in enumerate(asked, 1)
    ]
    done = subprocess.run(
        ["sharkd", "-"],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        env={**os.environ, "HOME": str(home), "TSHARK_HOME": str(home)},
    )
    answers = [json.loads(line)["result"] for line in done.stdout.splitlines()]
    assert [row["c"][-1] for row in answers[1]] == ["IDRequest", "IDResponse ABC 5 X"]
    assert [row["c"] for row in answers[2]] == [["R1", ""], ["", "12"]]

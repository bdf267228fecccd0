"""The outcome that a profile states for a token status appears in read, check, flows, the report, Scapy and
Wireshark."""

import json
import re
import subprocess
from functools import reduce
from operator import xor
from pathlib import Path

import pytest
from scapy.config import conf
from scapy.utils import rdpcap

import vtctap.dissector.scapy  # noqa: F401  # registers the layer
from vtctap.__main__ import main
from vtctap.dissector.analysis.flows import token_flows
from vtctap.dissector.profiles.files import load
from vtctap.pcap import Record, Sender, create_trace, open_trace

TOKEN = "01062065899601840219"
PROFILE = """
[profile]
name = "mine"
title = "A maker's statuses"
inherits = "iec62055-52"
source = "the maker's manual"
confidence = "confirmed"

[tables.tokenStatus.values]
5 = "KeyTypeError, renamed"
20 = { name = "TariffIndexError", outcome = "rejected", meaning = "made for another tariff" }
21 = { name = "StillThinking", outcome = "pending" }
22 = { name = "Resting", outcome = "locked out", source = "a letter", confidence = "assumed" }
23 = { name = "Bonus", outcome = "accepted", meaning = "a gift" }
24 = "Whatever"
"""
SHIPPED = {
    1: "the token was taken",
    4: "a register of the meter would overflow",
    15: "the meter takes no tokens for now",
    16: "the last token is still being processed: read the status again",
}
MEANINGS = SHIPPED | {20: "made for another tariff", 23: "a gift"}
EXPERTS = {"rejected": "token_rejected", "locked out": "token_lockout"}

each_status = pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (1, "accepted"), (4, "rejected"), (15, "locked out"), (16, "pending"), (0, None),
        (20, "rejected"), (21, "pending"), (22, "locked out"), (23, "accepted"), (24, None), (5, None), (99, None),
    ],
)  # fmt: skip


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("outcomes") / "mine.toml"
    path.write_text(PROFILE)
    return path


@pytest.fixture(scope="module")
def script(profile: Path) -> Path:
    path = profile.with_suffix(".lua")
    assert main(["wireshark", "lua", "--profile", str(profile), "-o", str(path)]) == 0
    return path


def trace(folder: Path, status: int) -> Path:
    """A session in which a token is written and acknowledged, and its status is read."""

    def checked(text: bytes) -> bytes:
        return text + bytes([reduce(xor, text[1:])])

    said = (
        checked(b"\x01W1\x02FFFF(%s)\x03" % TOKEN.encode()), b"\x06",
        checked(b"\x01R1\x02FFFE()\x03"), checked(b"\x02FFFE(%02X)\x03" % status),
    )  # fmt: skip
    path = folder / "token.pcapng"
    with create_trace(path) as writer:
        for number, octets in enumerate(said):
            side = Sender.SERVER if number % 2 else Sender.CLIENT
            writer.write(Record(1_767_225_600_000_000_000 + number * 100_000_000, octets, sender=side))
    return path


@each_status
def test_all_say_the_same(
    status: int, outcome: str | None, profile: Path, script: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = trace(tmp_path, status)
    finding = {"rejected": ["token-rejected"], "locked out": ["token-lockout"]}.get(outcome or "", [])
    # read
    assert main(["read", str(path), "--json", "--profile", str(profile)]) == 0
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert answer.get("vtc.status.token.outcome") == outcome
    meaning = MEANINGS.get(status)
    assert answer.get("vtc.status.token.meaning") == meaning
    # check
    main(["check", str(path), "--json", "--profile", str(profile)])
    found = json.loads(capsys.readouterr().out)["findings"]
    assert [each["code"] for each in found if each["code"].startswith("token-")] == finding
    about = [each["message"] for each in found if each["code"].startswith("token-")]
    assert all(text.endswith(f"({status}): {meaning}" if meaning else f"({status})") for text in about)
    # flows and report
    with open_trace(path) as reader:
        (flow,) = token_flows(reader, load(str(profile)))
    assert (flow.outcome, flow.status_meaning) == (outcome or "unknown", meaning)
    page = tmp_path / "report.html"
    assert main(["report", str(path), "-o", str(page), "--profile", str(profile)]) == 0
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.DOTALL)
    (told,) = json.loads(data)["tokens"]
    assert (told["outcome"], told["meaning"]) == (outcome or "unknown", meaning)
    # Scapy
    conf.contribs["vtctap"]["profile"] = str(profile)
    try:
        packet = rdpcap(str(path))[-1]
        assert (packet.status_token_outcome, packet.data_sets[0].status_token_outcome) == (outcome, outcome)
        assert (packet.status_token_meaning, packet.data_sets[0].status_token_meaning) == (meaning, meaning)
    finally:
        conf.contribs["vtctap"]["profile"] = "iec62055-52"
    # Wireshark
    command = [
        "tshark",
        "-r",
        str(path),
        "-X",
        f"lua_script:{script}",
        "-T",
        "fields",
        "-e",
        "vtc.status.token.outcome",
        "-e",
        "vtc.status.token.meaning",
    ]
    shown = [*command, *(part for name in EXPERTS.values() for part in ("-e", f"vtc.expert.{name}"))]
    done = subprocess.run(shown, capture_output=True, text=True, check=True).stdout.splitlines()[-1].split("\t")
    assert done[:2] == [outcome or "", meaning or ""]
    assert [bool(cell) for cell in done[2:]] == [outcome == each for each in EXPERTS]


def test_the_page_of_tokens_tells_what_each_status_means() -> None:
    """The page gives each status the profile's meaning."""
    table = load().tables["tokenStatus"]
    page = (Path(__file__).parent.parent / "docs" / "tokens.md").read_text()
    rows = re.findall(r"^\| (\d+) \| (.*?) \| (.*?) \| (.*?) \|$", page, re.MULTILINE)
    assert rows == [
        (str(number), name, table.outcomes.get(number, ""), table.meanings.get(number, ""))
        for number, name in table.values.items()
    ]


def test_renaming_a_status_says_nothing_of_its_outcome(profile: Path) -> None:
    table = load(str(profile)).tables["tokenStatus"]
    assert (table.values[5], table.outcomes.get(5), table.meanings.get(5)) == ("KeyTypeError, renamed", None, None)
    assert table.provenance_of(5).source == table.provenance_of(20).source == "the maker's manual"
    assert (table.provenance_of(22).source, table.provenance_of(22).confidence) == ("a letter", "assumed")
    assert table.provenance_of(4) == load().tables["tokenStatus"].provenance

"""The profile command: skeletons learned from traces, what a profile explains, and profiles of one's own."""

import json
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from vtctap.dissector.analysis.learn import HIDDEN, Learner, form, quote, skeleton
from vtctap.dissector.dissect import Dissector
from vtctap.dissector.profiles.files import load, parse
from vtctap.dissector.protocol.checksums import bcc_xor
from vtctap.pcap import Flag, Line, Record, Sender, create_trace

Run = Callable[..., subprocess.CompletedProcess[str]]
TOKENS = ("12345678901234567890", "1FFFFFFFFFFFFFFFF", "00000000000150997584")
PASSWORD = "31415926"


def block(body: str) -> bytes:
    octets = body.encode("latin-1") + b"\x03"
    return octets + bytes([bcc_xor(octets[1:])])


def session(*frames: tuple[str, bytes]) -> list[Record]:
    senders = {"C": Sender.CLIENT, "M": Sender.SERVER}
    return [
        Record(10**18 + at * 10**9, octets, sender=senders[side], line=Line(7, "E", 1), speed=2400)
        for at, (side, octets) in enumerate(frames)
    ]


FRAMES = session(
    ("C", b"/?!\r\n"),
    ("M", b"/CON5\r\n"),
    ("C", block(f"\x01P1\x02({PASSWORD})")),
    ("M", b"\x06"),
    ("C", block("\x01R1\x027001()")),
    ("M", block("\x027001(000123.4*kWh)")),
    ("C", block("\x01R1\x027001()")),
    ("M", block("\x02(000120.0*kWh)")),
    ("C", block("\x01R1\x027002()")),
    ("M", block("\x027002(AB-12)")),
    ("C", block(f"\x01W1\x027003({TOKENS[0]})")),
    ("M", b"\x06"),
    ("C", block(f"\x01W1\x027004({PASSWORD})")),
    ("M", b"\x06"),
    ("C", block("\x01R1\x027005()")),
    ("M", block(f"\x027005({TOKENS[1]})7006({TOKENS[2]})FFFE(01)")),
)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    path = tmp_path / "capture.pcapng"
    with create_trace(path) as writer:
        for record in FRAMES:
            writer.write(record)
    return path


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "vtctap" / "profiles"


def test_a_skeleton_says_what_was_seen(inside: Run, trace: Path, tmp_path: Path) -> None:
    done = inside("profile", "learn", trace, "-o", "mine.toml")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    text = (tmp_path / "mine.toml").read_text()
    document = tomllib.loads(text)
    assert document["line"] == {"format": "7E1", "speed": 2400}
    assert document["profile"]["source"] == "learned from capture.pcapng"
    assert document["registers"]["entries"] == {
        "FFFE": {"name": "tokenStatus", "access": "read", "table": "tokenStatus", "base": 16, "octets": 1},
        "7001": {"name": "register 7001", "access": "read", "type": "decimal", "unit": "kWh"},
        "7002": {"name": "register 7002", "access": "read"},
        "7003": {"name": "register 7003", "access": "write"},
        "7004": {"name": "register 7004", "access": "write"},
        "7005": {"name": "register 7005", "access": "read"},
        "7006": {"name": "register 7006", "access": "read"},
    }
    assert "# asked for 2 times, answered 2 times; forms 999999.9; from 120.0 to 123.4; in kWh\n" in text
    assert "# asked for once, answered once; forms AA-99\n" in text
    assert "# written once; forms 99999999\n" in text
    assert "iec62055-52 calls it so (derived)" in text
    profile = load(str(tmp_path / "mine.toml"))
    learned = document["registers"]["entries"]
    assert {profile.registers[id].provenance.confidence for id in learned} == {"assumed"}
    assert profile.registers["7001"].provenance.source == "learned from capture.pcapng"


def test_no_token_or_password_is_in_it(inside: Run, trace: Path) -> None:
    text = inside("profile", "learn", trace).stdout
    for secret in (*TOKENS, PASSWORD):
        assert secret not in text
        assert secret.lstrip("0") not in text
    assert HIDDEN in text


def test_what_may_be_a_meters_number_is_not_in_it() -> None:
    learner, dissector = Learner(), Dissector(load())
    for body in ("\x02C.1(31415926)", "\x02E.1(31415926*kWh)", "\x02F.1(3141592)"):
        learner.feed(dissector.dissect(Record(0, block(body), sender=Sender.SERVER)))
    ranges = {register: seen.lowest for register, seen in learner.registers.items()}
    assert ranges == {"C.1": None, "E.1": 31415926, "F.1": 3141592}


def test_what_is_damaged_or_secret_teaches_nothing(trace: Path) -> None:
    good = FRAMES[5].octets
    for record in (
        Record(0, good[:-1] + bytes([good[-1] ^ 1])),
        Record(0, good[:-1]),
        Record(0, good, flags=int(Flag.CUT)),
        Record(0, good, flags=int(Flag.ECHO)),
        Record(0, good, parity_errors=(2,)),
        Record(0, block(f"\x01P1\x027001({PASSWORD})")),
        Record(0, block("\x01E2\x027001(1)")),
    ):
        learner = Learner()
        learner.feed(Dissector(load()).dissect(record))
        assert learner.registers == {}


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ("", ""),
        ("00123.4", "99999.9"),
        ("Ab-9", "Aa-9"),
        ("1" * 16, HIDDEN),
        ("x" + "a" * 16, HIDDEN),
        ("xyz" * 20, "a" * 40 + "... (60 characters)"),
    ],
)
def test_forms(value: str, shape: str) -> None:
    assert form(value) == shape


HOSTILE = ('"] = 1 } x', "'''", "\\", "a\nb = 1", "Zähler ☃", "\udcff", "#", "\x7f")


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_trace_says_is_text_in_the_skeleton(text: str) -> None:
    printable = "".join(sign if sign.isprintable() else "?" for sign in text)
    assert tomllib.loads(f"x = {quote(text)}")["x"] == printable
    learner = Learner()
    dissector = Dissector(load())
    register = text.replace("\n", "").encode("ascii", "replace").decode()
    for body in (f"\x02{register}(1*{register})", f"\x02b({register}*V)"):
        learner.feed(dissector.dissect(Record(0, block(body), sender=Sender.SERVER)))
    made = skeleton(learner, load(), parent="iec62055-52", name=text, traces=[text])
    profile = parse(made, "made.toml" if text.isprintable() else "x")  # loads whole, whatever the text
    assert "b" in profile.registers
    assert len(profile.registers) > len(load().registers) + 1


def test_registers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vtctap.dissector.analysis.learn.MAX_REGISTERS", 3)
    learner = Learner()
    dissector = Dissector(load())
    for number in range(10):
        learner.feed(dissector.dissect(Record(number, block(f"\x02q{number}(1)"), sender=Sender.SERVER)))
    assert (len(learner.registers), learner.left_out) == (3, 7)
    assert "7 data sets of further registers are left out" in skeleton(
        learner, load(), parent="iec62055-52", name="n", traces=["t"]
    )


def test_names_given_to_learned_registers_appear_in_tshark(inside: Run, trace: Path, tmp_path: Path) -> None:
    """A recorded session, its skeleton, three registers named by hand, and what tshark then shows."""
    inside("profile", "learn", trace, "-o", "mine.toml")
    text = (tmp_path / "mine.toml").read_text()
    for number, name in (("7001", "credit"), ("7002", "model"), ("7003", "tokenEntry")):
        assert f'name = "register {number}"' in text
        text = text.replace(f'name = "register {number}"', f'name = "{name}"')
    (tmp_path / "mine.toml").write_text(text)
    assert inside("wireshark", "lua", "--profile", "mine.toml", "-o", "mine.lua").returncode == 0
    command = ["tshark", "-r", trace, "-X", f"lua_script:{tmp_path / 'mine.lua'}", "-T", "fields"]
    fields = ("vtc.register.name", "vtc.value.decoded", "vtc.assumed")
    shown = subprocess.run(
        [*command, *(word for name in fields for word in ("-e", name))], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert shown[5].split("\t") == ["credit", "123.4 kWh", "vtc.register.name,vtc.value.decoded"]
    assert [line.split("\t")[0] for line in shown if "\t" in line and line.split("\t")[0]][:5] == [
        "credit", "credit", "credit", "credit", "model",
    ]  # fmt: skip
    assert any(line.startswith("tokenEntry\t") for line in shown)
    read = inside("read", trace, "--profile", "mine.toml").stdout
    assert "7001(000123.4*kWh) credit?=123.4 kWh" in read


def test_a_profile_is_inherited_by_its_files_name(inside: Run, trace: Path, folder: Path) -> None:
    """Which need not be the name that it states."""
    folder.mkdir(parents=True)
    parent = folder / "ours.toml"
    parent.write_text(inside("profile", "new", "x", "-o", "-").stdout.replace('name = "x"', 'name = "Our meters"'))
    for command in (["learn", trace], ["new", "child"]):
        made = inside("profile", *command, "--inherits", "ours", "-o", "-").stdout
        assert tomllib.loads(made)["profile"]["inherits"] == "ours"
        (folder.parent / "child.toml").write_text(made)
        assert inside("profile", "check", "--profile", folder.parent / "child.toml").returncode == 0


def test_check_says_how_much_is_explained(inside: Run, trace: Path, tmp_path: Path) -> None:
    counts = json.loads(inside("profile", "check", trace, "--json").stdout)
    # 7001 twice asked and answered, 7002 and 7005 asked and answered, 7003, 7004, 7006, and 0004.
    assert (counts["profile"], counts["frames"], counts["messages"]) == ("iec62055-52", 16, 16)
    assert (counts["data_sets"], counts["named"], counts["values"], counts["decoded"]) == (12, 1, 1, 1)
    assert counts["unnamed"] == {"7001": 4, "7002": 2, "7003": 1, "7004": 1, "7005": 2, "7006": 1}
    assert counts["registers"] == ["FFFE"]
    inside("profile", "learn", trace, "-o", "mine.toml")
    better = json.loads(inside("profile", "check", trace, "--json", "--profile", "mine.toml").stdout)
    assert (better["named"], better["values"], better["decoded"], better["unnamed"]) == (12, 3, 3, {})
    shown = inside("profile", "check", trace)
    assert shown.returncode == 0
    assert "data sets named   1 of 12 (8 %)\n" in shown.stdout
    assert "without a name: 7001 (4)\n" in shown.stdout
    changed = (tmp_path / "mine.toml").read_text().replace('"register 7002", access = "read"', '"x", type = "decimal"')
    (tmp_path / "mine.toml").write_text(changed)
    wrong = inside("profile", "check", trace, "--profile", "mine.toml").stdout
    assert "values decoded    3 of 4 (75 %)" in wrong
    assert "not of their form: 7002 (1)\n" in wrong


def test_check_without_a_trace_says_whether_a_profile_is_valid(inside: Run, tmp_path: Path) -> None:
    assert inside("profile", "check").stdout == "iec62055-52 is valid: 13 registers, 1 table\n"
    assert json.loads(inside("profile", "check", "--json").stdout) == {"profile": "iec62055-52", "valid": True}
    (tmp_path / "bad.toml").write_text("[profile]\nname = 1\n")
    bad = inside("profile", "check", "--profile", "bad.toml")
    assert (bad.returncode, bad.stderr) == (2, "vtctap: bad.toml:1: profile.source: is missing\n")


def test_new_list_show(inside: Run, folder: Path) -> None:
    made = inside("profile", "new", "mine", "--inherits", "iec62056-21")
    assert (made.returncode, made.stdout) == (0, f"{folder / 'mine.toml'}\n")
    assert load("mine").registers == load("iec62056-21").registers
    again = inside("profile", "new", "mine")
    assert (again.returncode, "exists" in again.stderr) == (2, True)
    assert inside("profile", "new", "mine", "--force").returncode == 0
    assert load("mine").inherits == "iec62055-52"
    assert [line.split()[0] for line in inside("profile", "list").stdout.splitlines()][2:] == ["mine"]
    assert "inherits" in inside("profile", "show", "mine").stdout
    assert json.loads(inside("profile", "show", "mine", "--json").stdout)["timing"]["session_timeout_ns"] == 120 * 10**9
    (folder / "broken.toml").write_text("[profile")
    listed = inside("profile", "list")
    assert (listed.returncode, listed.stdout.count("\n")) == (1, 3)
    assert listed.stderr.startswith(f"vtctap: {folder / 'broken.toml'}: ")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["new"], "takes one name"),
        (["new", "../x"], "cannot name a new profile"),
        (["new", "iec62055-52"], "cannot name a new profile"),
        (["new", "x.toml"], "cannot name a new profile"),
        (["new", "x", "--inherits", "nosuch"], "there is no profile 'nosuch'"),
        (["learn"], "needs a trace"),
        (["learn", "t", "--profile", "x"], "did you mean --inherits?"),
        (["learn", "t", "--inherits", "x.toml"], "takes the name of a profile, not a file"),
        (["learn", "nosuch.pcapng"], "No such file"),
        (["check", "mine.toml"], "mine.toml is a profile, not a trace: write --profile mine.toml"),
        (["show", "a", "b"], "takes one name"),
    ],
)
def test_wrong_use(inside: Run, tmp_path: Path, arguments: list[str], reason: str) -> None:
    done = inside("profile", *arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert reason in done.stderr
    assert list(tmp_path.iterdir()) == []

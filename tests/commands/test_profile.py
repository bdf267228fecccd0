"""``vtctap profile``: learning from traces, checking a profile against traces, and the user's own profiles."""

import json
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from vtctap.dissector.profiles.files import load
from vtctap.dissector.protocol.checksums import bcc_xor
from vtctap.pcap import Line, Record, Sender, create_trace

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


def test_what_was_learned_is_a_profile(inside: Run, trace: Path, tmp_path: Path) -> None:
    done = inside("profile", "learn", trace, "-o", "mine.toml")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    text = (tmp_path / "mine.toml").read_text()
    document = tomllib.loads(text)
    assert "line" not in document, "an import shows neither format nor speed"
    assert document["profile"]["source"] == "learned from capture.pcapng"
    assert document["syntax"]["read"] == {
        "is": "R1",
        "source": "seen 4 times, records 5, 7, 9, 15",
        "confidence": "derived",
    }
    entries = document["registers"]["entries"]
    assert {id: (entry["access"], entry["confidence"]) for id, entry in entries.items()} == {
        "FFFE": ("read", "assumed"),
        "7001": ("read", "derived"),
        "7002": ("read", "assumed"),
        "7003": ("write", "assumed"),
        "7004": ("write", "assumed"),
        "7005": ("read", "assumed"),
        "7006": ("read", "assumed"),
    }
    assert entries["7001"] == {
        "name": "register 7001",
        "access": "read",
        "type": "decimal",
        "unit": "kWh",
        "source": "seen 2 times, records 5, 7",
        "confidence": "derived",
    }
    assert '# "7001": readable 2 times; 8 characters, 1 after the point; decimal' in text
    profile = load(str(tmp_path / "mine.toml"))
    assert profile.registers["7001"].provenance.source == "seen 2 times, records 5, 7"


def test_no_value_is_in_it_or_on_the_page(inside: Run, trace: Path, tmp_path: Path) -> None:
    for page in ("page.html", "page.md"):
        done = inside("profile", "learn", trace, "--evidence", page, "--force")
        for text in (done.stdout, (tmp_path / page).read_text()):
            for secret in (*TOKENS, PASSWORD, "123.4", "120.0", "AB-12"):
                assert secret not in text
                assert secret.lstrip("0") not in text


def test_a_page_has_a_form_by_its_name(inside: Run, trace: Path) -> None:
    done = inside("profile", "learn", trace, "--evidence", "page.pdf")
    assert done.returncode == 2
    assert done.stderr == "vtctap: --evidence page.pdf: name a file that ends in .html or .md\n"


def test_names_given_to_learned_registers_appear_in_tshark(inside: Run, trace: Path, tmp_path: Path) -> None:
    """A profile is learned from a recorded session, the test names three registers in it, and tshark shows the
    names."""
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
    assert shown[5].split("\t") == ["credit", "123.4 kWh", ""]
    assert [line.split("\t")[0] for line in shown if "\t" in line and line.split("\t")[0]][:5] == [
        "credit", "credit", "credit", "credit", "model",
    ]  # fmt: skip
    assert any(line.startswith("tokenEntry\t") for line in shown)
    read = inside("read", trace, "--profile", "mine.toml").stdout
    assert "7001(000123.4*kWh) credit=123.4 kWh" in read


def test_a_profile_is_inherited_by_its_files_name(inside: Run, trace: Path, folder: Path) -> None:
    """The file's name may differ from the name in the file."""
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
    # 7001 is asked and answered twice; 7002 and 7005 once; 7003, 7004, 7006 and 0004 are never answered.
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


def test_the_count_of_a_read_is_no_value_of_another_form(inside: Run, tmp_path: Path) -> None:
    with create_trace(tmp_path / "c.pcapng") as writer:
        for record in session(("C", block("\x01R2\x027001(1)")), ("M", block("\x027001(12.3)"))):
            writer.write(record)
    (tmp_path / "own.toml").write_text(
        '[profile]\nname = "own"\ntitle = "own"\ninherits = "iec62056-21"\nsource = "-"\nconfidence = "assumed"\n'
        '[registers.entries]\n"7001" = { name = "x", access = "read", type = "bcd", octets = 2 }\n'
    )
    shown = inside("profile", "check", "c.pcapng", "--profile", "own.toml").stdout
    assert "not of their form: 7001 (1)\n" in shown, "the answer alone"


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


def test_many_processes_learn_what_one_learns(inside: Run, trace: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.pcapng"
    with create_trace(other) as writer:
        for record in FRAMES[:9]:
            writer.write(record)
    texts = []
    for jobs in ("1", "3"):
        done = inside("profile", "learn", trace, other, trace, "--jobs", jobs)
        assert (done.returncode, done.stderr) == (0, "")
        texts.append(done.stdout)
    assert texts[0] == texts[1]
    assert "Records of a second trace" in texts[0]
    assert "2:5" in texts[0]


def test_a_trace_that_cannot_be_read_is_named_and_the_others_are_learned_from(
    inside: Run, trace: Path, tmp_path: Path
) -> None:
    (tmp_path / "no.pcapng").write_text("this is no trace")
    done = inside("profile", "learn", "no.pcapng", trace, "nowhere.pcapng")
    assert done.returncode == 1
    assert [line.partition(":")[2].split()[0] for line in done.stderr.splitlines()] == ["skipped", "skipped"]
    assert "7001" in done.stdout
    done = inside("profile", "learn", "no.pcapng", "nowhere.pcapng")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (2, "vtctap: no trace could be read")

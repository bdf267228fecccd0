"""A trace states the profile that it was made with; every command that reads it uses this profile, and says so."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import vtctap as api
from vtctap.pcap.capture_file import Interface
from vtctap.pcap.record import Kind, Record, Sender, stated_profile
from vtctap.pcap.trace import create_trace, open_trace

Run = Callable[..., "subprocess.CompletedProcess[str]"]

OTHER = "iec62056-21"
SAID = "vtctap: using the profile iec62056-21, which the trace states; --profile chooses another\n"
OPENED = Record(10**18, b"", Kind.EVENT, event=f"opened profile={OTHER} speed=300 line=7E1")
READ = Record(10**18 + 10**9, b"\x01R1\x021.8.0()\x03\x5a", Kind.FRAME, Sender.CLIENT)


def written(path: Path, records: list[Record], description: str = "") -> Path:
    with create_trace(path, taps=[Interface(147, "tap", description)]) as writer:
        for record in records:
            writer.write(record)
    return path


@pytest.fixture(params=["event.pcapng", "event.pcap", "described.pcapng"])
def trace(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A trace that states its profile in its first event or, as the second of several ring files, in the descriptions
    of its taps."""
    if request.param.startswith("event"):
        return written(tmp_path / request.param, [OPENED, READ])
    return written(tmp_path / request.param, [READ], f"both directions, 7E1, profile={OTHER}")


def known(name: str) -> str:
    """The profile's name of the register that is read."""
    register = api.load_profile(name).register("1.8.0")
    return register.name if register else ""


def test_the_two_profiles_differ() -> None:
    assert known(OTHER)
    assert not known("iec62055-52")


def test_read_uses_it_and_says_so(trace: Path, inside: Run) -> None:
    done = inside("read", trace)
    assert (done.returncode, done.stderr) == (0, SAID)
    assert known(OTHER) in done.stdout
    told = inside("read", trace, "--profile", "iec62055-52")
    assert (told.returncode, told.stderr) == (0, "")
    assert known(OTHER) not in told.stdout


@pytest.mark.parametrize("command", [["read", "--json"], ["stats", "--json"], ["check", "--json"], ["check"]])
def test_each_command_uses_it(command: list[str], trace: Path, inside: Run) -> None:
    done, told = inside(*command, trace), inside(*command, trace, "--profile", OTHER)
    assert SAID in done.stderr
    assert SAID not in told.stderr
    assert (done.returncode, done.stdout) == (told.returncode, told.stdout)


@pytest.mark.parametrize("step", [1, -1])
def test_profile_check_names_the_profiles_of_all_traces_in_any_order(tmp_path: Path, inside: Run, step: int) -> None:
    traces = [written(tmp_path / "other.pcapng", [OPENED, READ]), written(tmp_path / "default.pcapng", [READ])]
    done = inside("profile", "check", "--json", *traces[::step])
    assert json.loads(done.stdout)["profile"] == "iec62055-52, iec62056-21"


def test_profiles_are_checked_and_learnt_with_it(trace: Path, inside: Run) -> None:
    for action, option in (("check", "--profile"), ("learn", "--inherits")):
        done = inside("profile", action, trace)
        assert (done.returncode, done.stderr) == (0, SAID.replace("--profile", option))
    assert f'inherits = "{OTHER}"' in done.stdout
    assert 'inherits = "iec62055-52"' in inside("profile", "learn", trace, "--inherits", "iec62055-52").stdout


def test_what_is_the_default_is_not_worth_a_line(inside: Run, tmp_path: Path) -> None:
    for number, records in enumerate(([READ], [Record(1, b"", Kind.EVENT, event="opened profile=iec62055-52")])):
        assert inside("read", written(tmp_path / f"{number}.pcapng", records)).stderr == ""


def test_a_profile_that_is_not_here(inside: Run, tmp_path: Path) -> None:
    path = written(tmp_path / "t.pcapng", [READ], "profile=mine")
    done = inside("read", path)
    said = "vtctap: the trace states the profile mine, which is not here; using iec62055-52: add --profile FILE\n"
    assert (done.returncode, done.stderr) == (0, said)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no fifos here")
@pytest.mark.parametrize("name", ["fifo.toml", "nul\0.toml", "./fifo.toml", "/etc/passwd", "../.."])
def test_what_a_stranger_states_opens_no_file(inside: Run, tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "fifo.toml")  # It would wait for a writer for ever.
    opened = Record(10**18, b"", Kind.EVENT, event=f"opened profile={name} speed=300")
    done = inside("read", written(tmp_path / "t.pcap", [opened, READ]))
    assert done.returncode == 0
    assert "which is not here; using iec62055-52" in done.stderr


def test_a_profile_of_ones_own_by_the_name_that_it_calls_itself(
    inside: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name of its file differs."""
    monkeypatch.setattr("vtctap.dissector.profiles.names.user_directory", lambda: tmp_path / "own")
    (tmp_path / "own").mkdir()
    head = {"name": "mine", "title": "Mine", "inherits": OTHER, "source": "a test", "confidence": "assumed"}
    text = "\n".join(["[profile]", *(f'{key} = "{value}"' for key, value in head.items())])
    (tmp_path / "own" / "by-another-name.toml").write_text(text)
    done = inside("read", written(tmp_path / "t.pcapng", [READ], "profile=mine"))
    assert done.stderr == SAID.replace(OTHER, "mine")
    assert known(OTHER) in done.stdout


def test_several_traces_have_each_their_own(trace: Path, inside: Run, tmp_path: Path) -> None:
    plain = written(tmp_path / "plain.pcapng", [READ])
    done = inside("read", "--json", plain, trace)
    assert done.stderr == SAID.replace("vtctap: ", f"vtctap: {trace}: ")
    names = [json.loads(line).get("vtc.register.name", [""])[0] for line in done.stdout.splitlines()]
    assert names[0] == ""
    assert names[-1] == known(OTHER)


def test_in_python(trace: Path) -> None:
    with api.open(trace) as opened:
        (exchange,) = api.exchanges(opened)
    assert opened.profile == OTHER
    assert exchange.request
    assert exchange.request.meaning.register_name == (known(OTHER),)
    with api.open(trace) as opened:
        own = list(api.check(opened))
    with api.open(trace) as opened:
        assert own == list(api.check(opened, api.load_profile(OTHER)))
    with api.open(trace) as opened:
        (exchange,) = api.exchanges(opened, api.load_profile())
    assert exchange.request
    assert not exchange.request.meaning.register_name


def test_records_of_a_live_link_state_it_too() -> None:
    (exchange,) = api.exchanges(iter([OPENED, READ]))
    assert exchange.request
    assert exchange.request.meaning.register_name == (known(OTHER),)


@pytest.mark.parametrize("command", [["demo", "--fast", "--profile", OTHER], ["import", "--profile", OTHER]])
def test_what_is_made_states_it(command: list[str], inside: Run, tmp_path: Path) -> None:
    """Each of several ring files states the profile, and so does a trace that is written without events."""
    (tmp_path / "t.exchange").write_text("C> 2f 3f 21 0d 0a\n")
    more = ["-b", "packets:20"] if command[0] == "demo" else ["t.exchange"]
    assert inside(*command, *more, "-q", "-w", "t.pcapng").returncode == 0
    files = sorted(tmp_path.glob("t*.pcapng"))
    assert len(files) > 1 or command[0] == "import"
    for file in files:
        assert inside("read", file, "-Y", 'vtc.kind != "event"', "-q", "--force", "-w", "u.pcapng").returncode == 0
        with open_trace(tmp_path / "u.pcapng") as reader:
            assert all(record.kind is not Kind.EVENT for record in reader)
            assert reader.profile == OTHER


def test_what_is_framed_again_states_the_profile_of_that(trace: Path, inside: Run, tmp_path: Path) -> None:
    for told, stated in (([], OTHER), (["--profile", "iec62055-52"], "iec62055-52")):
        assert inside("reframe", trace, "-q", "--force", "-w", "u.pcapng", *told).returncode == 0
        with open_trace(tmp_path / "u.pcapng") as reader:
            assert list(reader)
            assert reader.profile == stated


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("opened profile=a speed=300", "a"),
        ("7E1, profile=b-1", "b-1"),
        ("profile=c, more", "c"),
        ("aprofile=c", None),
        ("", None),
    ],
)
def test_words(text: str, name: str | None) -> None:
    assert stated_profile(text) == name

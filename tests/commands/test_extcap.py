"""The extcap program as Wireshark runs it: queries, and captures over a fifo."""

import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest

from equipment import PATIENCE
from vtctap.pcap.record import Kind, Record, Sender
from vtctap.pcap.trace import open_trace
from vtctap.sniffer import ports
from vtctap.sniffer.ports import SerialPort
from vtctap.sniffer.simulated.ptys import Pty
from vtctap.wireshark import extcap
from vtctap.wireshark.toolbar import Command, ControlMessage, Decoder

PROGRAM = [sys.executable, "-P", "-m", "vtctap.wireshark.extcap"]
SENTENCE = re.compile(r"^(extcap|interface|control|value|arg|dlt) ((?:\{[a-z]+=[^{}]*\})+)$")
"""The grammar of extcap(4)."""


@pytest.fixture(autouse=True)
def two_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [SerialPort("/dev/ttyUSB0", "0403:6001", description="FT232R {evil}\n"), SerialPort("/dev/ttyUSB1")]
    monkeypatch.setattr(ports, "serial_ports", lambda: found)


@pytest.fixture
def query(capsys: pytest.CaptureFixture[str]) -> Callable[..., list[tuple[str, dict[str, str]]]]:
    """Returns the parsed output of a query."""

    def ask(*arguments: str) -> list[tuple[str, dict[str, str]]]:
        assert extcap.main([*arguments, "--extcap-version=4.0"]) == 0
        printed, errors = capsys.readouterr()
        assert errors == ""
        sentences = []
        for line in printed.splitlines():
            match = SENTENCE.match(line)
            assert match, line
            sentences.append((match[1], dict(re.findall(r"\{([a-z]+)=([^{}]*)\}", match[2]))))
        return sentences

    return ask


Query = Callable[..., list[tuple[str, dict[str, str]]]]


def test_there_is_an_interface_for_each_port_and_one_for_the_demo(query: Query) -> None:
    found = [values["value"] for word, values in query("--extcap-interfaces") if word == "interface"]
    assert found == ["vtctap-demo", "vtctap-ttyUSB0", "vtctap-ttyUSB1"]


def test_the_toolbar_has_speed_line_mark_and_log(query: Query) -> None:
    controls = {values["display"]: values for word, values in query("--extcap-interfaces") if word == "control"}
    assert list(controls) == ["Speed", "Line", "Mark", "Log"]
    assert controls["Speed"]["type"] == "selector"
    assert controls["Log"]["role"] == "logger"
    assert re.match(controls["Line"]["validation"], "7E1")
    assert not re.match(controls["Line"]["validation"], "7E3")


def test_records_are_of_the_link_type_for_private_use(query: Query) -> None:
    assert query("--extcap-dlts", "--extcap-interface", "vtctap-demo")[0][1]["number"] == "147"


def test_options_are_checked_before_a_capture_begins(query: Query) -> None:
    sentences = query("--extcap-config", "--extcap-interface", "vtctap-ttyUSB0")
    options = {values["call"]: values for word, values in sentences if word == "arg"}
    assert list(options) == ["--speed", "--line", "--profile", "--server"]
    speed = re.compile(options["--speed"]["validation"])
    assert all(map(speed.match, ("follow", "auto", "300", "115200")))
    assert not any(map(speed.match, ("0", "-1", "9600 ", "fast", "")))
    servers = [values["value"] for word, values in sentences if (word, values.get("arg")) == ("value", "3")]
    assert servers == ["", "/dev/ttyUSB1"]
    profiles = [values for word, values in sentences if (word, values.get("arg")) == ("value", "2")]
    assert [(values["value"], values["default"]) for values in profiles] == [
        ("iec62055-52", "true"),
        ("iec62056-21", "false"),
    ]


def test_the_list_of_second_ports_can_be_had_again(query: Query) -> None:
    again = query("--extcap-config", "--extcap-interface", "vtctap-ttyUSB0", "--extcap-reload-option", "server")
    assert [values["value"] for _, values in again] == ["", "/dev/ttyUSB1"]


def test_the_demo_has_faults_and_no_second_port(query: Query) -> None:
    sentences = query("--extcap-config", "--extcap-interface", "vtctap-demo")
    assert [values["call"] for word, values in sentences if word == "arg"][3:] == ["--faults"]


def test_a_capture_filter_is_refused_with_words(capsys: pytest.CaptureFixture[str]) -> None:
    """Wireshark shows the output for a capture filter as the filter's error."""
    assert extcap.main(["--extcap-interface", "vtctap-demo", "--extcap-capture-filter", "host 1"]) == 0
    assert "display filter" in capsys.readouterr().out
    assert extcap.main(["--extcap-interface", "vtctap-demo"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "status", "word"),
    [
        ([], 2, "vtctap wireshark install"),
        (["--extcap-interface", "vtctap-demo", "--capture"], 2, "--fifo"),
        (["--extcap-interface", "eth0", "--capture", "--fifo", "f"], 2, "eth0"),
        (["--extcap-interface", "vtctap-nowhere", "--capture", "--fifo", "f"], 3, "/dev/nowhere"),
        (["--extcap-interface", "vtctap-demo", "--capture", "--fifo", "f", "--profile", "none"], 2, "profile"),
        (
            ["--extcap-interface", "vtctap-ttyUSB0", "--capture", "--fifo", "f", "--server", "/dev/ttyUSB0"],
            2,
            "another",
        ),
        (
            ["--extcap-interface", "vtctap-demo", "--capture", "--fifo", "f", "--extcap-capture-filter", "x"],
            2,
            "filter",
        ),
    ],
)
def test_what_cannot_be_done_is_one_line(
    arguments: list[str], status: int, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert extcap.main(arguments) == status
    printed, errors = capsys.readouterr()
    assert (printed, errors.count("\n")) == ("", 1)
    assert word in errors


def test_an_unknown_option_is_refused_and_one_of_a_later_wireshark_is_not(query: Query) -> None:
    assert query("--extcap-dlts", "--extcap-interface", "vtctap-demo", "--extcap-colour=blue")
    with pytest.raises(SystemExit):
        extcap.main(["--extcap-dlts", "--extcap-interface", "vtctap-demo", "--sped", "9600"])


def loaded(script: str, *arguments: str) -> set[str]:
    """Returns the modules that a Python has imported once a script has ended."""
    command = [sys.executable, "-c", f"import sys; {script}; print(*sys.modules)", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("query", ["--extcap-interfaces", "--extcap-dlts", "--extcap-config"])
def test_a_query_loads_no_more_than_it_needs(query: str) -> None:
    parser = "import argparse; argparse.ArgumentParser().parse_args([])"
    run = "from vtctap.wireshark import extcap; extcap.main(sys.argv[1:])"
    more = loaded(run, query, "--extcap-interface", "vtctap-demo") - loaded(parser)  # Python 3.14's needs dataclasses.
    assert not more & {"scapy", "tomllib", "asyncio", "dataclasses", "vtctap.pcap", "vtctap.sniffer.capture"}
    assert {name for name in more if name.startswith("vtctap.dissector.")} <= {
        "vtctap.dissector.profiles",
        "vtctap.dissector.profiles.names",
        "vtctap.dissector.wireshark",
        "vtctap.dissector.wireshark.configuration",
    }


# Captures.


class Running:
    """A running extcap program, and the fifo that Wireshark reads."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.fifo = folder / "fifo"
        os.mkfifo(self.fifo)
        self.program = subprocess.Popen(
            [*PROGRAM, "--capture", "--fifo", str(self.fifo), *arguments], stderr=subprocess.PIPE, text=True
        )

    def end(self) -> tuple[int, str]:
        _, errors = self.program.communicate(timeout=PATIENCE)
        return self.program.returncode, errors


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def start(*arguments: str) -> Running:
        started.append(Running(tmp_path, *arguments))
        return started[-1]

    yield start
    for running in started:
        running.program.kill()
        running.program.wait()


def records_of(octets: bytes) -> tuple[list[Record], list[str]]:
    """Returns the records of a complete trace, and the names of its taps."""
    with open_trace(BytesIO(octets)) as reader:
        records = list(reader)
        assert not reader.cut
        return records, [tap.name for tap in reader.interfaces]


@pytest.fixture
def pty() -> Iterator[Pty]:
    made = Pty()
    yield made
    made.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_capture_and_the_trace_is_whole(run: Callable[..., Running], number: int) -> None:
    running = run("--extcap-interface", "vtctap-demo")
    with running.fifo.open("rb") as fifo:
        octets = fifo.read(28)
        while octets.count(b"2000(01)") < 1:
            octets += fifo.read1()
        running.program.send_signal(number)
        octets += fifo.read()
    assert running.end() == (0, "")
    records, taps = records_of(octets)
    assert len(taps) == 2
    assert [record.event.split()[0] for record in records if record.kind is Kind.EVENT] == ["opened"] * 2 + [
        "closed"
    ] * 2
    assert {record.sender for record in records} == {Sender.CLIENT, Sender.SERVER}


def test_a_signal_ends_the_wait_for_a_reader(run: Callable[..., Running]) -> None:
    running = run("--extcap-interface", "vtctap-demo")
    time.sleep(0.5)
    running.program.send_signal(signal.SIGTERM)
    status, errors = running.end()
    # The other processes were still starting.
    assert (status in (0, -signal.SIGTERM, -signal.SIGINT), errors) == (True, "")


@pytest.mark.skipif(not hasattr(fcntl, "F_SETPIPE_SZ"), reason="makes pipes small")
def test_a_signal_is_heeded_while_the_reader_is_stuck(run: Callable[..., Running], pty: Pty) -> None:
    running = run("--extcap-interface", f"vtctap-{pty.name.removeprefix('/dev/')}", "--speed", "9600")
    with running.fifo.open("rb", buffering=0) as fifo:
        fcntl.fcntl(fifo, fcntl.F_SETPIPE_SZ, 4096)
        while b"opened" not in fifo.read(4096):
            pass
        for _ in range(100):
            pty.write(b"/?!\r\n" * 20)
            time.sleep(0.01)
        running.program.send_signal(signal.SIGTERM)
        status, errors = running.end()
    assert status == 4
    lost = rf"vtctap: the reader of {running.fifo} stalls: the last \d+ octets of the trace are lost\n"
    assert re.fullmatch(lost, errors)


def test_a_closed_fifo_ends_a_capture_of_a_silent_line(run: Callable[..., Running], pty: Pty) -> None:
    running = run("--extcap-interface", f"vtctap-{pty.name.removeprefix('/dev/')}", "--speed", "9600")
    with running.fifo.open("rb") as fifo:
        octets = fifo.read(28)
        while b"opened" not in octets:
            octets += fifo.read1()
    assert running.end() == (0, "")  # Everything that arrived was written.


def test_a_second_tap_is_the_servers(run: Callable[..., Running], pty: Pty) -> None:
    other = Pty()
    try:
        name = pty.name.removeprefix("/dev/")
        running = run(
            "--extcap-interface", f"vtctap-{name}", "--server", other.name, "--speed", "9600", "--line", "8N1"
        )
        with running.fifo.open("rb") as fifo:
            octets = fifo.read(28)
            while b"opened" not in octets:
                octets += fifo.read1()
            pty.write(b"/?!\r\n")
            time.sleep(0.2)
            other.write(b"/ZZz5x\r\n")
            while b"/ZZz5x" not in octets:
                octets += fifo.read1()
            running.program.terminate()
            octets += fifo.read()
        assert running.end() == (0, "")
    finally:
        other.close()
    records, taps = records_of(octets)
    assert taps == [pty.name, other.name]
    frames = [(record.sender, record.tap, record.octets) for record in records if record.kind is Kind.FRAME]
    assert frames == [(Sender.CLIENT, 0, b"/?!\r\n"), (Sender.SERVER, 1, b"/ZZz5x\r\n")]
    assert {str(record.line) for record in records} == {"8N1"}


class Bar:
    """Wireshark's ends of the control pipes."""

    def __init__(self, folder: Path) -> None:
        self.into, self.out = folder / "in", folder / "out"
        os.mkfifo(self.into)
        os.mkfifo(self.out)
        self.arguments = ["--extcap-control-in", str(self.into), "--extcap-control-out", str(self.out)]


def test_the_toolbar_shows_how_the_port_is_set_and_sets_it(
    run: Callable[..., Running], pty: Pty, tmp_path: Path
) -> None:
    bar = Bar(tmp_path)
    name = pty.name.removeprefix("/dev/")
    running = run("--extcap-interface", f"vtctap-{name}", "--speed", "9600", *bar.arguments)
    decoder, said = Decoder(), list[ControlMessage]()
    with (
        bar.out.open("rb", buffering=0) as hears,
        bar.into.open("wb", buffering=0) as says,
        running.fifo.open("rb") as fifo,
    ):

        def hear(command: Command, control: int, value: str | None = None) -> None:
            """Waits for a message, and keeps other messages."""
            while not any((m.command, m.control) == (command, control) and value in (None, m.value) for m in said):
                said.extend(decoder.feed(hears.read(4096)))

        says.write(ControlMessage(0, Command.SET, "300").encode())  # From an earlier capture: ignored.
        says.write(ControlMessage(0, Command.INITIALIZED).encode())
        hear(Command.SET, 0, "9600")
        hear(Command.SET, 1, "7E1")
        assert [message.control for message in said if message.command == Command.ADD] == [3]
        says.write(ControlMessage(0, Command.SET, "2400").encode())
        says.write(ControlMessage(2, Command.SET, "meter opened").encode())
        hear(Command.SET, 2, "")
        says.write(ControlMessage(1, Command.SET, "9X9").encode())
        hear(Command.WARNING, 1)
        running.program.terminate()
        octets = fifo.read()
    assert running.end() == (0, "")
    events = [(record.event.split()[0], record.speed) for record in records_of(octets)[0]]
    assert events == [("opened", 9600), ("speed", 2400), ("mark", 2400), ("closed", 2400)]


def test_what_is_chosen_before_the_port_has_told_how_it_is_set(
    run: Callable[..., Running], pty: Pty, tmp_path: Path
) -> None:
    bar = Bar(tmp_path)
    running = run("--extcap-interface", f"vtctap-{pty.name.removeprefix('/dev/')}", "--speed", "9600", *bar.arguments)
    with bar.out.open("rb", buffering=0), bar.into.open("wb", buffering=0) as says:
        says.write(ControlMessage(0, Command.INITIALIZED).encode() + ControlMessage(0, Command.SET, "2400").encode())
        with running.fifo.open("rb") as fifo:
            octets = fifo.read(28)
            while b"to=2400" not in octets:
                octets += fifo.read1()
            running.program.terminate()
            octets += fifo.read()
    assert running.end() == (0, "")
    assert [(record.event.split()[0], record.speed, str(record.line)) for record in records_of(octets)[0]] == [
        ("opened", 9600, "7E1"),
        ("speed", 2400, "7E1"),
        ("closed", 2400, "7E1"),
    ]


def test_a_port_that_is_not_there_is_told_through_the_toolbar_too(run: Callable[..., Running], tmp_path: Path) -> None:
    """Wireshark opens its end of the pipe last, and would wait for ever if the program had already ended."""
    bar = Bar(tmp_path)
    running = run("--extcap-interface", "vtctap-nowhere", *bar.arguments)
    with bar.out.open("rb", buffering=0) as hears:
        (message,) = Decoder().feed(hears.read(4096))
        time.sleep(0.3)
        os.close(os.open(bar.into, os.O_WRONLY | os.O_NONBLOCK))
    assert message.command == Command.ERROR
    assert "/dev/nowhere" in message.value
    status, errors = running.end()
    assert status == 3
    assert errors == f"vtctap: {message.value}\n"

"""Traces that arrive in a folder are added to a set once, by a program that is ended and started again at any time."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from equipment import PATIENCE
from vtctap.pcap import Record, Sender, create_trace

pytest.importorskip("pyarrow")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs signals")

from vtctap.__main__ import main  # noqa: E402
from vtctap.dataset import exporting  # noqa: E402
from vtctap.dataset.entries import entries  # noqa: E402

EXAMPLES = Path(__file__).parents[2] / "examples"
Watch = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    """Starts a program that watches ``in`` and exports to ``set.parquet``; what it says goes to ``said``."""
    (tmp_path / "in").mkdir()
    running = []

    def start(*more: str, **environment: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "vtctap", "export", "--watch", "in", "-o", "set.parquet", "--every", "0.2"]
        with open(tmp_path / "said", "w") as said:
            process = subprocess.Popen(
                [*command, *more], stderr=said, text=True, cwd=tmp_path, env=os.environ | environment
            )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.wait(PATIENCE)


def ship(trace: Path, folder: Path, name: str = "") -> Path:
    """Puts a trace into a folder as rsync does: under a hidden name, in pieces, and renamed when it is complete."""
    final, octets = folder / (name or trace.name), trace.read_bytes()
    hidden = folder / f".{final.name}.Xy12Zz"
    with open(hidden, "wb") as file:
        for at in range(0, len(octets), 1000):
            file.write(octets[at : at + 1000])
            file.flush()
    return hidden.rename(final)


def until(said: Path, text: str, process: "subprocess.Popen[str]", times: int = 1) -> str:
    """Waits until the program has said something so many times, and returns all that it has said."""
    deadline = time.monotonic() + 2 * PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        if said.read_text().count(text) >= times:
            return said.read_text()
        time.sleep(0.05)
    raise AssertionError((process.poll(), said.read_text()))


def ended(process: "subprocess.Popen[str]", number: int = signal.SIGTERM) -> int:
    process.send_signal(number)
    return process.wait(2 * PATIENCE)


def test_traces_are_added_as_they_arrive_and_once(tmp_path: Path, watch: Watch) -> None:
    said, folder = tmp_path / "said", tmp_path / "in"
    ship(EXAMPLES / "session.pcapng", folder)
    process = watch()
    until(said, "1 trace added to set.parquet", process)
    (folder / "host").mkdir()
    ship(EXAMPLES / "telegram.pcapng", folder / "host")
    until(said, "added", process, times=2)
    assert ended(process) == 0
    names = {entry.trace for entry in entries(tmp_path / "set.parquet").values()}
    assert names == {"in/session.pcapng", "in/host/telegram.pcapng"}
    ship(EXAMPLES / "session.pcapng", folder, "copy.pcapng")
    process = watch()
    assert "0 records of 0 traces added to set.parquet, 3 traces there before" in until(said, "there before", process)
    assert ended(process, signal.SIGINT) == 0
    assert len(entries(tmp_path / "set.parquet")) == 2


def test_a_damaged_trace_is_named_once_and_the_others_go_on(tmp_path: Path, watch: Watch) -> None:
    said, folder = tmp_path / "said", tmp_path / "in"
    (folder / "no.pcapng").write_text("this is no trace")
    (folder / "cut.pcapng").write_bytes((EXAMPLES / "session.pcapng").read_bytes()[:-7])
    process = watch("--jobs", "2")
    text = until(said, "1 trace added to set.parquet, 1 trace skipped", process)
    assert "skipped in/no.pcapng: " in text
    assert "in/cut.pcapng: 1 part damaged or missing" in text
    ship(EXAMPLES / "telegram.pcapng", folder)
    until(said, "1 trace added to set.parquet\n", process)
    assert ended(process) == 1
    assert said.read_text().count("no.pcapng") == text.count("no.pcapng")
    assert len(entries(tmp_path / "set.parquet")) == 2


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_signal_in_the_middle_of_a_trace_leaves_nothing_partial(tmp_path: Path, watch: Watch, jobs: str) -> None:
    out = tmp_path / "set.parquet"
    for name in range(2):
        with create_trace(tmp_path / "in" / f"{name}.pcapng") as writer:
            for at in range(6_000):
                writer.write(Record((name * 6_000 + at) * 10**9, b"/?!\r\n", sender=Sender.CLIENT))
    process = watch("--jobs", jobs)
    deadline = time.monotonic() + 2 * PATIENCE
    while not list(out.glob(".parts/*.*.*")) and time.monotonic() < deadline:
        time.sleep(0.002)
    assert ended(process) == 0
    known = entries(out)
    listed = {str(out / name) for entry in known.values() for names in entry.files.values() for name in names}
    assert {str(path) for path in out.rglob("*.parquet")} == listed
    assert not (out / ".parts").exists()
    process = watch("--jobs", jobs)
    until(tmp_path / "said", "of 2 traces added" if not known else "there before", process)
    assert ended(process) == 0
    assert [entry.records for entry in entries(out).values()] == [6_000] * 2


def test_a_service_manager_is_told(tmp_path: Path, watch: Watch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(2 * PATIENCE)
        process = watch(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="400000")
        assert [manager.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]
        assert ended(process) == 0
        while (told := manager.recv(100)) == b"WATCHDOG=1":
            pass
        assert told == b"STOPPING=1"


def test_each_scan_is_followed_by_a_pause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after a scan that found traces: the next one must see whether a copy goes on."""
    happened = []
    (tmp_path / "in").mkdir()
    shutil.copy(EXAMPLES / "session.pcapng", tmp_path / "in")

    class Counted(exporting.Arrivals):
        def scan(self) -> list[str]:
            happened.append("scan")
            return super().scan()

    def sleep(seconds: float) -> None:
        happened.append(f"{seconds:g} s")
        if len(happened) == 8:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(exporting, "Arrivals", Counted)
    monkeypatch.setattr(time, "sleep", sleep)
    assert main(["export", "--watch", str(tmp_path / "in"), "-o", str(tmp_path / "s.parquet"), "-q"]) == 0
    assert happened == ["scan", "5 s"] * 4
    assert len(entries(tmp_path / "s.parquet")) == 1
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--watch", "nowhere"], "nowhere is no folder to watch"),
        (["--watch", ".", "t.pcapng"], "--watch takes each trace of its folder once"),
        (["--watch", ".", "--join"], "leave out TRACE, -r, --join and --force"),
        (["--watch", ".", "--every", "0"], "'0' is no number of seconds from 0.1 to 86400"),
        (["--watch", ".", "--every", "nan"], "'nan' is no number of seconds"),
        (["t.pcapng", "--every", "3"], "--every is for --watch"),
    ],
)
def test_wrong_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str) -> None:
    monkeypatch.chdir(tmp_path)
    command = [sys.executable, "-m", "vtctap", "export", "-o", "s.parquet", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=2 * PATIENCE, check=False)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_table_has_no_watch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "--watch", str(tmp_path), "-o", str(tmp_path / "s.csv")]) == 2
    assert "--watch are for a set" in capsys.readouterr().err

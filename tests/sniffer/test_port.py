"""Ports: they are opened without disturbing the line, and the driver's marks are removed from the octets."""

import contextlib
import fcntl
import os
import pty
import re
import select
import shutil
import socket
import subprocess
import sys
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment import PATIENCE
from vtctap.pcap.record import Flag, Line
from vtctap.sniffer.counters import Counters
from vtctap.sniffer.exclusive import open_unprivileged
from vtctap.sniffer.marks import PortMarks
from vtctap.sniffer.opening import open_port
from vtctap.sniffer.port import PortError, Settings
from vtctap.sniffer.posix_port import PosixPort

SEVEN_EVEN = Settings(9600, Line(7, "E", 1))
EIGHT = Line(8, "N", 1)
ERROR, BREAK = Flag.FRAMING, Flag.FRAMING | Flag.BREAK


class Terminal:
    """A pseudo-terminal as the kernel creates it: cooked, with echo. ``far`` is the other end of the line."""

    def __init__(self) -> None:
        self.far, self.near = pty.openpty()
        self.name = os.ttyname(self.near)

    def hang_up(self) -> None:
        os.close(self.far)
        self.far = -1

    def close(self) -> None:
        for descriptor in (self.far, self.near):
            if descriptor >= 0:
                os.close(descriptor)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    terminal = Terminal()
    yield terminal
    terminal.close()


@pytest.fixture
def opened(terminal: Terminal) -> Iterator[PosixPort]:
    port = PosixPort(terminal.name, SEVEN_EVEN)
    yield port
    port.close()


def read_all(port: Any, count: int, seconds: float = PATIENCE) -> list[tuple[int, int]]:
    """Reads from a port until there are ``count`` octets."""
    octets: list[tuple[int, int]] = []
    end = time.monotonic() + seconds
    while len(octets) < count and time.monotonic() < end:
        octets += port.read()
    return octets


def plain(octets: bytes) -> list[tuple[int, int]]:
    return [(octet, 0) for octet in octets]


# Marks: the driver's octets, and the octets on the line.


@pytest.mark.parametrize(
    ("received", "meant"),
    [
        (b"abc\x00", plain(b"abc\x00")),
        (b"\xff\xff", [(0xFF, 0)]),
        (b"\xff\xff\xff\xff", [(0xFF, 0), (0xFF, 0)]),
        (b"\xff\x00A", [(0x41, ERROR)]),
        (b"\xff\x00\x00", [(0x00, BREAK)]),
        (b"\xff\x00\xff", [(0xFF, ERROR)]),
        (b"\xff\x00\xffB", [(0xFF, ERROR), (0x42, 0)]),
        (b"\xff\xff\x00A", [(0xFF, 0), (0x00, 0), (0x41, 0)]),
        (b"\x00\xff\x00\x00\x00", [(0, 0), (0, BREAK), (0, 0)]),
        (b"1\xff\x002\xff\xff3\xff\x00\x004", [(0x31, 0), (0x32, ERROR), (0xFF, 0), (0x33, 0), (0, BREAK), (0x34, 0)]),
        # Octets that arrived before the port was set up are not marked, so an FFh is single.
        (b"\xffA", [(0xFF, 0), (0x41, 0)]),
    ],
)
def test_marks_at_every_split(received: bytes, meant: list[tuple[int, int]]) -> None:
    for first in range(len(received) + 1):
        for second in range(first, len(received) + 1):
            marks = PortMarks()
            parts = (received[:first], received[first:second], received[second:])
            assert [octet for part in parts for octet in marks.feed(part)] == meant
    marks = PortMarks()
    assert [octet for value in received for octet in marks.feed(bytes([value]))] == meant


MARK = {0: lambda value: b"\xff\xff" if value == 0xFF else bytes([value]), ERROR: lambda value: bytes([0xFF, 0, value])}


@given(
    st.lists(st.one_of(st.tuples(st.integers(0, 255), st.just(0)), st.tuples(st.integers(1, 255), st.just(ERROR)))),
    st.lists(st.integers(0, 60)),
)
def test_marks_of_any_octets(meant: list[tuple[int, int]], cuts: list[int]) -> None:
    received = b"".join(MARK[flags](value) for value, flags in meant)
    at = [0, *sorted(min(cut, len(received)) for cut in cuts), len(received)]
    marks = PortMarks()
    assert [octet for a, b in pairwise(at) for octet in marks.feed(received[a:b])] == meant


def test_marks_come_in_one_piece_as_soon_as_they_are_whole() -> None:
    marks = PortMarks()
    assert [marks.feed(bytes([value])) for value in b"a\xff\xff\xff\x00b"] == [
        [(0x61, 0)], [], [(0xFF, 0)], [], [], [(0x62, ERROR)],
    ]  # fmt: skip


# Opening.


def test_what_was_waiting_is_read(terminal: Terminal) -> None:
    tty.setraw(terminal.near)
    os.write(terminal.far, b"waiting\xaf")
    with contextlib.closing(PosixPort(terminal.name, SEVEN_EVEN)) as port:
        os.write(terminal.far, b", new")
        assert read_all(port, 13) == plain(b"waiting\xaf, new")


def test_what_was_waiting_in_a_line_that_nobody_had_set_up_is_read(terminal: Terminal) -> None:
    """A cooked terminal holds octets until a line end. Opening the port must release them, not discard them."""
    os.write(terminal.far, b"no end of line")
    with contextlib.closing(PosixPort(terminal.name, SEVEN_EVEN)) as port:
        assert read_all(port, 14) == plain(b"no end of line")


def test_every_octet_passes_as_it_is(terminal: Terminal, opened: PosixPort) -> None:
    """Line ends, flow control, signals, end of file and FFh are ordinary octets."""
    octets = bytes(range(256)) * 2
    os.write(terminal.far, octets)
    assert read_all(opened, len(octets)) == plain(octets)


def test_nothing_is_echoed(terminal: Terminal, opened: PosixPort) -> None:
    os.write(terminal.far, b"/?!\r\n")
    assert read_all(opened, 5) == plain(b"/?!\r\n")
    assert select.select([terminal.far], [], [], 0.05)[0] == []


def test_nothing_there_is_no_lost_port(opened: PosixPort) -> None:
    assert opened.read() == []
    assert opened.read() == []


def test_the_line_is_set(terminal: Terminal) -> None:
    before = termios.tcgetattr(terminal.near)
    with contextlib.closing(PosixPort(terminal.name, Settings(300, Line(7, "E", 1)))):
        iflag, oflag, cflag, lflag, ispeed, ospeed, control = termios.tcgetattr(terminal.near)
    assert (iflag, oflag, lflag) == (termios.INPCK | termios.PARMRK, 0, 0)
    assert (ispeed, ospeed) == (termios.B300, termios.B300)
    assert cflag & termios.HUPCL == before[2] & termios.HUPCL
    assert cflag & termios.CLOCAL
    assert control[termios.VMIN] == 1


@pytest.mark.parametrize("hang_up", [0, termios.HUPCL])
def test_hupcl_stays(terminal: Terminal, hang_up: int) -> None:
    attributes = termios.tcgetattr(terminal.near)
    attributes[2] = attributes[2] & ~termios.HUPCL | hang_up
    termios.tcsetattr(terminal.near, termios.TCSANOW, attributes)
    with contextlib.closing(PosixPort(terminal.name, SEVEN_EVEN)):
        assert termios.tcgetattr(terminal.near)[2] & termios.HUPCL == hang_up
    assert termios.tcgetattr(terminal.near)[2] & termios.HUPCL == hang_up


STICK = 0x40000000


class Driver:
    """A terminal's driver as termios sees it: ``asked`` holds all requests, and ``attributes`` the resulting
    settings."""

    def __init__(
        self,
        terminal: Terminal,
        monkeypatch: pytest.MonkeyPatch,
        *,
        fastest: int | None = None,
        size: int | None = None,
    ) -> None:
        self.attributes = termios.tcgetattr(terminal.near)
        self.asked: list[tuple[int, list[Any]]] = []
        self._fastest, self._size = fastest, size
        monkeypatch.setattr(termios, "tcgetattr", lambda descriptor: list(self.attributes))
        monkeypatch.setattr(termios, "tcsetattr", lambda descriptor, when, attributes: self._set(when, attributes))

    def _set(self, when: int, attributes: list[Any]) -> None:
        self.asked.append((when, attributes))
        self.attributes = list(attributes)
        if self._fastest is not None:
            self.attributes[4:6] = [min(attributes[4], self._fastest)] * 2
        if self._size is not None:
            self.attributes[2] = attributes[2] & ~termios.CSIZE | self._size


@pytest.mark.parametrize(
    ("line", "size", "parity"),
    [
        ("7E1", termios.CS8, 0),
        ("7O2", termios.CS8, 0),
        ("7M1", termios.CS8, 0),
        ("8N1", termios.CS8, 0),
        ("7N1", termios.CS7, 0),
        ("8E1", termios.CS8, termios.PARENB),
        ("8O1", termios.CS8, termios.PARENB | termios.PARODD),
        ("6S1", termios.CS6, termios.PARENB | STICK),
        ("5M1", termios.CS5, termios.PARENB | termios.PARODD | STICK),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="mark and space parity are Linux's")
def test_character_format(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, line: str, size: int, parity: int
) -> None:
    """Seven bits with parity become eight bits without; on any other line the adapter checks parity. The test looks at
    the request, because a pseudo-terminal has only one format."""
    driver = Driver(terminal, monkeypatch)
    driver.attributes[2] |= termios.CSTOPB | termios.PARENB | termios.PARODD | STICK | termios.CRTSCTS
    PosixPort(terminal.name, Settings(9600, Line.parse(line))).close()
    ((when, attributes),) = driver.asked
    assert when == termios.TCSANOW
    mask = termios.CSIZE | termios.CSTOPB | termios.PARENB | termios.PARODD | STICK | termios.CRTSCTS
    assert attributes[2] & mask == size | parity


def test_a_speed_that_is_not_reached_is_refused(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A 16550 accepts the request for 921600 bit/s, and keeps its speed."""
    driver = Driver(terminal, monkeypatch, fastest=termios.B115200)
    with pytest.raises(PortError, match=f"^{terminal.name}: this port does not reach 921600 bit/s, it chose 115200$"):
        PosixPort(terminal.name, Settings(921600, EIGHT))
    with contextlib.closing(PosixPort(terminal.name, SEVEN_EVEN)) as port:
        before = driver.attributes
        with pytest.raises(PortError, match="does not reach 921600 bit/s"):
            port.set(Settings(921600, EIGHT))
        assert driver.attributes == before


def test_a_format_that_is_not_reached_is_refused(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """An FTDI chip has seven or eight data bits."""
    Driver(terminal, monkeypatch, size=termios.CS8)
    monkeypatch.setattr("vtctap.sniffer.posix_port._is_pseudo_terminal", lambda descriptor: False)
    PosixPort(terminal.name, SEVEN_EVEN).close()
    with pytest.raises(PortError, match=f"^{terminal.name}: this port cannot be set to 5N1$"):
        PosixPort(terminal.name, Settings(9600, Line.parse("5N1")))


def test_in_use(terminal: Terminal) -> None:
    with (
        contextlib.closing(PosixPort(terminal.name, SEVEN_EVEN)),
        pytest.raises(PortError, match=rf"^{terminal.name}: the port is in use by another program$"),
    ):
        PosixPort(terminal.name, SEVEN_EVEN)
    PosixPort(terminal.name, SEVEN_EVEN).close()


def exclusive(descriptor: int) -> bool:
    state = bytearray(4)
    fcntl.ioctl(descriptor, 0x80045440, state)  # TIOCGEXCL
    return any(state)


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")
def test_exclusive_while_it_is_open_and_no_longer(terminal: Terminal) -> None:
    with contextlib.closing(PosixPort(terminal.name, SEVEN_EVEN)) as port:
        assert exclusive(terminal.near)
        with pytest.raises(BlockingIOError):
            fcntl.flock(terminal.near, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(PortError):
            PosixPort(terminal.name, SEVEN_EVEN)
        assert exclusive(port.fileno())
    assert not exclusive(terminal.near)
    with pytest.raises(PortError):
        PosixPort(terminal.name, Settings(12345, Line(7, "E", 1)))
    assert not exclusive(terminal.near)


def test_a_failed_opening_leaves_no_descriptor(terminal: Terminal, tmp_path: Path) -> None:
    before = len(os.listdir("/dev/fd"))
    for name, settings in [(str(tmp_path), SEVEN_EVEN), (terminal.name, Settings(12345, Line(8, "N", 1)))]:
        with pytest.raises(PortError):
            PosixPort(name, settings)
    with contextlib.closing(PosixPort(terminal.name, SEVEN_EVEN)), pytest.raises(PortError):
        PosixPort(terminal.name, SEVEN_EVEN)
    assert len(os.listdir("/dev/fd")) == before


def test_errors_say_what_to_do(tmp_path: Path, terminal: Terminal) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"octets")
    cases: dict[str, tuple[str, Settings, str]] = {
        "missing": (f"{tmp_path}/ttyUSB9", SEVEN_EVEN, "no such port; 'vtctap ports' lists"),
        "folder": (str(tmp_path), SEVEN_EVEN, "not a serial port"),
        "file": (str(file), SEVEN_EVEN, "not a serial port"),
        "null": ("/dev/null", SEVEN_EVEN, "not a serial port"),
        "below a file": (f"{file}/tty", SEVEN_EVEN, "Not a directory"),
        "speed": (terminal.name, Settings(12345, Line(7, "E", 1)), "12345 bit/s is not a speed that"),
    }
    for name, settings, text in cases.values():
        with pytest.raises(PortError, match=re.escape(text)) as caught:
            open_port(name, settings)
        assert str(caught.value).startswith(f"{name}: ")
    assert file.read_bytes() == b"octets"


NOBODY = 65534


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Drops root's rights until the block ends, so that the kernel checks permissions."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if was == 0:
            os.seteuid(was)


def test_no_permission(terminal: Terminal) -> None:
    os.chmod(terminal.name, 0)
    with as_nobody(), pytest.raises(PortError, match="no permission; join the port's group"):
        PosixPort(terminal.name, SEVEN_EVEN)


def test_exclusive_against_programs_that_do_not_lock(terminal: Terminal) -> None:
    """The lock is advisory. The terminal itself keeps other programs (except root's) from opening the port."""
    os.chmod(terminal.name, 0o666)
    with contextlib.closing(PosixPort(terminal.name, SEVEN_EVEN)), as_nobody():
        with pytest.raises(OSError, match="busy"):
            os.open(terminal.name, os.O_RDONLY | os.O_NOCTTY)
        with pytest.raises(PortError, match="the port is in use by another program"):
            PosixPort(terminal.name, SEVEN_EVEN)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="root's privilege")


@needs_root
def test_root_is_refused_a_port_in_exclusive_use(terminal: Terminal) -> None:
    """The kernel refuses before the driver is asked to open the port, which would raise DTR and RTS. Afterwards the
    process is root again."""
    fcntl.ioctl(terminal.near, termios.TIOCEXCL)
    os.close(os.open(terminal.name, os.O_RDONLY | os.O_NOCTTY))
    with pytest.raises(OSError, match="busy"):
        open_unprivileged(terminal.name, os.O_RDONLY | os.O_NOCTTY)
    with pytest.raises(PortError, match="the port is in use by another program"):
        PosixPort(terminal.name, SEVEN_EVEN)
    os.close(os.open(terminal.name, os.O_RDONLY | os.O_NOCTTY))


@needs_root
def test_a_port_in_exclusive_use_that_opens_all_the_same_is_left_alone(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vtctap.sniffer.posix_port._open", lambda name: os.open(name, os.O_RDONLY | os.O_NOCTTY))
    fcntl.ioctl(terminal.near, termios.TIOCEXCL)
    before = termios.tcgetattr(terminal.near)
    with pytest.raises(PortError, match="the port is in use by another program"):
        PosixPort(terminal.name, SEVEN_EVEN)
    assert termios.tcgetattr(terminal.near) == before


# Breaks, and NULs that are marked like breaks.


class Totals:
    """A driver's counters."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now: Counters | None = Counters()
        monkeypatch.setattr("vtctap.sniffer.counters.read", lambda descriptor: self.now)


def test_a_nul_with_a_framing_error_is_no_break_where_the_driver_counts(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    totals = Totals(monkeypatch)
    with contextlib.closing(PosixPort(terminal.name, SEVEN_EVEN)) as port:

        def flags() -> list[tuple[int, int]]:
            return port._marks.feed(b"\xff\x00\x00")

        assert flags() == [(0, BREAK)]  # Nothing was counted: the driver may not count at all.
        totals.now = Counters(frame=1)
        assert flags() == [(0, ERROR)]
        totals.now = Counters(frame=1, brk=1)
        assert flags() == [(0, BREAK)]
        totals.now = Counters(frame=2, brk=1)
        port.counters()
        totals.now = Counters(frame=3, brk=1)
        assert flags() == [(0, BREAK)]  # The break may have been counted before it could be read.
        port.counters()
        totals.now = Counters(parity=1, frame=3, brk=1)
        assert flags() == [(0, ERROR)]
        totals.now = None
        assert flags() == [(0, BREAK)]


def test_lost(terminal: Terminal, opened: PosixPort) -> None:
    terminal.hang_up()
    with pytest.raises(PortError, match="the device is gone"):
        opened.read()
    # Closing it again is no error (the fixture closes it).


# An outside observer proves that a capture is passive.

FORBIDDEN = (
    "TCFLSH",
    "TIOCMBIS",
    "TIOCMSET",
    "TIOCSBRK",
    "TIOCCBRK",
    "TCSBRK",
    "TCSBRKP",
    "TIOCSTI",
    "TCSETSF",
    "TCXONC",
)


@pytest.fixture
def strace(tmp_path: Path) -> Callable[..., list[str]]:
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")

    def run(name: str, *arguments: str, status: int = 0) -> list[str]:
        log = tmp_path / "strace.log"
        done = subprocess.run(
            ["strace", "-f", "-yy", "-o", str(log), sys.executable, "-m", "vtctap", "capture", "-i", name, *arguments],
            capture_output=True, text=True, timeout=PATIENCE, check=False, cwd=tmp_path,
        )  # fmt: skip
        if "ptrace" in done.stderr and "Operation not permitted" in done.stderr:
            pytest.skip("strace may not trace here")
        assert done.returncode == status, done.stderr
        # The call of newer C libraries.
        return log.read_text().replace("TCSETS2", "TCSETS").replace("TCGETS2", "TCGETS").splitlines()

    return run


def test_a_capture_never_acts_on_its_port(strace: Callable[..., list[str]], terminal: Terminal, tmp_path: Path) -> None:
    tty.setraw(terminal.near)
    os.write(terminal.far, b"/?!\r\n")
    trace = tmp_path / "trace.pcapng"
    calls = strace(terminal.name, "-a", "duration:1", "-w", str(trace), "--line", "8N1")
    assert b"/?!\r\n" in trace.read_bytes()
    opening = [call for call in calls if re.match(r"\d+ +open", call) and f'"{terminal.name}"' in call]
    assert len(opening) == 1
    assert "O_RDONLY|O_NOCTTY|O_NONBLOCK|O_CLOEXEC" in opening[0]
    own = [call for call in calls if f"<{terminal.name}" in call and call not in opening]
    names = {match[1] for call in own if (match := re.match(r"\d+ +(\w+)\(", call))}
    assert {"read", "ioctl", "flock", "poll", "close"} <= names
    assert names <= {"read", "ioctl", "flock", "poll", "close", "lseek", "fstat", "newfstatat", "fcntl"}
    requests = [match[1] for call in own if (match := re.search(r"ioctl\(\d+<.*?>>?, (?:SNDCTL_\w+ or )?(\w+)", call))]
    # In this order: whether another program uses it, settings, DTR and RTS low, exclusive use, and release at the end.
    assert [name for name in requests if name not in ("TCGETS", "TIOCGICOUNT")] == [
        "TIOCGEXCL", "TCSETS", "TIOCMBIC", "TIOCEXCL", "TIOCNXCL",
    ]  # fmt: skip
    # And between opening it and setting it the program does nothing else.
    at = calls.index(opening[0])
    setting = next(number for number, call in enumerate(calls) if "TCSETS" in call and call in own)
    between = [call for call in calls[at + 1 : setting] if not re.search(r" (capset|capget)\(", call)]
    assert [re.search(r"(TIOCGEXCL|flock|TCGETS)", call) is not None for call in between] == [True] * len(between)
    assert not [call for call in calls if any(name in call for name in FORBIDDEN)]


def test_power_is_the_only_thing_that_raises_a_line(strace: Callable[..., list[str]], terminal: Terminal) -> None:
    """A pseudo-terminal has no DTR, and a user who asks for power is told so. The requests can be seen all the same."""
    calls = strace(terminal.name, "-a", "duration:1", "--power", "dtr", status=3)
    own = [call for call in calls if f"<{terminal.name}" in call]
    (raised,) = [call for call in own if "TIOCMBIS" in call]
    assert "[TIOCM_DTR]" in raised
    assert "[TIOCM_RTS]" in next(call for call in own if "TIOCMBIC" in call)
    assert not [call for call in calls if any(name in call for name in FORBIDDEN if name != "TIOCMBIS")]


class Modem:
    """A terminal with modem lines, as the requests to its driver set them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ioctl = fcntl.ioctl
        self.asked: list[tuple[int, int]] = []

        def recorded(descriptor: int, request: int, *arguments: Any) -> Any:
            if request in (termios.TIOCMBIC, termios.TIOCMBIS):
                self.asked.append((request, int.from_bytes(arguments[0], sys.byteorder)))
                return arguments[0]
            return ioctl(descriptor, request, *arguments)

        monkeypatch.setattr(fcntl, "ioctl", recorded)


@pytest.mark.parametrize("power", [False, True])
def test_dtr(terminal: Terminal, monkeypatch: pytest.MonkeyPatch, power: bool) -> None:
    modem = Modem(monkeypatch)
    PosixPort(terminal.name, SEVEN_EVEN, power=power).close()
    dtr, rts = 0x002, 0x004
    if power:
        assert modem.asked == [(termios.TIOCMBIC, rts), (termios.TIOCMBIS, dtr)]
    else:
        assert modem.asked == [(termios.TIOCMBIC, dtr | rts)]


def test_no_dtr_to_raise(terminal: Terminal) -> None:
    before = len(os.listdir("/dev/fd"))
    with pytest.raises(PortError, match=f"^{terminal.name}: this port has no DTR to power a head from$"):
        PosixPort(terminal.name, SEVEN_EVEN, power=True)
    assert len(os.listdir("/dev/fd")) == before
    PosixPort(terminal.name, SEVEN_EVEN).close()


@pytest.mark.parametrize("power", [False, True])
def test_dtr_through_pyserial(power: bool) -> None:
    port: Any = open_port("loop://", SEVEN_EVEN, power=power)
    assert (port._serial.dtr, port._serial.rts) == (power, False)
    assert port.counters() is None
    port.close()


def test_a_second_capture_is_refused(terminal: Terminal, tmp_path: Path) -> None:
    with contextlib.closing(PosixPort(terminal.name, SEVEN_EVEN)):
        second = subprocess.run(
            [sys.executable, "-m", "vtctap", "capture", "-i", terminal.name, "-w", "second.pcapng"],
            capture_output=True, text=True, timeout=PATIENCE, check=False, cwd=tmp_path,
        )  # fmt: skip
    assert second.returncode == 3
    assert second.stderr == f"vtctap: {terminal.name}: the port is in use by another program\n"
    assert list(tmp_path.iterdir()) == []


# pyserial's URLs.


@contextlib.contextmanager
def server(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """A TCP server that serves one connection; yields its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def run() -> None:
            connection, _ = listening.accept()
            with connection:
                serve(connection)

        thread = threading.Thread(target=run)
        thread.start()
        yield f"socket://127.0.0.1:{listening.getsockname()[1]}"
        thread.join(10)


def test_socket_delivers_all_before_it_is_lost() -> None:
    """Octets and the end of the connection may arrive together."""
    octets = bytes(range(256)) * 8
    sent = threading.Event()

    def serve(connection: socket.socket) -> None:
        connection.sendall(octets)
        connection.shutdown(socket.SHUT_WR)
        sent.set()
        connection.recv(1)

    with server(serve) as url:
        port = open_port(url, SEVEN_EVEN)
        try:
            assert sent.wait(5)
            time.sleep(0.05)
            assert read_all(port, len(octets)) == plain(octets)
            with pytest.raises(PortError, match=r"^socket://127\.0\.0\.1:\d+: "):
                port.read()
        finally:
            port.close()


def test_socket_keeps_what_was_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """pyserial's open discards octets that have arrived by then; vtctap's must not."""
    connect = socket.create_connection

    def connect_and_wait(*arguments: Any, **options: Any) -> socket.socket:
        connection = connect(*arguments, **options)
        assert select.select([connection], [], [], 5)[0]
        return connection

    monkeypatch.setattr(socket, "create_connection", connect_and_wait)

    def serve(connection: socket.socket) -> None:
        connection.sendall(b"early")
        connection.recv(1)

    with server(serve) as url, contextlib.closing(open_port(url, SEVEN_EVEN)) as port:
        assert read_all(port, 5) == plain(b"early")
        assert port.read() == []


def test_socket_writes_nothing() -> None:
    received: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        connection.sendall(b"/?!\r\n")
        connection.settimeout(5)
        received.append(connection.recv(100))

    with server(serve) as url, contextlib.closing(open_port(url, SEVEN_EVEN)) as port:
        assert read_all(port, 5) == plain(b"/?!\r\n")
    assert received == [b""]


def test_loop() -> None:
    port: Any = open_port("loop://", SEVEN_EVEN)
    assert port.read() == []
    port._serial.write(b"/?!\r\n\xff")
    assert read_all(port, 6) == plain(b"/?!\r\n\xff")
    with pytest.raises(OSError, match="fileno"):
        port.fileno()
    port.close()


@pytest.mark.parametrize(
    "url",
    [
        "nosuch://x",
        "socket://127.0.0.1:1",
        "socket://no port",
        "rfc2217://127.0.0.1:1",
        "hwgrep://no-such-adapter-here",
    ],
)
def test_urls_that_cannot_be_opened(url: str) -> None:
    with pytest.raises(PortError, match="^" + re.escape(url)):
        open_port(url, SEVEN_EVEN)

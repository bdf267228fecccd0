"""Ports: opened without disturbing the line, and the driver's marks taken out of what they deliver."""

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

from vtctap.pcap.record import Flag, Line
from vtctap.sniffer.port import Marks, PortError, PosixPort, Settings, open_port

SEVEN_EVEN = Settings(9600, Line(7, "E", 1))
ERROR, BREAK = Flag.FRAMING, Flag.FRAMING | Flag.BREAK


class Terminal:
    """A pseudo-terminal as the kernel makes it: cooked, with echo. ``far`` is the other end of the line."""

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


def read_all(port: Any, count: int, seconds: float = 5) -> list[tuple[int, int]]:
    """What a port gives, until there are ``count`` octets."""
    octets: list[tuple[int, int]] = []
    end = time.monotonic() + seconds
    while len(octets) < count and time.monotonic() < end:
        octets += port.read()
    return octets


def plain(octets: bytes) -> list[tuple[int, int]]:
    return [(octet, 0) for octet in octets]


# Marks: what the driver delivers, and what was on the line.


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
        # What was waiting before the port was set up is not marked: an FFh stands alone.
        (b"\xffA", [(0xFF, 0), (0x41, 0)]),
    ],
)
def test_marks_at_every_split(received: bytes, meant: list[tuple[int, int]]) -> None:
    for first in range(len(received) + 1):
        for second in range(first, len(received) + 1):
            marks = Marks()
            parts = (received[:first], received[first:second], received[second:])
            assert [octet for part in parts for octet in marks.take(part)] == meant
    marks = Marks()
    assert [octet for value in received for octet in marks.take(bytes([value]))] == meant


MARK = {0: lambda value: b"\xff\xff" if value == 0xFF else bytes([value]), ERROR: lambda value: bytes([0xFF, 0, value])}


@given(
    st.lists(st.one_of(st.tuples(st.integers(0, 255), st.just(0)), st.tuples(st.integers(1, 255), st.just(ERROR)))),
    st.lists(st.integers(0, 60)),
)
def test_marks_of_any_octets(meant: list[tuple[int, int]], cuts: list[int]) -> None:
    received = b"".join(MARK[flags](value) for value, flags in meant)
    at = [0, *sorted(min(cut, len(received)) for cut in cuts), len(received)]
    marks = Marks()
    assert [octet for a, b in pairwise(at) for octet in marks.take(received[a:b])] == meant


def test_marks_come_in_one_piece_as_soon_as_they_are_whole() -> None:
    marks = Marks()
    assert [marks.take(bytes([value])) for value in b"a\xff\xff\xff\x00b"] == [
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
    """A cooked terminal holds a line back until its end: opening must let it go, and not throw it away."""
    os.write(terminal.far, b"no end of line")
    with contextlib.closing(PosixPort(terminal.name, SEVEN_EVEN)) as port:
        assert read_all(port, 14) == plain(b"no end of line")


def test_every_octet_passes_as_it_is(terminal: Terminal, opened: PosixPort) -> None:
    """Line ends, flow control, signals, end of file, FFh: all are octets."""
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
    """Seven bits and parity are eight bits without; the parity of any other line is the adapter's to check. (A
    pseudo-terminal has but one format, so this looks at what is asked for.)"""
    asked: list[Any] = []
    before = termios.tcgetattr(terminal.near)
    before[2] |= termios.CSTOPB | termios.PARENB | termios.PARODD | STICK | termios.CRTSCTS
    monkeypatch.setattr(termios, "tcgetattr", lambda fd: before)
    monkeypatch.setattr(termios, "tcsetattr", lambda fd, when, attributes: asked.extend([when, attributes]))
    PosixPort(terminal.name, Settings(9600, Line.parse(line))).close()
    when, attributes = asked
    assert when == termios.TCSANOW
    mask = termios.CSIZE | termios.CSTOPB | termios.PARENB | termios.PARODD | STICK | termios.CRTSCTS
    assert attributes[2] & mask == size | parity


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
    """Inside, we are not root, and the kernel's permissions hold."""
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
    """The lock is advisory; that others (but root) cannot even open the port is the terminal's doing."""
    os.chmod(terminal.name, 0o666)
    with contextlib.closing(PosixPort(terminal.name, SEVEN_EVEN)), as_nobody():
        with pytest.raises(OSError, match="busy"):
            os.open(terminal.name, os.O_RDONLY | os.O_NOCTTY)
        with pytest.raises(PortError, match="the port is in use by another program"):
            PosixPort(terminal.name, SEVEN_EVEN)


def test_lost(terminal: Terminal, opened: PosixPort) -> None:
    terminal.hang_up()
    with pytest.raises(PortError, match="the device is gone"):
        opened.read()
    # Closing it then is no error (and the fixture closes it).


# Proof, from outside, that a capture is passive.

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
            capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path,
        )  # fmt: skip
        if "ptrace" in done.stderr and "Operation not permitted" in done.stderr:
            pytest.skip("strace may not trace here")
        assert done.returncode == status, done.stderr
        return log.read_text().splitlines()

    return run


def test_a_capture_never_acts_on_its_port(strace: Callable[..., list[str]], terminal: Terminal, tmp_path: Path) -> None:
    tty.setraw(terminal.near)
    os.write(terminal.far, b"/?!\r\n")
    trace = tmp_path / "trace.pcapng"
    calls = strace(terminal.name, "-a", "duration:1", "-w", str(trace), "--line", "8N1")
    assert b"/?!\r\n" in trace.read_bytes()
    opening = [call for call in calls if "open" in call and f'"{terminal.name}"' in call]
    assert len(opening) == 1
    assert "O_RDONLY|O_NOCTTY|O_NONBLOCK|O_CLOEXEC" in opening[0]
    own = [call for call in calls if f"<{terminal.name}" in call and call not in opening]
    names = {match[1] for call in own if (match := re.match(r"\d+ +(\w+)\(", call))}
    assert {"read", "ioctl", "flock", "poll", "close"} <= names
    assert names <= {"read", "ioctl", "flock", "poll", "close", "lseek", "fstat", "newfstatat", "fcntl"}
    requests = [match[1] for call in own if (match := re.search(r"ioctl\(\d+<.*?>>?, (?:SNDCTL_\w+ or )?(\w+)", call))]
    # In this order: is it a terminal; DTR and RTS down; how it is to be; nobody else's; and given back at the end.
    assert [name for name in requests if name not in ("TCGETS", "TCGETS2", "TIOCGICOUNT")] == [
        "TIOCMBIC", "TCSETS", "TIOCEXCL", "TIOCNXCL",
    ]  # fmt: skip
    assert not [call for call in calls if any(name in call for name in FORBIDDEN)]


def test_power_is_the_only_thing_that_raises_a_line(strace: Callable[..., list[str]], terminal: Terminal) -> None:
    """A pseudo-terminal has no DTR, and who asked for power is told so; what was asked of it is seen all the same."""
    calls = strace(terminal.name, "-a", "duration:1", "--power", "dtr", status=3)
    own = [call for call in calls if f"<{terminal.name}" in call]
    (raised,) = [call for call in own if "TIOCMBIS" in call]
    assert "[TIOCM_DTR]" in raised
    assert "[TIOCM_RTS]" in next(call for call in own if "TIOCMBIC" in call)
    assert not [call for call in calls if any(name in call for name in FORBIDDEN if name != "TIOCMBIS")]


class Modem:
    """A terminal with modem lines, as its driver is asked to set them."""

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
            capture_output=True, text=True, timeout=30, check=False, cwd=tmp_path,
        )  # fmt: skip
    assert second.returncode == 3
    assert second.stderr == f"vtctap: {terminal.name}: the port is in use by another program\n"
    assert list(tmp_path.iterdir()) == []


# pyserial's URLs.


@contextlib.contextmanager
def server(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """A TCP server that serves one connection; gives its URL."""
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
    """Octets and the end of the connection may come at once."""
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
    """pyserial's open throws away what has come by then; ours must not."""
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

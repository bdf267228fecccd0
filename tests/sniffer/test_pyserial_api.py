"""pyserial's ports lose no octet and say what is wrong, whatever kind of URL they are."""

import contextlib
import os
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import serial
import serial.rfc2217

from equipment import PATIENCE
from vtctap.pcap.record import Line
from vtctap.sniffer import capture as capturing
from vtctap.sniffer.capture import Capture, Link, Opening, Wire
from vtctap.sniffer.opening import Opened, open_port
from vtctap.sniffer.port import PortError, Settings
from vtctap.sniffer.pyserial_api import opening as opening_of
from vtctap.sniffer.pyserial_port import PyserialPort
from vtctap.sniffer.reader import MANY
from vtctap.sniffer.reopening import Reopening
from vtctap.sniffer.simulated.machine import Action, ChangeSpeed, Done
from vtctap.sniffer.speaking import Speaker

termios = pytest.importorskip("termios")
pytestmark = pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")  # pyserial's.

SETTINGS = Settings(9600, Line(7, "E", 1))
MESSAGE = b"/?!\r\n\xff\x00"


def octets_of(count: int) -> bytes:
    return (MESSAGE * (count // len(MESSAGE) + 1))[:count]


class Server:
    """An RFC 2217 server for one client."""

    def __init__(self, listening: socket.socket) -> None:
        self.url = f"rfc2217://127.0.0.1:{listening.getsockname()[1]}"
        self._listening = listening
        self._ended = threading.Event()
        self._manager: Any = None
        self._connection: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        self._listening.settimeout(PATIENCE)
        with contextlib.suppress(TimeoutError):
            self._connection, _ = connection, _ = self._listening.accept()
            self._manager = serial.rfc2217.PortManager(serial.serial_for_url("loop://", timeout=0), self)
            connection.settimeout(0.02)
            while not self._ended.is_set():
                with contextlib.suppress(TimeoutError, OSError):
                    list(self._manager.filter(connection.recv(1024)))

    def write(self, octets: bytes) -> None:
        assert self._connection
        self._connection.sendall(octets)

    def say(self, octets: bytes) -> None:
        self.write(b"".join(self._manager.escape(octets)))

    def close(self) -> None:
        self._ended.set()
        self._thread.join(PATIENCE)
        if self._connection:
            self._connection.close()


@pytest.fixture
def server() -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = Server(listening)
        yield server
        server.close()


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


# Nothing is lost.


@pytest.mark.parametrize("count", [1, 50, 5000])
def test_rfc2217_delivers_all_before_it_is_lost(server: Server, count: int) -> None:
    port: Any = open_port(server.url, SETTINGS)
    with contextlib.closing(port):
        server.say(octets_of(count))
        server.close()
        wait_until(lambda: not port._serial._thread.is_alive())
        received = port.read()
        assert bytes(value for value, _ in received) == octets_of(count)
        for _ in range(2):
            with pytest.raises(PortError, match=rf"^{server.url}: connection failed"):
                port.read()


def test_pyserial_has_the_queue_that_is_emptied(server: Server) -> None:
    """It is private: a version of pyserial without it would lose octets again."""
    with contextlib.closing(open_port(server.url, SETTINGS)) as port:
        waiting = port._serial._read_buffer  # type: ignore[attr-defined]
        assert isinstance(waiting, queue.Queue)
        server.say(b"ab")
        wait_until(lambda: waiting.qsize() == 2)
        assert [waiting.get_nowait(), waiting.get_nowait()] == [b"a", b"b"]


@pytest.mark.parametrize("closes", [False, True])
def test_a_capture_that_ends_reads_all_that_was_queued(server: Server, closes: bool) -> None:
    with Capture([Link((Wire(server.url),))], SETTINGS, gap_limit_ns=10**9, profile="p") as tap:
        port: Any = tap._opened[0].port
        server.say(octets_of(3000))
        if closes:
            server.close()
        wait_until(lambda: port._serial._read_buffer.qsize() >= 3000)
        tap.close()
        assert tap.octets == 3000


class Slow:
    """A port that hands on one octet a read, ``count`` in all."""

    name, marks_errors = "slow", False

    def __init__(self, count: float) -> None:
        self.left = count
        self.reads = 0

    def fileno(self) -> int:
        raise OSError

    def read(self) -> list[tuple[int, int]]:
        self.reads += 1
        if self.left <= 0 or self.reads == 1:  # The first read finds nothing, so that none are waiting on opening.
            return []
        self.left -= 1
        return [(0x2F, 0)]

    def set(self, settings: Settings) -> None:
        pass

    def counters(self) -> None:
        pass

    def close(self) -> None:
        pass


@contextmanager
def capture_of(port: Slow, monkeypatch: pytest.MonkeyPatch) -> Iterator[Capture]:
    monkeypatch.setattr("vtctap.sniffer.opening.open_port", lambda *_, **__: port)
    monkeypatch.setattr(capturing, "waiting_octets", lambda _: [])
    with Capture([Link((Wire("slow"),))], SETTINGS, gap_limit_ns=10**9, profile="p") as tap:
        yield tap


def test_a_capture_that_ends_reads_until_nothing_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    with capture_of(Slow(1000), monkeypatch) as tap:
        tap.close()
        assert tap.octets == 1000


def test_a_line_that_sends_without_end_does_not_keep_a_capture_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capturing, "_REMAINDER", 1000)
    with capture_of(Slow(float("inf")), monkeypatch) as tap:
        tap.close()
        assert 1000 <= tap.octets < 1100


class Busy:
    """A port with a descriptor to poll. It holds some octets when the capture closes, and another one comes while the
    reader sleeps."""

    name, marks_errors = "busy", False

    def __init__(self, held: list[int]) -> None:
        self.held = held
        self.reads = 0
        self._ends = os.pipe()
        os.write(self._ends[1], b"a")

    def fileno(self) -> int:
        return self._ends[0]

    def read(self) -> list[tuple[int, int]]:
        self.reads += 1
        return [(0x2F, 0)] * self.held.pop() if self.held else []

    def set(self, settings: Settings) -> None:
        pass

    def counters(self) -> None:
        pass

    def close(self) -> None:
        for end in self._ends:
            os.close(end)


def test_many_lines_that_go_on_sending_do_not_keep_a_capture_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    ports = {f"busy{number}": Busy([]) for number in range(MANY + 1)}

    def sleep(_: float) -> None:
        for port in ports.values():
            port.held.insert(0, 1)

    monkeypatch.setattr("vtctap.sniffer.opening.open_port", lambda name, *_, **__: ports[name])
    monkeypatch.setattr("vtctap.sniffer.reader.time.sleep", sleep)
    monkeypatch.setattr(capturing, "_REMAINDER", 10_000)
    links = [Link((Wire(name),)) for name in ports]
    with Capture(links, SETTINGS, gap_limit_ns=10**9, profile="p") as tap:
        for port in ports.values():
            port.held += [1, 4096, 1]
        tap.poll(0)
        before = {name: port.reads for name, port in ports.items()}
        tap.close()
        assert tap.octets == len(ports) * 4098
        assert all(port.reads - before[name] <= 4 for name, port in ports.items())


# Bad URLs.

BAD_URLS = [
    ("hwgrep://(", "missing ), unterminated subpattern at position 0; write hwgrep://REGULAR-EXPRESSION"),
    ("hwgrep://x&n=x", "invalid literal for int() with base 10: 'x'; write hwgrep://REGULAR-EXPRESSION"),
    ("loop://?logging=x", "this URL is not well formed; write loop://"),
    ("loop://?color", "unknown option: 'color'; write loop://"),
    ("socket://h", "this URL is not well formed; write socket://HOST:PORT"),
    ("SOCKET://h:x", "Port could not be cast to integer value as 'x'; write socket://HOST:PORT"),
    ("socket://h:1?logging=x", "this URL is not well formed; write socket://HOST:PORT"),
    ("rfc2217://h", "this URL is not well formed; write rfc2217://HOST:PORT"),
    ("nosuch://h", "invalid URL, protocol 'nosuch' not known; write socket://HOST:PORT or rfc2217://HOST:PORT"),
    ("socket://127.0.0.1:1", "Connection refused"),
    ("spy:///dev/nosuch", "there is no such port; 'vtctap ports' lists the ports"),
]


def test_what_is_no_matter_of_the_url_is_said_as_it_is() -> None:
    with pytest.raises(PortError, match=r"^loop://: MemoryError: no more$"), opening_of("loop://"):
        raise MemoryError("no more")


@pytest.mark.parametrize(("url", "says"), BAD_URLS)
@pytest.mark.parametrize("opening", [lambda url: open_port(url, SETTINGS), lambda url: Speaker(url, 9600)])
def test_bad_urls_say_what_to_write(opening: Callable[[str], Any], url: str, says: str) -> None:
    with pytest.raises(PortError) as caught:
        opening(url)
    assert str(caught.value) == f"{url}: {says}"


@pytest.mark.parametrize("before", [PortError("/dev/nosuch: there is no such port"), KeyError("x")])
@pytest.mark.parametrize("opening", [lambda url: open_port(url, SETTINGS), lambda url: Speaker(url, 9600)])
def test_the_reason_is_not_what_the_caller_was_handling(opening: Callable[[str], Any], before: Exception) -> None:
    """As where a program tries one port after the other."""
    try:
        raise before
    except type(before):
        with pytest.raises(PortError, match=r"^socket://127\.0\.0\.1:1: Connection refused$"):
            opening("socket://127.0.0.1:1")


def test_an_error_of_our_own_is_not_told_as_one_of_the_port(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise TypeError("ours")

    monkeypatch.setattr(PyserialPort, "_apply", fail)
    with pytest.raises(TypeError, match=r"^ours$"):
        open_port("loop://", SETTINGS)


def test_the_reopening_hides_no_error_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    monkeypatch.setattr("vtctap.sniffer.reopening.PERIOD", 0.01)
    monkeypatch.setattr(threading, "excepthook", lambda hooked: told.append(hooked.exc_type))

    def attempt() -> Opened:
        raise TypeError("ours")

    reopening = Reopening(attempt)
    wait_until(lambda: bool(told))
    reopening.stop()
    assert told == [TypeError]


def test_the_reopening_goes_on_until_the_port_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vtctap.sniffer.reopening.PERIOD", 0.01)
    failures = [PortError("gone"), PortError("not yet")]

    def attempt() -> Opened:
        if failures:
            raise failures.pop(0)
        return Opening().open("loop://", SETTINGS)

    reopening = Reopening(attempt)
    found: list[Opened] = []
    wait_until(lambda: bool(found.append(opened) if (opened := reopening.take()) else found))
    reopening.stop()
    found[0].close()


# An adapter that is pulled while it is set.


def pulled(*_: object) -> None:
    raise termios.error(5, "Input/output error")


def test_a_tap_whose_device_is_gone_while_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.closing(open_port("loop://", SETTINGS)) as port:
        monkeypatch.setattr(port._serial, "_reconfigure_port", pulled)  # type: ignore[attr-defined]
        with pytest.raises(PortError, match=r"^loop://: the device is gone$"):
            port.set(Settings(300, SETTINGS.line))


class Changing:
    """A machine that changes its speed at once."""

    def __init__(self) -> None:
        self.changed = False

    def feed(self, octet: int, now: int) -> list[Action]:
        return []

    def sent(self, now: int) -> list[Action]:
        return []

    def wake_at(self) -> int | None:
        return None if self.changed else 0

    def timeout(self, now: int) -> list[Action]:
        self.changed = True
        return [ChangeSpeed(300), Done()]


@pytest.mark.parametrize("call", ["tcdrain", "tcsetattr"])
def test_a_speaker_whose_device_is_gone_while_its_speed_changes(monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    from vtctap.sniffer.simulated.ptys import Pty

    with contextlib.closing(Pty()) as far, Speaker(far.name, 9600) as speaker:
        monkeypatch.setattr(termios, call, pulled)
        with pytest.raises(PortError, match=f"^{far.name}: the device is gone$"):
            speaker.run(Changing())


def test_a_speaker_over_rfc2217(server: Server) -> None:
    with Speaker(server.url, 9600) as speaker:
        speaker.run(Changing())

"""The system's facts on adapters, read from a copy of Linux's files made by hand."""

import fcntl
import os
from array import array
from collections.abc import Callable
from pathlib import Path

import pytest

from vtctap.sniffer.adapter import Adapter, ask_low_latency, find_adapter

MS = 1_000_000
USB = "devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0"
GET, SET, LOW_LATENCY = 0x541E, 0x541F, 0x2000


class System:
    """A folder in place of /sys."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, device: str, parent: str, driver: str = "", **files: int) -> None:
        """Puts a terminal on a device. ``files`` are the terminal's."""
        below = self.root / parent
        below.mkdir(parents=True)
        tty = self.root / "class/tty" / device
        tty.mkdir(parents=True)
        (tty / "device").symlink_to(below)
        if driver:
            (self.root / "drivers" / driver).mkdir(parents=True)
            (below / "driver").symlink_to(self.root / "drivers" / driver)
        for name, number in files.items():
            (tty / name).write_text(f"{number}\n")

    def timer(self, device: str, milliseconds: int) -> Path:
        path = self.root / "bus/usb-serial/devices" / device / "latency_timer"
        path.parent.mkdir(parents=True)
        path.write_text(f"{milliseconds}\n")
        return path

    def adapter(self, name: str) -> Adapter:
        return find_adapter(name, str(self.root))


@pytest.fixture
def system(tmp_path: Path) -> System:
    return System(tmp_path)


def test_ftdi_says_its_timer(system: System) -> None:
    system.put("ttyUSB0", f"{USB}/ttyUSB0", "ftdi_sio")
    system.timer("ttyUSB0", 16)
    known = system.adapter("/dev/ttyUSB0")
    assert known == Adapter("ftdi_sio", 16 * MS, source="timer")
    assert known.latency_ns(MS) == 16 * MS
    assert known.words() == "adapter=ftdi_sio latency=16ms latency_source=timer"
    assert str(known) == "ftdi_sio, latency 16 ms (timer)"


def test_a_name_that_stays_leads_to_the_device(system: System, tmp_path: Path) -> None:
    system.put("ttyUSB7", f"{USB}/ttyUSB7", "ftdi_sio")
    system.timer("ttyUSB7", 1)
    (tmp_path / "ttyUSB7").touch()
    (tmp_path / "by-id").symlink_to(tmp_path / "ttyUSB7")
    assert system.adapter(str(tmp_path / "by-id")).time_ns == MS


@pytest.mark.parametrize(
    ("device", "driver", "below"),
    [("ttyUSB0", "cp210x", "/ttyUSB0"), ("ttyUSB0", "ch341", "/ttyUSB0"), ("ttyUSB0", "pl2303", "/ttyUSB0"),
     ("ttyACM0", "cdc_acm", "")],
)  # fmt: skip
def test_other_usb_chips_are_assumed_to_be_as_slow_as_any(system: System, device: str, driver: str, below: str) -> None:
    system.put(device, USB + below, driver)
    assert system.adapter(f"/dev/{device}") == Adapter(driver, 16 * MS, source="assumed")


@pytest.mark.parametrize(
    ("files", "characters", "source"),
    [
        ({"type": 4, "rx_trig_bytes": 8}, 11, "fifo"),
        ({"type": 4, "rx_trig_bytes": 14}, 17, "fifo"),
        ({"type": 4, "rx_trig_bytes": 1}, 0, "fifo"),
        ({"type": 4}, 11, "fifo"),
        ({"type": 2}, 0, "fifo"),
        ({"type": 32}, 19, "assumed"),
        ({"type": 0}, 0, ""),
        ({}, 0, ""),
    ],
)
def test_uarts_keep_characters(system: System, files: dict[str, int], characters: int, source: str) -> None:
    system.put("ttyS0", "devices/platform/serial8250", "serial8250", **files)
    known = system.adapter("/dev/ttyS0")
    assert known == Adapter("serial8250", characters=characters, source=source)
    assert known.latency_ns(MS) == characters * 1_015_000  # The sender is as slow as allowed.


def test_words_of_a_uart(system: System) -> None:
    system.put("ttyS0", "devices/pnp0", "serial", type=4, rx_trig_bytes=8)
    known = system.adapter("/dev/ttyS0")
    assert known.words() == "adapter=serial latency=11characters latency_source=fifo"
    assert str(known) == "serial, latency 11 characters (fifo)"


def test_the_user_knows_better(system: System) -> None:
    system.put("ttyS0", "devices/pnp0", "serial", type=4, rx_trig_bytes=8)
    known = system.adapter("/dev/ttyS0")
    assert known.stated(None) == known
    assert known.stated(2_500_000) == Adapter("serial", 2_500_000, source="stated")
    assert known.stated(2_500_000).words() == "adapter=serial latency=2.5ms latency_source=stated"


@pytest.mark.parametrize("name", ["/dev/pts/0", "/dev/ttys001", ""])
def test_no_adapter(system: System, name: str) -> None:
    """There is no adapter on a machine without /sys either, such as a container or macOS."""
    assert system.adapter(name) == Adapter()
    system.put("ttyS0", "devices/pnp0", "serial", type=4)
    assert system.adapter(name) == Adapter()
    assert (str(Adapter()), Adapter().words(), Adapter().latency_ns(MS)) == ("", "", 0)


def test_what_the_system_does_not_know_is_assumed(system: System) -> None:
    """macOS and Windows have adapters too, but no files that name their drivers."""
    assumed = Adapter(time_ns=16 * MS, source="assumed")
    assert system.adapter("/dev/cu.usbserial-1") == system.adapter("/dev/ttyS0") == assumed
    system.put("ttyS0", "devices/pnp0", "serial", type=4)
    assert system.adapter("loop://") == system.adapter("spy:///dev/ttyUSB0") == assumed
    assert assumed.bounded
    assert assumed.words() == "latency=16ms latency_source=assumed"


@pytest.mark.parametrize("url", ["socket://nowhere:1", "rfc2217://nowhere:1", "spy://socket://nowhere:1"])
def test_a_networks_delay_is_nobodys_to_know(system: System, url: str) -> None:
    known = system.adapter(url)
    assert not known.bounded
    assert known.words() == "latency=unknown latency_source=network"
    assert str(known) == "latency unknown (network)"
    assert known.stated(100 * MS).bounded
    assert known.stated(100 * MS).words() == "latency=100ms latency_source=stated"


# Low latency.


class Driver:
    """The driver's settings: struct serial_struct as 32 integers, of which the fifth holds the flags."""

    def __init__(self, flags: int | None, *, allowed: bool = True, keeps: bool = True) -> None:
        self.flags = flags
        self.allowed = allowed
        self.keeps = keeps

    def ioctl(self, descriptor: int, request: int, argument: bytes) -> bytes:
        assert descriptor == 7
        assert len(argument) == 128
        if self.flags is None or (request == SET and not self.allowed):
            raise OSError
        if request == SET:
            settings = array("i", argument)
            self.flags = settings[4] if self.keeps else self.flags
            settings[4] = 0
            assert list(settings) == [*range(4), 0, *range(5, 32)]  # The other settings are unchanged.
        else:
            assert request == GET
        return array("i", [*range(4), self.flags, *range(5, 32)]).tobytes()


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Driver]:
    def make(flags: int | None, **options: bool) -> Driver:
        driver = Driver(flags, **options)
        monkeypatch.setattr(fcntl, "ioctl", driver.ioctl)
        return driver

    return make


@pytest.mark.parametrize("before", [0, 0x1040, LOW_LATENCY | 0x1040])
def test_the_drivers_flag(system: System, driver: Callable[..., Driver], before: int) -> None:
    own = driver(before)
    reached, put_back = ask_low_latency("/dev/ttyUSB0", 7, str(system.root))
    assert own.flags == before | LOW_LATENCY
    assert reached
    put_back()
    assert own.flags == before


def test_a_flag_that_does_not_stay_set_is_no_low_latency(system: System, driver: Callable[..., Driver]) -> None:
    """Linux's cp210x, ch341 and cdc_acm accept the flag, and forget it."""
    own = driver(0x40, keeps=False)
    reached, put_back = ask_low_latency("/dev/ttyUSB0", 7, str(system.root))
    assert not reached
    put_back()
    assert own.flags == 0x40


def test_a_threshold_that_we_may_not_set_is_no_low_latency(
    system: System, driver: Callable[..., Driver], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A UART's driver keeps the flag, but it has no effect."""
    own = driver(0)
    system.put("ttyS0", "devices/pnp0", "serial", type=4, rx_trig_bytes=8)
    monkeypatch.setattr("vtctap.sniffer.adapter._write", lambda path, number: False)
    reached, put_back = ask_low_latency("/dev/ttyS0", 7, str(system.root))
    assert not reached
    put_back()
    assert own.flags == 0


@pytest.mark.parametrize("flags", [None, 0x40])
def test_the_timers_file(system: System, driver: Callable[..., Driver], flags: int | None) -> None:
    own = driver(flags, allowed=False)
    timer = system.timer("ttyUSB0", 16)
    reached, put_back = ask_low_latency("/dev/ttyUSB0", 7, str(system.root))
    assert timer.read_text() == "1"
    assert reached
    put_back()
    assert int(timer.read_text()) == 16
    assert own.flags == flags


def test_the_fifos_file(system: System, driver: Callable[..., Driver]) -> None:
    driver(None)
    system.put("ttyS0", "devices/pnp0", "serial", type=4, rx_trig_bytes=8)
    reached, put_back = ask_low_latency("/dev/ttyS0", 7, str(system.root))
    assert system.adapter("/dev/ttyS0").characters == 0
    assert reached
    put_back()
    assert system.adapter("/dev/ttyS0").characters == 11


def test_nothing_to_ask(system: System, driver: Callable[..., Driver]) -> None:
    driver(None)
    assert not ask_low_latency("/dev/ttyUSB0", 7, str(system.root)).reached
    system.put("ttyUSB0", f"{USB}/ttyUSB0", "cp210x")
    assert not ask_low_latency("/dev/ttyUSB0", 7, str(system.root)).reached
    assert not list(system.root.rglob("latency_timer"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_file_that_is_not_ours(system: System, driver: Callable[..., Driver]) -> None:
    driver(None)
    system.timer("ttyUSB0", 16).chmod(0o444)
    assert not ask_low_latency("/dev/ttyUSB0", 7, str(system.root)).reached


def test_what_is_low_already_stays(system: System, driver: Callable[..., Driver]) -> None:
    driver(None)
    timer = system.timer("ttyUSB0", 1)
    timer.chmod(0o444)
    reached, put_back = ask_low_latency("/dev/ttyUSB0", 7, str(system.root))
    assert reached
    put_back()
    assert timer.read_text() == "1\n"

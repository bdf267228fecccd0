"""Nothing is sent, and DTR and RTS are low, as the adapters' pins show from outside."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from adapters import Adapter, Uart, UsbAdapter
from capturing import Capture
from wire import length, session

from checks.bench import Bench, Row, as_played, compared, counted

_WITHOUT_WIRESHARK: Final = f"/mnt:{Path(sys.executable).parent}"
"""A PATH without tshark, which the doctor would start; that takes long in an emulated machine."""


def first_openings(bench: Bench) -> Iterator[Row]:
    """Octets arrive while ports are opened for the first time, without a udev rule, and then with the rule that 'doctor
    --fix' installs and the USB adapters plugged in again: with it none is echoed."""
    chips = [bench.chip(name) for name in ("FT232B", "CH340", "CdcAcm")]
    careless = bench.chip("FT232B", 2)
    for adapter, count in _echoed(bench, [bench.spare["ttyS3"], *chips]):
        yield Row(adapter.driver, "octets echoed, first opening, no udev rule", None, count)
    seen = "some" if _echoed_carelessly(bench, careless) else "none"
    yield Row(careless.driver, "echoed for who sets nothing, no rule", "some", seen)
    done = bench.machine.run_program("vtctap doctor --fix", PATH=_WITHOUT_WIRESHARK)
    installed = bench.machine.run("cat /etc/udev/rules.d/70-vtctap.rules")
    yield Row("-", "doctor --fix installs the rule", "0, said so", f"{installed.status}, {_said_so(done.output)}")
    bench.machine.run("udevadm trigger --action=add /sys/class/tty/ttyS2")
    for chip in (*chips, careless):
        chip.unplug()
        chip.plug()
    bench.machine.run("udevadm settle")
    for adapter, count in _echoed(bench, [bench.spare["ttyS2"], *chips]):
        yield Row(adapter.driver, "octets echoed, first opening, with the rule", "0", count)
    seen = "some" if _echoed_carelessly(bench, careless) else "none"
    yield Row(careless.driver, "echoed for who sets nothing, with the rule", "none", seen)


CARELESS: Final = "import os, time; os.open({port!r}, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY); time.sleep(1)"


def _echoed_carelessly(bench: Bench, chip: UsbAdapter) -> bytes:
    """Returns the octets of a stream that are echoed while a program has the port open without setting it."""
    chip.forget()
    chip.stream()
    bench.machine.run(f'python -c "{CARELESS.format(port=chip.port)}"')
    chip.clear()
    return chip.sent()


def _said_so(output: str) -> str:
    return "said so" if "installed /etc/udev/rules.d/70-vtctap.rules" in output else output.strip()


def _echoed(bench: Bench, adapters: Sequence[Uart | UsbAdapter]) -> list[tuple[Adapter, str]]:
    """Returns how many octets of a stream each adapter echoes while vtctap opens its port."""
    for adapter in adapters:
        adapter.forget()
        adapter.stream()
    with Capture(bench.machine, *adapters, options="--speed 9600", fresh=True) as capture:
        bench.machine.sleep(1)
    for adapter in adapters:
        adapter.clear()
    heard = [len(capture.octets(link)) for link in range(len(adapters))]
    return [
        (adapter, str(len(adapter.sent())) if heard[link] else "nothing was heard")
        for link, adapter in enumerate(adapters)
    ]


def whole_sessions(bench: Bench) -> Iterator[Row]:
    """Of a session on each driver, all at once, every octet is captured, and nothing is sent meanwhile."""
    played = bytes(octet.octet for octet in session())
    for adapter in bench.all:
        adapter.forget()
    with Capture(bench.machine, *bench.all, options="--speed 9600", fresh=True) as capture:
        for adapter in bench.all:
            adapter.play()
        capture.rest(length())
    for link, adapter in enumerate(bench.all):
        heard = compared(capture.octets(link), played)
        yield Row(adapter.driver, "a session's octets", as_played(played), heard)
        yield Row(adapter.driver, "sent meanwhile", "nothing", adapter.sent().hex() or "nothing")
        yield from _lines(adapter)


def _lines(adapter: Adapter) -> Iterator[Row]:
    """The kernel raises DTR and RTS when it opens a port; vtctap lowers them, and they stay low."""
    pulses = adapter.pulses()
    longest = max((pulse.seconds or 0 for pulse in pulses), default=0)
    at_rest = "low" if all(pulse.seconds is not None for pulse in pulses) else "high"
    yield Row(adapter.driver, "DTR and RTS", "low, 1 pulse", f"{at_rest}, {counted(pulses)}")
    yield Row(adapter.driver, "length of that pulse", None, f"{longest * 1000:.1f} ms")

"""What is proved of vtctap on real drivers: each check gives rows of what is expected and what is seen.

What stands in the tables here is what the kernel's drivers do (6.1 and 6.12): docs/wiring.md says the same in words.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from adapters import Adapter, Pulse, Uart, UsbAdapter
from capturing import Capture
from machine import Machine
from wire import length, session


class Row(NamedTuple):
    """A line of the table. ``expected`` None: what is seen is the kernel's, and noted."""

    driver: str
    check: str
    expected: str | None
    seen: str

    @property
    def good(self) -> bool:
        """Whether it is as it should be."""
        return self.expected in (None, self.seen)


@dataclass
class Bench:
    """The machine and its adapters."""

    machine: Machine
    uart: Uart
    spare: dict[str, Uart]
    """UARTs that nobody has opened, for :func:`first_openings`."""
    chips: dict[str, UsbAdapter]

    @property
    def all(self) -> list[Uart | UsbAdapter]:
        """One adapter of each driver."""
        return [self.uart, *(chip for name, chip in self.chips.items() if name != "second")]


KINDS: Final = {
    "FT232B": "ftdi_sio",
    "CP2102": "cp210x",
    "Counterfeit": "cp210x (counterfeit)",
    "CH340": "ch341",
    "CdcAcm": "cdc_acm",
}
"""Kinds of chips, and how the table names their drivers."""


def bench(machine: Machine) -> Bench:
    """All adapters, plugged in."""
    chips = {kind: UsbAdapter(machine, kind, driver, at) for at, (kind, driver) in enumerate(KINDS.items())}
    chips["second"] = UsbAdapter(machine, "FT232B", "ftdi_sio", len(KINDS))
    for chip in chips.values():
        chip.wait()
    uarts = {name: Uart(machine, name) for name in machine.lines}
    return Bench(machine, uarts.pop("ttyS1"), uarts, chips)


# Nothing is sent.


def first_openings(bench: Bench) -> Iterator[Row]:
    """Octets arrive while ports are opened that nobody has opened since they were there; then the same with the rule
    that 'doctor --fix' installs, the USB adapters plugged in anew."""
    chips = [bench.chips[name] for name in ("FT232B", "CH340", "CdcAcm")]
    careless = bench.chips["second"]
    for adapter, count in _echoed(bench, [bench.spare["ttyS3"], *chips]):
        yield Row(adapter.driver, "octets echoed, first opening, no udev rule", None, count)
    seen = "some" if _echoed_carelessly(bench, careless) else "none"
    yield Row(careless.driver, "echoed for who sets nothing, no rule", "some", seen)
    done = bench.machine.run("vtctap doctor --fix")
    installed = bench.machine.run("cat /etc/udev/rules.d/70-vtctap.rules")
    yield Row("-", "doctor --fix installs the rule", "0, said so", f"{installed.status}, {_said_so(done.output)}")
    bench.machine.run("udevadm trigger --action=add /sys/class/tty/ttyS2")
    for chip in (*chips, careless):
        chip.unplug()
        chip.plug()
        chip.wait()
    bench.machine.run("udevadm settle")
    for adapter, count in _echoed(bench, [bench.spare["ttyS2"], *chips]):
        yield Row(adapter.driver, "octets echoed, first opening, with the rule", "0", count)
    seen = "some" if _echoed_carelessly(bench, careless) else "none"
    yield Row(careless.driver, "echoed for who sets nothing, with the rule", "none", seen)


CARELESS: Final = "import os, time; os.open({port!r}, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY); time.sleep(1)"


def _echoed_carelessly(bench: Bench, chip: UsbAdapter) -> bytes:
    """What of a stream is sent back while a program has the port open that does not set it."""
    chip.forget()
    chip.stream()
    bench.machine.run(f'python -c "{CARELESS.format(port=chip.port)}"')
    chip.clear()
    return chip.sent()


def _said_so(output: str) -> str:
    return "said so" if "installed /etc/udev/rules.d/70-vtctap.rules" in output else output.strip()


def _echoed(bench: Bench, adapters: Sequence[Uart | UsbAdapter]) -> list[tuple[Adapter, str]]:
    """How many octets of a stream each adapter sends back while its port is opened."""
    for adapter in adapters:
        adapter.forget()
        adapter.stream()
    with Capture(bench.machine, *adapters, options="--speed 9600") as capture:
        bench.machine.sleep(1)
    for adapter in adapters:
        adapter.clear()
    heard = [len(capture.octets(link)) for link in range(len(adapters))]
    return [
        (adapter, str(len(adapter.sent())) if heard[link] else "nothing was heard")
        for link, adapter in enumerate(adapters)
    ]


def whole_sessions(bench: Bench) -> Iterator[Row]:
    """A session on each driver, all at once: its octets, and what went out meanwhile."""
    played = bytes(octet.octet & 0x7F for octet in session([]))
    for adapter in bench.all:
        adapter.forget()
    with Capture(bench.machine, *bench.all, options="--speed 9600") as capture:
        for adapter in bench.all:
            adapter.play()
        capture.rest(length(session([])))
    for link, adapter in enumerate(bench.all):
        heard = bytes(octet & 0x7F for octet in capture.octets(link))
        yield Row(adapter.driver, "a session's octets", f"{len(played)}, as played", _compared(heard, played))
        yield Row(adapter.driver, "sent meanwhile", "nothing", adapter.sent().hex() or "nothing")
        yield from _lines(adapter)


def _compared(heard: bytes, played: bytes) -> str:
    if heard == played:
        return f"{len(heard)}, as played"
    at = next((at for at, pair in enumerate(zip(heard, played, strict=False)) if len(set(pair)) > 1), "the end")
    return f"{len(heard)}, not as played from {at} on"


def _lines(adapter: Adapter) -> Iterator[Row]:
    """The kernel raises DTR and RTS as it opens a port, and we lower them; then they are low."""
    pulses = adapter.pulses()
    longest = max((pulse.seconds or 0 for pulse in pulses), default=0)
    at_rest = "low" if all(pulse.seconds is not None for pulse in pulses) else "high"
    yield Row(adapter.driver, "DTR and RTS", "low, 1 pulse", f"{at_rest}, {_count(pulses)}")
    yield Row(adapter.driver, "length of that pulse", None, f"{longest * 1000:.1f} ms")


def _count(pulses: Sequence[Pulse]) -> str:
    return f"{len(pulses)} pulse" + ("s" if len(pulses) != 1 else "")


# The speed.


class Played(NamedTuple):
    """A session that changes the speed, on one link: who hears each side (an empty name: both), and the fast speed."""

    mode: str
    sides: dict[str, Uart | UsbAdapter]
    fast: int

    def words(self, side: str) -> list[str]:
        """For :func:`wire.session`."""
        return ["speed=300", f"mode={self.mode}", *([f"side={side}"] if side else [])]


def modes(bench: Bench) -> Iterator[Row]:
    """Sessions that change the speed, garbled for who does not follow: mode C on two adapters and on one, B on one."""
    two = Played("C", {"client": bench.chips["FT232B"], "server": bench.chips["second"]}, 9600)
    yield from _followed(bench, two, Played("B", {"": bench.uart}, 2400))
    yield from _followed(bench, Played("C", {"": bench.uart}, 9600))


def _followed(bench: Bench, *links: Played) -> Iterator[Row]:
    ports = [",".join(adapter.port for adapter in link.sides.values()) for link in links]
    options = " ".join(f"--link {at}={names}" for at, names in enumerate(ports)) + " --profile iec62056-21"
    taps = [(number, link, side) for number, link in enumerate(links) for side in link.sides]
    with Capture(bench.machine, options=options, ports=len(taps)) as capture:
        for _, link, side in taps:
            link.sides[side].forget()
            link.sides[side].play(*link.words(side))
        capture.rest(max(length(session(link.words(""))) for link in links))
    for tap, (number, link, side) in enumerate(taps):
        adapter, what = link.sides[side], f"mode {link.mode}, " + (f"the {side}'s tap" if side else "one tap")
        played = bytes(octet.octet & 0x7F for octet in session(link.words(side)))
        heard = bytes(octet & 0x7F for octet in capture.octets(number, tap))
        yield Row(adapter.driver, f"{what}: octets", f"{len(played)}, as played", _compared(heard, played))
        yield Row(adapter.driver, f"{what}: speeds", f"{link.fast} 300", " ".join(map(str, adapter.speeds())))


def unknown_speeds(bench: Bench) -> Iterator[Row]:
    """--speed auto on a line of 2400 bit/s, whether the adapter marks framing errors or not."""
    adapters = [bench.chips[name] for name in ("FT232B", "Counterfeit", "CH340")]
    with Capture(bench.machine, *adapters, options="--speed auto") as capture:
        for adapter in adapters:
            adapter.play("speed=2400")
        capture.rest(length(session(["speed=2400"])))
    for link, adapter in enumerate(adapters):
        found = capture.words("speed", link)
        seen = f"{found.get('to')} {found.get('line')} {found.get('why')}"
        yield Row(adapter.driver, "--speed auto, a line of 2400 7E1", "2400 7E1 found", seen)


def not_reached(bench: Bench) -> Iterator[Row]:
    """Settings that a port takes and does not make are refused."""
    ftdi = bench.chips["FT232B"]
    for adapter, options, expected in (
        (bench.uart, "--speed 921600", "3, does not reach 921600 bit/s"),
        (ftdi, "--speed 4000000", "3, does not reach 4000000 bit/s"),
        (ftdi, "--line 6N1", "3, cannot be set to 6N1"),
    ):
        done = bench.machine.run(f"vtctap capture -i {adapter.port} {options} -a duration:1 -w /tmp/x.pcapng --force")
        seen = done.output.strip().partition("this port ")[2].partition(",")[0] or done.output.strip()
        yield Row(adapter.driver, options, expected, f"{done.status}, {seen}")


# Marks.

GIVEN: Final = {
    "a framing error": "41 42:F 43",
    "a NUL with a framing error": "41 00:F 43",
    "FFh": "41 ff 43",
    "a break before another octet": "41 00:FB 43",
    "a break, last in its packet": "41 43 00:FB",
}
MARKED: Final = {
    "ftdi_sio": ("41f 42f 43f", "41f 00f 43f", "41 ff 43", "41f 00f 43f", "41f 43f 00b"),
    "cp210x": ("41 42f 43", "41 00f 43", "41 ff 43", "41 00b 43", "41 43 00b"),
    "cp210x (counterfeit)": ("41 42 43", "41 00 43", "41 ff 43", "41 00 43", "41 43 00"),
    "ch341": ("41 42 43", "41 00 43", "41 ff 43", "41 00 43", "41 43 00"),
    "cdc_acm": ("41 42 43", "41 00 43", "41 ff 43", "41 00 43", "41 43 00"),
}
"""What arrives: ``f`` with a framing error, ``b`` a break, which has one too, as in a 16550. FTDI's chips tell a
packet's errors, not an octet's, and their driver takes a break only at a packet's end."""
RECORD: Final = 5
"""Seconds in which what comes next is another record: a record says of itself whether there is a break in it."""
COUNTED: Final = {
    "ftdi_sio": "frame=4 overrun=1 parity=1 brk=1",
    "cp210x": "frame=2 overrun=1 parity=1 brk=2",
}
"""What the driver counts of these, a parity error and an overrun."""


def marks(bench: Bench) -> Iterator[Row]:
    """Errors, as each driver gives them."""
    chips = [chip for name, chip in bench.chips.items() if name != "second"]
    with Capture(bench.machine, *chips, options="--speed 9600 --line 8N1") as capture:
        for given in (*GIVEN.values(), "41 42:P 43", "41 42:O 43"):
            for chip in chips:
                chip.give(given)
            bench.machine.sleep(RECORD if given in tuple(GIVEN.values())[2:] else 1)
        capture.rest()
    for link, chip in enumerate(chips):
        seen = capture.marked(link)
        for at, (name, expected) in enumerate(zip(GIVEN, MARKED[chip.driver], strict=True)):
            yield Row(chip.driver, name, expected, " ".join(seen[3 * at : 3 * at + 3]))
        if chip.driver in COUNTED:
            words = capture.words("closed", link)
            counted = " ".join(f"{name}={words.get(name)}" for name in ("frame", "overrun", "parity", "brk"))
            yield Row(chip.driver, "errors counted", COUNTED[chip.driver], counted)
            overruns = sum(text.startswith("overrun") for text in capture.events(link))
            yield Row(chip.driver, "events of an overrun", "1", str(overruns))


def breaks_of_a_uart(bench: Bench) -> Iterator[Row]:
    """A UART tells each octet's errors; QEMU's makes breaks alone."""
    with Capture(bench.machine, bench.uart, options="--speed 9600 --line 8N1") as capture:
        for part in (b"A", None, b"\xffC"):
            bench.uart.put(part) if part else bench.uart.send_break()
            bench.machine.sleep(0.3)
        capture.rest()
    yield Row(bench.uart.driver, "a break, and FFh", "41 00b ff 43", " ".join(capture.marked(0)))


# Latency.


def low_latency(bench: Bench) -> Iterator[Row]:
    """--low-latency says what it has reached, and puts back what it has changed."""
    for adapter in bench.all:
        adapter.forget()
    trigger = "cat /sys/class/tty/ttyS1/rx_trig_bytes"
    before = bench.machine.run(trigger).output.strip()
    with Capture(bench.machine, *bench.all, options="--speed 9600 --low-latency") as capture:
        during = bench.machine.run(trigger).output.strip()
    after = bench.machine.run(trigger).output.strip()
    yield Row(bench.uart.driver, "FIFO threshold before, during, after", "8 1 8", f"{before} {during} {after}")
    ftdi = bench.chips["FT232B"]
    yield Row(ftdi.driver, "latency timer, as set", "1 16", " ".join(ms for _, ms in ftdi.seen("latency")))
    for link, adapter in enumerate(bench.all):
        expected = "yes" if adapter.driver in ("8250", "ftdi_sio") else "no"
        yield Row(adapter.driver, "low_latency=", expected, capture.words("opened", link).get("low_latency", "-"))


SLOW: Final = (b"/?!\r\n", b"/ZZZ5x\r\n", b"\x06001\r\n", b"\x01P0\x02(00000000)\x03\x60")
"""A session that begins at 9600 bit/s and agrees on 300."""


def fifo_threshold(bench: Bench) -> Iterator[Row]:
    """The driver lowers the threshold with the speed: what it was at 9600 bit/s must not count at 300."""
    *fast, slow = (bytes(octet | (octet.bit_count() & 1) << 7 for octet in message) for message in SLOW)
    with Capture(bench.machine, bench.uart) as capture:
        for message in fast:
            bench.uart.put(message)
            bench.machine.sleep(0.5)
        for octet in slow:
            bench.uart.put(bytes((octet,)))
            bench.machine.sleep(0.034)  # No faster than the line, by the guest's clock.
        capture.rest()
    frames = [record for record in capture.records if record.octets and record.speed == 300]
    worst = max((record.uncertainty or 0 for record in frames), default=0) / 1e6
    yield Row(bench.uart.driver, "messages at 300 bit/s", "1", str(len(frames)))
    yield Row(
        bench.uart.driver, "their uncertainty, FIFO of 8 octets", "below 100 ms",
        "below 100 ms" if worst < 100 else f"{worst:.0f} ms",
    )  # fmt: skip
    yield Row(bench.uart.driver, "the same, as measured", None, f"{worst:.1f} ms")


# Other programs.

SHORT: Final = ("mode=C",)
"""A session of some seconds."""

HOLDER: Final = (
    "python -c 'import fcntl, os, termios, time\n"
    'port = os.open("{port}", os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY)\n'
    "fcntl.ioctl(port, termios.TIOCEXCL)\n"
    'open("/tmp/held", "w").close()\n'
    "time.sleep(60)'"
)


def in_use(bench: Bench) -> Iterator[Row]:
    """A port that another program has for itself is refused, to root too, and nothing happens to its lines."""
    second = f"vtctap capture -i {bench.uart.port} -a duration:1 -w /tmp/second.pcapng --force"
    with Capture(bench.machine, bench.uart):
        bench.uart.forget()
        for who, user in (("root", 0), ("a user", 1000)):
            done = bench.machine.run(f"HOME=/tmp {second}", user)
            yield Row(bench.uart.driver, f"{who}'s second capture", "3, in use", _refused(done.status, done.output))
        yield Row(bench.uart.driver, "DTR and RTS meanwhile", "0 pulses", _count(bench.uart.pulses()))
    holder = bench.machine.start(f"exec {HOLDER.format(port=bench.uart.port)}")
    bench.machine.run("until [ -e /tmp/held ]; do sleep 0.1; done")
    bench.uart.forget()
    done = bench.machine.run(second)
    yield Row(bench.uart.driver, "TIOCEXCL of another, root", "3, in use", _refused(done.status, done.output))
    yield Row(bench.uart.driver, "DTR and RTS meanwhile", "0 pulses", _count(bench.uart.pulses()))
    holder.stop()
    holder.wait()


def _refused(status: int, output: str) -> str:
    return f"{status}, {'in use' if 'in use by another program' in output else output.strip()}"


def read_by_another(bench: Bench) -> Iterator[Row]:
    """Another program, which had the port before, reads octets: all that it got is said to be missing."""
    adapters = (bench.uart, bench.chips["FT232B"])
    thieves = [bench.machine.start(f"exec cat {adapter.port} >/tmp/{at}") for at, adapter in enumerate(adapters)]
    bench.machine.sleep(0.5)
    with Capture(bench.machine, *adapters, options="--speed 9600") as capture:
        for adapter in adapters:
            adapter.play(*SHORT)
        capture.rest(length(session(SHORT)), quiet=4)
    for thief in thieves:
        thief.stop()
        thief.wait()
    findings = bench.machine.run("vtctap check /mnt/trace.pcapng").output
    for link, adapter in enumerate(adapters):
        taken = int(bench.machine.run(f"stat -c %s /tmp/{link}").output)
        events = [text.split("octets=")[1] for text in capture.events(link) if text.startswith("missed")]
        played = len(session(SHORT))
        yield Row(
            adapter.driver, "read here, and by another", str(played), str(len(capture.octets(link)) + taken)
        )  # fmt: skip
        yield Row(adapter.driver, "octets said to be missing", str(taken), str(sum(map(int, events))))
    yield Row("-", "check says so", "missed", "missed" if "missed" in findings else findings[:60])


# Unplugging.


def unplugged(bench: Bench) -> Iterator[Row]:
    """An adapter is pulled out in a session, and comes back under another number, for something holds the old one."""
    chip = bench.chips["FT232B"]
    device = f"readlink -f {chip.port}"
    before = bench.machine.run(device).output
    played = bytes(octet.octet & 0x7F for octet in session(SHORT))
    with Capture(bench.machine, chip, options="--speed 9600") as capture:
        holder = bench.machine.start(f"exec sleep 100 <{chip.port}")
        chip.play(*SHORT)
        bench.machine.sleep(1)
        chip.unplug()
        chip.plug()
        chip.wait()
        after = bench.machine.run(device).output
        end = time.monotonic() + 20
        while capture.opened() < 2 and time.monotonic() < end:
            bench.machine.sleep(0.1)
        chip.play(*SHORT)
        capture.rest(length(session(SHORT)))
        holder.stop()
        holder.wait()
    names = " ".join(text.split()[0] for text in capture.events())
    back = max((at for at, record in enumerate(capture.records) if record.event.startswith("opened")), default=0)
    heard = b"".join(record.octets for record in capture.records[back:])
    yield Row(chip.driver, "unplugged, and back: events", "opened lost opened closed", names)
    yield Row(chip.driver, "its device's number", "another", "another" if after != before else "the same")
    expected = f"{len(played)}, as played"
    yield Row(chip.driver, "the next session's octets", expected, _compared(bytes(o & 0x7F for o in heard), played))
    yield Row(chip.driver, "exit status", "0", str(capture.done.status))


CHECKS: Final[Sequence[Callable[[Bench], Iterator[Row]]]] = (
    first_openings,
    whole_sessions,
    low_latency,
    fifo_threshold,  # Before any other that goes below 2400 bit/s: the driver never raises the threshold again.
    modes,
    unknown_speeds,
    not_reached,
    marks,
    breaks_of_a_uart,
    in_use,
    read_by_another,
    unplugged,
)

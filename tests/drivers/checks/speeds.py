"""The speed: a capture follows a session that changes it, finds an unknown speed, and refuses one that a port does not
reach."""

from collections.abc import Iterator
from typing import NamedTuple

from adapters import Uart, UsbAdapter
from capturing import Capture
from wire import length, session

from checks.bench import Bench, Row, as_played, compared


class Played(NamedTuple):
    """A session that changes the speed, on one link: the adapter of each side (an empty name: both), and the fast speed
    in bit/s."""

    mode: str
    sides: dict[str, Uart | UsbAdapter]
    fast: int

    def words(self, side: str) -> list[str]:
        """Returns the words for :func:`wire.session`."""
        return ["speed=300", f"mode={self.mode}", *([f"side={side}"] if side else [])]


def modes(bench: Bench) -> Iterator[Row]:
    """Captures follow sessions that change the speed, and get every octet: mode C on two adapters and on one, mode B on
    one. The wire garbles what is received at another speed."""
    two = Played("C", {"client": bench.chip("FT232B"), "server": bench.chip("FT232B", 2)}, 9600)
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
        capture.rest(max(length(*link.words("")) for link in links))
    for tap, (number, link, side) in enumerate(taps):
        adapter, what = link.sides[side], f"mode {link.mode}, " + (f"the {side}'s tap" if side else "one tap")
        played = bytes(octet.octet for octet in session(*link.words(side)))
        heard = compared(capture.octets(number, tap), played)
        yield Row(adapter.driver, f"{what}: octets", as_played(played), heard)
        yield Row(adapter.driver, f"{what}: speeds", f"{link.fast} 300", " ".join(map(str, adapter.speeds())))


def unknown_speeds(bench: Bench) -> Iterator[Row]:
    """--speed auto finds 2400 bit/s, whether or not the adapter marks framing errors."""
    adapters = [bench.chip(name) for name in ("FT232B", "Counterfeit", "CH340")]
    with Capture(bench.machine, *adapters, options="--speed auto") as capture:
        for adapter in adapters:
            adapter.play("speed=2400")
        capture.rest(length("speed=2400"))
    for link, adapter in enumerate(adapters):
        found = capture.words("speed", link)
        seen = f"{found.get('to')} {found.get('line')} {found.get('why')}"
        yield Row(adapter.driver, "--speed auto, a line of 2400 7E1", "2400 7E1 found", seen)


def not_reached(bench: Bench) -> Iterator[Row]:
    """Settings that a port accepts but does not apply are refused."""
    ftdi = bench.chip("FT232B")
    for adapter, options, expected in (
        (bench.uart, "--speed 921600", "3, does not reach 921600 bit/s"),
        (ftdi, "--speed 4000000", "3, does not reach 4000000 bit/s"),
        (ftdi, "--line 6N1", "3, cannot be set to 6N1"),
    ):
        done = bench.machine.run_program(
            f"vtctap capture -i {adapter.port} {options} -a duration:1 -w /tmp/x.pcapng --force"
        )
        seen = done.output.strip().partition("this port ")[2].partition(",")[0] or done.output.strip()
        yield Row(adapter.driver, options, expected, f"{done.status}, {seen}")

"""Marks: breaks, parity, framing and overrun errors, as each driver reports them.

The tables hold what the kernel's drivers do (6.1 and 6.12); docs/wiring.md says the same in words.
"""

from collections.abc import Iterator
from typing import Final

from capturing import Capture

from checks.bench import Bench, Row

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
"""The octets that arrive: ``f`` has a framing error, ``b`` is a break, which has one, too, as in a 16550. FTDI's chips
report the errors of a packet, not of an octet, and their driver accepts a break only at the end of a packet."""
RECORD: Final = 5
"""Seconds after which the next octet begins another record; the flag of a break is that of a whole record."""
COUNTED: Final = {
    "ftdi_sio": "frame=4 overrun=1 parity=1 brk=1",
    "cp210x": "frame=2 overrun=1 parity=1 brk=2",
}
"""What the driver counts after the octets of GIVEN, a parity error and an overrun."""


def marks(bench: Bench) -> Iterator[Row]:
    """Errors are marked and counted as each driver reports them."""
    chips = bench.chips
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
    """A UART reports the errors of each octet; QEMU's makes only breaks, which differ from a NUL and from FFh."""
    with Capture(bench.machine, bench.uart, options="--speed 9600 --line 8N1") as capture:
        for part in (b"A", None, b"\xffC"):
            bench.uart.put(part) if part else bench.uart.send_break()
            bench.machine.sleep(0.3)
        capture.rest()
    yield Row(bench.uart.driver, "a break, and FFh", "41 00b ff 43", " ".join(capture.marked(0)))

"""Marks: breaks, parity, framing and overrun errors, as each driver tells them.

What stands in the tables here is what the kernel's drivers do (6.1 and 6.12): docs/wiring.md says the same in words.
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
    """A UART tells each octet's errors; QEMU's makes breaks alone."""
    with Capture(bench.machine, bench.uart, options="--speed 9600 --line 8N1") as capture:
        for part in (b"A", None, b"\xffC"):
            bench.uart.put(part) if part else bench.uart.send_break()
            bench.machine.sleep(0.3)
        capture.rest()
    yield Row(bench.uart.driver, "a break, and FFh", "41 00b ff 43", " ".join(capture.marked(0)))

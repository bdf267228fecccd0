"""Latency: timers and FIFO thresholds are set and restored, and the uncertainty follows them."""

from collections.abc import Iterator
from typing import Final

from capturing import Capture

from checks.bench import Bench, Row


def low_latency(bench: Bench) -> Iterator[Row]:
    """--low-latency sets thresholds and timers where it can, says whether it could, and restores them."""
    for adapter in bench.all:
        adapter.forget()
    trigger = "cat /sys/class/tty/ttyS1/rx_trig_bytes"
    before = bench.machine.run(trigger).output.strip()
    with Capture(bench.machine, *bench.all, options="--speed 9600 --low-latency") as capture:
        during = bench.machine.run(trigger).output.strip()
    after = bench.machine.run(trigger).output.strip()
    yield Row(bench.uart.driver, "FIFO threshold before, during, after", "8 1 8", f"{before} {during} {after}")
    ftdi = bench.chip("FT232B")
    yield Row(ftdi.driver, "latency timer, as set", "1 16", " ".join(ms for _, ms in ftdi.seen("latency")))
    for link, adapter in enumerate(bench.all):
        expected = "yes" if adapter.driver in ("8250", "ftdi_sio") else "no"
        yield Row(adapter.driver, "low_latency=", expected, capture.words("opened", link).get("low_latency", "-"))


SLOW: Final = (b"/?!\r\n", b"/ZZZ5x\r\n", b"\x06001\r\n", b"\x01P0\x02(00000000)\x03\x60")
"""A session that begins at 9600 bit/s and agrees on 300."""


def fifo_threshold(bench: Bench) -> Iterator[Row]:
    """The driver lowers the threshold with the speed, and the uncertainty at 300 bit/s follows the lower one."""
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

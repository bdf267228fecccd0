"""Turns a session into a pytest regression for a meter's firmware: python regression.py TRACE > test_meter.py

The test asks the meter what the session asked, over a serial port of your own, and expects the same kind of answer for
the same registers; values may differ. Run it with METER_PORT=/dev/ttyUSB0 pytest test_meter.py
"""

import sys

import vtctap

TEST = '''"""Made from {path}: the meter answers as it did then."""

import os

import pytest
import serial

import vtctap

SESSION = [
{session}]


@pytest.fixture(scope="module")
def meter():
    with serial.Serial(os.environ["METER_PORT"], {speed}, bytesize=7, parity="E", timeout=2) as port:
        yield port


@pytest.mark.parametrize(("request_octets", "message", "registers"), SESSION)
def test_the_meter_answers(meter, request_octets, message, registers):
    meter.write(request_octets)
    if message in ("ACK", "NAK"):
        answer = meter.read(1)
    elif message == "IDResponse":
        answer = meter.read_until(b"\\n")
    else:
        answer = meter.read_until(b"\\x03") + meter.read(1)
    found = vtctap.decode(answer)
    assert (found.message, found.register) == (message, registers)
'''

lines, speed, asked = [], 0, b""
with vtctap.open(sys.argv[1]) as trace:
    for exchange in vtctap.exchanges(trace):
        request, response = exchange.request, exchange.response
        if request is None:
            continue
        asked = asked if request.record.octets == b"\x15" else request.record.octets  # A NAK asks for the same again.
        if response is None or exchange.repeat_of:
            continue
        if response.message.bcc_status == "bad" or response.record.flags:
            continue  # What was damaged is no model.
        speed = speed or request.record.speed
        lines.append(f"    ({asked!r}, {response.name!r}, {response.message.register!r}),\n")
print(TEST.format(path=sys.argv[1], session="".join(lines), speed=speed or 9600), end="")

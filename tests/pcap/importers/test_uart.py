"""A UART signal, drawn as edges and read: all speeds, formats and levels give errors at their octets and exact start
times."""

import random
from collections.abc import Sequence

import pytest

from equipment.drawn_wire import Drawing
from equipment.sampling import sampled, sizes, turns
from vtctap.pcap.importers.uart import DecodedCharacter, Edge, Uart
from vtctap.pcap.record import Flag, Line

TEXT = b"/ISk5\\2MT382-1003\r\n\x020.0.0(12345678)\r\n1.8.0(001234.120*kWh)\r\n!\r\n\x03u"
FORMATS = ("8N1", "7E1", "8E1", "8O1")


def read(drawing: Drawing) -> tuple[list[DecodedCharacter], Uart]:
    uart = Uart()
    characters = [character for edge in drawing.edges() for character in uart.feed(edge)]
    return characters + uart.close(round(drawing.now)), uart


def seven(characters: Sequence[DecodedCharacter], format: str) -> bytes:
    return bytes(character.value & (0x7F if format == "7E1" else 0xFF) for character in characters)


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("speed", [300, 2400, 9600, 115200])
def test_a_line(speed: int, format: str, inverted: bool) -> None:
    """The characters are decoded, with errors at their octets and start times within one sample."""
    drawing = Drawing(speed, format, inverted=inverted)
    drawing.level(1, 50)
    bad = (5,) if format != "8N1" else ()
    drawing.say(TEXT, wrong_parity=bad, no_stop=(9,))
    drawing.glitch(drawing.starts[20] + 2.9e9 / speed, 0.2)
    drawing.level(1, 100)
    drawing.say(TEXT)
    drawing.level(1, 100)
    characters, uart = read(drawing)
    assert seven(characters, format) == TEXT * 2
    assert (uart.inverted, uart.speeds) == (inverted, [speed])
    assert [at for at, character in enumerate(characters) if character.flags & Flag.FRAMING] == [9]
    assert {character.line for character in characters} == {Line.parse(format) if format in ("8E1", "8O1") else None}
    if format in ("8E1", "8O1"):
        assert [at for at, character in enumerate(characters) if character.flags & Flag.PARITY] == [5]
    if format == "7E1":
        assert [at for at, one in enumerate(characters) if one.value.bit_count() & 1] == [5]
    for character, start in zip(characters, drawing.starts, strict=True):
        assert -1 <= character.time - start <= drawing.period + 1
    assert uart.glitches == 1


@pytest.mark.parametrize("per_bit", [4, 7, 10, 33])
def test_few_samples_a_bit(per_bit: int) -> None:
    drawing = Drawing(9600, "7E1", per_bit=per_bit)
    drawing.level(1, 50)
    drawing.say(TEXT * 3)
    assert seven(read(drawing)[0], "7E1") == TEXT * 3


@pytest.mark.parametrize("off", [-0.03, -0.02, 0.02, 0.03])
def test_a_clock_that_is_off(off: float) -> None:
    drawing = Drawing(round(9600 * (1 + off)), "8N1")
    drawing.level(1, 50)
    drawing.say(TEXT * 3)
    assert seven(read(drawing)[0], "8N1") == TEXT * 3


@pytest.mark.parametrize("speed", [450, 5000, 31250, 76923, 250000])
def test_other_speeds_are_measured(speed: int) -> None:
    drawing = Drawing(speed)
    drawing.level(1, 50)
    drawing.say(TEXT * 2)
    characters, uart = read(drawing)
    assert seven(characters, "8N1") == TEXT * 2
    assert abs(uart.speeds[-1] - speed) < speed * 0.03


@pytest.mark.parametrize(
    ("speeds", "pause"),
    turns([(300, 9600, 300), (9600, 300, 9600, 300, 2400), (300, 9600), (115200, 300)], [0.2, 1.5, 0.02]),
)
def test_the_speed_changes(speeds: tuple[int, ...], pause: float) -> None:
    """The speed changes as in mode C. A pause shorter than a slow character separates runs as well."""
    drawing = Drawing(speeds[0], "7E1")
    for speed in speeds:
        drawing.speed = speed
        drawing.level(1, pause * speed)
        drawing.say(TEXT)
    drawing.period = 1e9 / (max(speeds) * 20)
    characters, uart = read(drawing)
    assert seven(characters, "7E1") == TEXT * len(speeds)
    assert uart.speeds == list(speeds)


def test_a_break_and_a_pulse_on_the_resting_wire() -> None:
    drawing = Drawing(300)
    drawing.level(1, 50)
    drawing.say(TEXT)
    drawing.level(1, 30)
    drawing.level(0, 90)
    drawing.level(1, 30)
    drawing.level(0, 0.2)
    drawing.level(1, 30)
    drawing.say(b"\x15")
    drawing.level(1, 30)
    characters, uart = read(drawing)
    assert [(one.value, one.flags) for one in characters[len(TEXT) :]] == [(0, Flag.BREAK), (0x15, 0)]
    assert uart.glitches == 1


@sizes
def test_a_capture_that_begins_in_a_character(whole: bool) -> None:
    drawing = Drawing(9600)
    drawing.say(TEXT)
    drawing.level(1, 30)
    drawing.say(TEXT)
    edges = list(drawing.edges())
    for at in range(1, 30, 1 if whole else 4):
        uart = Uart()
        characters = [character for edge in edges[at:] for character in uart.feed(edge)]
        characters += uart.close(round(drawing.now))
        assert seven(characters, "8N1").endswith(TEXT)


def test_a_long_run_is_read_while_it_goes_on() -> None:
    chance = random.Random(1)
    octets = bytes(chance.randrange(256) for _ in range(5000))
    drawing = Drawing(115200)
    drawing.level(1, 50)
    drawing.say(octets)
    uart = Uart()
    most = 0
    values = bytearray()
    for edge in drawing.edges():
        values += bytes(character.value for character in uart.feed(edge))
        most = max(most, len(uart._edges))
    values += bytes(character.value for character in uart.close(round(drawing.now)))
    assert values == octets
    assert most <= 4097


@pytest.mark.parametrize("seed", sampled(range(20), 4))
def test_anything_is_read_without_an_error(seed: int) -> None:
    """Random edges give octets in order of time; damaged characters are flagged or skipped."""
    chance = random.Random(seed)
    uart = Uart()
    time, level, characters = 0, 1, []
    for _ in range(900):
        time += round(chance.choice([1e3, 1e4, 1e5, 1e6]) * (1 + chance.random()))
        level ^= 1
        characters += uart.feed(Edge(time, level))
    characters += uart.close(time + 10**9)
    assert [one.time for one in characters] == sorted(one.time for one in characters)

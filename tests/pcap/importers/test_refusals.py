"""Recordings that do not state their octets are refused, and those that do never are.

The dumps are those of the programs themselves, so each test states what a program was given.
"""

import io
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from vtctap.pcap.burst import ImportFormatError
from vtctap.pcap.importers.account import Account
from vtctap.pcap.importers.forms import FORMS
from vtctap.pcap.importers.logs import read, recognise
from vtctap.pcap.importers.refusals import refusal
from vtctap.pcap.imports import detect

BY_NAME = {form.name: form for form in FORMS}
AGAIN = "make it again with `hexdump -C` or `od -t x1`"
TEXT = b"/?!\r\n/ISk5MT174-0001\r\n\x06050\r\n\x020.0.0(00000000)\r\n!\r\n\x03u"


def lengths_and_octets() -> list[bytes]:
    chance = random.Random(1)
    samples = [TEXT, bytes(100), bytes(range(256)), b"0" * 40]
    samples += [TEXT[:length] for length in range(3, 35)]
    return samples + [chance.randbytes(chance.randrange(3, 90)) for _ in range(20)]


def dumped(command: str, octets: bytes) -> str:
    program, *options = command.split()
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")
    return subprocess.run([program, *options], input=octets, capture_output=True, check=True).stdout.decode()


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ("od", "16-bit words in an unknown byte order"),
        ("od -A x", "16-bit words in an unknown byte order"),
        ("od -A d", "16-bit words in an unknown byte order"),
        ("od -A n", "16-bit words in an unknown byte order"),
        ("od -x", "16-bit words in an unknown byte order"),
        ("od -A x -x", "16-bit words in an unknown byte order"),
        ("od -t x4", "32-bit words in an unknown byte order"),
        ("od -t x8", "64-bit words in an unknown byte order"),
        ("hexdump", "16-bit words in an unknown byte order"),
        ("hexdump -x", "16-bit words in an unknown byte order"),
        ("hexdump -o", "16-bit words in an unknown byte order"),
        ("xxd -e", "words with their octets reversed"),
        ("xxd -e -g 2", "words with their octets reversed"),
        ("od -b", "octal numbers instead of hexadecimal ones"),
        ("hexdump -b", "octal numbers instead of hexadecimal ones"),
        ("od -d", "decimal numbers instead of hexadecimal ones"),
        ("hexdump -d", "decimal numbers instead of hexadecimal ones"),
        ("od -c", "characters instead of octets"),
        ("od -a", "characters instead of octets"),
        ("hexdump -c", "characters instead of octets"),
    ],
)
def test_dumps_without_octets(command: str, kind: str, tmp_path: Path) -> None:
    """The error says what is wrong and what to do, also where the form is stated, and where a line is damaged."""
    for octets in (TEXT, TEXT[:31]):
        dump = dumped(command, octets)
        for text in (dump, dump + "\x1b~\n", dump.replace("\n", "\r\n")):
            (tmp_path / "x.log").write_text(text, newline="")
            with pytest.raises(ImportFormatError) as refused:
                detect(tmp_path / "x.log")
            assert str(refused.value) == f"{tmp_path / 'x.log'}: {kind}: {AGAIN}"
            for form in ("hexdump", "hex", "hex-rows"):
                with pytest.raises(ImportFormatError, match=kind):
                    list(read(io.BytesIO(text.encode()), BY_NAME[form], Account()))


@pytest.mark.parametrize(
    "command",
    [
        *(
            "od -t x1",
            "od -t x1z",
            "od -A x -t x1",
            "od -A d -t x1",
            "od -A x -t x1z",
            "od -v -t x1 -w8",
            "od -A n -t x1",
        ),
        *("hexdump -C", "xxd", "xxd -u", "xxd -g 1", "xxd -g 3", "xxd -g 4", "xxd -g 8", "xxd -c 32", "xxd -p"),
    ],
)
def test_dumps_with_octets_are_never_refused(command: str) -> None:
    for octets in lengths_and_octets():
        assert refusal(dumped(command, octets).splitlines()) == ""


@pytest.mark.parametrize("command", ["od -t x1", "od -t x1z", "od -A x -t x1", "od -A d -t x1", "hexdump -C", "xxd"])
@pytest.mark.parametrize("octets", [TEXT, TEXT[:16], TEXT[:21]], ids=["whole", "a row", "a row and a part"])
def test_dumps_with_octets_are_recognised(command: str, octets: bytes, tmp_path: Path) -> None:
    """An offset is not taken for octets, however many digits it has."""
    (tmp_path / "x.log").write_text(dumped(command, octets))
    (form,) = recognise(tmp_path / "x.log")
    assert form.name == "hexdump"
    account = Account()
    assert b"".join(burst.octets for burst in read(tmp_path / "x.log", form, account)) == octets
    assert account.complete


@pytest.mark.parametrize("group", range(1, 9))
def test_groups_of_octets_are_never_refused(group: int) -> None:
    for octets in lengths_and_octets():
        for before in ("", " "):
            lines = [before + octets[at : at + 24].hex(" ", -group) for at in range(0, len(octets), 24)]
            assert refusal(lines) == ""


@pytest.mark.parametrize(("usable", "refused"), [(1, True), (2, True), (3, False)])
def test_the_majority_of_rows_decides(usable: int, refused: bool) -> None:
    rows = ["00000000 2f3f 210d 0a2f 4953", "00000008 2f3f 210d 0a2f 4953"]
    rows += [f"{8 * at:08x} 2f 3f 21 0d 0a 2f 49 53" for at in range(2, 2 + usable)]
    assert bool(refusal(rows)) == refused


@pytest.mark.parametrize(("step", "refused"), [(0x10, True), (0x1000, True), (0x1001, False), (0x8000, False)])
def test_numbers_that_rise_too_fast_are_octets(step: int, refused: bool) -> None:
    """Four octets and two have the form of an offset and a word."""
    assert bool(refusal([f"{0x2F3F210D + step * at:08x} 0a2f" for at in range(8)])) == refused


SOCAT = """\
> 2026/11/27 06:18:26.000684784  length=5 from=0 to=4
/?!\\r
< 2026/11/27 06:18:26.000689487  length=17 from=0 to=16
/ISk5MT174-0001\\r
"""


def test_a_log_of_socat_without_octets(tmp_path: Path) -> None:
    reason = "made with `socat -v` alone, which does not state control characters: log with `socat -x`"
    (tmp_path / "x.log").write_text(SOCAT)
    with pytest.raises(ImportFormatError) as refused:
        detect(tmp_path / "x.log")
    assert str(refused.value) == f"{tmp_path / 'x.log'}: {reason}"
    with pytest.raises(ImportFormatError, match="made with `socat -v` alone"):
        list(read(io.BytesIO(SOCAT.encode()), BY_NAME["socat"], Account()))


@pytest.mark.parametrize("octets", [" 2f 3f 21 0d 0a", " 2f 3f 21 0d 0a                 /?!.."])
def test_a_log_of_socat_with_octets_is_not_refused(octets: str) -> None:
    """Neither are a head without any line after it and a log of which one block is damaged."""
    for log in (SOCAT.replace("/?!\\r", octets), SOCAT.splitlines()[0]):
        assert refusal(log.splitlines()) == ""

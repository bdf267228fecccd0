"""Logs of other programs: hand-written lines of each form, and the rules that all forms follow.

The samples are those of docs/importing.md. Real programs made them if there are packages of these programs.
"""

import base64
import io
import random
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from vtctap.pcap.burst import Burst
from vtctap.pcap.importers import hexadecimal
from vtctap.pcap.importers.account import Account
from vtctap.pcap.importers.forms import FORMS
from vtctap.pcap.importers.logs import read, recognise
from vtctap.pcap.record import Flag, Sender

REQUEST, IDENTIFICATION, OPTION = b"/?!\r\n", b"/ISk5MT174-0001\r\n", b"\x06050\r\n"
DATA = b"\x020.0.0(00000000)\r\n1.8.0(001234.120*kWh)\r\n!\r\n\x03u"
SAID = (REQUEST, IDENTIFICATION, OPTION, DATA)
CASES = Path(__file__).parents[4] / "shared" / "cases"
BY_NAME = {form.name: form for form in FORMS}


def rows(octets: bytes, width: int = 16) -> Iterator[bytes]:
    return (octets[at : at + width] for at in range(0, len(octets), width))


def shown(octets: bytes, other: str = ".") -> str:
    return "".join(chr(octet) if 0x20 <= octet < 0x7F else other for octet in octets)


def pythonic(octets: bytes) -> str:
    return repr(octets)[2:-1]


def marked(octets: bytes) -> str:
    names = {2: "STX", 3: "ETX", 6: "ACK", 10: "LF", 13: "CR"}
    return "".join(f"<{names[octet]}>" if octet in names else chr(octet) for octet in octets)


def side(at: int, client: str, server: str) -> str:
    return server if at % 2 else client


def esphome(at: int, octets: bytes) -> str:
    return f"[16:25:{at:02}][D][uart_debug:114]: {side(at, '>>>', '<<<')} {octets.hex(':').upper()}\n"


def vzlogger(at: int, octets: bytes) -> str:
    lines = "".join(f"{row.hex(' '):<48}  {shown(row, ' '):<16}\n" for row in rows(octets))
    return f"\n{side(at, '<<<<<', '>>>>>')} {49 + at}.285014421s (     0 ms) \n{lines}"


def socat(at: int, octets: bytes) -> str:
    stated = f"2021/09/14 20:12:{at:02}.152379  length={len(octets)} from=0 to={len(octets) - 1}"
    return f"{side(at, '>', '<')} {stated}\n {octets.hex(' ')}\n"


def jpnevulator(at: int, octets: bytes) -> str:
    lines = "".join(f"{row.hex(' ').upper():<47}\t{shown(row)}\n" for row in rows(octets))
    return f"2021-09-14 20:12:{at:02}.152379: /dev/ttyUSB{at % 2}\n{lines}"


def c_string(octets: bytes) -> str:
    """As strace writes a string: octal has three digits where a digit follows."""
    names = {10: "\\n", 13: "\\r"}
    after = [*octets[1:], 0]
    return "".join(
        names.get(octet) or (chr(octet) if octet >= 0x20 else f"\\{octet:0{3 if chr(next).isdecimal() else 1}o}")
        for octet, next in zip(octets, after, strict=True)
    )


def hexdump(at: int, octets: bytes) -> str:
    if at:
        return ""
    whole = b"".join(SAID)
    lines = [f"{16 * n:08x}  {row.hex(' '):<47}   |{shown(row)}|\n" for n, row in enumerate(rows(whole))]
    return "".join(lines) + f"{len(whole):08x}\n"


def text(at: int, octets: bytes) -> str:
    return octets.decode("latin-1")


SAMPLES = {
    "esphome": esphome,
    "vzlogger": vzlogger,
    "socat": socat,
    "jpnevulator": jpnevulator,
    "gurux": lambda at, octets: (
        f"16.41.{at:02} 04.41.{at:02}.417\t{side(at, 'Sent', 'Received')}\t{octets.hex(' ').upper()}\n"
    ),
    "docklight": lambda at, octets: (
        f"21.06.2022 10:52:{at:02}.93 [{side(at, 'TX', 'RX')}] - {octets.hex(' ').upper()}\n"
    ),
    "tasmota": lambda at, octets: f"21:00:{at:02}.911 : {octets.hex(' ')} \n",
    "python": lambda at, octets: (
        f"09:53:{at:02},112 DEBUG: {side(at, 'Sent', 'Received')} {octets!r} over transport: SerialTransport\n"
    ),
    "node-buffer": lambda at, octets: (
        f"2023-01-05T09:53:{at:02}.112Z {side(at, 'sent', 'received')} <Buffer {octets.hex(' ')}>\n"
    ),
    "json": lambda at, octets: (
        f"2023-01-05 09:53:{at:02}.112 - debug: smartmeter.0 (1234) {side(at, 'send', 'received')} "
        + '"{}"\n'.format(pythonic(octets).replace("\\x", "\\u00"))
    ),
    "sigrok-uart": lambda at, octets: "".join(
        f"50104-50938 UART: {side(at, 'TX', 'RX')} data: {octet:02X}\n" for octet in octets
    ),
    "strace": lambda at, octets: (
        f'20:12:{at:02}.144738 {side(at, "write", "read")}(3, "{c_string(octets)}", 256) = {len(octets)}\n'
    ),
    "hterm": lambda at, octets: (
        "".join(f"<{octet}>" if octet < 7 else chr(octet) for octet in octets)
        .replace("\r", "<\\r>")
        .replace("\n", "<\\n>\n")
    ),
    "marks": lambda at, octets: marked(octets) + "\n",
    "escaped": lambda at, octets: pythonic(octets) + "\n",
    "hexdump": hexdump,
    "c-array": lambda at, octets: ", ".join(f"0x{octet:02x}" for octet in octets) + ",\n",
    "hex-rows": lambda at, octets: "".join(
        f"{side(at, '<--O', '-->O')}  {row.hex(' ').upper():<52}{shown(row)}\n" for row in rows(octets)
    ),
    "hex": lambda at, octets: octets.hex() + "\n",
    "decimal": lambda at, octets: " ".join(map(str, octets)) + "\n",
    "base64": lambda at, octets: base64.encodebytes(octets).decode(),
    "stamped-text": lambda at, octets: "".join(
        f"[20:12:{at:02}.152] {line}\n" for line in octets.decode("latin-1").split("\r\n") if line
    ),
    "text": text,
}
"""For each form, the lines in which it writes the n-th piece of the conversation."""

TIMED = {
    *("esphome", "vzlogger", "socat", "jpnevulator", "gurux", "docklight", "python", "node-buffer", "json"),
    *("tasmota", "stamped-text", "strace"),
}
SIDED = (TIMED | {"hex-rows", "sigrok-uart"}) - {"tasmota", "stamped-text"}
LITERAL = {"text", "stamped-text", "hterm", "marks", "escaped"}


def sample(name: str) -> str:
    return "".join(SAMPLES[name](at, octets) for at, octets in enumerate(SAID))


def bursts_of(name: str, content: bytes | str) -> tuple[list[Burst], Account]:
    account = Account()
    octets = content if isinstance(content, bytes) else content.encode("latin-1")
    return list(read(io.BytesIO(octets), BY_NAME[name], account)), account


def joined(bursts: list[Burst]) -> bytes:
    return b"".join(burst.octets for burst in bursts)


def expected(name: str) -> bytes:
    whole = b"".join(SAID)
    return whole.replace(b"!\r\n\x03u", b"!\r\n\x03u\r\n") if name == "stamped-text" else whole


def test_every_form_has_a_sample() -> None:
    assert list(SAMPLES) == [form.name for form in FORMS]
    assert all(form.documented.startswith(("https://", "http://")) for form in FORMS)


@pytest.mark.parametrize("name", SAMPLES)
class TestEveryForm:
    """The tests that every form passes."""

    def test_its_octets_are_equal(self, name: str) -> None:
        bursts, account = bursts_of(name, sample(name))
        assert joined(bursts) == expected(name)
        assert account.complete, [*account.report()]
        assert account.used == account.lines == sample(name).count("\n") + (not sample(name).endswith("\n"))

    def test_it_is_recognised(self, name: str, tmp_path: Path) -> None:
        (tmp_path / "x.log").write_text(sample(name), "latin-1", newline="")
        assert [form.name for form in recognise(tmp_path / "x.log")] == [name]

    def test_who_sent_and_when(self, name: str) -> None:
        bursts, _ = bursts_of(name, sample(name))
        senders = {burst.sender for burst in bursts}
        assert senders == ({Sender.CLIENT, Sender.SERVER} if name in SIDED else {Sender.UNKNOWN})
        if name in SIDED:
            assert [burst.sender for burst in bursts] == [Sender.CLIENT, Sender.SERVER] * 2
            assert [burst.octets for burst in bursts] == list(SAID)
        times = [burst.time for burst in bursts]
        assert all(time is not None for time in times) == (name in TIMED)
        assert all(burst.uncertainty is None for burst in bursts)
        if name in TIMED:
            steps = [after - before for before, after in pairwise(time for time in times if time is not None)]
            assert steps == [1_000_000_000] * 3

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
    def test_any_encoding(self, name: str, encoding: str) -> None:
        bursts, account = bursts_of(name, sample(name).encode(encoding))
        assert joined(bursts) == expected(name)
        assert account.complete

    def test_line_ends_of_windows(self, name: str) -> None:
        bursts, account = bursts_of(name, sample(name).replace("\r\n", "\n").replace("\n", "\r\n"))
        assert joined(bursts) == expected(name)
        assert account.complete

    def test_blank_lines_at_the_beginning_and_the_end_are_no_damage(self, name: str) -> None:
        bursts, account = bursts_of(name, "\n\n" + sample(name).removesuffix("\n") + "\n\n\n")
        assert account.complete, [*account.report()]
        assert not any(burst.flags & Flag.OVERRUN for burst in bursts)
        assert expected(name) in joined(bursts)
        if name != "text":  # There a blank line is what was received.
            assert joined(bursts) == expected(name)

    def test_cut_at_every_line(self, name: str) -> None:
        """The import gives what the remaining lines state."""
        lines = io.StringIO(sample(name), newline="\n").readlines()
        for at in range(len(lines) + 1):
            first, _ = bursts_of(name, "".join(lines[:at]))
            assert expected(name).startswith(joined(first).removesuffix(b"\r\n"))
            last, account = bursts_of(name, "".join(lines[at:]))
            if name == "hexdump" or account.complete:
                assert expected(name).endswith(joined(last))


@pytest.mark.parametrize("name", [name for name in SAMPLES if name not in LITERAL])
@pytest.mark.parametrize("seed", range(10))
def test_every_tenth_line_damaged(name: str, seed: int) -> None:
    """The import raises no exception and gives no octet that is not in the log: it gives the whole without some parts,
    and reports where a part is missing. Damage of plain text cannot be seen."""
    chance = random.Random(seed)
    lines = (sample(name) * 5 if name != "hexdump" else sample(name)).splitlines(keepends=True)
    for at in range(chance.randrange(10), len(lines), 10):
        start = chance.randrange(len(lines[at]))
        lines[at] = lines[at][:start] + "\xff\xfe" + lines[at][start + 2 :].rstrip("\n") + "\n"
    bursts, account = bursts_of(name, "".join(lines))
    whole = expected(name) * (1 if name == "hexdump" else 5)
    assert joined(bursts) == whole or not account.complete
    at = 0
    for burst in bursts:
        found = whole.find(burst.octets, at)
        assert found >= 0, burst
        at = found + len(burst.octets)


def test_text_about_a_log() -> None:
    """Above the octets and below them it is reported, and nothing is lost; between them it may have been octets."""
    log = "Please help!\n10:00:00 TX 06\n10:00:01 RX 2f\n"
    for text, flags in ((log + "Thanks.\n", [0, 0]), (log.replace("\n10:00:01", "\n~\n10:00:01"), [0, Flag.OVERRUN])):
        bursts, account = bursts_of("hex", text)
        assert [(burst.octets, burst.flags) for burst in bursts] == [*zip((b"\x06", b"/"), flags, strict=True)]
        assert (account.skipped, account.faults) == (2, [])


def test_a_buffer_that_is_not_shown_whole() -> None:
    log = "<Buffer 2f 3f ... 3 more bytes>\n<Buffer 06>\n<Buffer 2f ... 1 more byte>\n<Buffer 06>\n"
    bursts, account = bursts_of("node-buffer", log)
    assert [(burst.octets, burst.flags) for burst in bursts] == [
        (b"/?", 0),
        *[(b"\x06/", Flag.OVERRUN), (b"\x06", Flag.OVERRUN)],
    ]
    assert not account.complete
    assert account.skipped == 0
    assert [*account.report()] == [
        "2 of 4 lines used",
        "2 lines used in part, the first is line 1: Node.js shows only the first octets of a Buffer (4 octets omitted)",
    ]


def test_a_buffer_that_is_not_shown_whole_at_no_time() -> None:
    """The line is skipped like any other with a wrong time."""
    bursts, account = bursts_of("node-buffer", "2023-13-45T09:53:00Z <Buffer 2f ... 3 more bytes>\n<Buffer 06>\n")
    assert [(burst.octets, burst.flags) for burst in bursts] == [(b"\x06", Flag.OVERRUN)]
    assert account.skipped == 1


def test_rows_for_which_a_star_stands() -> None:
    """hexdump -C writes 48 zeros and an A in this way, and od -t x1 does with octal offsets."""
    for lines in ("00000000  ROW\n*\n00000030  41    |A|\n00000031\n", "0000000 ROW\n*\n0000060 41\n0000061\n"):
        bursts, account = bursts_of("hexdump", lines.replace("ROW", " ".join(["00"] * 16)))
        assert joined(bursts) == bytes(48) + b"A"
        assert account.complete


@pytest.mark.parametrize(
    "row", ["{:04x}  {}", "{:04X}: {}", "0x{:04x}:  {}", "{:04x}  {:<47}   {}", "{:05x}: {:<47}   {}", "0x{:08x} {}"]
)
def test_a_dump_with_other_offsets(row: str, tmp_path: Path) -> None:
    """Wireshark writes four digits and two blanks. No digit of an offset is taken for an octet."""
    whole = b"".join(SAID)
    lines = [row.format(16 * at, part.hex(" "), shown(part)) for at, part in enumerate(rows(whole))]
    (tmp_path / "x.log").write_text("\n".join(lines))
    assert [form.name for form in recognise(tmp_path / "x.log")] == ["hexdump"]
    bursts, account = bursts_of("hexdump", "\n".join(lines))
    assert joined(bursts) == whole
    assert account.complete


def test_numbers_that_count_nothing_may_be_offsets_or_octets(tmp_path: Path) -> None:
    (tmp_path / "x.log").write_text("0000: 2f 3f 21 0d 0a\n0000: 06 30 35 30 0d 0a\n")
    assert [form.name for form in recognise(tmp_path / "x.log")] == ["hexdump", "hex"]


@pytest.mark.parametrize(
    ("name", "client", "server"),
    [
        ("marks", "Tx> {}", "Rx> {}"),
        ("marks", "TX: {}", "RX: {}"),
        ("escaped", '[20:12:01] SEND: "{}"', '[20:12:01] RECV: "{}"'),
        ("escaped", "sent {}", "received {}"),
        ("hex", "TX> {}", "RX> {}"),
    ],
)
def test_a_word_before_the_octets_names_the_sender(name: str, client: str, server: str, tmp_path: Path) -> None:
    """It is no part of what was said, and such a log is recognised."""
    write = {"marks": marked, "escaped": pythonic, "hex": bytes.hex}[name]
    lines = [(client, server)[at % 2].format(write(octets)) for at, octets in enumerate(SAID)]
    (tmp_path / "x.log").write_text("\n".join(lines))
    assert [form.name for form in recognise(tmp_path / "x.log")] == [name]
    bursts, account = bursts_of(name, "\n".join(lines))
    assert [burst.octets for burst in bursts] == list(SAID)
    assert [burst.sender for burst in bursts] == [Sender.CLIENT, Sender.SERVER] * 2
    assert account.complete


@pytest.mark.parametrize(("others", "forms"), [(2, ["hex"]), (3, [])])
def test_half_of_the_lines_must_state_octets(others: int, forms: list[str], tmp_path: Path) -> None:
    """Hexadecimal has no mark of its own; blank lines do not count."""
    (tmp_path / "x.log").write_text("2f 3f 21\n\n\n0d 0a\n" + "what is it?\n" * others)
    assert [form.name for form in recognise(tmp_path / "x.log")] == forms


@pytest.mark.parametrize(("before", "timed"), [(1, True), (16, True), (17, False)])
def test_bursts_before_the_first_time(before: int, timed: bool) -> None:
    """Sixteen of them get that time, which a note states; if more come, they have none."""
    lines = "".join(f"{side(at, 'TX', 'RX')} 2f 3f\n" for at in range(before))
    bursts, account = bursts_of("hex", lines + "10:00:02 TX 21\n")
    assert len(bursts) == before + (1 if bursts[-1].octets == b"!" else 0)
    times = {burst.time for burst in bursts[:before]}
    assert times == {bursts[-1].time if timed else None}
    assert ("octets before the first time of the log are given that time" in account.notes) == timed


@pytest.mark.parametrize("between", ["*\n", "*\n~\n", "~\n*\n", "*\n00000010  4z\n"])
def test_a_star_beside_a_line_that_is_no_row(between: str) -> None:
    """The line may have been the row that the star repeats, or one that ends the repetition."""
    bursts, account = bursts_of("hexdump", f"00000000  2f 3f\n{between}00000008  21 0d\n")
    if between != "*\n":
        assert [(burst.octets, burst.flags) for burst in bursts] == [(b"/?", 0), (b"!\r", Flag.OVERRUN)]
        assert account.faults == ["octets are missing or damaged before offset 00000008"]
    else:
        assert joined(bursts) == b"/?" * 4 + b"!\r"


def test_a_dump_without_a_row() -> None:
    lines = sample("hexdump").splitlines(keepends=True)
    del lines[1]
    bursts, account = bursts_of("hexdump", "".join(lines))
    assert [burst.flags for burst in bursts] == [0, Flag.OVERRUN]
    assert account.faults == ["octets are missing or damaged before offset 00000020"]


@pytest.mark.parametrize(
    ("offset", "starred"),
    [
        *[(offset, False) for offset in ("00000020", "00000010", "00000030", "00000011", "00000090", "0000ffff")],
        *[(offset, True) for offset in ("00000010", "00000011", "00000090", "0000ffff")],
    ],
)
def test_a_dump_with_one_wrong_offset(offset: str, *, starred: bool) -> None:
    """It is reported once, however the next row continues; octets may be missing there."""
    octets = b"".join(SAID)
    lines = [f"{16 * at:08x}  {row.hex(' ')}\n" for at, row in enumerate(rows(octets))]
    if starred:
        lines[2:] = ["*\n", f"{16 * 6:08x}  41\n"]
        octets = octets[:32] + octets[16:32] * 4 + b"A"
    wrong = offset + lines[1][8:]
    bursts, account = bursts_of("hexdump", lines[0] + wrong + "".join(lines[2:]))
    right = wrong == lines[1]
    assert joined(bursts) == octets
    assert [burst.flags for burst in bursts] == ([0] if right else [0, Flag.OVERRUN])
    assert account.faults == ([] if right else [f"octets are missing or damaged before offset {offset}"])


def test_the_digits_of_socat_are_microseconds() -> None:
    bursts, _ = bursts_of("socat", "> 2026/11/26 14:56:52.000274319  length=1 from=0 to=0\n 15\n")
    assert [(burst.time or 0) % 1_000_000_000 for burst in bursts] == [274_319_000]


@pytest.mark.parametrize("zone", ["+9900", "-24:00", "+2400"])
def test_a_wrong_zone_in_one_line(zone: str, tmp_path: Path) -> None:
    """The other lines are read, and recognised."""
    lines = [f"2026-01-01 12:00:0{second} +0100 2f 3f 21 0d 0a\n" for second in range(9)]
    lines[4] = lines[4].replace("+0100", zone)
    path = tmp_path / "t.log"
    path.write_text("".join(lines))
    (form,) = recognise(path)
    bursts, account = bursts_of(form.name, "".join(lines))
    assert joined(bursts) == b"/?!\r\n" * 8
    assert account.skipped == 1


@pytest.mark.parametrize("digits", [10, 5000])
def test_a_length_of_any_length(digits: int) -> None:
    """The block without a usable head is left out; the next one is read."""
    log = socat(0, REQUEST)
    _, account = bursts_of("socat", log.replace("length=5", "length=" + "9" * digits) + log)
    assert not account.complete
    line = f'read(3, "A", {"9" * digits}) = 1\n'
    _, account = bursts_of("strace", line + 'write(3, "A", 1) = 1\n')
    assert account.complete == (digits < 20)


def test_a_length_that_is_not_met() -> None:
    bursts, account = bursts_of("socat", socat(0, REQUEST).replace("length=5", "length=9"))
    assert [burst.flags for burst in bursts] == [Flag.OVERRUN]
    assert not account.complete


def test_a_block_that_is_longer_than_a_burst_lacks_nothing() -> None:
    octets = bytes(range(0x20, 0x70)) * 250
    log = socat(0, octets).replace(f" {octets.hex(' ')}\n", "".join(f" {row.hex(' ')}\n" for row in rows(octets)))
    bursts, account = bursts_of("socat", log + socat(1, REQUEST))
    assert joined(bursts) == octets + REQUEST
    assert {burst.flags for burst in bursts} == {0}
    assert account.complete


CALLS = """\
write(1, "reading\\n", 8) = 8
openat(AT_FDCWD, "/dev/ttyUSB0", O_RDWR) = 3
write(3, "/?!\\r\\n", 5)                  = 5
read(4, "other", 5)                       = 5
read(5</usr/lib/libc.so.6>, "\\177ELF"..., 832) = 832
read(3, 0x7ffd, 256)                    = -1 EAGAIN (Resource temporarily unavailable)
read(3, "\\2\\33\\377\\0\\0001\\\\1\\"", 256)   = 9
write(3, "\\006050\\r\\n", 6)                = 4
--- SIGALRM {si_signo=SIGALRM} ---
[pid    12] 1795722663.239342 read(3, "A", 256) = 1 <0.305313>
 | 00000  41                                                A                |
+++ exited with 0 +++
"""


def test_calls_of_strace() -> None:
    """Octal escapes, a call that failed, one that wrote a part, other files, and lines of other calls."""
    bursts, account = bursts_of("strace", CALLS)
    assert joined(bursts) == b"/?!\r\n" + b'\x02\x1b\xff\0\x001\\1"' + b"\x06050" + b"A"
    assert account.complete, [*account.report()]
    assert "3 is taken for the port; 1 line of others left out" in account.notes


@pytest.mark.parametrize(
    ("line", "octets", "reason"),
    [
        ('read(3, "/ISk5"..., 256) = 17', b"/ISk5", "strace shows only the first octets of a string"),
        ('read(3, "/ISk", 256) = 5', b"", "the result is another number of octets"),
        ('read(3, "/ISk", 256) = 3', b"", "the result is another number of octets"),
        ('read(3, "\\777", 256) = 1', b"", "no octet is \\777"),
        ("read(3,  <unfinished ...>", b"", "in two parts (strace -f)"),
    ],
)
def test_calls_that_strace_shows_in_part(line: str, octets: bytes, reason: str) -> None:
    bursts, account = bursts_of("strace", line + '\nwrite(3, "A", 1) = 1\n')
    assert [(burst.octets, burst.flags) for burst in bursts if burst.octets != octets] == [(b"A", Flag.OVERRUN)]
    assert joined(bursts) == octets + b"A"
    assert reason in "".join(account.report())


@pytest.mark.parametrize(("second", "used"), [(59, 2), (60, 2), (61, 1)])
def test_a_leap_second_is_a_time(second: int, used: int) -> None:
    bursts, account = bursts_of("tasmota", f"23:59:{second}.250 : 2f \n23:59:58.000 : 3f \n")
    assert account.used == used
    expected = (86_340 + second) * 1_000_000_000 + 250_000_000
    assert [burst.time for burst in bursts if burst.octets == b"/"] == ([expected] if used == 2 else [])


def test_times_that_go_back_are_told() -> None:
    log = "10:00:02.000 : 2f \n10:00:01.000 : 3f \n10:00:03.000 : 21 \n"
    bursts, account = bursts_of("tasmota", log)
    assert joined(bursts) == b"/?!"
    assert [*account.notes] == ["times go back 1 time; the order of the lines is kept"]


def test_a_long_line_is_read_in_parts() -> None:
    octets = bytes(range(256)) * 3000
    for text in (octets.hex(), octets.hex(" ")):
        assert joined(bursts_of("hex", text)[0]) == octets


@pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not here")
@pytest.mark.parametrize(
    ("name", "form", "octets"),
    [
        ("esphome-uart-hex.log", "esphome", b"/?!\r\n/?!\r\n/?!\r\n/ZE15ZE312.D0\r\n"),
        ("hterm.txt", "hterm", IDENTIFICATION + OPTION + DATA),
        ("jpnevulator.txt", "jpnevulator", REQUEST + IDENTIFICATION),
        ("pasted.txt", "text", b"/ISK5\\2M550T-1013\r\n\r\n1-3:0.2.8(50)\r\n0-0:1.0.0(220127110431W)\r\n"),
        ("pwitab.log", "python", REQUEST + IDENTIFICATION + OPTION),
        ("serialmonitor-arrows.txt", "hex-rows", b"/?!\r\n/ELV51234 U2RX V1.0  \r\n"),
        ("socat-x.txt", "socat", REQUEST + IDENTIFICATION),
        ("tasmota.log", "tasmota", b"\xdd\x1b\x1b\x1b\x1b\x01\x01\x01\x01v"),
        ("vzlogger.dump", "vzlogger", b"/?!\r\n/ISk5MT171-0133\r\n\x06050\r\n"),
        ("hexdump.txt", "hexdump", b"\x1f\x06000\r\n\n\x1e\x02F.F(00)\r\n"),
    ],
)
def test_the_logs_of_public_reports(name: str, form: str, octets: bytes) -> None:
    path = CASES / "14-log-formats" / name
    assert [one.name for one in recognise(path)] == [form]
    assert joined(bursts_of(form, path.read_bytes())[0]).startswith(octets)


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("begins", ["", "10:00:00.123 ", "00000000  ", "[10:00:00][D][uart_debug:1]: >>> "])
def test_a_long_line_of_anything_takes_no_long_time(name: str, begins: str) -> None:
    """A pattern that tried every way to divide a line would not end."""
    for part in (
        " ",
        "a",
        '"',
        "'",
        "<",
        "0",
        "\\",
        "b'",
        '"\\',
        "0x1,",
        "2f ",
        "2f:",
        "12:34:56 ",
        "<CR>",
        "a(",
        "TX ",
    ):
        bursts_of(name, begins + part * (20_000 // len(part)))


def test_an_array_of_one_long_line_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "meter.c"
    path.write_text("const uint8_t buf[] = {\n0x2F, 0x3F, 0x21, 0x0D, 0x0A\n};\n")
    assert [form.name for form in recognise(path)] == ["c-array"]


@pytest.mark.parametrize("count", range(1, 17))
def test_a_short_row_beside_its_text(count: int) -> None:
    """Rows of each length, padded as jpnevulator pads them, give all octets. None is taken for a row without a column
    of text."""
    for value in range(256):
        octets = bytes((value + 37 * at) % 256 for at in range(count))
        shown = "".join(chr(octet) if 0x20 <= octet < 0x7F else "." for octet in octets)
        assert hexadecimal.perhaps_row(f"{octets.hex(' ').upper():<47}\t{shown}") == octets
        assert hexadecimal.perhaps_row(octets.hex(" ")) == octets


def test_memory_does_not_grow_with_the_log(tmp_path: Path) -> None:
    def peak(lines: int) -> int:
        path = tmp_path / f"{lines}.log"
        path.write_text("".join(f"12:00:{at % 60:02} {side(at, 'TX', 'RX')}: {DATA.hex(' ')}\n" for at in range(lines)))
        tracemalloc.start()
        assert sum(len(burst.octets) for burst in read(path, BY_NAME["hex"], Account())) == lines * len(DATA)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(10)
    assert peak(10_000) < 1.2 * peak(4_000)

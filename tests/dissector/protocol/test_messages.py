"""Messages: hand-written octets and their decoded values."""

from dataclasses import replace
from functools import reduce

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vtctap.dissector.catalogue import FIELDS, MESSAGES
from vtctap.dissector.protocol import messages
from vtctap.dissector.protocol.messages import Message, data_sets, decode

NO_CHECK = {"bcc_status": "none"}


def good(value: int, rule: str = "xor") -> dict[str, object]:
    return {"bcc": value, "bcc_expected": value, "bcc_status": "good", "bcc_rule": rule}


def bad(value: int, expected: int) -> dict[str, object]:
    return {"bcc": value, "bcc_expected": expected, "bcc_status": "bad"}


def message(word: str | None, **fields: object) -> Message:
    return Message(word, **fields)  # type: ignore[arg-type]


MISSING = {"bcc_status": "missing"}

INITIATE = bytes.fromhex("7ea020230373cb2d8180140502008006020080070400000001080400000001ce6a7e")

# Each octet is written out; test_the_table_of_frames_is_complete_and_right checks their check characters.
TABLE: list[tuple[bytes, Message]] = [
    # IDRequest
    (b"/?!\r\n", message("IDRequest")),
    (b"/2!\r\n", message("IDRequest", text="2")),
    (b"/*!\r\n", message("IDRequest", text="*")),
    (b"/?12345678!\r\n", message("IDRequest", address="12345678")),
    (b"/?0000211!", message("IDRequest", address="0000211")),
    (b"/?!\n", message("IDRequest")),
    (b"/?\r\n", message("IDRequest")),
    (b"/?12\r\n", message("IDRequest", address="12")),
    (b"/?1\r2\n", message("IDRequest", address="1<CR>2")),
    (b"/?1\r!\n", message("IDRequest", address="1<CR>")),
    (b"/? a\x00b!\r\n", message("IDRequest", address=" a<NUL>b")),
    (b"/?a!b!\r\n", message("IDRequest", address="a", text="b!")),
    # IDResponse
    (
        b"/ISK5\\2MT382-1003\r\n",
        message("IDResponse", id_manufacturer="ISK", id_speed="5", id_text="\\2MT382-1003"),
    ),
    (b"/Els6x\r\n", message("IDResponse", id_manufacturer="Els", id_speed="6", id_text="x")),
    (b"/KAM MC\r\n", message("IDResponse", id_manufacturer="KAM", id_speed=" ", id_text="MC")),
    (b"/ABC5\r\n", message("IDResponse", id_manufacturer="ABC", id_speed="5")),
    (b"/ABC5x\n", message("IDResponse", id_manufacturer="ABC", id_speed="5", id_text="x")),
    (b"/ABC5x\r", message("IDResponse", id_manufacturer="ABC", id_speed="5", id_text="x")),
    # ReadCommand, WriteCommand, ExecuteCommand, PasswordCommand, BreakCommand
    (
        b"\x01R1\x0200000034()\x03\x64",
        message("ReadCommand", cmd="R1", register=("00000034",), value=("",), unit=("",), **good(0x64)),
    ),
    (
        b"\x01R1\x0200000000()\x03\x63",
        message("ReadCommand", cmd="R1", register=("00000000",), value=("",), unit=("",), **good(0x63)),
    ),
    (
        b"\x01R1\x020004()\x03\x1d",
        message("ReadCommand", cmd="R1", register=("0004",), value=("",), unit=("",), **good(0x1D, "sum")),
    ),
    (
        b"\x01W1\x020010(59084783951214432117)\x03\x63",
        message(
            "WriteCommand",
            cmd="W1",
            register=("0010",),
            value=("59084783951214432117",),
            unit=("",),
            **good(0x63),
        ),
    ),
    (
        b"\x01W2\x02C003(910324092239)\x03\x1b",
        message("WriteCommand", cmd="W2", register=("C003",), value=("910324092239",), unit=("",), **good(0x1B)),
    ),
    (  # the check character is the code of ACK
        b"\x01E2\x02RUN(1;2)\x03\x06",
        message("ExecuteCommand", cmd="E2", register=("RUN",), value=("1;2",), unit=("",), **good(0x06)),
    ),
    (
        b"\x01P0\x02(1234567)\x03\x50",
        message("PasswordCommand", cmd="P0", register=("",), value=("1234567",), unit=("",), **good(0x50)),
    ),
    (
        b"\x01P1\x02()\x03\x61",
        message("PasswordCommand", cmd="P1", register=("",), value=("",), unit=("",), **good(0x61)),
    ),
    (b"\x01B0\x03\x71", message("BreakCommand", cmd="B0", **good(0x71))),
    (b"\x01B0\x03\x75", message("BreakCommand", cmd="B0", **good(0x75, "sum"))),
    (b"\x01B0\x03\x70", message("BreakCommand", cmd="B0", **bad(0x70, 0x71))),
    (b"\x01B0\x03", message("BreakCommand", cmd="B0", bcc_expected=0x71, **MISSING)),
    (  # no type
        b"\x01R\x02a()\x03\x33",
        message("ReadCommand", cmd="R", register=("a",), value=("",), unit=("",), **good(0x33)),
    ),
    (  # no STX
        b"\x01R1a()\x03\x01",
        message("ReadCommand", cmd="R1", register=("a",), value=("",), unit=("",), **bad(0x01, 0x00)),
    ),
    (
        b"\x01R1\x02a(\x01\x02)\x03\x01",
        message("ReadCommand", cmd="R1", register=("a",), value=("<SOH><STX>",), unit=("",), **good(0x01)),
    ),
    # UndefinedCommand
    (
        b"\x01Z9\x02x(1)y\x03\x53",
        message("UndefinedCommand", cmd="Z9", register=("x",), value=("1",), unit=("",), text="y", **good(0x53)),
    ),
    (b"\x01RX\x03\x09", message("UndefinedCommand", cmd="RX", **good(0x09))),
    (b"\x01\x03\x03", message("UndefinedCommand", **good(0x03))),
    (b"\x01", message("UndefinedCommand", **MISSING)),
    # ACK, NAK, OptionSelect
    (b"\x06", message("ACK")),
    (b"\x15", message("NAK")),
    (b"\x06051\r\n", message("OptionSelect", option_protocol="0", option_speed="5", option_mode="1")),
    (b"\x062:2\r\n", message("OptionSelect", option_protocol="2", option_speed=":", option_mode="2")),
    (b"\x0605", message("OptionSelect", option_protocol="0", option_speed="5")),
    # Data
    (b"\x02(16)\x03\x05", message("Data", register=("",), value=("16",), unit=("",), **good(0x05))),
    (
        b"\x02(000123.4*kWh)\x03\x66",
        message("Data", register=("",), value=("000123.4",), unit=("kWh",), **good(0x66)),
    ),
    (
        b"\x020.0.0(123)\r\n1.8.0(013925.5*kWh)(2)\r\n!\r\n\x03\x46",
        message(
            "Data",
            register=("0.0.0", "1.8.0", ""),
            value=("123", "013925.5", "2"),
            unit=("", "kWh", ""),
            **good(0x46),
        ),
    ),
    (  # the check character is the code of ETX
        b"\x021.8.0(1*kWh)2.8.0(2*kWh)\x03\x03",
        message("Data", register=("1.8.0", "2.8.0"), value=("1", "2"), unit=("kWh", "kWh"), **good(0x03)),
    ),
    (  # inner brackets: the value runs to its own closing bracket, and a star inside makes no unit
        b"\x02E12(A(7)B(2*x))\r\nF(1)\x03\x61",
        message("Data", register=("E12", "F"), value=("A(7)B(2*x)", "1"), unit=("", ""), **good(0x61)),
    ),
    (  # the first value has no closing bracket; the line end closes it
        b"\x02a(b\r\nc(d*e)\x03\x2c",
        message("Data", register=("a", "c"), value=("b", "d"), unit=("", "e"), **good(0x2C, "sum")),
    ),
    (
        b"\x02a((b\r\nc(d)\x03\x00",
        message("Data", register=("a", "c"), value=("(b", "d"), unit=("", ""), **bad(0x00, 0x01)),
    ),
    (b"\x02a(1*k*h)\x03\x51", message("Data", register=("a",), value=("1",), unit=("k*h",), **good(0x51))),
    (b"\x02\x03\x03", message("Data", **good(0x03))),
    (b"\x02!\r\n\x03\x3b", message("Data", **good(0x3B, "sum"))),
    (b"\x02text only\r\n!\r\n\x03\x0b", message("Data", text="text only", **good(0x0B))),
    (b"\x02X\x03\x5b", message("Data", text="X", **good(0x5B))),
    (b"\x02X\x03", message("Data", text="X", bcc_expected=0x5B, **MISSING)),
    (b"\x02a(1", message("Data", register=("a",), value=("1",), unit=("",), **MISSING)),
    (b"\x02(1)\x03\x33rest", message("Data", register=("",), value=("1",), unit=("",), text="rest", **good(0x33))),
    # Error, PartialData
    (
        b"\x02(ER01)\x03\x14",
        message("Error", register=("",), value=("ER01",), unit=("",), error_code="ER01", **good(0x14)),
    ),
    (
        b"\x02(ERROR 4)\x03\x32",
        message("Error", register=("",), value=("ERROR 4",), unit=("",), error_code="ERROR", **good(0x32, "sum")),
    ),
    (
        b"\x02a(ER01)\x03\x75",
        message("Data", register=("a",), value=("ER01",), unit=("",), **good(0x75)),
    ),
    (  # both rules fit: it counts as the standard's rule
        b"\x02P.01(1)(2)\r\n\x04\x7f",
        message("PartialData", register=("P.01", ""), value=("1", "2"), unit=("", ""), **good(0x7F)),
    ),
    (b"\x02\x04\x05", message("PartialData", **bad(0x05, 0x04))),
    # WakeUp, HDLC
    (b"\x00" * 8, message("WakeUp")),
    (b"\x7e\xa0\x07\x03\x21\x93\x0f\x01\x7e", message("HDLC", fcs=0x010F, fcs_status="good")),
    (b"\x7e\xa0\x07\x03\x21\x93\x0f\x01", message("HDLC", fcs=0x010F, fcs_status="good")),
    (b"\x7e\xa0\x07\x03\x21\x93\x0f\x02\x7e", message("HDLC", fcs=0x020F, fcs_status="bad")),
    (b"\x7e\xa0\x07\x03\x21\x93\x0f", message("HDLC", fcs_status="missing")),
    (b"\x7e\xa0\x03\x7e", message("HDLC", fcs_status="missing")),
    (INITIATE, message("HDLC", hcs=0x2DCB, hcs_status="good", fcs=0x6ACE, fcs_status="good")),
    (INITIATE[:8], message("HDLC", hcs=0x2DCB, hcs_status="good", fcs_status="missing")),
    (
        INITIATE.replace(b"\xcb\x2d", b"\xca\x2d"),
        message("HDLC", hcs=0x2DCA, hcs_status="bad", fcs=0x6ACE, fcs_status="bad"),
    ),
    # octets that begin no message
    (b"", message(None, bcc_status=None)),
    (b"1.8.0(1)", message(None, text="1.8.0(1)", bcc_status=None)),
    (b"\x04", message(None, text="<EOT>", bcc_status=None)),
]

IDS = [repr(octets)[2:-1][:40] for octets, _ in TABLE]


def crc16(octets: bytes) -> int:
    """Computes x16+x15+x2+1 bit by bit."""
    register = 0
    for octet in octets:
        register ^= octet
        for _ in range(8):
            register = register >> 1 ^ 0xA001 if register & 1 else register >> 1
    return register


TELEGRAM = (
    b"/ISK5\\2M550T-1012\r\n\r\n1-3:0.2.8(50)\r\n1-0:1.8.1(004426.049*kWh)\r\n"
    b"1-0:99.97.0(2)(0-0:96.7.19)(000923*s)\r\n!"
)
TELEGRAM_SAYS = message(
    "Telegram",
    id_manufacturer="ISK",
    id_speed="5",
    id_text="\\2M550T-1012",
    register=("1-3:0.2.8", "1-0:1.8.1", "1-0:99.97.0", "", ""),
    value=("50", "004426.049", "2", "0-0:96.7.19", "000923"),
    unit=("", "kWh", "", "", "s"),
)


@pytest.mark.parametrize(("octets", "expected"), TABLE, ids=IDS)
def test_frames_are_decoded(octets: bytes, expected: Message) -> None:
    assert decode(octets) == expected


def test_the_table_of_frames_is_complete_and_right() -> None:
    """Every message is in the table, and its check characters are computed by arithmetic."""
    assert {expected.message for _, expected in TABLE} | {"Telegram"} == {*MESSAGES, None}
    for octets, expected in TABLE:
        if expected.bcc_expected is None:
            continue
        end = min(at for at in (octets.find(b"\x03"), octets.find(b"\x04")) if at >= 0)
        checked = octets[1 : end + 1]
        by_xor = reduce(lambda value, octet: value ^ octet, checked) & 0x7F
        by_sum = sum(checked) & 0x7F
        assert expected.bcc_expected == (by_sum if expected.bcc_rule == "sum" else by_xor)
        assert expected.bcc_status != "bad" or expected.bcc not in (by_xor, by_sum)
        assert expected.bcc_rule != "sum" or by_xor != by_sum


@pytest.mark.parametrize("end", [b"%04X\r\n", b"%04x\r\n", b"%04X\n", b"%04X\r", b"%04X"])
def test_telegram_with_good_crc(end: bytes) -> None:
    crc = crc16(TELEGRAM)
    assert decode(TELEGRAM + end % crc) == replace(TELEGRAM_SAYS, crc=crc, crc_status="good")


def test_telegram_with_bad_crc() -> None:
    crc = crc16(TELEGRAM) ^ 1
    assert decode(TELEGRAM + b"%04X\r\n" % crc) == replace(TELEGRAM_SAYS, crc=crc, crc_status="bad")


def test_telegram_with_unpadded_crc() -> None:
    """A real meter omits the leading zeros."""
    number = next(number for number in range(10_000) if crc16(b"/ABC5x\r\n\r\na(%d)\r\n!" % number) < 0x100)
    telegram = b"/ABC5x\r\n\r\na(%d)\r\n!" % number
    crc = crc16(telegram)
    decoded = decode(telegram + b"%X\r\n" % crc)
    assert (decoded.message, decoded.crc, decoded.crc_status) == ("Telegram", crc, "good")


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b""])
def test_telegram_without_crc(end: bytes) -> None:
    assert decode(TELEGRAM + end) == replace(TELEGRAM_SAYS, crc_status="missing")


def test_telegram_that_is_cut() -> None:
    decoded = decode(TELEGRAM[:-30])
    assert (decoded.message, decoded.crc, decoded.crc_status) == ("Telegram", None, "missing")
    assert decoded.register[:2] == ("1-3:0.2.8", "1-0:1.8.1")


def test_telegram_with_text_and_a_mark_inside() -> None:
    """``!`` ends a Telegram only if nothing but its CRC follows."""
    decoded = decode(b"/ABC5x\r\n\r\nhello\r\na(1!2)\r\n!\r\n")
    assert (decoded.register, decoded.value, decoded.text) == (("a",), ("1!2",), "hello")


def with_even_parity(octets: bytes) -> bytes:
    return bytes(octet | (octet.bit_count() % 2) << 7 for octet in octets)


@pytest.mark.parametrize(
    ("octets", "expected"),
    [(octets, expected) for octets, expected in TABLE if with_even_parity(octets) != octets and octets.isascii()]
    + [(TELEGRAM + b"%04X\r\n" % crc16(TELEGRAM), replace(TELEGRAM_SAYS, crc=crc16(TELEGRAM), crc_status="good"))],
)
def test_parity_bits_left_in_bit_7(octets: bytes, expected: Message) -> None:
    if octets[0] in b"/\x00\x01\x02\x06\x15":
        assert decode(with_even_parity(octets)) == expected
    else:
        assert decode(with_even_parity(octets)).message is None


def test_bit_7_stays_visible_where_it_is_no_parity_bit() -> None:
    """One eight-bit character in plain text is shown, not stripped, and the check character has seven bits."""
    decoded = decode(b"\x02a(caf\xe9)\x03\x0e")
    assert decoded.value == ("caf<E9>",)
    expected = reduce(lambda value, octet: value ^ octet, b"a(caf\xe9)\x03") & 0x7F
    assert decoded.bcc_expected == expected
    assert decoded.bcc == 0x0E


def began_as(octets: bytes, cut: int) -> set[str | None]:
    """Returns the names that the first ``cut`` octets may have, as far as the octets show it."""
    head = octets[:cut]
    if head[:1] == b"\x01":
        letters = {"P": "Password", "R": "Read", "W": "Write", "E": "Execute", "B": "Break"}
        kind = chr(head[1]) if cut > 1 else ""
        typed = head[2:3]
        known = kind in letters and (typed.isdigit() or typed in (b"", b"\x02", b"\x03"))
        return {f"{letters[kind]}Command" if known else "UndefinedCommand"}
    if head[:1] == b"\x02":
        if head[1:4] == b"(ER":
            return {"Error"}
        return {"PartialData" if b"\x04" in head else "Data"}
    if head[:1] == b"/":
        if head[1:2] == b"?" or head[2:3] == b"!":
            return {"IDRequest"}
        line_ends = head.partition(b"\n")
        return {"Telegram" if line_ends[2] else "IDResponse"}
    if head[:1] == b"\x06":
        return {"ACK" if cut == 1 else "OptionSelect"}
    return {{b"\x15": "NAK", b"\x00": "WakeUp", b"\x7e": "HDLC"}.get(head[:1])}


@pytest.mark.parametrize("octets", [*(octets for octets, _ in TABLE), TELEGRAM + b"1234\r\n"])
def test_every_prefix_keeps_the_name_of_its_message(octets: bytes) -> None:
    whole = decode(octets)
    for cut in range(1, len(octets) + 1):
        part = decode(octets[:cut])
        assert {part.message} == began_as(octets, cut)
        # A complete message does not change by the octets that follow.
        for name in ("register", "value", "unit"):
            items, all_items = getattr(part, name), getattr(whole, name)
            assert items[:-1] == all_items[: max(len(items) - 1, 0)]


LISTS = ("register", "value", "unit")
BEGINNINGS = st.sampled_from(
    [b"", b"/", b"/?", b"/ABC5", b"/ABC5x\r\n\r\n", b"\x01", b"\x01R1\x02", b"\x02", b"\x06", b"\x06051"]
)
BODIES = st.lists(
    st.one_of(
        st.sampled_from(
            [b"(", b")", b"*", b"!", b"\r\n", b"\r", b"\n", b"\x03", b"\x04", b"\x02", b"\x00", b"ER", b"a", b"1"]
        ),
        st.binary(max_size=3),
    ),
    max_size=20,
).map(b"".join)


@given(BEGINNINGS, BODIES)
@example(b"\x02", b"(" * 50)
def test_any_octets_are_decoded(beginning: bytes, body: bytes) -> None:
    """Decoding raises no exception. Parallel lists have equal lengths, names and types are those of the catalogue, and
    text is printable ASCII."""
    decoded = decode(beginning + body)
    assert decoded.message in {*MESSAGES, None}
    assert len({len(getattr(decoded, name)) for name in LISTS}) == 1
    for name in Message.__slots__:
        value = getattr(decoded, name)
        for item in value if isinstance(value, tuple) else [value]:
            if isinstance(item, str):
                assert item.isascii()
                assert item == "" or item.isprintable()
    if decoded.bcc_status is not None:
        assert decoded.bcc_status in FIELDS["vtc.bcc.status"].words
    assert (decoded.bcc_rule is not None) == (decoded.bcc_status == "good")
    assert (decoded.bcc is not None) == (decoded.bcc_status in ("good", "bad"))


@given(BEGINNINGS.filter(bool), BODIES)
def test_parity_bits_change_nothing(beginning: bytes, body: bytes) -> None:
    octets = bytes(octet & 0x7F for octet in beginning + body)
    assert decode(with_even_parity(octets)) == decode(octets)


def slow_data_sets(text: str) -> list[tuple[str, str, str]]:
    """Reads the data sets of well-formed text octet by octet: counts brackets, and skips line ends and ``!`` between
    data sets."""
    sets, register, value, depth = [], "", "", 0
    for character in text:
        if depth == 0 and character == "(":
            depth, value = 1, ""
        elif depth == 0:
            register = "" if character in "\r\n!" else register + character
        elif character == ")" and depth == 1:
            number, _, unit = (value, "", "") if "(" in value else value.partition("*")
            sets.append((register, number, unit))
            depth, register = 0, ""
        else:
            depth += {"(": 1, ")": -1}.get(character, 0)
            value += character
    return sets


VALUES = st.recursive(
    st.text("0123456789.,;*!kWh -:", max_size=8),
    lambda inner: st.tuples(inner, inner, inner).map(lambda parts: f"{parts[0]}({parts[1]}){parts[2]}"),
    max_leaves=4,
)
DATA_SETS = st.lists(
    st.tuples(st.text("0123456789.:-*CF", max_size=6), VALUES, st.sampled_from(["", "\r\n", "!\r\n", "\n"])), max_size=6
)


@given(DATA_SETS)
def test_data_sets_against_counting_brackets(sets: list[tuple[str, str, str]]) -> None:
    text = "".join(f"{register}({value}){end}" for register, value, end in sets)
    decoded = decode(b"\x02" + text.encode() + b"\x03")
    assert list(zip(decoded.register, decoded.value, decoded.unit, strict=True)) == slow_data_sets(text)
    assert decoded.text is None


def test_a_hostile_body_takes_linear_time() -> None:
    """A body of the length of a whole record, made to cause backtracking, decodes. In quadratic time it would take
    minutes."""
    for body in (b"(" * 65_000, b"a(" * 32_000, b"a)" * 32_000, b"a" * 65_000, b"(*" * 32_000, b"!" * 65_000):
        assert decode(b"\x02" + body).message == "Data"
        assert decode(b"/ABC5x\r\n\r\n" + body).message == "Telegram"


@given(st.text("()*!\r\n1a", max_size=40))
@example("1.8.0(1*kWh)\r\n2.8.0(2*kWh)(3)\r\n!\r\nx")
@example("a)b(c)(")
def test_plain_data_sets_are_the_same_all_at_once_and_one_by_one(text: str) -> None:
    at_once = data_sets(text.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(messages, "_plain_sets", lambda text: None)
        assert data_sets(text.encode()) == at_once

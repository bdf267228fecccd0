"""Questions: what conversations show, and what they leave open."""

import string
from collections.abc import Sequence
from dataclasses import replace

import pytest

from equipment.conversation import (
    ACK,
    BREAK,
    CALL,
    NAK,
    Frames,
    answers,
    block,
    data,
    identification,
    read,
    records,
    said,
    write,
)
from vtctap.dissector.protocol.checksums import bcc_sum, bcc_xor
from vtctap.pcap.record import Kind, Line, Record

FIRST = [read("2006"), data("(1234)")]
TOKEN = "56493153725450313471"


def shows(frames: Frames, question: str, subject: str = "") -> str:
    return said(answers(records(frames)), question, subject)


def test_a_value_belongs_to_the_register_that_was_asked_for() -> None:
    found = answers(records([*FIRST, read("2010"), data("(0099)"), *FIRST, *FIRST]))
    assert said(found, "read access", "2006") == "shown: readable"
    assert said(found, "value length", "2006") == "shown: 4 characters"
    assert said(found, "value length", "2010") == "open", "seen once"


def test_what_a_damaged_read_asks_for_is_unknown() -> None:
    side, octets = read("2010")
    damaged = (side, octets[:-1] + bytes([octets[-1] ^ 1]))
    found = answers(records([*FIRST, damaged, data("(0099.9*kWh)"), *FIRST]))
    assert said(found, "value length", "2006") == "shown: 4 characters"
    assert said(found, "value length", "2010") == "nothing"
    assert said(found, "value unit", "2006") == "shown: none"


def test_the_answer_after_a_clients_nak_is_that_to_the_read_before() -> None:
    side, octets = data("(1234)")
    again = [read("2006"), (side, octets[:-1] + b"\0"), ("C", NAK), data("(1234)")]
    found = answers(records(again * 2))
    assert said(found, "value length", "2006") == "shown: 4 characters"
    assert said(found, "bad answer") == "shown: NAK"


def test_a_side_that_never_sends_check_characters_is_learned_from() -> None:
    turns = [read("2006", rule="none"), data("(1234)")] * 4
    found = answers(records(turns))
    assert said(found, "check rule", "client") == "shown: none"
    assert said(found, "read access", "2006") == "shown: readable"
    mixed = answers(records([*FIRST, read("2006", rule="none"), data("(1234)")]))
    assert said(mixed, "read access", "2006") == "open", "there a check character was lost"


def test_a_letter_among_the_values_decides_that_they_are_hexadecimal() -> None:
    turns = [read("2006"), data("(00A1*V)"), read("2006"), data("(0091*V)")]
    assert shows(turns, "value coding", "2006") == "open", "a single value may be damaged"
    assert shows(turns * 2, "value coding", "2006") == "shown: hexadecimal"
    assert shows([read("2006"), data("(0091*V)")] * 9, "value coding", "2006") == "open"
    assert shows([read("2006"), data("(0.91*V)")] * 2, "value coding", "2006") == "shown: decimal"


def test_a_register_that_is_refused_is_not_readable() -> None:
    assert shows([read("0063"), ("M", NAK)], "read access", "0063") == "open"
    assert shows([read("0063"), ("M", NAK)] * 3, "read access", "0063") == "shown: refused"
    assert shows([read("0063"), data("(ER01)")] * 2, "read access", "0063") == "shown: refused"
    garbled = [read("2006"), ("M", NAK), read("2006"), data("(1234)")]
    assert shows(garbled * 2, "read access", "2006") == "shown: readable", "the NAK was about the transmission"


def imported(octets: bytes, line: str) -> list[Record]:
    return [Record(0, octets, line=Line.parse(line), speed=2400)] * 9


@pytest.mark.parametrize("line", ["8N1", "7E1", "7O1"])
def test_an_import_without_parity_bits_shows_no_format_and_no_speed(line: str) -> None:
    found = answers(imported(read("2006")[1], line))
    assert (said(found, "character format"), said(found, "speed")) == ("open", "not seen")


def test_an_import_with_parity_bits_shows_them() -> None:
    for parity, line in ((1, "7E1"), (0, "7O1")):
        octets = bytes(octet | (octet.bit_count() & 1 == parity) << 7 for octet in read("2006")[1])
        assert said(answers(imported(octets, "8N1")), "character format") == f"shown: {line}"


def test_parity_errors_in_half_of_the_frames_show_another_format() -> None:
    right = records(FIRST * 5)
    wrong = [replace(record, parity_errors=(1,)) if at % 2 else record for at, record in enumerate(right)]
    assert said(answers(right), "character format") == "shown: 7E1"
    assert said(answers(right), "speed", "messages") == "shown: 9600"
    assert said(answers(wrong), "character format") == "mixed"


SIGNED_ON = [CALL, identification(), *FIRST * 3, BREAK]


def test_what_sign_ons_show() -> None:
    found = answers(records(SIGNED_ON * 3))
    assert said(found, "sign-on") == "shown: yes"
    assert said(found, "sign-on required") == "not seen"
    assert said(found, "addressed") == "shown: no"
    assert said(found, "option") == "shown: none"
    assert said(found, "password") == "shown: no"
    assert said(found, "break") == "shown: yes"
    assert said(found, "identification") == "shown: 9 characters"
    assert said(found, "identification parts") == "open", "one device does not show what belongs to it"


def test_that_no_sign_on_is_required_shows_after_a_break_alone() -> None:
    assert shows([*FIRST * 9], "sign-on required") == "not seen", "the capture may have begun late"
    assert shows([*FIRST, BREAK, 10.0, *FIRST, *FIRST], "sign-on required") == "shown: no"
    assert shows([*FIRST, 600.0, *FIRST, *FIRST], "sign-on required") == "shown: no"
    assert shows([*FIRST, 10.0, *FIRST, *FIRST], "sign-on required") == "not seen"
    silent = [*SIGNED_ON, 10.0, read("2006"), 10.0]
    assert shows([*silent * 3, *SIGNED_ON], "sign-on required") == "shown: yes"


def test_a_password_and_an_option_are_seen_but_not_kept() -> None:
    secret = ("C", block("\x01P1\x02(31415926)"))
    session = [CALL, identification(), ("C", b"\x06051\r\n"), ("M", block("\x01P0\x02()")), secret, ("M", ACK)]
    found = answers(records([*session, *FIRST, *FIRST, BREAK] * 2))
    assert (said(found, "option"), said(found, "password")) == ("shown: 051", "shown: yes")
    assert "31415926" not in str(found)


def test_what_commands_show_of_the_syntax() -> None:
    found = answers(records([*FIRST * 2, *[write("2014", "01"), ("M", ACK)] * 2]))
    assert said(found, "type digit", "ReadCommand") == "shown: R1"
    assert said(found, "type digit", "WriteCommand") == "shown: W1"
    assert said(found, "brackets") == "shown: yes"
    assert said(found, "count") == "shown: no"
    assert said(found, "ids") == "shown: no"
    bare = [("C", block("\x01R\x02200A0")), data("200A(12)")] * 2
    found = answers(records(bare))
    assert said(found, "type digit", "ReadCommand") == "shown: R"
    assert (said(found, "brackets"), said(found, "count"), said(found, "ids")) == (
        "shown: no",
        "shown: yes",
        "shown: yes",
    )
    assert (said(found, "register width"), said(found, "register radix")) == (
        "shown: 4 characters",
        "shown: hexadecimal",
    )
    assert said(found, "register page", "20") == "shown: in use"


@pytest.mark.parametrize("rule", ["xor", "sum"])
def test_the_check_rule_is_shown_by_messages_whose_sums_differ(rule: str) -> None:
    turns = [read("2006", rule=rule), data("2006(1234)", rule=rule)] * 2
    assert shows(turns, "check rule", "client") == f"shown: {rule}"
    assert shows(turns, "check rule", "server") == f"shown: {rule}"
    texts = (f"({one}{other}A)\x03".encode() for one in string.printable[:90] for other in string.printable[:90])
    alike = next(text for text in texts if bcc_xor(text) == bcc_sum(text))
    both = [read("2006"), ("M", b"\x02" + alike + bytes([bcc_xor(alike)]))] * 9
    assert shows(both, "check rule", "server") == "open"


@pytest.mark.parametrize(
    ("reads", "verdict"),
    [
        ((("1", "12"), ("1", "12")), "open"),  # A register of one octet: both explain it.
        ((("2", "1234"), ("1", "12"), ("2", "1234")), "shown: octets"),
        ((("2", "1234"), ("1", "1234"), ("1", "1234")), "mixed"),
        ((("1", "123456"), ("1", "123456")), "shown: registers"),
        ((("0", "123456"), ("0", "123456")), "not seen"),
    ],
)
def test_what_a_count_counts(reads: Sequence[tuple[str, str]], verdict: str) -> None:
    frames: list[tuple[str, bytes]] = []
    for count, value in reads:
        frames += [("C", block(f"\x01R\x022006{count}")), data(f"({value})")]
    assert shows(frames, "count of") == verdict


def test_what_may_be_an_error_code_counts_nothing() -> None:
    turns = [("C", block("\x01R\x0220991")), data("(E11)")]
    assert shows(turns * 9, "count of") == "not seen"
    assert shows(turns * 9, "read access", "2099") == "nothing"


def test_two_registers_for_a_count_of_two() -> None:
    turns = [("C", block("\x01R\x0220062")), data("(1234)(5678)")] * 2
    assert shows(turns, "count of") == "shown: registers"


def values(*texts: str) -> list[tuple[str, bytes]]:
    return [turn for text in texts for turn in (read("2010"), data(f"({text})"), *FIRST)]


def test_behaviour_of_values_on_one_device() -> None:
    assert shows(values(*["0100"] * 9), "value behaviour", "2010") == "open", "a counter may have stood still"
    assert shows(values("0100", "0101", "0102"), "value behaviour", "2010") == "open"
    assert shows(values("0100", "0101", "0102", "0103"), "value behaviour", "2010") == "shown: rises"
    back = values("0100", "0090", "0100", "0090", "0100", "0090", "0100")
    assert shows(back, "value behaviour", "2010") == "shown: rises and falls"


def test_behaviour_of_values_on_several_devices() -> None:
    alike = answers(*[records(values("0102", "0102"))] * 3)
    assert said(alike, "value behaviour", "2010") == "shown: constant"
    assert said(answers(*[records(values("0000"))] * 3), "value behaviour", "2010") == "open", "new counters"
    numbers = ("12345678903", "43135625622", "78617542655")
    fitting = [records(values(digits)) for digits in numbers]
    assert said(answers(*fitting), "value behaviour", "2010") == "shown: of the device"
    other = [records(values(str(int(digits) + 1).zfill(11))) for digits in numbers]
    assert said(answers(*other), "value behaviour", "2010") == "open", "counters stand still, too"


def test_identifications_of_several_devices() -> None:
    def device(number: str) -> list[Record]:
        return records(
            [turn for count in range(3) for turn in (CALL, identification(f"ABC5MX{number}-0{count}"), *FIRST, BREAK)]
        )

    found = answers(device("4711"), device("5822"), device("6933"))
    shown = "6 constant, 4 of the device, 1 constant, 1 either, 1 counting"
    assert said(found, "identification parts") == f"shown: {shown}"
    assert said(found, "identification check digit") == "open"


def test_a_check_digit_of_identifications() -> None:
    """Six numbers, without the digit of the speed, show a check digit, unless another number contradicts it."""
    numbers = ["10009", "10017", "10025", "10033", "10041", "10058"]
    devices = [records([CALL, identification(f"ABC5{number}"), *FIRST, BREAK]) for number in numbers]
    assert said(answers(*devices), "identification check digit") == "shown: Luhn"
    assert said(answers(*devices[:5]), "identification check digit") == "open"
    other = records([CALL, identification("ABC510059"), *FIRST, BREAK])
    assert said(answers(*devices, other), "identification check digit") == "open"


def test_a_list_of_numbers_has_no_point() -> None:
    turns = [read("2006"), data("(000046.24,000031.14)")] * 2
    assert shows(turns, "value length", "2006") == "shown: 19 characters"
    assert shows(turns, "value coding", "2006") == "shown: text"


def session(*steps: tuple[str, bytes]) -> list[tuple[str, bytes]]:
    return [turn for step in steps for turn in ([step, ("M", ACK)] if step[1][1:2] == b"W" else [step])]


def poll(*statuses: str) -> list[tuple[str, bytes]]:
    return [turn for status in statuses for turn in (read("FFFE"), data(f"({status})"))]


def credit(value: str) -> list[tuple[str, bytes]]:
    return [read("2010"), data(f"({value})")]


def credit_token(number: int) -> str:
    """Returns the digits of a token of class 0."""
    digits = 10**19 + number * (1 << 29)
    assert digits >> 27 & 3 == digits % (1 << 29) >> 27
    return f"{digits - digits % (1 << 29):020}"


def test_tokens_and_their_statuses_are_learned_from_what_happens() -> None:
    frames: list[tuple[str, bytes] | float] = []
    balance = 1000
    for number in range(4):
        frames += credit(f"{balance:04X}")
        frames += [write("FFFF", credit_token(2 * number)), ("M", ACK), *poll("10", "10", "A1")]
        balance += 200
        frames += [*credit(f"{balance:04X}"), 60.0, *FIRST]
        balance -= 1
        frames += [
            *credit(f"{balance:04X}"),
            write("FFFF", credit_token(2 * number + 1)),
            ("M", ACK),
            *poll("10", "B2"),
        ]
        balance -= 3
    found = answers(records(frames))
    assert said(found, "token register", "FFFF") == "shown: tokens"
    assert said(found, "token encoding", "FFFF") == "shown: decimal"
    assert said(found, "status register") == "shown: FFFE"
    assert said(found, "status", "FFFE=10") == "shown: pending"
    assert said(found, "status", "FFFE=A1") == "shown: accepted"
    assert said(found, "status", "FFFE=B2") == "shown: rejected"
    assert said(found, "value behaviour", "2010") == "shown: rises only after a write"
    assert said(found, "value behaviour", "FFFE") == "shown: changes after a write and while it is polled"


def test_without_a_credit_no_status_is_accepted() -> None:
    frames = [write("FFFF", credit_token(1)), ("M", ACK), *poll("10", "A1")] * 5
    found = answers(records(frames))
    assert (said(found, "status", "FFFE=10"), said(found, "status", "FFFE=A1")) == ("shown: pending", "open")


def test_a_counter_is_no_credit() -> None:
    """A register that stands still while a token is accepted, and rises from one session to the next, is no credit."""
    frames: list[tuple[str, bytes] | float] = []
    for number in range(5):
        frames += [*credit(f"{number:04X}"), write("FFFF", credit_token(2 * number)), ("M", ACK), *poll("10", "A1")]
        frames += [*credit(f"{number:04X}"), write("FFFF", credit_token(2 * number + 1)), ("M", ACK), *poll("10", "B2")]
    found = answers(records(frames))
    assert (said(found, "status", "FFFE=A1"), said(found, "status", "FFFE=B2")) == ("open", "open")


Steps = list[tuple[str, bytes] | float]


def enter(number: int, status: str) -> Steps:
    return [write("FFFF", credit_token(number)), ("M", ACK), *poll("10", status), 5.0]


KEY_CHANGE = f"{int(credit_token(999)) + (2 << 27):020}"
"""A token of class 2."""


def locked(*, wrong: int = 3, again: str = "A1", pause: Sequence[tuple[str, bytes] | float] = (60.0,)) -> Steps:
    """Returns three sessions: in each, a token is accepted (A1), wrong ones are rejected (B2), and a good one meets the
    lockout (C3) and is entered again after a pause."""
    frames: Steps = []
    balance = 1000
    for session in range(3):
        first = 20 * session
        frames += [*credit(f"{balance:04X}"), *enter(first, "A1"), *credit(f"{balance + 200:04X}")]
        for number in range(wrong):
            frames += enter(first + 1 + number, "B2")
        frames += [*enter(first + 19, "C3"), *credit(f"{balance + 199:04X}"), *pause, *enter(first + 19, again)]
        balance += 399 if again == "A1" else 199
        frames += [*credit(f"{balance:04X}"), ("C", BREAK[1]), 300.0]
        balance -= 1
    return frames


@pytest.mark.parametrize("wrong", [1, 2, 3, 5])
def test_a_lockout_is_learned_from_a_token_that_is_rejected_and_accepted_later(wrong: int) -> None:
    found = answers(records(locked(wrong=wrong)))
    assert said(found, "lockout", "FFFE=C3") == f"shown: {wrong} in a row"
    assert said(found, "status", "FFFE=C3") == "shown: locked out"
    assert said(found, "status", "FFFE=B2") != "shown: locked out"
    shortest, longest = (float(said(found, "lockout time", "FFFE=C3").split()[at]) for at in (1, 3))
    assert 5 < shortest < 6
    assert 70 < longest < 75


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param(locked(again="B2"), id="the token is never taken, so it may be wrong"),
        pytest.param(
            locked(pause=[60.0, write("FFFF", KEY_CHANGE), ("M", ACK), *poll("10", "D4"), 5.0]),
            id="keys are changed before it is taken, so it may be for the new key",
        ),
        pytest.param(locked(wrong=0), id="the status follows on a token that is taken, so it is of another kind"),
    ],
)
def test_what_may_be_another_rejection_is_no_lockout(frames: Steps) -> None:
    found = answers(records(frames))
    assert said(found, "lockout", "FFFE=C3") in ("nothing", "open")
    assert said(found, "status", "FFFE=C3") != "shown: locked out"


def test_a_damaged_write_leaves_the_number_before_a_lockout_open() -> None:
    """A damaged write before the wrong tokens may have been one more of them, so their number is open."""
    side, octets = write("FFFF", credit_token(7))
    damaged: Steps = [(side, octets[:-1] + bytes([octets[-1] ^ 1])), ("M", ACK), 5.0]
    first = [write("FFFF", credit_token(20 * session + 1)) for session in range(3)]
    frames = [each for step in locked() for each in ([*damaged, step] if step in first else [step])]
    assert said(answers(records(frames)), "lockout", "FFFE=C3") == "open"


def test_what_shows_how_a_meter_refuses() -> None:
    undefined = [("C", block("\x01Q\x020000()")), ("M", NAK)]
    assert shows(undefined * 2, "undefined command") == "shown: NAK"
    side, octets = read("2006")
    bad = [(side, octets[:-1] + bytes([octets[-1] ^ 1])), ("M", NAK), *FIRST]
    assert shows(bad * 2, "bad check") == "shown: NAK"
    assert shows([read("2099"), data("(ER07)")] * 2, "read refused") == "shown: error message"
    assert shows([write("2011", "1"), ("M", NAK)] * 3, "write refused") == "shown: NAK"
    assert shows([read("2099"), data("(ER07)")] * 2, "error message", "ReadCommand") == "shown: ER07"


def test_what_a_client_does_without_an_answer() -> None:
    asked, other = read("2006"), read("2010")
    assert shows([*FIRST, asked, 3.0, *FIRST, *credit("0001")] * 2, "no answer") == "shown: repeats its request"
    assert shows([*FIRST, asked, 3.0, other, data("(0001)")] * 2, "no answer") == "shown: goes on"
    assert shows([*FIRST, asked, 3.0, ("C", NAK), data("(1234)")] * 2, "no answer") == "shown: NAK"
    assert (
        shows([*FIRST, asked, 3.0, asked, 3.0, asked, 3.0, BREAK, 60.0] * 2, "no answer") != "shown: ends the session"
    )
    assert shows([*FIRST, asked, 3.0, BREAK, 60.0] * 3, "no answer") == "shown: ends the session"
    assert shows([*FIRST, asked, 3.0, *FIRST], "no answer") == "open", "once may be damage"


def test_times_are_shown_with_their_uncertainty() -> None:
    found = answers(records([*FIRST, *FIRST]))
    assert said(found, "reaction") == "shown: 0.1000 to 0.1000 s +-0.0000"
    assert said(found, "gap", "client") == "shown: 0.0000 to 0.0000 s +-0.0000"
    assert said(answers(records([*FIRST, *FIRST], uncertainty=None)), "reaction") == "not seen"
    silent = [read("2006"), 2.0, read("2006"), 2.0]
    assert shows(silent * 2, "response time-out") == "shown: 2.1000 to 2.1000 s +-0.0000"


def test_an_outage_is_no_silence() -> None:
    silent = records([*FIRST, read("2006"), 3.0, BREAK, 60.0] * 3)
    outages = [Record(each.end, kind=Kind.EVENT, event="missed octets=1", link=each.link) for each in silent]
    both = [record for pair in zip(silent, outages, strict=True) for record in pair]
    assert said(answers(silent), "no answer") == "shown: ends the session"
    assert said(answers(both), "no answer") == "not seen"

"""Damage of the recording teaches nothing: what another reading explains stays open."""

import learn_trial

from equipment.conversation import (
    ACK,
    BREAK,
    CALL,
    NAK,
    Frames,
    answers,
    data,
    identification,
    read,
    records,
    said,
    write,
)
from vtctap.pcap.record import Record
from vtctap.sniffer.simulated.drawn import draw

SAME = [read("2006"), data("(1234)")]
UNCHECKED = [read("2006", rule="none"), data("(1234)")]


def shows(frames: Frames, question: str, subject: str = "") -> str:
    return said(answers(records(frames)), question, subject)


def garbled(turn: tuple[str, bytes]) -> tuple[str, bytes]:
    """Returns the frame with another check character."""
    side, octets = turn
    return side, octets[:-1] + bytes([octets[-1] ^ 1])


def test_a_time_from_a_request_that_lost_its_end_does_not_count() -> None:
    side, octets = read("2006", rule="none")
    cut = [(side, octets[:-1]), 0.5, data("(1234)")]
    assert shows([*UNCHECKED * 4, *cut * 4], "reaction") == "shown: 0.1000 to 0.1000 s +-0.0000"
    assert shows([*UNCHECKED * 4, *cut * 4], "pause", "next") == "nothing"


def test_a_time_from_an_identification_that_lost_its_end_does_not_count() -> None:
    whole = [CALL, identification(), *SAME, BREAK]
    cut = [CALL, 0.5, ("M", b"/ABC5meter\r"), *SAME, BREAK]
    assert shows([*whole * 4, *cut * 4], "reaction") == "shown: 0.1000 to 0.1000 s +-0.0000"


def test_a_pause_counts_between_reads_that_came_before() -> None:
    polled = [*UNCHECKED, 0.5] * 6
    other = [read("2O06", rule="none"), data("(1234)"), 0.5]
    assert shows([*polled, *other, *polled], "pause", "next") == "nothing", "the other register may be damage"
    once = [*UNCHECKED, read("2010", rule="none"), data("(0001)")]
    assert shows(once * 6, "pause", "next") == "shown: 0.1000 to 0.1000 s +-0.0000"


def test_a_request_for_the_same_register_that_differs_is_no_other_request() -> None:
    side, octets = read("2006", rule="none")
    without_stx = (side, octets.replace(b"\x02", b""))
    polled = [*UNCHECKED, 0.5, *UNCHECKED, 0.5, without_stx, data("(1234)"), 0.5]
    assert shows(polled * 6, "pause", "next") == "nothing"


def test_a_damaged_password_is_one_observation_however_many_commands_follow() -> None:
    def session(password: tuple[str, bytes]) -> Frames:
        return [CALL, identification(), ("C", b"\x06051\r\n"), password, ("M", ACK), *SAME * 30, BREAK]

    good = ("C", b"\x01P1\x02(02731539)\x03\x69")
    bad = ("C", b"\x01P\x11\x02(02731539)\x07\x69")
    assert shows([*session(good) * 8, *session(bad)], "password") == "shown: yes"


def test_noise_after_a_request_without_a_check_character_is_none() -> None:
    side, octets = read("2006", rule="none")
    noisy = [*UNCHECKED, (side, octets + b"S"), 3.0]
    assert shows([*UNCHECKED, *noisy * 4], "bad check") == "not seen"


def test_silence_after_a_break_shows_nothing() -> None:
    assert shows([CALL, identification(), *SAME, garbled(BREAK), 60.0] * 4, "bad check") == "not seen"


def test_silence_that_a_damaged_recording_explains_is_open() -> None:
    silent, understood = [garbled(read("2006")), 3.0], [garbled(read("2006")), data("(1234)")]
    assert shows([*SAME, *silent] * 2 + SAME, "bad check") == "open"
    assert shows([*SAME, *silent] * 4 + SAME, "bad check") == "shown: silence"
    assert shows([*SAME, *silent, *SAME, *understood] * 4, "bad check") == "open"
    refused = [*SAME, garbled(read("2006")), ("M", NAK)]
    assert shows([*refused * 3, *SAME, *silent, *SAME], "bad check") == "shown: NAK"


def changes(*between: tuple[str, bytes]) -> list[tuple[str, bytes]]:
    """Returns reads of a value that falls, with something in between."""
    return [turn for value in range(9, 2, -1) for turn in (read("2010"), data(f"(000{value})"), *between)]


def test_a_damaged_write_may_have_changed_a_value() -> None:
    falls = "shown: rises only after a write"
    assert shows(changes(*SAME), "value behaviour", "2010") == falls
    assert shows(changes(garbled(write("FFFF", "1")), ("M", ACK), *SAME), "value behaviour", "2010") == "open"
    assert shows(changes(garbled(read("2006")), data("(1234)"), *SAME), "value behaviour", "2010") == falls


def test_a_read_without_an_answer_is_no_poll() -> None:
    """The value changed with the write, before the read that was not answered."""
    wrote = [*SAME, write("FFFF", "1"), ("M", ACK), read("2010")]
    turns = [
        turn for up, down in ("51", "62", "73", "84") for turn in (*wrote, data(f"({down})"), *wrote, data(f"({up})"))
    ]
    silent = [turn for value in "2468" for turn in (*wrote, 3.0, read("2010"), data(f"({value})"))]
    assert shows([*turns, *silent], "value behaviour", "2010") == "open"


def test_few_changes_do_not_show_that_a_value_rises_and_falls() -> None:
    written = [write("FFFF", "1"), ("M", ACK)]
    falling = [turn for at in range(99, 10, -1) for turn in (*written, read("2010"), data(f"(00{at})"))]
    odd = [*SAME, read("2010"), data("(0077)"), *SAME, read("2010"), data("(0011)")]
    assert "rises and falls" not in shows([*falling, *odd * 2], "value behaviour", "2010")


def test_a_read_after_a_damaged_write_does_not_show_how_long_the_first_was_processed() -> None:
    status = [read("FFFE"), data("(10)")]
    turns = [write("FFFF", "1"), ("M", ACK), *status, 5.0, garbled(write("FFFF", "2")), ("M", ACK)]
    assert shows([*turns, read("FFFE"), data("(20)"), 5.0] * 4, "processing") == "not seen"
    assert shows([*turns[:5], read("FFFE"), data("(20)"), 5.0] * 4, "processing") != "not seen"


def test_a_character_that_differs_once_is_not_counting() -> None:
    texts = ["ABC5MX4711", "ABC5MX4711", "ABC5Mx4711"]
    device = records([turn for text in texts for turn in (CALL, identification(text), *SAME, BREAK)])
    other = records([turn for _ in texts for turn in (CALL, identification("ABC5MX5822"), *SAME, BREAK)])
    shown = "shown: 5 constant, 1 either, 4 of the device"
    assert said(answers(device, other), "identification parts") == shown


def test_the_trial_damages_what_is_decoded() -> None:
    """A record that holds its message already would be decoded as if it were whole."""
    assert {type(record) for record in learn_trial.capture(draw(1), 1, ())} == {Record}

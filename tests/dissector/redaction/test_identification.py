"""What an identification may keep: the designation of a type, and no name or number."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from vtctap.dissector.framing.framed import message_of
from vtctap.dissector.profiles.files import load
from vtctap.dissector.redaction.redact import Redactor
from vtctap.dissector.redaction.rules import identification_stays
from vtctap.dissector.redaction.standins import StandIns
from vtctap.pcap.record import Line, Record

WORDS = ("DSMR", "ESMR", "KAIFA", "METER", "NORAX", "ZIV")


@pytest.mark.parametrize(
    "text",
    [
        "", "E350", "\\2MA309", "\\2MT174", "MT174-0001", "ME162-0033",
        "\\2MT382-1000", "\\MT382-1003", "\\2M550T-1012", "EM214", "2WR5", "UH50", "\\2NORAX30",
        "ZIV-METER", "KAIFA-METER", "\\2EK280", " 7534", "\\@V9.30 ", "eHZ-E0018E", "CE102Mv1", "12", "\\2",
    ],
)  # fmt: skip
def test_the_designation_of_a_type_stays(text: str) -> None:
    assert identification_stays(text)


@pytest.mark.parametrize(
    "text",
    [
        "SCHWARZENEGGER", "JohnDoeMustermann", "Mueller-Luedenscheidt", "Mueller", "Kim Ng", "HANS", "\\2Bauer",
        "\\Bauer1", "Bauer E350", "E350Bauer", "J_o_h_n_1", "12345", "1.2.3.4.5", "\\12345", "\\1\\2\\3\\4\\5",
        "A1B2C3D4", "A1.B2.C3.D4", "A", "MT174-4711", "253769484_A", "KA6U001660297912", "\\@0050010116399",
        "LGBBFG1012530239", "E350\x07", "\"#%&", "M\u00fc1",
    ],
)  # fmt: skip
def test_a_name_or_a_number_does_not_stay(text: str) -> None:
    assert not identification_stays(text)


PARTS = st.lists(
    st.one_of(
        st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=8),
        st.text("0123456789", min_size=1, max_size=6),
        st.sampled_from(["-", ".", " ", "_", "\\", "\\2", "@", *WORDS]),
    ),
    max_size=6,
).map("".join)


@given(PARTS)
def test_no_long_word_and_no_long_number_ever_stays(text: str) -> None:
    if identification_stays(text):
        assert all(len(word) <= 3 or word in WORDS for word in re.findall("[A-Za-z]+", text))
        assert all(len(number) <= 4 for number in re.findall("[0-9]+", text))


@given(st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=4), PARTS, PARTS)
def test_a_name_leaves_an_identification_wherever_it_stands(name: str, before: str, after: str) -> None:
    assume(name not in WORDS)
    assert not identification_stays(f"{before}-{name}-{after}")


@given(st.from_regex(r"(\\2)?[A-Za-z]{1,3}[0-9]{1,4}", fullmatch=True))
def test_letters_and_a_number_stay(text: str) -> None:
    assert identification_stays(text)


@pytest.mark.parametrize(
    "octets", [b"/LGZ5SCHWARZENEGGER\r\n", b"/HANS4711\r\n", b"/12345678\r\n", b"/SCHWARZENEGGER\r\n"]
)
def test_a_name_is_replaced_and_learnt_as_a_secret(octets: bytes) -> None:
    record = Record(1, octets, line=Line(7, "E", 1))
    redactor = Redactor(load(), StandIns(bytes(32)))
    redactor.learn(record)
    made = redactor.redact(record).octets
    assert message_of(Record(1, made)).message == message_of(record).message
    assert redactor.secrets | redactor.short
    kept = 5 if octets[4:5].isdigit() and octets[1:2].isalpha() else 1
    assert made[:kept] == octets[:kept]
    assert not any(octets[at : at + 4] == made[at : at + 4] for at in range(kept, len(octets) - 5))

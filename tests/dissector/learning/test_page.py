"""The page of evidence holds no data of a customer, whatever the trace holds."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment.conversation import ACK, BREAK, CALL, block, data, identification, learn, read, records, write
from vtctap.dissector.learning.page import html, markdown, public, shape

SECRETS = {
    "token": "56493153725450313471",
    "number": "01234567897",
    "name": "Mustermann",
    "value": "004711.5",
    "password": "31415926",
    "serial": "87654321",
    "text": "Klaus",
}


def session() -> list[tuple[str, bytes]]:
    return [
        ("C", f"/?{SECRETS['number']}!\r\n".encode()),
        identification(f"ABC5{SECRETS['serial']}"),
        ("C", block(f"\x01P1\x02({SECRETS['password']})")),
        ("M", ACK),
        read("2006"),
        data(f"2006({SECRETS['number']})"),
        read("2010"),
        data(f"2010({SECRETS['value']}*kWh)"),
        read("C.90"),
        data(f"C.90({SECRETS['name']}*{SECRETS['text']})"),
        write("FFFF", SECRETS["token"]),
        ("M", ACK),
        read("FFFE"),
        data("FFFE(10)"),
        read("FFFE"),
        data(f"FFFE({SECRETS['number']})"),
        read(SECRETS["number"]),
        data(f"(ER{SECRETS['name']})"),
        read(SECRETS["name"]),
        data(f"{SECRETS['name']}(1)"),
        BREAK,
    ]


@pytest.mark.parametrize("page", [html, markdown])
def test_nothing_of_a_customer_is_on_the_page(page: type) -> None:
    text = page(learn(records(session() * 3), records([CALL, *session()[1:] * 2])))
    for what, secret in SECRETS.items():
        assert secret not in text, what
        assert secret.strip("0") not in text, what
    assert not re.search(r"[0-9]{8,}", text.replace("99999999999", "")), "but for a shape"
    assert {"2010", "FFFE", "kWh"} <= set(re.findall(r"\w+", text))


def test_all_questions_are_on_the_page() -> None:
    text = markdown(learn(records(session())))
    assert text.count("\n## ") > 35
    assert "Which register takes tokens?" in text
    assert "| FFFF | shown" not in text, "once is not enough"


@given(st.text())
def test_shapes_have_no_digits_or_letters_of_the_text(text: str) -> None:
    assert set(shape(text)) <= set("9Aa") | {sign for sign in text if not sign.isalnum()} | set(
        "?... (characters)0123456789"
    )
    assert re.search(r"[1-8]", shape(text)) is None or len(text) > 40


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2010", "2010"),
        ("200A count 2", "200A count 2"),
        ("FFFE=10", "FFFE=10"),
        ("1-0:1.8.0*255", "1-0:1.8.0*255"),
        ("C.51.3", "C.51.3"),
        ("kWh", "kWh"),
        ("ER07", "ER07"),
        ("01234567897", "99999999999"),
        ("FFFE=01234567897", "AAAA=99999999999"),
        ("Klaus", "Aaaaa"),
        ("CURRE", "AAAAA"),
        ("Z\xe4hler\x1b", "Aaaaaa?"),
    ],
)
def test_public_texts(text: str, shown: str) -> None:
    assert public(text) == shown

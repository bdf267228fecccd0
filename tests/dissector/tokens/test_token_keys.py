"""Key files: their contents, and the errors, which state file, line, key and reason, but never a key's value."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtctap.dissector.tokens import KeyFileError, load_keys
from vtctap.dissector.tokens.keys import parse_keys

VENDING_KEY = "abababababababab949494949494949401234567"
DECODER_KEY = "f94b6ed353c3bfdb113e2d3a7ea3c41d"
DERIVED = f"""# test keys
[[meter]]
pan = "600727000000000009"
ea = 11
dkga = 4
vending_key = "{VENDING_KEY}"
sgc = 123457
ti = 1
kt = 2
krn = 1
base = 1993
"""
GIVEN = f"""
[[meter]]
pan = "000001000000000082"
ea = 11
decoder_key = "{DECODER_KEY}"
"""


def test_a_file_with_two_meters_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(DERIVED + GIVEN)
    keys = load_keys(path)
    assert [(meter.pan, meter.ea, meter.base, meter.decoder_key.hex()) for meter in keys.meters] == [
        ("600727000000000009", 11, 1993, DECODER_KEY),
        ("000001000000000082", 11, None, DECODER_KEY),
    ]
    assert keys.of("000001000000000082").meters == keys.meters[1:]
    assert keys.of("1").meters == ()


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    """Editors of Windows write one."""
    path = tmp_path / "keys.toml"
    path.write_text(DERIVED, encoding="utf-8-sig")
    assert load_keys(path) == parse_keys(DERIVED, str(path))


def test_numbers_may_be_digits_in_quotes() -> None:
    text = DERIVED
    for name, value in (("sgc", "123457"), ("ti", "01"), ("kt", "2"), ("krn", "1"), ("base", "1993"), ("dkga", "04")):
        text = text.replace(f"{name} = {int(value)}\n", f'{name} = "{value}"\n')
    assert text.count('"') == 16
    assert parse_keys(text, "k") == parse_keys(DERIVED, "k")


def test_a_key_may_be_grouped() -> None:
    grouped = " ".join(DECODER_KEY[at : at + 4] for at in range(0, 32, 4)).upper()
    assert parse_keys(GIVEN.replace(DECODER_KEY, grouped), "k") == parse_keys(GIVEN, "k")


def test_a_des_key_is_derived() -> None:
    pytest.importorskip("Crypto")
    text = DERIVED.replace("ea = 11", "ea = 9").replace("dkga = 4", "dkga = 2").replace("base = 1993\n", "")
    text = text.replace(VENDING_KEY, "ab" * 8).replace("123457", "123456")
    assert parse_keys(text, "k").meters[0].decoder_key.hex() == "e653341f9d5bf36f"


WRONG = [
    (DERIVED.replace("[[meter]]", "[meter]"), "k.toml: holds no [[meter]] table"),
    ("", "k.toml: holds no [[meter]] table"),
    ("meter = []", "holds no [[meter]] table"),
    ("meter = 5", "holds no [[meter]] table"),
    (DERIVED + "[more]\n", "k.toml: more: is not known here"),
    (DERIVED + "more = 1\n", "line 12: meter 1: more: is not known here; known are pan, ea, decoder_key, dkga,"),
    (DERIVED + GIVEN.replace("ea = 11", "ea = 10"), "k.toml: line 15: meter 2: ea: must be 9 or 11"),
    (DERIVED.replace("ea = 11", "ea = 7"), "line 4: meter 1: ea: EA07 needs tables that are under licence"),
    (DERIVED.replace("ea = 11", "ea = true"), "line 4: meter 1: ea: must be a whole number"),
    (DERIVED.replace("ea = 11\n", ""), "line 2: meter 1: ea: is missing"),
    (
        DERIVED.replace('"600727000000000009"', "600727000000000009"),
        "line 3: meter 1: pan: must be 18 digits in quotes",
    ),
    (DERIVED.replace("000009", "000008"), "line 3: meter 1: pan: its last digit is no good check digit"),
    (DERIVED.replace("dkga = 4", "dkga = 3"), "line 5: meter 1: dkga: must be 2 or 4"),
    (DERIVED.replace("dkga = 4\n", ""), "meter 1: decoder_key: is missing, and so is dkga"),
    (DERIVED.replace("4567", "456"), "line 6: meter 1: vending_key: must be 40 hexadecimal digits in quotes"),
    (DERIVED.replace("4567", "456g"), "line 6: meter 1: vending_key: must be 40 hexadecimal digits in quotes"),
    (DERIVED.replace(f'"{VENDING_KEY}"', "0x" + VENDING_KEY[:15]), "line 6: meter 1: vending_key: must be 40 hex"),
    (DERIVED.replace("123457", "1234567"), "line 7: meter 1: sgc: must be a number from 0 to 999999"),
    (DERIVED.replace("kt = 2", "kt = 4"), "line 9: meter 1: kt: must be a number from 0 to 3"),
    (DERIVED.replace("krn = 1", "krn = -1"), "line 10: meter 1: krn: must be a number from 0 to 9"),
    (DERIVED.replace("krn = 1\n", ""), "line 2: meter 1: krn: is missing"),
    (DERIVED.replace("base = 1993", "base = 1994"), "line 11: meter 1: base: must be one of 1993, 2014, 2035"),
    (DERIVED.replace("base = 1993\n", ""), "line 2: meter 1: base: is missing"),
    (GIVEN.replace(DECODER_KEY, DECODER_KEY[:16]), "line 5: meter 1: decoder_key: must be 32 hexadecimal digits"),
    (GIVEN + "sgc = 1\n", "line 6: meter 1: sgc: is for a key that is derived, but there is a decoder_key"),
    (GIVEN + GIVEN.replace("[[meter]]", "[[meter]"), "(at line 7, column"),
    (GIVEN.replace(f'"{DECODER_KEY}"', DECODER_KEY), "(at line 5, column"),
    (GIVEN.replace('d"\n', "d\n"), "(at line 5, column"),
    (GIVEN + f"{DECODER_KEY} = 1\n", "line 6: meter 1: an entry: is not known here"),
    (GIVEN + f"[{DECODER_KEY}]\n", "k.toml: an entry: is not known here"),
    (GIVEN + f"[{DECODER_KEY}]\n[{DECODER_KEY}]\n", "Cannot declare (what stands there,) twice"),
]


@pytest.mark.parametrize(("text", "why"), WRONG, ids=range(len(WRONG)))
def test_what_is_refused(text: str, why: str) -> None:
    with pytest.raises(KeyFileError) as caught:
        parse_keys(text, "k.toml")
    message = str(caught.value)
    assert message.startswith("k.toml: ")
    assert why in message
    assert "\n" not in message
    assert_no_key_in(message)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def assert_no_key_in(message: str) -> None:
    for key in (VENDING_KEY, DECODER_KEY):
        assert not any(key[at : at + 6] in message.lower() for at in range(len(key) - 5))


def test_dkga02_derives_no_key_for_misty1() -> None:
    pytest.importorskip("Crypto")
    text = DERIVED.replace("dkga = 4", "dkga = 2").replace(VENDING_KEY, "ab" * 8)
    with pytest.raises(KeyFileError, match="line 5: meter 1: dkga: 2 makes keys of 64 bits"):
        parse_keys(text, "k")


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"no\.toml: No such file"):
        load_keys(tmp_path / "no.toml")
    (tmp_path / "latin.toml").write_bytes(b"# \xe9\n")
    with pytest.raises(KeyFileError, match="not UTF-8"):
        load_keys(tmp_path / "latin.toml")


@given(st.data())
def test_a_damaged_file_is_accepted_or_refused(data: st.DataObject) -> None:
    """A damaged file is accepted or refused, whatever it holds; no error shows a key."""
    text = DERIVED + GIVEN
    at = data.draw(st.integers(0, len(text)))
    damaged = (
        text[:at]
        + data.draw(st.text(alphabet="\"'[]=\n0a.{}#x", max_size=4))
        + text[at + data.draw(st.integers(0, 4)) :]
    )
    try:
        keys = parse_keys(damaged, "k")
    except KeyFileError as error:
        assert_no_key_in(str(error))
    else:
        assert_no_key_in(repr(keys))

"""Untrusted TOML texts: they are refused with the line of the error, and parsing stays fast."""

import pytest

from vtctap.base.bounded_toml import MAX_OCTETS, TomlError, parse_toml


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a = 1\nb = " + "9" * 5000, "number that is too long (at line 2)"),
        ("a = " + "[" * 5000, "nested too deeply"),
        ("a = ", "at end of document"),
        ("#" * (MAX_OCTETS + 1), f"longer than {MAX_OCTETS} characters"),
    ],
)
def test_what_is_refused(text: str, says: str) -> None:
    with pytest.raises(TomlError) as refused:
        parse_toml(text)
    assert says in str(refused.value)


def test_a_byte_order_mark_is_passed_over() -> None:
    assert parse_toml("\ufeff[a]\nb = 1\n") == {"a": {"b": 1}}

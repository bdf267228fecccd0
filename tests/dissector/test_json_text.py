"""The text is that of :func:`json.dumps`, whatever the values."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtctap.dissector import json_text
from vtctap.dissector.protocol.rules import MessageName

SCALARS = st.one_of(
    st.text(), st.characters(categories=["Cs"]), st.integers(), st.floats(), st.booleans(), st.sampled_from(MessageName)
)


@given(
    st.dictionaries(st.text(), st.one_of(SCALARS, st.lists(SCALARS), st.none(), st.dictionaries(st.text(), SCALARS)))
)
def test_any_values(values: dict[str, Any]) -> None:
    assert json_text.json_text(values) == json.dumps(values)


def test_without_an_encoder_in_c(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_text, "_ENCODE", None)
    assert json_text.json_text({"a": [1, "é"]}) == '{"a": [1, "\\u00e9"]}'


def test_what_is_no_field_is_refused() -> None:
    with pytest.raises(TypeError):
        json_text.json_text({"a": object()})

"""The text of a JSON object of fields: what :func:`json.dumps` writes, octet for octet, with one encoder for all.

:func:`json.dumps` makes a new encoder for each object, and looks for cycles. Fields have none.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

_PLAIN: Final = json.JSONEncoder(check_circular=False)
_MAKE: Final[Callable[..., Callable[[object, int], tuple[str, ...]]] | None] = getattr(
    json.encoder, "c_make_encoder", None
)
"""What makes the encoder; None in a Python that has none in C."""
_ENCODE: Final = _MAKE and _MAKE(
    None, _PLAIN.default, json.encoder.encode_basestring_ascii, None, ": ", ", ", False, False, True
)


def json_text(values: Mapping[str, Any]) -> str:
    """Returns the text of an object on one line."""
    return "".join(_ENCODE(values, 0)) if _ENCODE else _PLAIN.encode(values)

"""The COSEM objects that take tokens, and the one that tells the status of a token.

Makers' programs write tokens to two objects: data (class 1) at ``1-0:129.129.2.255``, ten octets of BCD (Hexing, MOMAS,
Hexcell), and the token gateway of IEC 62056-6-2 (class 115) at ``0.0.19.40.0.255`` (Wasion and others), whose method
``enter`` takes a token and whose attribute 6 tells its status. Only these are searched for tokens.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from vtctap.dissector.dlms.apdu import Apdu, Object
from vtctap.dissector.tokens import Keys, Token
from vtctap.dissector.tokens.decode import decode
from vtctap.dissector.tokens.number import DIGITS, LIMIT

_GATEWAY: Final = 115
_STATUS: Final = 6
"""The attribute ``token_status`` of the gateway: a structure of the status code and a bit string."""

_SOURCES: Final[Mapping[tuple[str, int, int], str]] = {
    ("set-request", 1, 2): "derived",
    ("set-request", _GATEWAY, 2): "derived",
    ("action-request", _GATEWAY, 1): "confirmed",
}
"""Service, class, and attribute or method by which a token is written, each with the confidence of its source."""
_DATA_OBIS: Final = "1-0:129.129.2.255"
"""The one object of class 1 that takes tokens; a gateway is one by its class."""

_OCTET_STRING, _VISIBLE_STRING = 0x09, 0x0A


def _bcd(octets: bytes) -> str:
    return octets.hex()


def _characters(octets: bytes) -> str:
    return octets.decode("ascii", "replace")


_FORMS: Final[Mapping[bytes, tuple[str, Callable[[bytes], str]]]] = {
    bytes([_OCTET_STRING, DIGITS // 2]): ("bcd", _bcd),
    bytes([_OCTET_STRING, DIGITS]): ("decimal", _characters),
    bytes([_VISIBLE_STRING, DIGITS]): ("decimal", _characters),
}
"""Type and length of a value that holds a token, its word in ``vtc.token.encoding``, and how its digits are read."""


def token_of(apdu: Apdu, keys: Keys | None = None) -> tuple[Token, str] | None:
    """Returns the token that a request writes and the confidence that the object takes tokens; None where it writes
    none."""
    named = apdu.object
    if named is None or (named.class_id != _GATEWAY and named.obis != _DATA_OBIS):
        return None
    confidence = _SOURCES.get((apdu.dlms_service, named.class_id, named.member))
    form = _FORMS.get(apdu.data[:2])
    if confidence is None or form is None or len(apdu.data) != 2 + apdu.data[1]:
        return None
    encoding, read = form
    digits = read(apdu.data[2:])
    if not (digits.isascii() and digits.isdecimal()) or int(digits) >= LIMIT:
        return None
    return decode(digits, keys, encoding=encoding), confidence


class TokenStatus(NamedTuple):
    """A status of the token gateway: its number, name, meaning in a sentence, and outcome."""

    code: int
    name: str
    meaning: str
    outcome: str


STATUSES: Final = {
    status.code: status
    for status in (
        TokenStatus(0, "FormatOK", "The token has the right format", "pending"),
        TokenStatus(1, "AuthenticationOK", "The token is authentic", "pending"),
        TokenStatus(2, "ValidationOK", "The token is valid", "pending"),
        TokenStatus(3, "ExecutionOK", "The meter executed the token", "accepted"),
        TokenStatus(4, "FormatFailure", "The token has a wrong format", "rejected"),
        TokenStatus(5, "AuthenticationFailure", "The token is not authentic", "rejected"),
        TokenStatus(6, "ValidationFailure", "The token is not valid", "rejected"),
        TokenStatus(7, "ExecutionFailure", "The meter could not execute the token", "rejected"),
        TokenStatus(8, "Received", "The meter has received the token, and not processed it yet", "pending"),
    )
}
"""The status codes of the token gateway (IEC 62056-6-2, class 115)."""

_STRUCTURE_OF_STATUS: Final = bytes((0x02, 2, 0x16))
"""A structure of two, of which the first is an enumeration."""


def status_of(apdu: Apdu, asked: Object) -> TokenStatus | None:
    """Returns the token status in an answer to a request for ``asked``; None where it holds none that is known."""
    if asked.class_id != _GATEWAY or asked.member != _STATUS or apdu.dlms_service != "get-response":
        return None
    if not apdu.data.startswith(_STRUCTURE_OF_STATUS) or len(apdu.data) < 4:
        return None
    return STATUSES.get(apdu.data[3])

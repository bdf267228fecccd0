"""DLMS: where an HDLC frame holds an APDU, and the services that its first octet names.

An information frame holds the header of the LLC sublayer and an APDU (IEC 62056-46 clause 6.2, IEC 62056-5-3
clause 9)::

    E6 E6 00  APDU  of the client        E6 E7 00  APDU  of the server

An APDU that HDLC split into several frames (the segmentation bit of the format field) is not put together: its frames
hold none here.
"""

from typing import Final

from vtctap.dissector.protocol import hdlc

LLC: Final = (b"\xe6\xe6\x00", b"\xe6\xe7\x00")
"""The LLC headers of the client and of the server."""
_LLC_OCTETS: Final = 3
_SEGMENTED: Final = 0x08
_CONFIRMED: Final = (
    "get-request",
    "set-request",
    "event-notification-request",
    "action-request",
    "get-response",
    "set-response",
    "",
    "action-response",
)
"""The services of tags C0h to C7h, in order; C8h to CFh cipher them with a global key, D0h to D7h with a dedicated
one."""

SERVICES: Final = {
    0x0E: "confirmed-service-error",
    0x0F: "data-notification",
    0x21: "glo-initiate-request",
    0x28: "glo-initiate-response",
    0x60: "aarq",
    0x61: "aare",
    0x62: "rlrq",
    0x63: "rlre",
    **{0xC0 + at: name for at, name in enumerate(_CONFIRMED) if name},
    **{0xC8 + at: f"glo-{name}" for at, name in enumerate(_CONFIRMED) if name},
    **{0xD0 + at: f"ded-{name}" for at, name in enumerate(_CONFIRMED) if name},
    0xD8: "exception-response",
    0xDB: "general-glo-ciphering",
    0xDC: "general-ded-ciphering",
    0xDD: "general-ciphering",
    0xE0: "general-block-transfer",
}
"""The tags of APDUs and their names (IEC 62056-5-3 clause 9.5)."""
CIPHERED: Final = frozenset(
    tag for tag, name in SERVICES.items() if name.startswith(("glo-", "ded-")) or "ciphering" in name
)
"""The tags of APDUs whose content may be encrypted."""


def apdu_of(octets: bytes) -> bytes:
    """Returns the APDU of a whole HDLC frame whose check sequences are good; empty where it holds none."""
    header, end = hdlc.header_end(octets[: hdlc.MAX_HEADER]), hdlc.end_of(octets)
    if header is None or octets[1] & _SEGMENTED:
        return b""
    information = octets[header + 2 : end - 2]
    return information[_LLC_OCTETS:] if information[:_LLC_OCTETS] in LLC else b""

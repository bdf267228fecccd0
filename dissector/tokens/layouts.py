"""The layouts of the tokens' data blocks (IEC 62055-41), as tables.

The standard's text is not public. The layouts come from public implementations and were checked on published test
tokens, whose CRCs are all good with them. An entry with a single weak source has the confidence ``derived``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

CLASSES: Final = ("TransferCredit", "non-meter-specific management", "meter-specific management", "reserved")
"""The name, by class, of a token whose subclass cannot be read."""

BASE_DATES: Final = (1993, 2014, 2035)
"""The years from whose first of January TIDs may count; a token does not say which one applies."""

KEY_SECTIONS: Final = frozenset({"nkho", "nklo", "nkmo2", "nkmo1"})
"""The parts that are sections of a meter's new decoder key."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A token's name, and its parts between the subclass (4 bits) and the CRC (16 bits), the highest bit first: each
    has a name and a width in bits. ``unit`` is the unit of the amount or limit, in steps of ``10 ** -decimals``."""

    name: str
    parts: tuple[tuple[str, int], ...]
    unit: str = ""
    decimals: int = 0
    confidence: str = "confirmed"


_UNKNOWN: Final = (("payload", 44),)
_IDENTIFIED: Final = (("rnd", 4), ("tid", 24))


def _credit(what: str, unit: str) -> Layout:
    return Layout(f"Transfer{what}Credit", (*_IDENTIFIED, ("amount", 16)), unit, 1)


def _currency(what: str) -> Layout:
    """Returns a layout for an amount of money, shown undecoded since its coding is not public."""
    return Layout(f"Transfer{what}CurrencyCredit", (*_IDENTIFIED, ("payload", 16)), confidence="derived")


_LAYOUTS: Final[Mapping[tuple[int, int], Layout]] = {
    (0, 0): _credit("Electricity", "kWh"),
    (0, 1): _credit("Water", "m3"),
    (0, 2): _credit("Gas", "m3"),
    (0, 3): _credit("Time", "min"),
    (0, 4): _currency("Electricity"),
    (0, 5): _currency("Water"),
    (0, 6): _currency("Gas"),
    (0, 7): _currency("Time"),
    (1, 0): Layout("InitiateMeterTest/Display1", (("control", 36), ("manufacturer", 8))),
    (1, 1): Layout("InitiateMeterTest/Display2", (("control", 28), ("manufacturer", 16))),
    (1, 2): Layout("ExtendedTokenRead", _UNKNOWN),
    (2, 0): Layout("SetMaximumPowerLimit", (*_IDENTIFIED, ("mpl", 16)), "W"),
    (2, 1): Layout("ClearCredit", (*_IDENTIFIED, ("register", 16))),
    (2, 2): Layout("SetTariffRate", (*_IDENTIFIED, ("rate", 16))),
    (2, 3): Layout(
        "Set1stSectionDecoderKey",
        (("kenho", 4), ("krn", 4), ("ro", 1), ("3kct", 1), ("kt", 2), ("nkho", 32)),
    ),
    (2, 4): Layout("Set2ndSectionDecoderKey", (("kenlo", 4), ("ti", 8), ("nklo", 32))),
    (2, 5): Layout("ClearTamperCondition", (*_IDENTIFIED, ("pad", 16))),
    (2, 6): Layout("SetMaximumPhasePowerUnbalanceLimit", (*_IDENTIFIED, ("mppul", 16)), "W"),
    (2, 7): Layout("SetWaterMeterFactor", (*_IDENTIFIED, ("wmf", 16))),
    (2, 8): Layout("Set3rdSectionDecoderKey", (("sgclo", 12), ("nkmo2", 32))),
    (2, 9): Layout("Set4thSectionDecoderKey", (("sgcho", 12), ("nkmo1", 32))),
}

_PROPRIETARY: Final = {1: 6}
"""By class, the first subclass that belongs to manufacturers."""


def layout(token_class: int, subclass: int) -> Layout:
    """Returns the layout of a token; a layout that is not public has one part, the payload."""
    known = _LAYOUTS.get((token_class, subclass))
    if known:
        return known
    if subclass >= _PROPRIETARY.get(token_class, 16):
        return Layout("proprietary", _UNKNOWN)
    return Layout("reserved or proprietary" if token_class == 2 else "reserved", _UNKNOWN, confidence="derived")


@dataclass(frozen=True, slots=True)
class Test:
    """The test that a bit of a test token's control field requests."""

    name: str
    source: str
    confidence: str


_SABRE: Final = ("Landis+Gyr Cashpower Sabre manual, page 15", "confirmed")
_LIST: Final = ("a published list of test numbers; test tokens of STS 531", "derived")

CONTROL: Final[tuple[Test, ...]] = tuple(
    Test(name, *source)
    for name, source in (
        ("test the load switch", _SABRE),
        ("test the display", _SABRE),
        ("display total units", _SABRE),
        ("display key revision and key type", _SABRE),
        ("display tariff index", _SABRE),
        ("test the token reader", _LIST),
        ("display maximum power limit", _SABRE),
        ("display tamper status", _LIST),
        ("display power consumption", _LIST),
        ("display software version", _LIST),
        ("display phase power unbalance limit", _LIST),
        ("display water meter factor", _LIST),
        ("display tariff rate", _LIST),
        ("display encryption algorithm", _LIST),
        ("display number of key change tokens", _LIST),
        ("display supply group code", _LIST),
        ("display key expiry number", _LIST),
        ("display decoder reference number", _LIST),
    )
)
"""The bits of the control field, the lowest first."""

EVERY_TEST: Final = "every test"
"""The meaning of a control field with all bits set."""


def tests(control: int, width: int) -> tuple[str, ...]:
    """Returns the tests that a control field of ``width`` bits requests; a bit without a public name is named by its
    number."""
    if control == (1 << width) - 1:
        return (EVERY_TEST,)
    return tuple(
        CONTROL[bit].name if bit < len(CONTROL) else f"bit {bit}" for bit in range(width) if control >> bit & 1
    )


def test_confidences(control: int, width: int) -> tuple[str, ...]:
    """Returns the confidences of the tests that a control field requests; a request for every test needs none of
    them."""
    if control == (1 << width) - 1:
        return ()
    return tuple(test.confidence for bit, test in enumerate(CONTROL) if control >> bit & 1)


def quantity(code: int) -> int:
    """Decodes a quantity of 16 bits (Amount, MPL and MPPUL): two bits of exponent e, 14 of mantissa m. The value is m *
    10^e plus the range of all smaller exponents."""
    exponent, mantissa = code >> 14, code & 0x3FFF
    scale = (1, 10, 100, 1000)
    return mantissa * scale[exponent] + sum(16384 * step for step in scale[:exponent])


def issued(tid: int) -> tuple[str, ...]:
    """Returns the minute of a TID for each base date, as ``2004-03-01T13:00``. The token states no time zone."""
    return tuple((datetime(year, 1, 1) + timedelta(minutes=tid)).isoformat(timespec="minutes") for year in BASE_DATES)

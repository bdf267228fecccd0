"""What the data block of each kind of token holds (IEC 62055-41), as tables.

The standard's text is not public here: the layouts were read in public implementations and checked on published test
tokens, whose CRCs are all good under them. Where only one weak source names something, its confidence is ``derived``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

CLASSES: Final = ("TransferCredit", "non-meter-specific management", "meter-specific management", "reserved")
"""What a token whose subclass cannot be read is called, by its class."""

BASE_DATES: Final = (1993, 2014, 2035)
"""The years on whose first of January TIDs may count from. A token does not say from which."""

KEY_SECTIONS: Final = frozenset({"nkho", "nklo", "nkmo2", "nkmo1"})
"""Parts that are sections of a meter's new decoder key."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A token's name, and its parts between the subclass (4 bits) and the CRC (16 bits), the highest bit first: each
    a name and a width in bits. ``unit`` is that of the amount or limit, in steps of ``10 ** -decimals``."""

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
    """The coding of an amount of money is not public: it is shown as it is."""
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
"""From this subclass on a class's tokens are the makers'."""


def layout(token_class: int, subclass: int) -> Layout:
    """The layout of a token; what is not defined publicly has one part, its payload."""
    known = _LAYOUTS.get((token_class, subclass))
    if known:
        return known
    if subclass >= _PROPRIETARY.get(token_class, 16):
        return Layout("proprietary", _UNKNOWN)
    return Layout("reserved or proprietary" if token_class == 2 else "reserved", _UNKNOWN, confidence="derived")


@dataclass(frozen=True, slots=True)
class Test:
    """What a bit of a test token's control field asks a meter for."""

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
"""The bits of Control, the lowest first."""

EVERY_TEST: Final = "every test"
"""What a control field of ones asks for."""


def tests(control: int, width: int) -> tuple[str, ...]:
    """What a control field of so many bits asks for; a bit without a public name is called by its number."""
    if control == (1 << width) - 1:
        return (EVERY_TEST,)
    return tuple(
        CONTROL[bit].name if bit < len(CONTROL) else f"bit {bit}" for bit in range(width) if control >> bit & 1
    )


def quantity(code: int) -> int:
    """The number that 16 bits stand for: two bits of exponent e, 14 of mantissa m, worth m * 10^e on top of all that
    the smaller exponents reach (Amount, MPL and MPPUL)."""
    exponent, mantissa = code >> 14, code & 0x3FFF
    scale = (1, 10, 100, 1000)
    return mantissa * scale[exponent] + sum(16384 * step for step in scale[:exponent])


def issued(tid: int) -> tuple[str, ...]:
    """The minute that a TID names, by each base date: ``2004-03-01T13:00``. The token knows no time zone."""
    return tuple((datetime(year, 1, 1) + timedelta(minutes=tid)).isoformat(timespec="minutes") for year in BASE_DATES)

"""Decodes STS tokens (IEC 62055-41): 20 digits each; spaces and dashes between digits are ignored.

Class 1 tokens (tests and displays) are not encrypted. Credit tokens (class 0) and meter set-up tokens (class 2) are:
without a key file that holds the meter's key, only their class can be read. Exit status 1 means a bad CRC: a wrong
digit, or no key that fits.
"""

import argparse
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from vtctap.command_line.arguments import add_keys, keys_of
from vtctap.errors import DONE, FOUND, CommandError

if TYPE_CHECKING:
    from vtctap.dissector.tokens import Keys, Token


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("digits", nargs="+", metavar="DIGITS", help="a token; its groups may be separate arguments")
    add_keys(parser)
    parser.add_argument("--pan", metavar="N", help="use only the keys of this meter (18 digits)")
    parser.add_argument("--json", action="store_true", help="print one JSON object per token ('vtctap help fields')")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from vtctap.dissector.tokens import decode

    keys = _keys(arguments)
    tokens = [decode(digits, keys) for digits in _tokens(arguments.digits)]
    for number, token in enumerate(tokens):
        if arguments.json:
            print(json.dumps({**token.fields(key_sections=True), "vtc.confidence": token.confidence}))
        else:
            print(("\n" if number else "") + "\n".join(_lines(token)))
    return FOUND if any(token.crc_status == "bad" for token in tokens) else DONE


def _keys(arguments: argparse.Namespace) -> "Keys | None":
    keys = keys_of(arguments)
    if arguments.pan is None:
        return keys
    if keys is None:
        raise CommandError("--pan chooses keys of a key file: add --keys FILE")
    pan = arguments.pan.replace(" ", "")
    if not keys.of(pan).meters:
        raise CommandError(f"{arguments.keys} has no key of meter {pan}: check --pan, or add the key to the file")
    return keys.of(pan)


def _tokens(arguments: list[str]) -> Iterator[str]:
    """Yields the tokens in the arguments. An argument of fewer than 20 digits is continued by the next."""
    from vtctap.dissector.tokens.number import DIGITS

    groups: list[str] = []
    for argument in arguments:
        if groups and _count(argument) >= DIGITS:  # The groups before are not a whole token, and decoding them says so.
            yield " ".join(groups)
            groups = []
        groups.append(argument)
        if _count("".join(groups)) >= DIGITS:
            yield " ".join(groups)
            groups = []
    if groups:
        yield " ".join(groups)


def _count(text: str) -> int:
    return sum(character.isdecimal() for character in text)


_CRC = {
    "good": "good",
    "bad": "bad: a digit is wrong",
    "encrypted": "encrypted, so its digits are not checked: add --keys FILE with the meter's key",
}


def _lines(token: "Token") -> Iterator[str]:
    """Yields the lines of text that describe a token."""
    fields = {name.removeprefix("vtc.token."): value for name, value in token.fields(key_sections=True).items()}
    subclass = f" subclass {fields['subclass']}" if "subclass" in fields else ""
    yield f"{fields['vtc.token']}  class {token.token_class}{subclass}: {token.name}"
    for name, value in fields.items():
        if name not in ("vtc.token", "class", "subclass", "name", "crc", "unit"):
            yield f"  {_TITLES.get(name, name):22}{_shown(name, value, token, fields)}"
    yield f"  {'confidence':22}{token.confidence}"


_TITLES = {
    "crc.status": "CRC",
    "control.name": "asks for",
    "manufacturer": "manufacturer code",
    "pan": "meter",
    "rnd": "random number",
    "tid": "token identifier",
    "issued": "issued",
    "mpl": "power limit",
    "mppul": "unbalance limit",
    "rate": "tariff rate",
    "wmf": "water meter factor",
    "kenho": "key expiry, high",
    "kenlo": "key expiry, low",
    "krn": "key revision",
    "ro": "rollover",
    "3kct": "more key tokens",
    "kt": "key type",
    "ti": "tariff index",
    "sgcho": "supply group, high",
    "sgclo": "supply group, low",
    "nkho": "new key, section 1",
    "nklo": "new key, section 2",
    "nkmo2": "new key, section 3",
    "nkmo1": "new key, section 4",
}
_KEY_TYPES = ("DITK", "DDTK", "DUTK", "DCTK")
_REGISTERS = {0: "electricity", 1: "water", 2: "gas", 3: "time", 0xFFFF: "all"}


def _shown(name: str, value: object, token: "Token", fields: Mapping[str, object]) -> str:
    match name:
        case "crc.status" if value == "bad" and token.token_class != 1:
            return "bad: no key fits"
        case "crc.status" if token.pans and value == "encrypted":
            return f"encrypted: the keys of {len(token.pans)} meters fit, one by chance; name the meter with --pan"
        case "crc.status":
            return _CRC[str(value)] + (f" ({fields['crc']:04X}h)" if "crc" in fields else "")
        case "control":
            return f"{value:09X}h" if token.parts["subclass"] == 0 else f"{value:07X}h"
        case "manufacturer":
            return f"{value:02}" if token.parts["subclass"] == 0 else f"{value:04}"
        case "control.name" if isinstance(value, list):
            return f"\n  {'':22}".join(map(_test, value))
        case "issued" if isinstance(value, list):
            from vtctap.dissector.tokens.layouts import BASE_DATES

            times = zip(value, BASE_DATES, strict=True)
            return ", ".join(f"{time.replace('T', ' ')} (base {year})" for time, year in times)
        case "amount" | "mpl" | "mppul":
            return f"{value} {fields['unit']}"
        case "register":
            return f"{value:04X}h" + (
                f" ({_REGISTERS[value]})" if isinstance(value, int) and value in _REGISTERS else ""
            )
        case "kt" if isinstance(value, int):
            return f"{value} ({_KEY_TYPES[value]})"
        case "payload":
            return f"{value}h"
        case "3kct":
            return "yes"
    return str(value)


def _test(name: str) -> str:
    """Returns the test that a control bit asks for, with its source."""
    from vtctap.dissector.tokens.layouts import CONTROL

    sources = [f" ({test.confidence}: {test.source})" for test in CONTROL if test.name == name]
    return name + "".join(sources)

"""Dialects drawn from a seed: device pairs of other kinds, each choice independent of the others where it can be.

Every choice lies within what IEC 62056-21 allows, so that a check of a drawn session finds nothing but what its story
contains. The same seed always gives the same dialect.

Limits: what devices send must tell messages apart. So reads without brackets have ids of four hexadecimal digits and a
count of one, and only dialects with a sign-on have anything else in their session than reads and writes.
"""

from random import Random
from typing import Final

from vtctap.sniffer.simulated.dialect import (
    BEHAVIOURS,
    OUTCOMES,
    DeviceTiming,
    Dialect,
    DialectRegister,
    IdentificationPart,
    Refusals,
    Registers,
    SessionStyle,
    Story,
    Syntax,
    Tokens,
    Wiring,
)
from vtctap.sniffer.simulated.named import NAMED
from vtctap.sniffer.simulated.octets import MODE_C

_COMMANDS: Final = (("R", "W"), ("R1", "W1"), ("R2", "W2"), ("R5", "W5"))
_FORMATS: Final = ("7E1", "7E1", "7E1", "7O1", "8N1")
_IDENTIFICATION_SPEEDS: Final = {speed: letter for letter, speed in MODE_C.items()}
_SPEEDS: Final = tuple(_IDENTIFICATION_SPEEDS)
_LETTERS: Final = "ABCDEFGHKLMNPRSTUVWXYZ"
_OCTETS: Final = {"version": 1, "tariffIndex": 1, "keyRevisionAndType": 1, "supplyGroupCode": 3, "tokenStatus": 1}
_OCTETS_OF_OTHERS: Final = (2, 4)
_ENERGY: Final = frozenset({"credit", "consumption"})
_ALWAYS: Final = frozenset({"meterNumber", "credit", "consumption", "tokenStatus", "tokenData"})
"""Roles that every device has."""


def dialect(name: str) -> Dialect:
    """Returns the dialect with a name, or drawn from a seed (a whole number). Raises ValueError for anything else."""
    if name in NAMED:
        return NAMED[name]
    try:
        return draw(int(name))
    except ValueError:
        raise ValueError(f"no such dialect: {name}; there are {', '.join(NAMED)}, and any whole number") from None


def draw(seed: int) -> Dialect:
    """Draws a dialect."""
    random = Random(f"{seed} dialect")
    wiring = _wiring(random)
    syntax = _syntax(random)
    session = _session(random, wiring)
    registers = _registers(random, syntax)
    return Dialect(
        name=str(seed),
        note="",
        wiring=wiring,
        syntax=syntax,
        session=session,
        registers=registers,
        tokens=_tokens(random, registers.of("tokenStatus"), wiring),
        refusals=_refusals(random),
        timing=_timing(random, session),
        story=_story(random, session, syntax),
    )


def _wiring(random: Random) -> Wiring:
    speed = random.choice(_SPEEDS)
    return Wiring(random.choice(_FORMATS), speed, speed)


def _syntax(random: Random) -> Syntax:
    read, write = random.choice(_COMMANDS)
    brackets = bool(random.getrandbits(1))
    return Syntax(
        read=read,
        write=write,
        brackets=brackets,
        count=random.choice(("none", "registers", "octets") if brackets else ("open", "registers", "octets")),
        ids=bool(random.getrandbits(1)),
        check=random.choice(("xor", "xor", "sum")),
        client_check=random.random() < 0.85,
    )


def _session(random: Random, wiring: Wiring) -> SessionStyle:
    if random.random() < 0.4:
        return SessionStyle(False, False, False, (), "", "", False)
    option = f"0{_IDENTIFICATION_SPEEDS[wiring.speed]}1" if random.random() < 0.4 else ""
    return SessionStyle(
        sign_on=True,
        required=bool(random.getrandbits(1)),
        addressed=random.random() < 0.3,
        identification=_identification(random, wiring),
        option=option,
        password=f"{random.randrange(10**8):08}" if option and random.getrandbits(1) else "",
        ends_with_break=random.random() < 0.8,
    )


def _identification(random: Random, wiring: Wiring) -> tuple[IdentificationPart, ...]:
    """Draws an identification: three letters and the speed, as IEC 62056-21 has it, then parts in any order.

    A small third letter announces reactions from 20 ms on.
    """
    letters = "".join(random.choices(_LETTERS, k=2)) + random.choice(_LETTERS).lower()
    parts = [IdentificationPart("constant", "".join(random.choices(_LETTERS, k=random.randint(1, 6))))]
    if random.random() < 0.7:
        parts.append(IdentificationPart("serial", width=random.randint(4, 10)))
        if random.getrandbits(1):
            parts.append(IdentificationPart("luhn", width=1))
    if random.random() < 0.3:
        parts.append(IdentificationPart("counter", width=random.randint(2, 4)))
    if random.random() < 0.3:
        parts.append(IdentificationPart("constant", random.choice((".", "-", "V")) + f"{random.randrange(100):02}"))
    return (IdentificationPart("constant", letters + _IDENTIFICATION_SPEEDS[wiring.speed]), *parts)


def _registers(random: Random, syntax: Syntax) -> Registers:
    radix = random.choice((10, 16))
    width = random.choice((3, 4, 5)) if syntax.brackets else 4
    digits = "0123456789ABCDEF"[:radix]
    first = "".join(random.choices(digits, k=width - 2))
    second = first if random.random() < 0.3 else "".join(random.choices(digits, k=width - 2))
    roles = [role for role in BEHAVIOURS if role in _ALWAYS or random.random() < 0.8]
    hexadecimal = syntax.count == "octets" or bool(random.getrandbits(1))
    unit = not hexadecimal and bool(random.getrandbits(1))
    ids = _ids(random, len(roles), digits, first, second)
    entries = tuple(
        _register(random, role, id_, hexadecimal=hexadecimal, unit=unit) for role, id_ in zip(roles, ids, strict=True)
    )
    return Registers(width, radix, tuple(dict.fromkeys((first, second))), entries)


def _ids(random: Random, count: int, digits: str, first: str, second: str) -> list[str]:
    """Ids in the order of the roles, rising, some of them neighbours; those of the last two roles, which are about
    tokens, are on the second page."""
    radix = len(digits)
    number = random.randrange(radix)
    ids = []
    for at in range(count):
        ids.append((second if at >= count - 2 else first) + digits[number // radix] + digits[number % radix])
        number += random.choice((1, 1, 1, 2, 5))
    return ids


def _register(random: Random, role: str, id_: str, *, hexadecimal: bool, unit: bool) -> DialectRegister:
    if role == "tokenData":
        return DialectRegister(role, id_, "digits", 20)
    if role == "meterNumber":
        return DialectRegister(role, id_, "digits", 11)
    octets = _OCTETS.get(role) or random.choice(_OCTETS_OF_OTHERS)
    if role in _ENERGY:
        octets = 4
    if hexadecimal:
        return DialectRegister(role, id_, "hexadecimal", octets)
    if role in _ENERGY:
        return DialectRegister(role, id_, "decimal", 8, 1, "kWh" if unit else "")
    if role == "maximumPower":
        return DialectRegister(role, id_, "decimal", 5, 0, "W" if unit else "")
    return DialectRegister(role, id_, "decimal", {1: 2, 2: 4, 3: 6, 4: 8}[octets])


def _tokens(random: Random, status: DialectRegister, wiring: Wiring) -> Tokens:
    limit = 256 if status.coding == "hexadecimal" else 100
    numbers = random.sample(range(limit), k=len(OUTCOMES))
    form = "02X" if status.coding == "hexadecimal" else "02"
    return Tokens(
        encoding=random.choice(("decimal", "decimal", "hexadecimal", "packed")),
        statuses={outcome: format(number, form) for outcome, number in zip(OUTCOMES, numbers, strict=True)},
        lockout_after=random.choice((0, 2, 3, 4, 5)),
        lockout_ms=random.choice((10_000, 20_000, 30_000, 60_000)),
        lockout_doubles=bool(random.getrandbits(1)),
    )


def _refusals(random: Random) -> Refusals:
    return Refusals(
        undefined_command=random.choice(("nak", "error", "silence")),
        bad_check=random.choice(("nak", "nak", "silence")),
        unknown_register=random.choice(("nak", "error", "error")),
        write_refused=random.choice(("nak", "error")),
        error=random.choice(("ER01", "ERR1", "ER08", "E11")),
        bad_answer=random.choice(("nak", "nak", "repeat")),
    )


def _timing(random: Random, session: SessionStyle) -> DeviceTiming:
    reaction, pause = random.choice((20, 50, 120, 220)), random.choice((20, 60, 220, 400))
    processing, poll = random.choice((300, 900, 1_800)), random.choice((200, 400, 700))
    return DeviceTiming(
        reaction=(reaction, reaction + random.choice((10, 80, 300))),
        processing=(processing, processing + random.choice((50, 400))),
        meter_gap=random.choice((0, 0, 1, 4)),
        character_timeout=1_500,
        session_timeout=random.choice((60_000, 90_000, 120_000)),
        pause=(pause, pause + random.choice((20, 100, 300))),
        poll=(poll, poll + random.choice((20, 200))),
        client_gap=random.choice((0, 0, 1, 6)),
        response_timeout=random.choice((2_500, 3_000, 4_000, 6_000)),
        repeats=random.choice((1, 2, 3)),
        session_pause=random.choice((2_000, 20_000)) if session.ends_with_break else random.choice((150_000, 600_000)),
    )


def _story(random: Random, session: SessionStyle, syntax: Syntax) -> Story:
    pieces = ["registers", "credit"]
    pieces[:0] = ["early read"] if session.sign_on and not session.required and random.getrandbits(1) else []
    pieces[-1:-1] = ["several"] if syntax.count in ("registers", "octets") else []
    for piece in ("unknown register", "undefined command", "write refused"):
        pieces[-1:-1] = [piece] if random.getrandbits(1) else []
    pieces += [piece for piece in ("key change", "used", "lockout", "test") if random.random() < 0.7]
    faults = [code for code in ("bcc-bad", "no-response") if random.getrandbits(1)]
    if "lockout" in pieces and random.random() < 0.7:
        pieces.insert(pieces.index("credit"), "once more")
    return Story(tuple(pieces), tuple(code for code in faults if syntax.client_check or code != "bcc-bad"))

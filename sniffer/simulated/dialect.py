"""A dialect: everything that two devices of one kind have agreed on, as data.

Devices that speak IEC 62055-52 or IEC 62056-21 differ in syntax, registers, tokens, timing, and in how they refuse. A
:class:`Dialect` states each of these choices once, as one entry. The simulated client and meter read their behaviour
from it; :mod:`~vtctap.sniffer.simulated.named` has those with a name, and :mod:`~vtctap.sniffer.simulated.drawn` draws
others from a seed. ``vtctap demo -w T`` writes the dialect beside the trace as ``T.dialect.json``: one JSON object
with an object for each section below, whose keys are the fields. Tuples are lists.

A dialect is a kind of device. What belongs to one device (its number, its values) is drawn from the demo's own seed,
so two seeds with one dialect are two devices of one kind.

Limits: one fixed format and at most one change of speed; check characters of seven bits after the first SOH or STX.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, cast

Interval = tuple[int, int]
"""The shortest and the longest of a time that is drawn anew each time, ms."""

BEHAVIOURS: Final[Mapping[str, str]] = {
    "version": "constant",
    "meterStatus": "constant",
    "meterNumber": "identity",
    "tariffIndex": "constant",
    "keyRevisionAndType": "key",
    "maximumPower": "constant",
    "phaseUnbalance": "constant",
    "credit": "credit",
    "consumption": "counter",
    "tamperStatus": "constant",
    "supplyGroupCode": "identity",
    "tokenStatus": "status",
    "tokenData": "token",
}
"""The roles of registers, and how their values behave: ``constant`` for all devices of the kind, ``identity`` of one
device, ``key``: changes with a key change token, ``counter``: rises with time, ``credit``: rises with a credit token
and falls as the counter rises, ``status``: the result of the last token, ``token``: written, never read."""

OUTCOMES: Final = (
    "none",
    "accepted",
    "first key change",
    "second key change",
    "format error",
    "used",
    "CRC error",
    "locked out",
    "pending",
)
"""What the status register can tell of the last token. ``none``: none was entered yet."""

COUNTS: Final = ("none", "open", "registers", "octets")
"""What the count of a read counts. ``none``: reads have no count. ``open``: it is 0, or 1 for a register of one octet,
which tells nothing."""
REFUSALS: Final = ("nak", "error", "silence")
"""How a meter refuses: NAK, an error message, or no answer."""
PIECES: Final = (
    "early read",
    "registers",
    "several",
    "unknown register",
    "undefined command",
    "write refused",
    "once more",
    "credit",
    "key change",
    "used",
    "lockout",
    "test",
)
"""The pieces of a session's story. ``early read``: a read before the sign-on. ``several``: reads of several registers,
or of the first octets of one. ``lockout``: wrong tokens until the meter is locked, and then a good one. ``once more``:
that good one again, in the next session."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """Character format (``7E1``) and speeds (bit/s). Sessions begin at ``opening_speed``, and continue at ``speed``
    after an option select."""

    format: str
    speed: int
    opening_speed: int


@dataclass(frozen=True, slots=True)
class Syntax:
    """The form of messages.

    ``read`` and ``write`` are the command letters, with the type digit if there is one. ``brackets``: a read's register
    is followed by brackets, with the count (if any) inside; otherwise by the count alone. ``count`` is one of
    :data:`COUNTS`. ``ids``: answers repeat the register before the value. ``check`` is the rule of check characters:
    ``xor``, or ``sum`` modulo 128. ``client_check``: the client sends check characters, as the meter always does.
    """

    read: str
    write: str
    brackets: bool
    count: str
    ids: bool
    check: str
    client_check: bool


@dataclass(frozen=True, slots=True)
class IdentificationPart:
    """A part of the identification, after its slash: a ``constant`` text, or digits: ``serial``, the meter number's
    last ``width``; ``luhn``, the check digit of the serial; ``counter``, the number of the session."""

    kind: str
    text: str = ""
    width: int = 0


@dataclass(frozen=True, slots=True)
class SessionStyle:
    """How a session begins and ends.

    ``sign_on``: the client signs on. ``required``: the meter is silent before that. ``addressed``: the request names
    the meter's number. ``identification`` is the layout of the answer. ``option`` (such as ``051``, or empty) is what
    the client selects then, and ``password`` what it sends then; without either, none is sent. ``ends_with_break``: the
    client sends a break command at the end.
    """

    sign_on: bool
    required: bool
    addressed: bool
    identification: tuple[IdentificationPart, ...]
    option: str
    password: str
    ends_with_break: bool


@dataclass(frozen=True, slots=True)
class DialectRegister:
    """A register: its role (:data:`BEHAVIOURS`), id on the wire, and the coding of its value.

    ``coding``: ``hexadecimal`` (``octets`` octets, two digits each), ``decimal`` (``octets`` is the width in
    characters, ``places`` of them after a point), or ``digits`` (an identity, written as it is). ``unit`` follows an
    asterisk, if there is one.
    """

    role: str
    id: str
    coding: str
    octets: int
    places: int = 0
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Registers:
    """The registers. Ids have ``width`` digits of ``radix`` (10 or 16; 0: they are OBIS codes); ``pages`` are the
    leading digits that they have."""

    width: int
    radix: int
    pages: tuple[str, ...]
    entries: tuple[DialectRegister, ...]

    def id(self, role: str) -> str:
        """Returns the id of the register with a role. Raises KeyError."""
        return self.of(role).id

    def of(self, role: str) -> DialectRegister:
        """Returns the register with a role. Raises KeyError."""
        for register in self.entries:
            if register.role == role:
                return register
        raise KeyError(role)


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens, as they are written to the register with the role ``tokenData``.

    ``encoding``: ``decimal`` (20 digits), ``hexadecimal`` (17 digits) or ``packed`` (ten characters of seven bits).
    ``statuses`` are the values of the register with the role ``tokenStatus``, as on the wire, for each of
    :data:`OUTCOMES`. ``lockout_after`` refused tokens in a row (0: never), the meter takes none but test tokens for
    ``lockout_ms``; with ``lockout_doubles``, for twice as long after each further refusal.
    """

    encoding: str
    statuses: Mapping[str, str]
    lockout_after: int
    lockout_ms: int
    lockout_doubles: bool


@dataclass(frozen=True, slots=True)
class Refusals:
    """How each side answers what it cannot use, one of :data:`REFUSALS`.

    The meter answers an undefined command, a wrong check character, a read of an unknown register, and a write to a
    register that can only be read. ``error`` is the text of its error message. ``bad_answer``: the client answers a
    wrong check character with ``nak``, or it ``repeat``s its request.
    """

    undefined_command: str
    bad_check: str
    unknown_register: str
    write_refused: str
    error: str
    bad_answer: str


@dataclass(frozen=True, slots=True)
class DeviceTiming:
    """Times of both sides, ms. An :data:`Interval` is drawn anew each time.

    The meter: ``reaction`` from the end of a request to its answer, ``processing`` of a token, ``meter_gap`` between
    two characters of a message, ``character_timeout`` inside a request, ``session_timeout`` without octets. The client:
    ``pause`` from an answer to the next request, ``poll`` from a status that is pending to the next read of it,
    ``client_gap`` between two characters, ``response_timeout`` for an answer, after which it repeats its request up to
    ``repeats`` times, and ``session_pause`` between two sessions.
    """

    reaction: Interval
    processing: Interval
    meter_gap: int
    character_timeout: int
    session_timeout: int
    pause: Interval
    poll: Interval
    client_gap: int
    response_timeout: int
    repeats: int
    session_pause: int


@dataclass(frozen=True, slots=True)
class Story:
    """What happens in each session: :data:`PIECES`, and the codes of faults of the line that belong to the story."""

    pieces: tuple[str, ...]
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dialect:
    """A dialect. ``name`` is its name or seed; ``note`` states what no public source shows, if anything."""

    name: str
    note: str
    wiring: Wiring
    syntax: Syntax
    session: SessionStyle
    registers: Registers
    tokens: Tokens
    refusals: Refusals
    timing: DeviceTiming
    story: Story


def to_json(dialect: Dialect) -> str:
    """Writes a dialect as JSON text."""
    return json.dumps(asdict(dialect), indent=1) + "\n"


def from_json(text: str) -> Dialect:
    """Reads what :func:`to_json` wrote. Raises ValueError, KeyError or TypeError for any other text."""
    read = json.loads(text)
    session, registers = read["session"], read["registers"]
    parts = tuple(IdentificationPart(**part) for part in session["identification"])
    entries = tuple(DialectRegister(**entry) for entry in registers["entries"])
    return Dialect(
        read["name"],
        read["note"],
        Wiring(**read["wiring"]),
        Syntax(**read["syntax"]),
        SessionStyle(**{**session, "identification": parts}),
        Registers(**{**_tuples(registers), "entries": entries}),
        Tokens(**read["tokens"]),
        Refusals(**read["refusals"]),
        DeviceTiming(**_tuples(read["timing"])),
        Story(**_tuples(read["story"])),
    )


def _tuples(section: dict[str, Any]) -> dict[str, Any]:
    return {
        key: tuple(cast("list[object]", value)) if isinstance(value, list) else value for key, value in section.items()
    }

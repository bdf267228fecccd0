"""The tables of the Lua dissector: the contents of catalogue, rules, findings and profiles, as Lua.

Text reaches Lua only as string literals that encode every octet as a number, except plain letters, digits and a few
signs, so nothing in a profile can become code.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Final

from vtctap.dissector.analysis.exchange_rules import MAX_SILENT
from vtctap.dissector.analysis.findings import KINDS, MARKS, MESSAGE_FINDINGS, OUTCOME_FINDINGS, FindingKind
from vtctap.dissector.catalogue import CATALOGUE, UNSIGNED
from vtctap.dissector.fields import FLAG_FIELDS
from vtctap.dissector.profiles.encodings import TEXT, Encoding, date_parts
from vtctap.dissector.profiles.manufacturers import manufacturers
from vtctap.dissector.profiles.model import OBIS, TOKEN_STATUS, Profile, Register, Table
from vtctap.dissector.protocol import rules
from vtctap.dissector.tokens import layouts
from vtctap.pcap import record
from vtctap.pcap.record import LINKTYPE_USER0, Flag, Line

_PLAIN: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 .,:;!?/+*=()<>_-'")

_TITLES: Final = {
    "vtc.status.token": "Token status",
    "vtc.status.token.name": "Token status name",
    "vtc.status.token.meaning": "Token status meaning",
    "vtc.status.token.outcome": "Token status outcome",
    "vtc.status.token_in": "Token in",
    "vtc.error.parity": "Parity error",
    "vtc.error.framing": "Framing error",
    "vtc.error.break": "Break",
    "vtc.error.overrun": "Overrun",
    "vtc.value.decoded": "Decoded value",
    "vtc.time.synthetic": "Synthetic time",
}
"""Titles that the rule below would get wrong."""
_WORDS: Final = {
    "cmd": "command",
    "id": "identification",
    "bcc": "check character",
    "crc": "CRC",
    "hcs": "HCS",
    "fcs": "FCS",
    "pan": "PAN",
    "rnd": "random number",
    "tid": "TID",
    "mpl": "maximum power limit",
    "mppul": "maximum phase power unbalance limit",
}
_SEVERITIES: Final = {"note": "NOTE", "warning": "WARN", "error": "ERROR"}
"""Wireshark's names for the severities of findings."""
_NAMES: Final = {field.attribute: field.name for field in CATALOGUE}
TOLD: Final = tuple(kind for kind in (*KINDS.values(), *MARKS) if kind.group)
"""The kinds of findings and marks that Wireshark reports."""


def quote(text: str) -> str:
    """Returns a Lua string literal."""
    octets = text.encode("utf-8", "replace")
    return '"' + "".join(chr(octet) if octet in _PLAIN else f"\\{octet:03d}" for octet in octets) + '"'


def plain(text: str) -> str:
    """Returns a text for a comment."""
    return "".join(
        character for character in text if character.isascii() and (character.isalnum() or character in "._-")
    )


def tables(profiles: Sequence[Profile], version: str, linktype: int) -> Iterator[str]:
    """Returns the lines of all tables."""
    yield f"local VERSION = {quote(version)}"
    yield f"local ENCAPSULATION = wtap.USER0 + {linktype - LINKTYPE_USER0}"
    yield ""
    yield from _catalogue()
    yield from ("", "-- What holds of a register's values where it says nothing else.")
    yield from (f"local REGISTER = {_value(_encoding(TEXT))}", "", "local PROFILES = {}")
    for number, profile in enumerate(profiles, 1):
        yield f"PROFILES[{number}] = {{"
        yield from _profile(profile)
        yield "}"
    yield from ("", "local MANUFACTURERS = {")
    if any(profile.identification.flag for profile in profiles):
        yield from (f"    [{quote(code)}] = {quote(name)}," for code, name in manufacturers().items())
    yield from ("}", "")
    yield from _rules()
    yield from _experts()
    yield from _tokens()


def _value(value: object) -> str:
    """Writes a value in Lua; sequences and mappings become tables."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'[{_value(key)}] = {_value(each)}' for key, each in value.items())} }}"
    if isinstance(value, tuple | list):
        return f"{{ {', '.join(map(_value, value))} }}"
    return str(value)


def _set(names: Iterable[str]) -> str:
    return _value(dict.fromkeys(sorted(names), True))


def _title(name: str) -> str:
    """Returns a field's name in the tree: ``vtc.id.speed`` is "Identification speed"."""
    words = " ".join(_WORDS.get(word, word) for word in name.replace("_", ".").split(".")[1:])
    return _TITLES.get(name) or words[0].upper() + words[1:]


def _catalogue() -> Iterator[str]:
    yield "local FIELDS = {"
    for field in CATALOGUE:
        if field.extra:
            continue
        generated = ", generated = true" if field.generated else ""
        bits = f", bits = {field.bits}" if field.type is UNSIGNED else ""
        yield f"    {{ name = {quote(field.name)}, type = {quote(field.type)}, title = {quote(_title(field.name))},"
        yield f"      about = {quote(field.description)}{bits}{generated} }},"
    yield "}"


def _rules() -> Iterator[str]:
    """Writes the words for the header's octets and for messages, and the rules of the link."""
    yield f"local SENDERS = {_value({each.value: each.name.lower() for each in record.Sender})}"
    yield f"local RECORD_KINDS = {_value({each.value: each.name.lower() for each in record.Kind})}"
    yield f"local PARITIES = {_value(dict(enumerate(Line.PARITIES)))}"
    yield from _flags()
    yield f"local COMMANDS = {_value(rules.COMMANDS)}"
    yield f"local ALONE = {_value(rules.ALONE)}"
    yield f"local NOT_REQUESTS = {_set(rules.NOT_REQUESTS)}"
    yield f"local NEEDS_NO_ANSWER = {_set(rules.NEEDS_NO_ANSWER)}"
    yield f"local NOT_REPEATED = {_set(rules.NOT_REPEATED)}"
    yield f"local OPENING, ENDING = {_set(rules.OPENING)}, {_set(rules.ENDING)}"
    yield f"local MAX_SILENT = {MAX_SILENT}"
    yield ""


def _flags() -> Iterator[str]:
    """Writes the header's flags: bit, name and, if any, field and expert. Flags with fields are in the order of the
    fields."""
    bits = {bit: name.lower() for name, bit in vars(Flag).items() if name.isupper()}
    shown = dict(FLAG_FIELDS)
    experts = {kind.expert for kind in TOLD}
    yield f"local CUT = {Flag.CUT}"
    yield "local FLAGS = {"
    for bit in (*(bit for bit in bits if bit not in shown), *shown):
        words = [f"bit = {bit}", f"name = {quote(bits[bit])}"]
        if bit in shown:
            words.append(f"field = {quote(_NAMES[shown[bit]])}")
            words += [f"expert = {quote(bits[bit])}"] if bits[bit] in experts else []
        yield f"    {{ {', '.join(words)} }},"
    yield "}"


def _experts() -> Iterator[str]:
    """Writes Wireshark's expert infos, and which of them messages and token statuses imply."""
    yield "local EXPERTS = {"
    yield from (f"    {_expert(kind)}," for kind in TOLD)
    yield "}"
    for name, codes in (("MESSAGE", MESSAGE_FINDINGS), ("OUTCOME", OUTCOME_FINDINGS)):
        yield f"local {name}_EXPERTS = {_value({key: KINDS[code].expert for key, code in codes.items()})}"
    yield ""


def _expert(kind: FindingKind) -> str:
    words = [f"name = {quote(kind.expert)}", f"title = {quote(kind.about)}", f"group = {quote(kind.group)}"]
    words.append(f"severity = {quote(_SEVERITIES[kind.severity])}")
    if kind.formerly:
        words.append(f"formerly = {quote(kind.formerly)}")
    return f"{{ {', '.join(words)} }}"


def _encoding(encoding: Encoding, than: Encoding | None = None) -> dict[str, object]:
    """Returns an encoding's settings that differ from ``than``; a date's format is split into its parts."""
    values = {field.name: getattr(encoding, field.name) for field in fields(Encoding)}
    values["format"] = date_parts(encoding.format)
    usual = _encoding(than) if than else {}
    return {name: value for name, value in values.items() if name not in usual or value != usual[name]}


def _register(register: Register) -> str:
    words: dict[str, object] = {"name": register.name, "confidence": register.provenance.confidence}
    words |= _encoding(register.encoding, TEXT)
    if register.table:
        words["table"] = register.table.name
    return f"{{ {', '.join(f'{name} = {_value(value)}' for name, value in words.items())} }}"


def _table(table: Table) -> Iterator[str]:
    yield f"        [{quote(table.name)}] = {{ confidence = {quote(table.provenance.confidence)}, added = {{"
    yield from (f"            [{number}] = {quote(entry.confidence)}," for number, entry in sorted(table.added.items()))
    yield "        }, words = {"
    yield from (f"            [{number}] = {quote(word)}," for number, word in sorted(table.values.items()))
    yield "        } },"


def _profile(profile: Profile) -> Iterator[str]:
    """Writes a profile's table."""
    timing, layout = profile.timing, profile.identification
    yield f"    name = {quote(profile.name)}, obis = {_value(profile.numbering == OBIS)},"
    yield f"    timing = {{ gap = {timing.gap_limit_ns}, session = {timing.session_timeout_ns},"
    yield f"        least = {timing.reaction_min_ns}, most = {timing.reaction_max_ns} }}, messages = {{"
    yield from (f"        {name} = {quote(entry.confidence)}," for name, entry in profile.messages.items())
    yield f"    }}, identification = {{ flag = {_value(layout.flag)},"
    yield f"        confidence = {quote(layout.provenance.confidence)}, fields = {{"
    yield from (f"        {{ name = {quote(name)}, length = {length} }}," for name, length in layout.fields)
    yield "    } }, registers = {"
    yield from (f"        [{quote(register.id)}] = {_register(register)}," for register in profile.registers.values())
    yield "    }, tables = {"
    used = {register.table.name: register.table for register in profile.registers.values() if register.table}
    for table in used.values():
        yield from _table(table)
    statuses = used.get(TOKEN_STATUS)
    yield f"    }}, outcomes = {_value(dict(sorted(statuses.outcomes.items())) if statuses else {})},"
    yield f"    meanings = {_value(dict(sorted(statuses.meanings.items())) if statuses else {})},"


def _tokens() -> Iterator[str]:
    """Writes the layouts and tests of clear tokens (class 1)."""
    yield "local TOKENS = { classes = {"
    yield from (f"    [{number}] = {quote(name)}," for number, name in enumerate(layouts.CLASSES))
    yield "}, subclasses = {"
    for number in range(16):
        layout = layouts.layout(1, number)
        parts = (f"{{ name = {quote(name)}, bits = {bits} }}" for name, bits in layout.parts)
        yield f"    [{number}] = {{ name = {quote(layout.name)}, confidence = {quote(layout.confidence)},"
        yield f"      parts = {{ {', '.join(parts)} }} }},"
    yield f"}}, every = {quote(layouts.EVERY_TEST)}, control = {{"
    for number, test in enumerate(layouts.CONTROL):
        yield f"    [{number}] = {{ name = {quote(test.name)}, confidence = {quote(test.confidence)} }},"
    yield "} }"

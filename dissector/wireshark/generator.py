"""The Wireshark dissector: one Lua file, from the field catalogue and one or more profiles.

The code is the folder ``wireshark`` beside this module, written by hand in parts that are joined here; what comes from
the catalogue and the profiles is put in it as tables. Text reaches Lua only as string literals in which every octet but
plain letters, digits and a few signs is a number, so nothing in a profile can become code. The same input gives the
same file.
"""

import re
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Final

from vtctap.dissector.catalogue import CATALOGUE, UNSIGNED
from vtctap.dissector.meaning import TOKEN_STATUS
from vtctap.dissector.profiles.encodings import TEXT, Encoding, date_parts
from vtctap.dissector.profiles.manufacturers import manufacturers
from vtctap.dissector.profiles.model import OBIS, Profile, Register
from vtctap.dissector.tokens import layouts
from vtctap.dissector.verdicts import LOCKOUT, NOT_READY
from vtctap.pcap.record import LINKTYPE_USER0

PARTS: Final = (
    "fields",
    "characters",
    "messages",
    "tokens",
    "encodings",
    "meaning",
    "places",
    "pairing",
    "columns",
    "tree",
    "packets",
    "statistics",
)
"""The parts of the code, in their order: each uses what stands in those before it."""
_PLAIN: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 .,:;!?/+*=()<>_-'")
_ACCEPTED: Final = frozenset({0, 1, 2, 3, 16})
"""Token statuses that reject no token: reserved, accepted, key change tokens accepted, not ready."""


def generate(*profiles: Profile, version: str, linktype: int = LINKTYPE_USER0) -> str:
    """The text of the dissector for traces of one link type, in ASCII. Of several profiles the first is used until the
    user chooses another in Wireshark's preferences."""
    folder = resources.files("vtctap.dissector.wireshark") / "lua"
    core = "\n".join(_part(part, (folder / f"{part}.lua").read_text("ascii")) for part in PARTS)
    names = f"profile{'s' if len(profiles) > 1 else ''} {', '.join(_comment(profile.name) for profile in profiles)}"
    head = f"-- Dissector for the traces of vtctap {_comment(version)}, {names}; do not edit."
    tables = "\n".join(_tables(profiles, version, linktype))
    return core.replace("--@HEAD@", head, 1).replace("--@TABLES@", tables, 1)


def _part(name: str, text: str) -> str:
    """A part as it stands in the file, under its name: a function that is called once, so that only what it returns is
    seen by others. (Lua allows a function 200 names.) The parts that return nothing stand as they are."""
    rule = "" if name == PARTS[0] else f"-- {name} {'-' * (116 - len(name))}\n"
    returned = re.search(r"\nreturn ([\w,\s]+)\n\Z", text)
    return f"{rule}local {returned[1]} = (function()\n{text}end)()\n" if returned else rule + text


def quote(text: str) -> str:
    """A Lua string literal."""
    octets = text.encode("utf-8", "replace")
    return '"' + "".join(chr(octet) if octet in _PLAIN else f"\\{octet:03d}" for octet in octets) + '"'


_TITLES: Final = {
    "vtc.status.token": "Token status",
    "vtc.status.token.name": "Token status name",
    "vtc.status.token_in": "Token in",
    "vtc.error.parity": "Parity error",
    "vtc.error.framing": "Framing error",
    "vtc.error.break": "Break",
    "vtc.error.overrun": "Overrun",
    "vtc.value.decoded": "Decoded value",
    "vtc.time.synthetic": "Synthetic time",
}
"""Where the rule below would not say it well."""
_WORDS: Final = {
    "cmd": "command",
    "id": "identification",
    "bcc": "check character",
    "crc": "CRC",
    "pan": "PAN",
    "rnd": "random number",
    "tid": "TID",
    "mpl": "maximum power limit",
    "mppul": "maximum phase power unbalance limit",
}


def _title(name: str) -> str:
    """How the tree calls a field: ``vtc.id.speed`` is "Identification speed"."""
    words = " ".join(_WORDS.get(word, word) for word in name.replace("_", ".").split(".")[1:])
    return _TITLES.get(name) or words[0].upper() + words[1:]


def _comment(text: str) -> str:
    return "".join(
        character for character in text if character.isascii() and (character.isalnum() or character in "._-")
    )


def _encoding(encoding: Encoding, than: Encoding | None = None) -> list[str]:
    """How values are written, as far as that is otherwise ``than`` this."""
    words = []
    for name in ("type", "scale", "unit", "base", "epoch", "step"):
        value = getattr(encoding, name)
        if than is None or value != getattr(than, name):
            words.append(f"{name} = {quote(value) if isinstance(value, str) else value}")
    return words


def _register(register: Register) -> str:
    """A register as a Lua table."""
    encoding = register.encoding
    words = [f"name = {quote(register.name)}", f"confidence = {quote(register.provenance.confidence)}"]
    words += _encoding(encoding, TEXT)
    if register.table:
        words.append(f"table = {quote(register.table.name)}")
    if encoding.tokens:
        words.append(f"token = {{ {', '.join(map(quote, encoding.tokens))} }}")
    if encoding.format:
        parts = (f"{{ {quote(name)}, {quote(text)} }}" for name, text in date_parts(encoding.format))
        words.append(f"format = {{ {', '.join(parts)} }}")
    if encoding.bits:
        words.append(f"bits = {{ {', '.join(f'[{bit}] = {quote(name)}' for bit, name in encoding.bits.items())} }}")
    return f"{{ {', '.join(words)} }}"


def _tables(profiles: Sequence[Profile], version: str, linktype: int) -> Iterator[str]:
    yield f"local VERSION = {quote(version)}"
    yield f"local ENCAPSULATION = wtap.USER0 + {linktype - LINKTYPE_USER0}"
    yield ""
    yield "local FIELDS = {"
    for field in CATALOGUE:
        generated = ", generated = true" if field.generated else ""
        bits = f", bits = {field.bits}" if field.type is UNSIGNED else ""
        yield f"    {{ name = {quote(field.name)}, type = {quote(field.type)}, title = {quote(_title(field.name))},"
        yield f"      about = {quote(field.description)}{bits}{generated} }},"
    yield from ("}", "", "-- What holds of a register's values where it says nothing else.")
    yield from (f"local REGISTER = {{ {', '.join(_encoding(TEXT))} }}", "", "local PROFILES = {}")
    for number, profile in enumerate(profiles, 1):
        yield f"PROFILES[{number}] = {{"
        yield from _profile(profile)
        yield "}"
    yield from ("", "local MANUFACTURERS = {")
    if any(profile.identification.flag for profile in profiles):
        yield from (f"    [{quote(code)}] = {quote(name)}," for code, name in manufacturers().items())
    yield from ("}", "", f"local LOCKOUT, NOT_READY = {LOCKOUT}, {NOT_READY}", "")
    yield from _token_tables()


def _profile(profile: Profile) -> Iterator[str]:
    """What stands in the table of a profile."""
    timing, layout = profile.timing, profile.identification
    yield f"    name = {quote(profile.name)}, obis = {str(profile.numbering == OBIS).lower()},"
    yield f"    timing = {{ gap = {timing.gap_limit}, least = {timing.reaction_min}, most = {timing.reaction_max},"
    yield f"        session = {timing.session_timeout} }}, messages = {{"
    yield from (f"        {name} = {quote(entry.confidence)}," for name, entry in profile.messages.items())
    yield f"    }}, identification = {{ flag = {str(layout.flag).lower()},"
    yield f"        confidence = {quote(layout.provenance.confidence)}, fields = {{"
    yield from (f"        {{ name = {quote(name)}, length = {length} }}," for name, length in layout.fields)
    yield "    } }, registers = {"
    yield from (f"        [{quote(register.id)}] = {_register(register)}," for register in profile.registers.values())
    yield "    }, tables = {"
    tables = {register.table.name: register.table for register in profile.registers.values() if register.table}
    for name, table in tables.items():
        yield f"        [{quote(name)}] = {{ confidence = {quote(table.provenance.confidence)}, added = {{"
        yield from (
            f"            [{number}] = {quote(entry.confidence)}," for number, entry in sorted(table.added.items())
        )
        yield "        }, words = {"
        yield from (f"            [{number}] = {quote(word)}," for number, word in sorted(table.values.items()))
        yield "        } },"
    statuses = sorted(tables[TOKEN_STATUS].values) if TOKEN_STATUS in tables else []
    rejected = (f"[{number}] = true" for number in statuses if number not in _ACCEPTED)
    yield f"    }}, rejected = {{ {', '.join(rejected)} }},"


def _token_tables() -> Iterator[str]:
    """What tokens in clear, those of class 1, are called and ask for."""
    yield "local TOKENS = { classes = {"
    yield from (f"    [{number}] = {quote(name)}," for number, name in enumerate(layouts.CLASSES))
    yield "}, subclasses = {"
    for number in range(16):
        layout = layouts.layout(1, number)
        yield f"    [{number}] = {{ name = {quote(layout.name)}, confidence = {quote(layout.confidence)} }},"
    yield f"}}, every = {quote(layouts.EVERY_TEST)}, control = {{"
    for number, test in enumerate(layouts.CONTROL):
        yield f"    [{number}] = {{ name = {quote(test.name)}, confidence = {quote(test.confidence)} }},"
    yield "} }"

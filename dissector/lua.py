"""The Wireshark dissector: one Lua file, from the field catalogue and a profile.

The code is the folder ``wireshark`` beside this module, written by hand in parts that are joined here; what comes from
the catalogue and the profile is put in it as tables. Text reaches Lua only as string literals in which every octet but
plain letters, digits and a few signs is a number, so nothing in a profile can become code. The same input gives the
same file.
"""

from importlib import resources
from typing import Final

from vtctap.dissector.analysis.server import LOCKOUT
from vtctap.dissector.catalogue import CATALOGUE
from vtctap.dissector.dissect import TOKEN_STATUS
from vtctap.dissector.encodings import date_parts
from vtctap.dissector.manufacturers import manufacturers
from vtctap.dissector.profile_model import OBIS, Profile, Register
from vtctap.dissector.tokens import layouts
from vtctap.pcap.record import LINKTYPE_USER0

PARTS: Final = (
    "fields",
    "characters",
    "messages",
    "tokens",
    "encodings",
    "meaning",
    "pairing",
    "columns",
    "tree",
    "packets",
    "statistics",
)
"""The parts of the code, in their order: each uses what stands in those before it."""
_PLAIN: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 .,:;!?/+*=()<>_-")
_ACCEPTED: Final = frozenset({0, 1, 2, 3, 16})
"""Token statuses that reject no token: reserved, accepted, key change tokens accepted, not ready."""


def generate(profile: Profile, *, version: str, linktype: int = LINKTYPE_USER0) -> str:
    """The text of the dissector for traces of one link type, in ASCII."""
    folder = resources.files("vtctap.dissector") / "wireshark"
    core = "\n".join(_part((folder / f"{part}.lua").read_text("ascii")) for part in PARTS)
    head = f"-- Dissector for the traces of vtctap {_comment(version)}, profile {_comment(profile.name)}; do not edit."
    return core.replace("--@HEAD@", head, 1).replace("--@TABLES@", _tables(profile, version, linktype), 1)


def _part(text: str) -> str:
    """A part as it stands in the file: a function that is called once, so that only what it returns is seen by others.
    (Lua allows a function 200 names.) The parts that return nothing stand as they are."""
    names = text.rstrip().rpartition("\n")[2]
    if not names.startswith("return "):
        return text
    return f"local {names.removeprefix('return ')} = (function()\n{text}end)()\n"


def quote(text: str) -> str:
    """A Lua string literal."""
    octets = text.encode("utf-8", "replace")
    return '"' + "".join(chr(octet) if octet in _PLAIN else f"\\{octet:03d}" for octet in octets) + '"'


_TITLES: Final = {
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
_CODES: Final = {"vtc.bcc": "u8", "vtc.bcc.expected": "u8", "vtc.crc": "u16", "vtc.token.crc": "u16"}
"""Numbers that are shown in hexadecimal, too, and how wide they are."""


def _title(name: str) -> str:
    """How the tree calls a field: ``vtc.id.speed`` is "Identification speed"."""
    words = " ".join(_TITLES.get(word, word) for word in name.replace("_", ".").split(".")[1:])
    return words[0].upper() + words[1:]


def _comment(text: str) -> str:
    return "".join(
        character for character in text if character.isascii() and (character.isalnum() or character in "._-")
    )


def _register(register: Register) -> str:
    """A register as a Lua table."""
    encoding = register.encoding
    words = [
        f"name = {quote(register.name)}",
        f"confidence = {quote(register.provenance.confidence)}",
        f"type = {quote(encoding.type)}, scale = {encoding.scale}, unit = {quote(encoding.unit)}",
        f"base = {encoding.base}, epoch = {encoding.epoch}, step = {encoding.step}",
    ]
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


def _tables(profile: Profile, version: str, linktype: int) -> str:
    lines = [f"local VERSION = {quote(version)}", f"local ENCAPSULATION = wtap.USER0 + {linktype - LINKTYPE_USER0}"]
    timing = profile.timing
    lines.append(f"local TIMING = {{ gap = {timing.gap_limit}, least = {timing.reaction_min},")
    lines += [f"    most = {timing.reaction_max}, session = {timing.session_timeout} }}", ""]
    lines.append("local FIELDS = {")
    for field in CATALOGUE:
        generated = ", generated = true" if field.generated else ""
        kind = quote("w" if field.wide else _CODES.get(field.name, field.type))
        lines.append(
            f"    {{ name = {quote(field.name)}, type = {kind}, title = {quote(_title(field.name))},\n"
            f"      about = {quote(field.description)}{generated} }},"
        )
    lines += ["}", "", f"local PROFILE = {{ name = {quote(profile.name)}, messages = {{"]
    lines += [f"    {name} = {quote(entry.confidence)}," for name, entry in profile.messages.items()]
    layout = profile.identification
    lines.append(f"}}, identification = {{ confidence = {quote(layout.provenance.confidence)}, fields = {{")
    lines += [f"    {{ name = {quote(name)}, length = {length} }}," for name, length in layout.fields]
    lines += [f"}} }}, obis = {str(profile.numbering == OBIS).lower()}, registers = {{"]
    lines += [f"    [{quote(register.id)}] = {_register(register)}," for register in profile.registers.values()]
    lines += ["}, tables = {"]
    tables = {register.table.name: register.table for register in profile.registers.values() if register.table}
    for name, table in tables.items():
        lines.append(f"    [{quote(name)}] = {{ confidence = {quote(table.provenance.confidence)}, added = {{")
        lines += [f"        [{number}] = {quote(entry.confidence)}," for number, entry in sorted(table.added.items())]
        lines.append("    }, words = {")
        lines += [f"        [{number}] = {quote(word)}," for number, word in sorted(table.values.items())]
        lines.append("    } },")
    lines += ["} }", "", "local MANUFACTURERS = {"]
    if layout.flag:
        lines += [f"    [{quote(code)}] = {quote(name)}," for code, name in manufacturers().items()]
    lines += ["}", ""]
    rejected = [
        number
        for number in sorted(tables[TOKEN_STATUS].values if TOKEN_STATUS in tables else ())
        if number not in _ACCEPTED
    ]
    lines.append(f"local REJECTED = {{ {', '.join(f'[{number}] = true' for number in rejected)} }}")
    lines.append(f"local LOCKOUT = {LOCKOUT}")
    return "\n".join(lines + _token_tables())


def _token_tables() -> list[str]:
    """What tokens in clear, those of class 1, are called and ask for."""
    subclasses = [layouts.layout(1, subclass) for subclass in range(16)]
    return [
        "",
        "local TOKENS = { classes = {",
        *(f"    [{number}] = {quote(name)}," for number, name in enumerate(layouts.CLASSES)),
        "}, subclasses = {",
        *(
            f"    [{number}] = {{ name = {quote(layout.name)}, confidence = {quote(layout.confidence)} }},"
            for number, layout in enumerate(subclasses)
        ),
        f"}}, every = {quote(layouts.EVERY_TEST)}, control = {{",
        *(
            f"    [{number}] = {{ name = {quote(test.name)}, confidence = {quote(test.confidence)} }},"
            for number, test in enumerate(layouts.CONTROL)
        ),
        "} }",
    ]

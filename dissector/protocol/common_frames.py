"""The fast way through a message: decodes the form that most messages of a link have by one regular expression.

That form is a command or an answer of printable ASCII characters: data sets with a register, a value and perhaps a
unit, line ends or ``!`` behind them, ETX, and a check character that is good by exclusive or::

    SOH R 1 STX 2006(00000000) ETX BCC        STX 2006(0000001.5*kWh) ETX BCC

Everything else is left to :func:`vtctap.dissector.protocol.messages.decode`, which also says what is right where both
apply: damage, sums, errors, brackets in values, text outside of data sets, reads without brackets, parity bits.
"""

import re
from typing import Final

from vtctap.dissector.protocol.checksums import bcc_xor
from vtctap.dissector.protocol.messages import Message
from vtctap.dissector.protocol.rules import COMMANDS, MessageName
from vtctap.pcap.construction import variants

_BEGINNING: Final = r"(?:\x01([A-Z][0-9]?)\x02|\x02)"
_OTHER: Final = r"\x00-\x1f\x7f-\xff<("
"""What no part of a data set has: what is not printed as it is, and ``(``."""
_DATA_SET: Final = rf"([^{_OTHER}!]*)\(([^{_OTHER})*]*)(?:\*([^{_OTHER})]*))?\)[\r\n!]*"
"""Register, value, unit; what separates data sets."""
_END: Final = r"\x03[\x00-\x7f]"
_ONE: Final = re.compile(_BEGINNING + _DATA_SET + _END)
_SEVERAL: Final = re.compile(f"{_BEGINNING}(?:{_DATA_SET}){{2,}}{_END}")
_EACH: Final = re.compile(_DATA_SET)
NAMES: Final[dict[str, MessageName]] = {
    "": MessageName.Data,
    **{letter + type: name for letter, name in COMMANDS.items() for type in ("", *"0123456789")},
}
"""The name of a message by its command; an answer has none."""


_message, _same = variants(Message, "register", "value", "unit", "bcc", "bcc_expected")
_SAME: Final = {
    cmd: _same(Message(name, cmd or None, bcc_status="good", bcc_rule="xor")) for cmd, name in NAMES.items()
}
"""What messages of the common form with the same command have in common."""


def decode(octets: bytes) -> Message | None:
    """Decodes a frame's octets; None where they do not have the common form."""
    text = octets.decode("latin-1")
    register: tuple[str, ...]
    if found := _ONE.fullmatch(text):
        cmd, own, stated, measured = found.groups("")
        register, value, unit = (own,), (stated,), (measured,)
        if not own and stated.startswith("ER"):
            return None
    elif found := _SEVERAL.fullmatch(text):
        cmd = found[1] or ""
        register, value, unit = zip(*_EACH.findall(text, len(cmd) + 2 if cmd else 1), strict=True)
    else:
        return None
    same = _SAME.get(cmd)
    if same is None or bcc_xor(octets) != octets[0]:  # With a good check character, the octets behind the first give 0.
        return None
    bcc = octets[-1]
    return _message(same, register, value, unit, bcc, bcc)

"""vtctap: passive protocol analyser for prepaid-meter links (IEC 62055-52, IEC 62056-21).

A trace, exchange by exchange::

    with vtctap.open("trace.pcapng") as trace:
        for exchange in vtctap.exchanges(trace):
            print(exchange.request, exchange.responses)

The names of ``__all__`` are the public front door: each is loaded from its room when it is first used, so that ``import
vtctap`` loads nothing. The rooms: :mod:`vtctap.pcap` (trace files), :mod:`vtctap.dissector` (what the octets mean),
:mod:`vtctap.sniffer` (taps on serial ports).
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from vtctap.dissector.analysis.check import check
    from vtctap.dissector.analysis.exchanges import exchanges, sessions
    from vtctap.dissector.analysis.flows import token_flows
    from vtctap.dissector.profiles.files import load as load_profile
    from vtctap.dissector.protocol.messages import decode
    from vtctap.dissector.tokens.decode import decode as token
    from vtctap.errors import Error
    from vtctap.pcap.record import Record
    from vtctap.pcap.trace import open_trace as open
    from vtctap.sniffer.live import tap

__all__ = [
    "Error",
    "Record",
    "check",
    "decode",
    "exchanges",
    "load_profile",
    "open",
    "sessions",
    "tap",
    "token",
    "token_flows",
]
__version__ = "0.1.0"

_DOORS = {
    "Error": ("vtctap.errors", "Error"),
    "Record": ("vtctap.pcap.record", "Record"),
    "check": ("vtctap.dissector.analysis.check", "check"),
    "decode": ("vtctap.dissector.protocol.messages", "decode"),
    "exchanges": ("vtctap.dissector.analysis.exchanges", "exchanges"),
    "load_profile": ("vtctap.dissector.profiles.files", "load"),
    "open": ("vtctap.pcap.trace", "open_trace"),
    "sessions": ("vtctap.dissector.analysis.exchanges", "sessions"),
    "tap": ("vtctap.sniffer.live", "tap"),
    "token": ("vtctap.dissector.tokens.decode", "decode"),
    "token_flows": ("vtctap.dissector.analysis.flows", "token_flows"),
}
"""Public name, its module, and its name there. The imports above say the same to type checkers; a test compares."""

# In a source checkout the other rooms lie beside this folder, not in it; so a checkout runs without being installed.
_checkout = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
if os.path.isfile(os.path.join(_checkout, "pcap", "record.py")):
    __path__.append(_checkout)


def __getattr__(name: str) -> "Any":
    """Loads a public name from its room (PEP 562)."""
    if name not in _DOORS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module, there = _DOORS[name]
    found = globals()[name] = getattr(import_module(module), there)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def scapy_ext(extension: "Any") -> None:
    """Scapy's hook for ``conf.exts.load("vtctap")``: loads the layer, and names it ``scapy.contrib.vtctap`` as well."""
    import scapy.contrib

    from vtctap.dissector import scapy as layer

    extension.config("vtctap", __version__)
    extension.register("vtctap", extension.MODE.CONTRIB, layer.__file__, default=False)
    # Scapy would load the file once more under its own name, and each layer would be there twice.
    sys.modules["scapy.contrib.vtctap"] = scapy.contrib.vtctap = layer

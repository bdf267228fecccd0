"""vtctap: passive protocol analyser for prepaid-meter links (IEC 62055-52, IEC 62056-21).

A trace, exchange by exchange::

    with vtctap.open("trace.pcapng") as trace:
        for exchange in vtctap.exchanges(trace):
            print(exchange.request, exchange.responses)

The names of ``__all__`` are the public API. Each name is imported on first use, so that ``import vtctap`` is fast. The
packages behind it are :mod:`vtctap.pcap` (trace files), :mod:`vtctap.dissector` (framing, decoding and analysis) and
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
"""Public name, its module, and its name there. The imports above tell type checkers the same; a test compares them."""

# In a source checkout the other packages lie beside this folder. This lets a checkout run without being installed.
_checkout = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
if os.path.isfile(os.path.join(_checkout, "pcap", "record.py")):
    __path__.append(_checkout)


def __getattr__(name: str) -> "Any":
    """Imports a public name on first use (PEP 562)."""
    if name not in _DOORS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module, there = _DOORS[name]
    found = globals()[name] = getattr(import_module(module), there)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def scapy_ext(extension: "Any") -> None:
    """Registers the layer for ``conf.exts.load("vtctap")`` of Scapy, also as ``scapy.contrib.vtctap``."""
    import scapy.contrib

    from vtctap.dissector import scapy as layer

    extension.config("vtctap", __version__)
    extension.register("vtctap", extension.MODE.CONTRIB, layer.__file__, default=False)
    # Otherwise Scapy would load the file again under its own name, and every layer would exist twice.
    sys.modules["scapy.contrib.vtctap"] = scapy.contrib.vtctap = layer

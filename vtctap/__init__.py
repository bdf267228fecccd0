"""vtctap: passive protocol analyser for prepaid-meter links (IEC 62055-52, IEC 62056-21).

The rooms: :mod:`vtctap.pcap` (trace files), :mod:`vtctap.dissector` (what the octets mean), :mod:`vtctap.sniffer`
(taps on serial ports). This module is the front door and imports none of them until it is asked to.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any

    from vtctap.pcap.trace import TraceReader

__version__ = "0.1.0"

# In a source checkout the other rooms lie beside this folder, not in it; so a checkout runs without being installed.
_checkout = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
if os.path.isfile(os.path.join(_checkout, "pcap", "record.py")):
    __path__.append(_checkout)


def open(source: "str | os.PathLike[str] | IO[bytes]") -> "TraceReader":
    """Opens a trace, a path or a binary file: iterate it for its :class:`~vtctap.pcap.record.Record` objects.

    Raises :class:`~vtctap.pcap.capture_file.NotATrace` for other files, and OSError.
    """
    from vtctap.pcap.trace import open_trace

    return open_trace(source)


def scapy_ext(extension: "Any") -> None:
    """Scapy's hook for ``conf.exts.load("vtctap")``: loads the layer, and names it ``scapy.contrib.vtctap`` as well."""
    import scapy.contrib

    from vtctap.dissector import scapy as layer

    extension.config("vtctap", __version__)
    extension.register("vtctap", extension.MODE.CONTRIB, layer.__file__, default=False)
    # Scapy would load the file once more under its own name, and each layer would be there twice.
    sys.modules["scapy.contrib.vtctap"] = scapy.contrib.vtctap = layer

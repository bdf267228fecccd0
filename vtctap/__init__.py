"""vtctap: passive protocol analyser for prepaid-meter links (IEC 62055-52, IEC 62056-21).

The rooms: :mod:`vtctap.pcap` (trace files), :mod:`vtctap.dissector` (what the octets mean), :mod:`vtctap.sniffer`
(taps on serial ports). This module is the front door and imports none of them until it is asked to.
"""

from pathlib import Path

__version__ = "0.1.0"

# In a source checkout the other rooms lie beside this folder, not in it; so a checkout runs without being installed.
_checkout = Path(__file__).resolve().parent.parent
if (_checkout / "pcap" / "record.py").is_file():
    __path__.append(str(_checkout))

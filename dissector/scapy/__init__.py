# scapy.contrib.description = Prepaid-meter links: IEC 62055-52 and IEC 62056-21 (vtctap traces)
# scapy.contrib.status = loads
"""The Scapy layer: vtctap's traces and the messages in them as Scapy packets, read and built.

Importing this package registers :class:`VTC` for link type USER0, so that ``rdpcap`` decodes traces;
``conf.exts.load("vtctap")`` gives this same module. A record is ``VTC() / message``, one class a message.

- Fields are octets as they stand in the record, parity bits included, and dissecting loses none: what a class does not
  expect stays in a field or in a ``Raw`` behind it, so any octets are built again as they were.
- While they are None, building fills in the header length, an option's length and padding, the check character ``bcc``
  (by the exclusive or) and the ``crc``; STX and ``*`` stand where something follows them. ``b""`` leaves any of them
  out but the lengths. Nothing else is filled in.
- The catalogue's other fields are read from a packet by their names (``p.bcc_status``, ``p.token_amount``) and all at
  once with ``fields_vtc()``: they are what the dissector says of the packet's octets. Data sets have their own.
- Those that need the records before (``p.response_time``) are there after ``sniff(session=VTCSession)``;
  :func:`exchanges` pairs requests with their answers.
- ``conf.contribs["vtctap"]`` names the ``profile`` and the ``keys`` (a key file) by which packets are read.

Times are in seconds, as in the catalogue; ``VTC.fields`` holds nanoseconds. ``load_extcap()`` finds the capture program
that ``vtctap wireshark install`` installs: its folder is added to ``conf.prog.extcap_folders``.
"""

import os

from vtctap.extras import extra

with extra("scapy", "the Scapy layer"):
    from scapy.config import conf

from vtctap.dissector.scapy import messages
from vtctap.dissector.scapy.data_sets import DataSet
from vtctap.dissector.scapy.messages import *  # noqa: F403
from vtctap.dissector.scapy.record import VTC, VTCOption
from vtctap.dissector.scapy.sessions import VTCSession, exchanges
from vtctap.pcap.record import LINKTYPE_USER0

__all__ = ["VTC", "DataSet", "VTCOption", "VTCSession", "exchanges"]
__all__ += messages.__all__

conf.l2types.register(LINKTYPE_USER0, VTC)

# Where Wireshark from 4.2 on looks for a user's capture programs; Scapy knows the folder before it.
_extcap_folder = os.path.expanduser("~/.local/lib/wireshark/extcap")
if _extcap_folder not in conf.prog.extcap_folders:
    conf.prog.extcap_folders.append(_extcap_folder)

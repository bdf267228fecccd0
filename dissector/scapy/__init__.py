# scapy.contrib.description = Prepaid-meter links: IEC 62055-52 and IEC 62056-21 (vtctap traces)
# scapy.contrib.status = loads
"""The Scapy layer: dissects and builds vtctap's records and messages as Scapy packets.

Importing this package registers :class:`VTC` for link type USER0, so that ``rdpcap`` decodes traces;
``conf.exts.load("vtctap")`` loads this same module. A record is ``VTC() / message``, with one class per message.

- Fields hold octets as they are in the record, parity bits included. Dissection loses none: what a class does not
  expect stays in a field or in a following ``Raw``, so building returns the same octets.
- Building fills in fields that are None: the header length, an option's length and padding, the check character ``bcc``
  (exclusive or) and the ``crc``, and STX and ``*`` where something follows them. ``b""`` omits any of them except the
  lengths. Building fills in nothing else.
- A packet has the catalogue's other fields by name (``p.bcc_status``, ``p.token_amount``), and all of them in
  ``fields_vtc()``: the dissector reads them from the packet's octets. Data sets have their own.
- Fields that depend on earlier records (``p.response_time``) exist after ``sniff(session=VTCSession)``;
  :func:`exchanges` pairs requests with their answers.
- ``conf.contribs["vtctap"]`` names the ``profile`` and the ``keys`` (a key file) for dissection.

Times are in seconds, as in the catalogue; ``VTC.fields`` holds nanoseconds. ``load_extcap()`` finds the capture program
that ``vtctap wireshark install`` installs, since its folder is added to ``conf.prog.extcap_folders``.
"""

import os

from vtctap.base.extras import extra

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

# Wireshark from 4.2 on looks here for a user's capture programs; Scapy knows only the earlier folder.
_extcap_folder = os.path.expanduser("~/.local/lib/wireshark/extcap")
if _extcap_folder not in conf.prog.extcap_folders:
    conf.prog.extcap_folders.append(_extcap_folder)

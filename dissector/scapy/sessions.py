# mypy: disallow-subclassing-any=False
"""Sessions for Scapy: adds what depends on the order of records.

:mod:`vtctap.dissector.pairing` decides who answers whom, and :mod:`vtctap.dissector.analysis.exchanges` gathers it;
this module passes the result to Scapy.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from scapy.config import conf
from scapy.plist import PacketList, QueryAnswer, SndRcvList
from scapy.sessions import DefaultSession

from vtctap.dissector.analysis import exchanges as analysis
from vtctap.dissector.profiles.stated import settled
from vtctap.dissector.scapy.links import NamedLinks
from vtctap.dissector.scapy.record import VTC
from vtctap.dissector.scapy.settings import dissector
from vtctap.pcap.record import RecordError


class VTCSession(DefaultSession):
    """A session for ``sniff(session=VTCSession)``, live or ``offline=``; it returns each record at once, with its
    place.

    Packets then have ``gap``, ``request_in``, ``response_time``, ``repeat_of``, ``status_token_in`` and ``session``, as
    in ``vtctap read``; record numbers count the session's records from 1. ``dissection`` is the packet's
    :class:`~vtctap.dissector.dissect.Dissection`, for :mod:`vtctap.dissector.analysis`.

    The profile is that of ``conf.contribs["vtctap"]`` at the session's start; else that of the first record, if it is a
    tap's ``opened`` event; else the default one. Memory holds a few values per link.

    The links of traces that mergecap(1) joined stay apart by the names of their interfaces
    (:mod:`vtctap.dissector.scapy.links`): ``fields_vtc()`` has the link's number in the file, ``link`` the
    record's.
    """

    def __init__(self, supersession: Any = None) -> None:
        super().__init__(supersession)
        self._dissector = dissector()
        self._settled = False
        self._links = NamedLinks()

    def process(self, pkt: Any) -> Any:
        """Returns the packet with its place. A packet with a damaged header has none."""
        pkt = super().process(pkt)
        if isinstance(pkt, VTC):
            try:
                record = pkt.record()
                if not self._settled:
                    self._settled = True
                    conf.contribs.setdefault("vtctap", {})["stated"] = settled([record])[1]
                    self._dissector = dissector()
                link = self._links.number(record, pkt.sniffed_on)
                pkt.dissection = self._dissector.dissect(replace(record, link=link) if link != record.link else record)
            except RecordError:
                pkt.dissection = None
        return pkt


def exchanges(packets: Iterable[Any]) -> tuple[SndRcvList, PacketList]:
    """Returns requests with their answers, and the unpaired packets: ``PacketList.sr()`` by vtctap's rules.

    A :class:`VTCSession` first reads the packets that none has read yet, in their order. A repeated request is in as
    many pairs as it has answers, each of its packets in at most one.
    """
    packets = list(packets)
    if any(isinstance(packet, VTC) and not packet.dissection for packet in packets):
        session = VTCSession()
        packets = [session.process(packet) for packet in packets]
    dissections = {id(packet.dissection): packet for packet in packets if isinstance(packet, VTC) and packet.dissection}
    pairs = []
    for exchange in analysis.exchanges(packet.dissection for packet in dissections.values()):
        if exchange.request and exchange.response:
            pairs.append(QueryAnswer(dissections[id(exchange.request)], dissections[id(exchange.response)]))
    paired = {id(packet) for pair in pairs for packet in pair}
    rest = [packet for packet in packets if id(packet) not in paired]
    return SndRcvList(pairs, "Exchanges"), PacketList(rest, "Unpaired")

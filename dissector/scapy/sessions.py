# mypy: disallow-subclassing-any=False
"""Records in their order: what a packet alone cannot say. Who answers whom is decided by
:mod:`vtctap.dissector.pairing` and gathered by :mod:`vtctap.dissector.analysis.exchanges`; here Scapy is given it.
"""

from collections.abc import Iterable
from typing import Any

from scapy.config import conf
from scapy.plist import PacketList, QueryAnswer, SndRcvList
from scapy.sessions import DefaultSession

from vtctap.dissector.analysis import exchanges as analysis
from vtctap.dissector.profiles.stated import settled
from vtctap.dissector.scapy.record import VTC
from vtctap.dissector.scapy.settings import dissector
from vtctap.pcap.record import RecordError


class VTCSession(DefaultSession):
    """For ``sniff(session=VTCSession)``, live or ``offline=``: each record comes at once, and knows its place.

    Packets then have ``gap``, ``request_in``, ``response_time``, ``repeat_of``, ``status_token_in`` and ``session``, as
    in ``vtctap read``; record numbers count the session's records from 1. ``dissection`` is the packet's
    :class:`~vtctap.dissector.dissect.Dissection`, which :mod:`vtctap.dissector.analysis` takes. The profile is that of
    ``conf.contribs["vtctap"]`` when the session begins; where it names none, the first record's, if that is the event
    of a tap that was opened, or the default one. What is kept is a few values a link.
    """

    def __init__(self, supersession: Any = None) -> None:
        super().__init__(supersession)
        self._dissector = dissector()
        self._settled = False

    def process(self, pkt: Any) -> Any:
        """The packet, told its place. One whose header is damaged has none."""
        pkt = super().process(pkt)
        if isinstance(pkt, VTC):
            try:
                record = pkt.record()
                if not self._settled:
                    self._settled = True
                    conf.contribs.setdefault("vtctap", {})["stated"] = settled([record])[1]
                    self._dissector = dissector()
                pkt.dissection = self._dissector.dissect(record)
            except RecordError:
                pkt.dissection = None
        return pkt


def exchanges(packets: Iterable[Any]) -> tuple[SndRcvList, PacketList]:
    """Requests with their answers, and the packets in no such pair: ``PacketList.sr()`` by vtctap's rules.

    Packets that no :class:`VTCSession` has read yet are read by one, in their order. A request that is repeated is in
    as many pairs as it has answers, each of its packets in one at the most.
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

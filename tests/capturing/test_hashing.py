"""The part of a capture that adds the hash chain."""

from equipment.outlets import event
from vtctap.capturing.hashing import Hashing
from vtctap.pcap.hash_chain import HashLink


def test_every_record_gets_the_next_number() -> None:
    hashing = Hashing()
    records = [*hashing.feed([event(1), event(2)], 2), *hashing.feed([], 3), *hashing.feed([event(4)], 4)]
    links = [HashLink.decode(record.chain) for record in records]
    assert [link.number for link in links if link] == [1, 2, 3]
    assert records == [event(1), event(2), event(4)]

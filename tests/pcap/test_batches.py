"""Batches hold the records that a trace is read as one by one; numbers, what was skipped and counts are the same."""

import io
import random
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest
from decode_difference import trace
from flips import session, written

from equipment.sampling import turns
from vtctap.errors import Error
from vtctap.pcap import batches, open_trace
from vtctap.pcap.batch import Batch
from vtctap.pcap.batches import BatchReader
from vtctap.pcap.trace import TraceReader

SESSION = written(session(), ".pcapng")


def everything(reader: TraceReader, items: Any) -> list[object]:
    """All that reading a trace gives."""
    given: list[object] = []
    try:
        for item in items:
            if isinstance(item, Batch):
                assert item.part(0, len(item)).record(0) == item.record(0)
                given += [item.record(at) for at in range(len(item))]
            else:
                given += [item]
        given += [*reader.torn(), reader.cut, reader.interfaces, reader.profile, reader.number, reader.packet]
    except Error as error:
        given.append(str(error))
    return given


def both(octets: bytes, least: int = 1, chunk: int = 1 << 20) -> None:
    with mock.patch.object(batches, "LEAST", least), mock.patch.object(batches, "CHUNK", chunk):
        try:
            reader = BatchReader(io.BytesIO(octets))
        except Error as error:
            with pytest.raises(type(error)):
                open_trace(io.BytesIO(octets))
            return
        exact = open_trace(io.BytesIO(octets))
        assert everything(reader, reader.walk()) == everything(exact, exact.items())


@pytest.mark.parametrize(("least", "chunk"), turns([1, 2, 5, 100], [97, 1024, 1 << 20]))
def test_a_session_and_random_records(least: int, chunk: int) -> None:
    both(SESSION, least, chunk)
    both(trace(random.Random(least), 400), least, chunk)


def test_every_prefix() -> None:
    for length in range(0, len(SESSION), 7):
        both(SESSION[:length])


@pytest.mark.parametrize("seed", range(40))
def test_damage(seed: int) -> None:
    chance = random.Random(seed)
    octets = bytearray(SESSION)
    for _ in range(chance.randrange(1, 5)):
        at = chance.randrange(len(octets))
        octets[at : at + chance.randrange(7)] = chance.randbytes(chance.randrange(7))
    both(bytes(octets))


@pytest.mark.parametrize("suffix", [".pcap", ".pcapng"])
def test_sections_and_formats(suffix: str) -> None:
    both(written(session(), suffix))
    both(SESSION + SESSION)


def test_octets_that_look_like_a_block() -> None:
    """A record whose octets are blocks: only what the block before leads to counts."""
    records = session()
    inner = SESSION[200:900]
    made = [replace(record, octets=inner[:700]) if number % 3 else record for number, record in enumerate(records)]
    both(written(made, ".pcapng"))

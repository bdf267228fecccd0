"""Whether batches become the same columns as records do one by one, over many random and damaged frames.

    python bench/columns_difference.py [--records N] [--seed N]

Decodes N (1 000 000) records twice, half of them with each profile: one by one, and in batches (of all sizes, from one
record to a whole trace). Compared are all columns of all records, as Arrow tables, the rows of tokens, and what was
skipped. The traces are conversations, mostly regular, with all that can be among them: those of
``bench/decode_difference.py``, damage of frames and of files, silence, repeats, tokens, several links, taps' errors.
Exit status 1 at the first difference, which is printed.
"""

import io
import random
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final
from unittest import mock

from decode_difference import PROFILES, START, records
from measuring import compared

from vtctap.dataset.tokens import TokenRows
from vtctap.dataset.writing import columns
from vtctap.dissector.columns.batches import BatchDissector
from vtctap.dissector.dissect import Dissector
from vtctap.dissector.profiles.files import load
from vtctap.dissector.protocol.checksums import bcc_xor
from vtctap.dissector.tables.arrow import nanoseconds, record_batch, schema_of
from vtctap.dissector.tables.model import TIME_NS_COLUMN, Cells
from vtctap.errors import Error
from vtctap.pcap import Flag, Kind, Line, Record, Sender, batches, create_trace, open_trace
from vtctap.pcap.batch import Batch
from vtctap.pcap.batches import BatchReader

PART: Final = 20_000
"""Records in a trace."""
SIZES: Final = (1, 2, 3, 7, 61, 997, 1 << 20)
"""Records in a batch."""
_COLUMNS: Final = columns("records")
_SCHEMA: Final = schema_of(_COLUMNS, "us")
_REGISTERS: Final = (b"1.8.0", b"2.8.0", b"2006", b"200C", b"0030", b"F.F", b"", b"C.1.0", b"1-0:1.8.1*255", b"2011")
_BARE: Final = (b"2006", b"200C", b"0030", b"2011", b"FFFE")


@dataclass(frozen=True)
class Decoded:
    """All that a trace is decoded as: the table of records, the rows of tokens, and the rest in words."""

    table: Any
    tokens: list[Cells]
    told: list[str]
    batched: int = 0


def complete(cells: Cells) -> None:
    """Adds what a set adds to a row."""
    time_ns = nanoseconds(str(cells["frame.time_epoch"]))
    cells |= {"trace": "t", "trace.id": "0"} | ({TIME_NS_COLUMN.name: time_ns} if time_ns < 1 << 63 else {})


def exactly(trace: bytes, profile: str) -> Decoded:
    """Decodes a trace record by record."""
    rows: list[Cells] = []
    tokens: list[Cells] = []
    following, dissector = TokenRows(tokens.append), Dissector(load(profile))
    told: list[str] = []
    with open_trace(io.BytesIO(trace)) as reader:
        for item in _whole(reader.items(), told):
            if isinstance(item, Record):
                dissection = dissector.dissect(item)
                rows.append(dissection.as_json())
                complete(rows[-1])
                following.feed(dissection)
            else:
                told.append(repr(dissector.skip(item)))
        told += [repr((*reader.torn(), reader.cut, reader.number, reader.profile))]
    following.close()
    return Decoded(record_batch(rows, _COLUMNS, _SCHEMA, "us"), tokens, told)


def in_batches(trace: bytes, profile: str, size: int, chunk: int = batches.CHUNK) -> Decoded:
    """Decodes a trace in batches of at most so many records."""
    import pyarrow

    parts: list[Any] = []
    tokens: list[Cells] = []
    following, dissector = TokenRows(tokens.append), Dissector(load(profile))
    batch_dissector = BatchDissector(dissector, following, _COLUMNS, complete)
    told: list[str] = []
    batched = 0
    with mock.patch.object(batches, "LEAST", 1), mock.patch.object(batches, "CHUNK", chunk):
        reader = BatchReader(io.BytesIO(trace))
        for item in _whole(reader.walk(), told):
            if isinstance(item, Batch):
                each = (item.part(at, at + size) for at in range(0, len(item), size))
                parts += [batch_dissector.dissect(part) for part in each]
                batched += len(item)
            elif isinstance(item, Record):
                dissection = dissector.dissect(item)
                cells = dissection.as_json()
                complete(cells)
                parts.append(pyarrow.table(record_batch([cells], _COLUMNS, _SCHEMA, "us")))
                following.feed(dissection)
            else:
                told.append(repr(dissector.skip(item)))
        told += [repr((*reader.torn(), reader.cut, reader.number, reader.profile))]
    following.close()
    return Decoded(pyarrow.concat_tables(parts or [_SCHEMA.empty_table()]), tokens, told, batched)


def _whole(items: Iterable[Any], told: list[str]) -> Iterator[Any]:
    """Yields the items; notes the error that ends them."""
    try:
        yield from items
    except Error as error:
        told.append(str(error))


def difference(trace: bytes, profile: str, sizes: Iterable[int] = SIZES, chunk: int = batches.CHUNK) -> str:
    """Returns the first difference between the two ways; an empty text if there is none."""
    exact = exactly(trace, profile)
    return next(filter(None, (_other(exact, in_batches(trace, profile, size, chunk), size) for size in sizes)), "")


def _other(exact: Decoded, other: Decoded, size: int) -> str:
    import pyarrow

    if (exact.told, exact.tokens) != (other.told, other.tokens):
        return f"batches of {size}: {exact.told}\n{other.told}\n{exact.tokens}\n{other.tokens}"
    wanted = pyarrow.table(exact.table)
    other.table.validate(full=True)
    if other.table.equals(wanted):
        return ""
    for name in wanted.column_names:
        one, two = wanted[name].to_pylist(), other.table[name].to_pylist()
        for number, pair in enumerate(zip(one, two, strict=True), 1):
            if pair[0] != pair[1]:
                return f"batches of {size}, record {number}, {name}: {pair[0]!r}, in batches {pair[1]!r}"
    return f"batches of {size}: other types"


def conversation(chance: random.Random, count: int) -> Iterator[Record]:
    """Yields records of conversations on a few links, mostly of reads and their answers."""
    links = chance.randrange(1, 4)
    regular, silent = chance.choice((0.5, 0.9, 0.97, 0.999)), chance.choice((0.0, 0.003))
    strays = records(chance, count)
    open_requests: dict[int, bytes] = {}
    time = START
    for _ in range(count):
        link = chance.randrange(links)
        time += 130 * 10**9 if chance.random() < silent else chance.choice((10**6, 10**8, 3 * 10**8))
        if chance.random() > regular:
            stray = next(strays)
            yield replace(stray, time=time, link=link, tap=link)
            continue
        register = open_requests.pop(link, None)
        asks = register is None and chance.random() < 0.97
        made = request(chance) if asks else answer(chance, register or chance.choice(_REGISTERS))
        if asks:
            open_requests[link] = made[4 : made.index(b"(")] if b"(" in made else made[-7:-3]
        yield Record(
            time,
            made,
            sender=Sender.CLIENT if asks else Sender.SERVER,
            link=link,
            tap=link,
            line=Line(7, "E", 1),
            speed=9600,
            uncertainty=None if asks else chance.choice((0, 50_000)),
            duration=len(made) * chance.choice((0, 1_041_666)),
        )


def request(chance: random.Random) -> bytes:
    """Returns a read, with or without brackets, or a write."""
    if chance.random() < 0.2:
        return block(b"\x01R%s\x02%s%X\x03" % (chance.choice((b"", b"1")), chance.choice(_BARE), chance.randrange(16)))
    command = chance.choice((b"R1", b"R1", b"R1", b"R1", b"W1", b"R2", b"E2", b"P1"))
    return block(b"\x01%s\x02%s(%s)\x03" % (command, chance.choice(_REGISTERS), value(chance)))


def answer(chance: random.Random, register: bytes) -> bytes:
    """Returns data: of the register, or with others, or with none named."""
    if chance.random() < 0.05:
        return b"\x06"
    named = chance.choice((register, register, b""))
    sets = [b"%s(%s)" % (named, value(chance))]
    if chance.random() < 0.1:
        sets += [b"%s(%s)" % (chance.choice(_REGISTERS), value(chance)) for _ in range(chance.randrange(9))]
    return block(b"\x02" + chance.choice((b"", b"\r\n", b"!\r\n")).join(sets) + b"\x03")


def value(chance: random.Random) -> bytes:
    """Returns a value, perhaps with a unit."""
    number = b"%08d" % chance.randrange(10 ** chance.choice((1, 8)))
    others = (
        b"%07d.%d*kWh" % (chance.randrange(10**7), chance.randrange(10)),
        b"",
        b"ER1",
        b"5" * 20,
        b"0A" * 8 + b"0",
    )
    return number if chance.random() < 0.6 else chance.choice(others)


def block(made: bytes) -> bytes:
    """Returns a message with its check character."""
    return made + bytes([bcc_xor(made[1:])])


def trace(chance: random.Random, count: int) -> bytes:
    """Returns a trace, in one of fifteen damaged."""
    target = io.BytesIO()
    each = conversation(chance, count) if chance.random() < 0.8 else records(chance, count)
    with create_trace(target) as writer:
        for record in each:
            writer.write(record)
            if chance.random() < 0.0005:
                writer.write(Record(record.time, kind=Kind.EVENT, event="mark", tap=record.tap, flags=Flag.SYNTHETIC))
    written = bytearray(target.getvalue())
    if chance.random() < 0.07:
        for _ in range(chance.randrange(1, 9)):
            at = chance.randrange(200, len(written))
            written[at : at + chance.randrange(9)] = chance.randbytes(chance.randrange(9))
    return bytes(written)


def main() -> int:
    """Compares; prints what was compared, or the first difference."""
    return compared(__doc__, PART, _part, "decoded")


def _part(chance: random.Random, part: int) -> str:
    made, profile = trace(chance, PART), PROFILES[part % 2]
    found = difference(made, profile, [chance.choice(SIZES[3:]), SIZES[-1]])
    return found and f"part {part}, {profile}: {found}"


if __name__ == "__main__":
    sys.exit(main())

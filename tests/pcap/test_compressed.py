"""Compressed files: the octets that every reader gets, and how the files end."""

import gzip
import io
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from vtctap.errors import MissingExtra
from vtctap.pcap import Record, TraceError, create_trace, open_trace
from vtctap.pcap.importers.account import Account
from vtctap.pcap.importers.lines import lines_of
from vtctap.pcap.imports import IMPORTERS
from vtctap.pcap.streams import Input

RECORDS = [Record(second * 10**9, b"/?!\r\n") for second in range(300)]


def zstd(octets: bytes) -> bytes:
    return bytes(pytest.importorskip("backports.zstd").compress(octets))


def lz4(octets: bytes) -> bytes:
    return bytes(pytest.importorskip("lz4.frame").compress(octets))


each_kind = pytest.mark.parametrize("compress", [gzip.compress, zstd, lz4])


@pytest.fixture
def trace(tmp_path: Path) -> bytes:
    with create_trace(tmp_path / "t.pcapng") as writer:
        for record in RECORDS:
            writer.write(record)
    return (tmp_path / "t.pcapng").read_bytes()


class Slow(io.RawIOBase):
    """A pipe that returns one octet at a time."""

    def __init__(self, octets: bytes) -> None:
        self._octets = io.BytesIO(octets)

    def read(self, size: int = -1) -> bytes:
        return self._octets.read(1)


@each_kind
def test_a_trace(compress: Callable[[bytes], bytes], trace: bytes, tmp_path: Path) -> None:
    path = tmp_path / "t.pcapng.x"
    path.write_bytes(compress(trace))
    with open_trace(path) as reader:
        assert list(reader) == RECORDS
        assert reader.cut is None
    assert list(open_trace(Slow(compress(trace)))) == RECORDS


@each_kind
def test_several_streams_are_one_file(compress: Callable[[bytes], bytes], trace: bytes) -> None:
    parts = compress(trace[:1000]) + compress(trace[1000:5000]) + compress(trace[5000:])
    assert list(open_trace(io.BytesIO(parts))) == RECORDS


@each_kind
def test_a_cut_file_gives_what_it_has_and_says_so(compress: Callable[[bytes], bytes], trace: bytes) -> None:
    packed = compress(trace)
    for length in range(len(packed) - 40, len(packed)):
        reader = open_trace(io.BytesIO(packed[:length]))
        records = list(reader)
        assert records == RECORDS[: len(records)]
        assert "ends cut: it is compressed" in (reader.cut or "")
    account = Account()
    assert "".join(lines_of(io.BytesIO(compress(b"C> 06\n" * 9)[:-1]), account)) in "C> 06\n" * 9
    assert not account.complete
    account = Account()
    list(IMPORTERS["raw"].read(io.BytesIO(packed[:-1]), account))
    assert not account.complete


@each_kind
def test_a_damaged_file_is_an_error_of_one_line(compress: Callable[[bytes], bytes], trace: bytes) -> None:
    packed = bytearray(compress(trace))
    packed[len(packed) // 2] ^= 0xFF
    packed[-5] ^= 0xFF
    with pytest.raises(TraceError, match="cannot be unpacked further"):
        list(open_trace(io.BytesIO(packed)))


@each_kind
def test_little_that_unpacks_to_much_takes_little_memory(compress: Callable[[bytes], bytes]) -> None:
    packed = compress(bytes(1 << 26))
    file = Input(io.BytesIO(packed))
    tracemalloc.start()
    length = 0
    while file.more():
        length += len(file.buffer) - file.at
        file.at = len(file.buffer)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert length == 1 << 26
    assert peak < 1 << 23


@pytest.mark.parametrize("octets", [b"", b"\x1f", b"\x1f\x8b", b"\x28\xb5\x2f", b"\x1f\x8b\x07\x00", b"\x04\x22\x4d"])
def test_what_only_begins_as_compressed_files_do(octets: bytes) -> None:
    for file in (io.BytesIO(octets), Slow(octets)):
        assert b"".join(burst.octets for burst in IMPORTERS["raw"].read(file, Account())) == octets


@pytest.mark.parametrize(
    ("name", "magic"),
    [
        pytest.param(
            "backports.zstd",
            b"\x28\xb5\x2f\xfd",
            marks=pytest.mark.skipif(sys.version_info >= (3, 14), reason="this Python has zstd itself"),
        ),
        ("lz4.frame", b"\x04\x22\x4d\x18"),
    ],
)
def test_without_the_library_its_extra_is_named(name: str, magic: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    package = name.partition(".")[0]
    import builtins

    real = builtins.__import__

    def without(module: str, *rest: object) -> object:
        if module.partition(".")[0] == package:
            raise ModuleNotFoundError(f"No module named {module!r}", name=package)
        return real(module, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"a file compressed with .* needs .*'vtctap\["):
        Input(io.BytesIO(magic + bytes(20))).more()

"""``vtctap verify``: its results for complete, sliced, changed and unchained traces, and for signatures."""

import json
import re
import shutil
import subprocess
from base64 import b64encode
from pathlib import Path

import pytest

from vtctap.__main__ import main
from vtctap.pcap.trace import create_trace, open_trace

Text = pytest.CaptureFixture[str]


@pytest.fixture
def trace(tmp_path: Path, capsys: Text) -> Path:
    path = tmp_path / "t.pcapng"
    assert main(["demo", "--fast", "-q", "-w", str(path)]) == 0
    capsys.readouterr()
    return path


def part(trace: Path, kept: slice) -> Path:
    """Writes a trace of some of the records."""
    path = trace.with_name("part.pcapng")
    with open_trace(trace) as reader, create_trace(path, force=True) as writer:
        for record in list(reader)[kept]:
            writer.write(record)
    return path


def test_a_whole_trace(trace: Path, capsys: Text) -> None:
    assert main(["verify", str(trace)]) == 0
    assert capsys.readouterr().out.startswith("whole: all 96 records of chain ")
    assert main(["verify", "--json", str(trace)]) == 0
    (chain,) = json.loads(capsys.readouterr().out)["chains"]
    assert (chain["verdict"], chain["first"], chain["last"], chain["open_taps"]) == ("whole", 1, 96, [])


def test_a_part(trace: Path, capsys: Text) -> None:
    assert main(["verify", str(part(trace, slice(1, 5)))]) == 1
    said = capsys.readouterr().out
    assert said.startswith("part: records 2 to 5 of chain ")
    assert "begins with record 2, ends without the closed event of tap 0, 1; hash of record 5" in said


def test_a_trace_that_was_cut_at_its_end(trace: Path, capsys: Text) -> None:
    assert main(["verify", str(part(trace, slice(-1)))]) == 1
    assert "ends without the closed event of tap 1" in capsys.readouterr().out


@pytest.mark.parametrize("time", [b"\xff" * 8, b"\0\0\0\x80\0\0\0\0"])
def test_a_timestamp_beyond_all_captures(trace: Path, capsys: Text, time: bytes) -> None:
    octets = bytearray(trace.read_bytes())
    packets = [match.start() for match in re.finditer(rb"\x06\0\0\0", octets) if match.start() % 4 == 0]
    octets[packets[4] + 12 : packets[4] + 20] = time
    trace.write_bytes(octets)
    assert main(["verify", str(trace)]) == 1
    said = capsys.readouterr().out
    assert said.startswith("changed: records 1 to 96 of chain ")
    assert said.endswith("\n  altered: record 5\n")


def test_changes(trace: Path, capsys: Text) -> None:
    octets = trace.read_bytes()
    at = octets.index(b"\x01W\x02FFFF")
    trace.write_bytes(octets[:at] + b"\x01W\x02FFFE" + octets[at + 7 :])
    assert main(["verify", str(trace)]) == 1
    said = capsys.readouterr().out
    assert said.startswith("changed: records 1 to 96 of chain ")
    assert "\n  altered: record " in said
    assert main(["verify", str(part(trace, slice(0, None, 2)))]) == 1
    assert "  missing from the chain: 2, 4, 6, 8, 10, 12, 14, 16 and 38 more gaps\n" in capsys.readouterr().out


def test_a_damaged_record(trace: Path, capsys: Text) -> None:
    octets = trace.read_bytes()
    at = octets.index(b"VT\x01\x00")
    trace.write_bytes(octets[: at + 4] + b"\xff" + octets[at + 5 :])
    assert main(["verify", str(trace)]) == 1
    said = capsys.readouterr()
    assert "missing from the chain: 3\n" in said.out
    assert "packet 3" in said.err


def test_ring_files_are_one_chain(tmp_path: Path, capsys: Text) -> None:
    assert main(["demo", "--fast", "-q", "-w", str(tmp_path / "r.pcapng"), "-b", "packets:20"]) == 0
    files = sorted(map(str, tmp_path.glob("r_*.pcapng")))
    assert len(files) == 5
    assert main(["verify", *files]) == 0
    capsys.readouterr()
    assert main(["verify", files[1]]) == 1
    assert capsys.readouterr().out.startswith("part: records 21 to 40 of chain ")


def test_without_a_chain(tmp_path: Path, capsys: Text) -> None:
    path = tmp_path / "t.pcapng"
    assert main(["demo", "--fast", "-q", "--no-hashes", "-w", str(path)]) == 0
    assert main(["verify", str(path)]) == 1
    assert capsys.readouterr().out == "no chain: records without a hash: 1, 2, 3, 4, 5, 6, 7, 8 and 88 more\n"


def test_what_is_printed_is_what_is_written(tmp_path: Path, capsys: Text) -> None:
    path = str(tmp_path / "t.pcapng")
    assert main(["demo", "--fast", "-q", "--print", "--json", "-w", path]) == 0
    printed = capsys.readouterr().out
    assert main(["read", "--json", path]) == 0
    assert capsys.readouterr().out == printed


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="ssh-keygen is not installed")
def test_signatures(trace: Path, tmp_path: Path, capsys: Text) -> None:
    for name in ("key", "other"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)], check=True)
    signers = tmp_path / "signers"
    signers.write_text(f"tester@example.org {(tmp_path / 'key.pub').read_text()}")
    assert main(["verify", str(trace), "--sign", str(tmp_path / "key")]) == 0
    signature = f"{trace}.sig"
    named = ["--signature", signature, "--signers", str(signers)]
    capsys.readouterr()
    assert main(["verify", str(trace), *named]) == 0
    assert 'signature: Good "vtctap" signature for tester@example.org' in capsys.readouterr().out
    # Without vtctap, as docs/evidence.md says.
    assert main(["verify", "--json", str(trace)]) == 0
    chain = json.loads(capsys.readouterr().out)["chains"][0]
    signed = f"vtctap hash chain {chain['chain']} record {chain['last']} hash {chain['hash']}\n"
    words = ["-n", "vtctap", "-f", str(signers), "-I", "tester@example.org", "-s", signature]
    subprocess.run(["ssh-keygen", "-Y", "verify", *words], input=signed, text=True, check=True, capture_output=True)
    # Another capture and another key.
    other = str(tmp_path / "u.pcapng")
    assert main(["demo", "--fast", "-q", "--seed", "2", "-w", other]) == 0
    assert main(["verify", other, *named]) == 1
    assert main(["verify", str(trace), "--sign", str(tmp_path / "other"), "--force"]) == 0
    assert main(["verify", str(trace), *named]) == 1
    # A signature whose octets were altered is one, but a bad one.
    text = Path(signature).read_text()
    Path(signature).write_text(text.replace(text.splitlines()[2], text.splitlines()[2][::-1]))
    capsys.readouterr()
    assert main(["verify", str(trace), *named]) == 1
    assert "signature: " in capsys.readouterr().out
    # Traces that cannot be signed, and wrong arguments.
    assert main(["verify", "-", "--sign", str(tmp_path / "key")]) == 2
    assert "name a file instead of standard input" in capsys.readouterr().err
    assert main(["verify", str(trace), "--sign", str(tmp_path / "none"), "--force"]) == 2
    assert main(["verify", str(trace), "--signature", signature]) == 2
    assert main(["verify", str(part(trace, slice(0, None, 2))), "--sign", str(tmp_path / "key")]) == 2


@pytest.mark.parametrize(
    ("signature", "signers", "says"),
    [
        ("nosuch", "file", "nosuch: No such file or directory"),
        ("file", "nosuch", "nosuch: No such file or directory"),
        (".", "file", ".: Is a directory"),
        ("file", ".", ".: Is a directory"),
        *((f"not{number}", "file", f"not{number} is no SSH signature") for number in range(6)),
    ],
)
def test_files_that_cannot_be_read_are_no_wrong_signer(
    trace: Path, monkeypatch: pytest.MonkeyPatch, capsys: Text, signature: str, signers: str, says: str
) -> None:
    monkeypatch.chdir(trace.parent)
    begin, end = b"-----BEGIN SSH SIGNATURE-----\n", b"-----END SSH SIGNATURE-----\n"
    whole = begin + b64encode(b"SSHSIG\0\0\0\1") + b"\n" + end
    Path("file").write_bytes(whole)
    for number, octets in enumerate(
        (b"", b"a text", bytes(range(256)), whole.partition(end)[0], begin + b"U1\n" + end, begin + b"U1NI\n" + end)
    ):
        Path(f"not{number}").write_bytes(octets)
    assert main(["verify", "t.pcapng", "--signature", signature, "--signers", signers]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert said.err.startswith(f"vtctap: {says}")

"""``vtctap token``, and ``--keys`` with a trace: the output, the exit status, and that no key is printed."""

import csv
import json
import sys
from pathlib import Path

import pytest

from vtctap.__main__ import main
from vtctap.base.extras import advice
from vtctap.pcap import Kind, Line, Record, Sender, create_trace

VENDING_KEY = "abababababababab949494949494949401234567"
DECODER_KEY = "f94b6ed353c3bfdb113e2d3a7ea3c41d"
NEW_KEY = "b208834372ef892ef6e04c28593090d4"
CREDIT = "59386323472137426967"
KEY_CHANGE = ("34812744915211133004", "46903925208523674737", "71464563847088610152", "67904239402617643990")
DISPLAY = "00000000000150997584"


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys.toml"
    path.write_text(
        f"""[[meter]]
pan = "600727000000000009"
ea = 11
dkga = 4
vending_key = "{VENDING_KEY}"
sgc = "123457"
ti = "01"
kt = 2
krn = 1
base = 1993
[[meter]]
pan = "000001000000000082"
ea = 11
decoder_key = "290e2626f5a0d106aad1aab6411589df"
"""
    )
    return path


def objects(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "0000-0000-0001-5099-7584"]) == 0
    assert capsys.readouterr().out == (
        "00000000000150997584  class 1 subclass 0: InitiateMeterTest/Display1\n"
        "  CRC                   good (0A50h)\n"
        "  control               000000001h\n"
        "  asks for              test the load switch (confirmed: Landis+Gyr Cashpower Sabre manual, page 15)\n"
        "  manufacturer code     00\n"
        "  confidence            confirmed\n"
    )


def test_json_without_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "--json", CREDIT, "01152925902787577952"]) == 0
    assert objects(capsys.readouterr().out) == [
        {"vtc.token": CREDIT, "vtc.token.class": 0, "vtc.token.name": "TransferCredit",
         "vtc.token.crc.status": "encrypted", "vtc.confidence": "confirmed"},
        {"vtc.token": "01152925902787577952", "vtc.token.class": 1, "vtc.token.subclass": 1,
         "vtc.token.name": "InitiateMeterTest/Display2", "vtc.token.crc": 0x860, "vtc.token.crc.status": "good",
         "vtc.token.control": 0x400, "vtc.token.control.name": ["display phase power unbalance limit"],
         "vtc.token.manufacturer": 0, "vtc.confidence": "derived"},
    ]  # fmt: skip


def test_json_with_keys(keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "--json", "--keys", str(keys), CREDIT, KEY_CHANGE[0]]) == 0
    credit, change = objects(capsys.readouterr().out)
    assert credit == {
        "vtc.token": CREDIT, "vtc.token.class": 0, "vtc.token.subclass": 0,
        "vtc.token.name": "TransferElectricityCredit", "vtc.token.crc": 0x2831, "vtc.token.crc.status": "good",
        "vtc.token.pan": "600727000000000009", "vtc.token.rnd": 5, "vtc.token.tid": 5871660,
        "vtc.token.issued": ["2004-03-01T13:00", "2025-03-01T13:00", "2046-03-01T13:00"],
        "vtc.token.amount": 0.1, "vtc.token.unit": "kWh", "vtc.confidence": "confirmed",
    }  # fmt: skip
    assert change["vtc.token.nkho"] == "b2088343"


def test_text_with_keys(keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "--keys", str(keys), CREDIT, "26521936751055502278", "59725289138639529749"]) == 0
    out = capsys.readouterr().out
    assert "  amount                0.1 kWh\n" in out
    assert "  issued                2004-03-01 13:00 (base 1993), 2025-03-01 13:00 (base 2014), 2046" in out
    assert "  power limit           1000 W\n" in out
    assert "  register              FFFFh (all)\n" in out


def test_groups_may_be_separate_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "--json", "0000", "0000", "0001", "5099", "7584", CREDIT]) == 0
    assert [found["vtc.token"] for found in objects(capsys.readouterr().out)] == [DISPLAY, CREDIT]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["123"], "'123' is no token: it has 3 digits"),
        (["0000", "0000", CREDIT], "'0000 0000' is no token: it has 8 digits"),
        ([CREDIT, "1"], "'1' is no token"),
        (["73786976294838206464"], "more than 66 bits"),
        (["0000000000015099758x"], "a token is 20 digits"),
        (["x"], "a token is 20 digits"),
    ],
)
def test_what_is_no_token(arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert why in err
    assert err.count("\n") == 1


def test_a_bad_crc_is_found(keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "00000000000150997585"]) == 1
    assert "CRC                   bad: a digit is wrong\n" in capsys.readouterr().out
    assert main(["token", "--keys", str(keys), "43917986274716482998", DISPLAY]) == 1
    assert "CRC                   bad: no key fits\n" in capsys.readouterr().out


def test_the_meter_can_be_named(keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "--keys", str(keys), "--pan", "600727000000000009", CREDIT]) == 0
    assert main(["token", "--keys", str(keys), "--pan", "000001000000000082", CREDIT]) == 1
    assert main(["token", "--keys", str(keys), "--pan", "1", CREDIT]) == 2
    assert "has no key of meter 1" in capsys.readouterr().err
    assert main(["token", "--pan", "1", CREDIT]) == 2
    assert "--keys" in capsys.readouterr().err


def test_a_malformed_key_file_is_refused(keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys.write_text(keys.read_text().replace("krn = 1", "krn = 12"))
    assert main(["token", "--keys", str(keys), DISPLAY]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"vtctap: {keys}: line 9: meter 1: krn: must be a number from 0 to 9\n"


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """A session that writes tokens, and holds another value that is a token by its CRC."""
    path = tmp_path / "tokens.pcapng"
    values = [b"FFFF(%s)" % token.encode() for token in (CREDIT, *KEY_CHANGE)] + [b"7(%s)" % DISPLAY.encode()]
    with create_trace(path) as writer:
        for number, value in enumerate(values):
            octets = b"\x01W1\x02" + value + b"\x03"
            bcc = 0
            for octet in octets[1:]:
                bcc ^= octet
            time = 1_767_225_600_000_000_000 + number * 10**9
            writer.write(Record(time, octets + bytes([bcc]), Kind.FRAME, Sender.CLIENT, line=Line(7, "E", 1)))
    return path


def test_read_with_keys(trace: Path, keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["read", "--json", "--keys", str(keys), str(trace)]) == 0
    shown = objects(capsys.readouterr().out)
    assert shown[0]["vtc.token"] == CREDIT
    assert shown[0]["vtc.token.amount"] == 0.1
    assert shown[0]["vtc.token.encoding"] == "decimal"
    assert shown[0]["vtc.confidence"] == "derived"
    assert shown[1]["vtc.token.name"] == "Set1stSectionDecoderKey"
    assert shown[5]["vtc.token.name"] == "InitiateMeterTest/Display1"
    assert "vtc.token" not in shown[5].get("vtc.assumed", [])  # type: ignore[operator]
    assert main(["read", "--keys", str(keys), str(trace)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("TokenData token: TransferElectricityCredit 0.1 kWh")
    assert lines[5].endswith(") token: InitiateMeterTest/Display1")


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("table", ["tokens", "records"])
def test_export_with_keys(trace: Path, keys: Path, tmp_path: Path, form: str, table: str) -> None:
    """With keys, each form of table has the decrypted values, as in ``read --json``; without keys, none has them."""
    pytest.importorskip("Crypto")
    if form == "parquet":
        pytest.importorskip("pyarrow")
    target = tmp_path / f"t.{form}"
    opened = ["vtc.token.name", "vtc.token.class", "vtc.token.amount", "vtc.token.crc.status"]
    shown = {}
    for options in ([], ["--keys", str(keys)]):
        assert main(["export", "--table", table, *options, str(trace), "-o", str(target), "--force"]) == 0
        shown[len(options)] = [{name: row.get(name) for name in ["vtc.token", *opened]} for row in table_of(target)]
    assert [row["vtc.token"] for row in shown[2]] == [CREDIT, *KEY_CHANGE, DISPLAY]
    assert [row["vtc.token"] for row in shown[0]] == [CREDIT, *KEY_CHANGE, DISPLAY]
    absent, number = ("", str) if form == "csv" else (None, float)
    assert [row["vtc.token.amount"] for row in shown[2]] == [number(0.1), *[absent] * 5]
    assert [row["vtc.token.name"] for row in shown[2]] == [
        "TransferElectricityCredit",
        *(f"Set{place}SectionDecoderKey" for place in ("1st", "2nd", "3rd", "4th")),
        "InitiateMeterTest/Display1",
    ]
    assert {row["vtc.token.amount"] for row in shown[0]} == {absent}
    assert [row["vtc.token.crc.status"] for row in shown[0]] == [*["encrypted"] * 5, "good"]
    assert {row["vtc.token.crc.status"] for row in shown[2]} == {"good"}


def table_of(path: Path) -> list[dict[str, object]]:
    if path.suffix == ".csv":
        with open(path, newline="") as file:
            return list(csv.DictReader(file))
    if path.suffix == ".jsonl":
        return objects(path.read_text())
    import pyarrow.parquet

    rows: list[dict[str, object]] = pyarrow.parquet.read_table(path).to_pylist()
    return rows


def test_read_without_keys(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["read", str(trace), "--filter", "vtc.token.class == 0"]) == 0
    assert capsys.readouterr().out.endswith("TokenData token: TransferCredit, encrypted\n")


def test_a_filter_by_amount(trace: Path, keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["read", str(trace), "--keys", str(keys), "--filter", "vtc.token.amount > 0.05"]) == 0
    assert capsys.readouterr().out.count("\n") == 1


def test_no_output_shows_a_key(trace: Path, keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither the keys of the file nor the sections of a new key in the trace's key change tokens are printed."""
    for command in (["read"], ["read", "--json"], ["read", "-x"]):
        assert main([*command, "--keys", str(keys), str(trace)]) == 0
    read = "".join(capsys.readouterr()).lower()
    for command in (["token"], ["token", "--json"]):
        assert main([*command, "--keys", str(keys), CREDIT, *KEY_CHANGE]) == 0
    shown = "".join(capsys.readouterr()).lower()
    for key in (VENDING_KEY, DECODER_KEY, "290e2626f5a0d106aad1aab6411589df"):
        assert key[:8] not in read + shown
    for at in range(0, 32, 8):
        assert NEW_KEY[at : at + 8] not in read


def test_without_des_a_key_that_needs_it_says_what_to_install(
    keys: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "Crypto", None)
    monkeypatch.setitem(sys.modules, "Crypto.Cipher", None)
    assert main(["token", "--keys", str(keys), CREDIT]) == 0
    keys.write_text('[[meter]]\npan = "600727000000000009"\nea = 9\ndecoder_key = "e653341f9d5bf36f"\n')
    capsys.readouterr()
    assert main(["token", "--keys", str(keys), CREDIT]) == 2
    said = f"vtctap: the cipher DES (of EA09 and DKGA02) needs pycryptodome: {advice('keys')}\n"
    assert capsys.readouterr().err == said

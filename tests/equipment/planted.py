"""Sessions with planted secrets, for tests of redaction: made from random numbers, and searched independently of
redaction's own search."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from vtctap.pcap.record import Flag, Kind, Line, Record, Sender

NOON: Final = 1_767_268_800_000_000_000
LINE: Final = Line(7, "E", 1)
UPPER: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def bcc(octets: bytes) -> int:
    """Returns the check character of everything after the first octet."""
    value = 0
    for octet in octets[1:]:
        value ^= octet
    return value & 0x7F


def fcs(octets: bytes) -> bytes:
    """Computes CRC-16/X.25 bit by bit, low octet first."""
    value = 0xFFFF
    for octet in octets:
        value ^= octet
        for _ in range(8):
            value = value >> 1 ^ (0x8408 if value & 1 else 0)
    return (value ^ 0xFFFF).to_bytes(2, "little")


def command(letter: str, body: bytes) -> bytes:
    """Returns a command with its check character."""
    whole = b"\x01" + letter.encode() + b"\x02" + body + b"\x03"
    return whole + bytes([bcc(whole)])


def data(body: bytes) -> bytes:
    """Returns an answer with its check character."""
    whole = b"\x02" + body + b"\x03"
    return whole + bytes([bcc(whole)])


@dataclass
class Planted:
    """A session: its records, and the secrets in it by kind."""

    records: list[Record] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)
    payloads: list[bytes] = field(default_factory=list)


class Planter:
    """Makes a session from a seed. Every session has a secret in each possible place."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._time = NOON
        self.session = Planted()

    def _digits(self, count: int) -> str:
        return "".join(self._random.choice("0123456789") for _ in range(count))

    def _say(self, octets: bytes, sender: Sender = Sender.SERVER, kind: Kind = Kind.FRAME, flags: int = 0) -> None:
        if self._random.random() < 0.1 and octets and kind is Kind.FRAME:
            octets = octets[:-1] + bytes([octets[-1] ^ 1])  # A bad check character or a lost line end.
        self._time += self._random.randrange(10**6, 10**9)
        tap = int(sender is Sender.SERVER)
        self.session.records.append(
            Record(self._time, octets, kind, sender, tap=tap, line=LINE, flags=flags, speed=9600, duration=10**6)
        )

    def _event(self, text: str) -> None:
        self._time += 1000
        self.session.records.append(Record(self._time, kind=Kind.EVENT, event=text))

    def make(self) -> Planted:
        """Makes the session."""
        token = str(self._random.randrange(2**60, 2**66)).rjust(20, "0")
        meter, account, password = self._digits(11), self._digits(10), self._digits(8)
        name = "".join(self._random.choice(UPPER) for _ in range(9))
        challenge = "".join(self._random.choice("0123456789ABCDEF") for _ in range(16))
        id_ = self._digits(12)
        pan = f"600727{meter}7"
        found = {"token": token, "meter": meter, "account": account, "password": password, "customer": name}
        self.session.secrets = found | {"challenge": challenge, "register": id_}
        self._event(f"opened profile=iec62055-52 speed=9600 line=7E1 adapter={name} port=/home/{name}/tty{account}")
        places: list[Callable[..., None]] = [
            *(self._sign_on, self._tokens, self._numbers, self._secrets, self._noise, self._events, self._hdlc),
            *(self._telegram,),
        ]
        self._random.shuffle(places)
        for place in places:
            place(token=token, meter=meter, account=account, password=password, name=name, challenge=challenge, pan=pan)
        self._say(command("R1", f"{id_}()".encode()), Sender.CLIENT)
        self._say(data(f"{id_}(1)".encode()))
        self._event("closed octets=123")
        return self.session

    def _sign_on(self, *, meter: str, account: str, name: str, **_: str) -> None:
        self._say(f"/?{meter}!\r\n".encode(), Sender.CLIENT)
        self._say(f"/?{account}!{name}\r\n".encode(), Sender.CLIENT)
        self._say(f"/ISK5\\{meter}-MT\r\n".encode())
        self._say(f"/KAM5{name}{account}\r\n".encode())
        self._say(f"/LGZ5{name}\r\n".encode())
        self._say(f"/LGZ5\\2{name.capitalize()}-E350\r\n".encode())

    def _tokens(self, *, token: str, **_: str) -> None:
        number = int(token)
        septets = bytes(number >> 7 * at & 0x7F for at in reversed(range(10)))
        spaced = " ".join(token[at : at + 4] for at in range(0, 20, 4))
        for register in ("FFFF", "0010", "1.8.0", "96.1.1"):
            for form in (token, spaced, spaced.replace(" ", "-"), f"{number:017X}", f"{number:017x}"):
                self._say(command("W1", f"{register}({form})".encode()), Sender.CLIENT)
            self._say(command("W1", f"{register}({token.encode().hex()})".encode()), Sender.CLIENT)
            if not set(septets) & set(b"\0\1\2\3\4\r\n()*!"):
                self._say(command("W1", register.encode() + b"(" + septets + b")"), Sender.CLIENT)
        cut = self._random.randrange(6, 15)
        self._say(f"\x01W1\x02FFFF({token[:cut]}".encode(), Sender.CLIENT, flags=Flag.CUT)
        self._say(f"{token[cut:]})\x03a".encode(), Sender.CLIENT, Kind.NOISE)
        for at in range(0, 20, 4):
            self._say(command("W1", f"FFFF({token[at : at + 4]})".encode()), Sender.CLIENT)
        self._say(data(f"96.1.0({token[:10]})\r\n96.1.1({token[10:]})".encode()))

    def _numbers(self, *, meter: str, account: str, pan: str, **_: str) -> None:
        for number in (meter, account, pan):
            self._say(data(f"2006({number})".encode()))
            self._say(data(f"0.0.0({number})".encode()))
            self._say(data(f"1.8.0({number})".encode()))
            self._say(data(f"C.1.0({number.encode().hex()})".encode()))
            self._say(data(f"0-0:96.1.1({number.encode().hex().upper()})".encode()))
            self._say(data(f"XYZZY({number}*kWh)".encode()))
            self._say(data(f"1.8.0(1*{number})".encode()))

    def _secrets(self, *, password: str, challenge: str, name: str, **_: str) -> None:
        self._say(command("P0", f"({challenge})".encode()))
        self._say(command("P1", f"({password})".encode()), Sender.CLIENT)
        self._say(command("P2", f"({challenge[::-1]})".encode()), Sender.CLIENT)
        self._say(data(f"96.13.0({name.encode().hex()})".encode()))
        self._say(data(f"TEXT({name})".encode()))
        self._say(data(f"{name}{name}(1)".encode()))
        self._say(command("W1", f"2014({name}){name}".encode()), Sender.CLIENT)
        self._say(f"\x15{name}".encode())

    def _noise(self, *, token: str, meter: str, name: str, **_: str) -> None:
        for octets in (token.encode(), meter.encode(), name.encode(), bytes.fromhex(token), b"\xff" + token.encode()):
            self._say(octets, self._random.choice(list(Sender)), Kind.NOISE)
        self._say(bytes(octet | 0x80 for octet in token.encode()), kind=Kind.NOISE)

    def _events(self, *, token: str, meter: str, name: str, **_: str) -> None:
        self._event(f"mark note=token_{token}_of_{name}")
        self._event(f"mark note={meter}")
        self._event(f"lost octets=5 port=/dev/{name} why={meter}")
        self._event(f"{name} token={token}")

    def _hdlc(self, *, meter: str, **_: str) -> None:
        payload = bytes(self._random.randrange(256) for _ in range(20)).replace(b"\x7e", b"a") + meter.encode()
        head = bytes([0xA0, 2 + 2 + 1 + 2 + len(payload) + 2]) + b"\x02\x23\x03\x13"
        head = bytes([0xA0, len(head) - 2 + 2 + 2 + len(payload) + 2]) + head[2:]
        body = head + fcs(head) + payload
        self._say(b"\x7e" + body + fcs(body) + b"\x7e")
        self.session.payloads.append(payload)

    def _telegram(self, *, meter: str, name: str, **_: str) -> None:
        lines = f"/KFM5{meter}\r\n\r\n0-0:96.1.1({meter.encode().hex()})\r\n1-0:1.8.1(000123.456*kWh)\r\n"
        self._say(f"{lines}0-0:96.13.0({name.encode().hex()})\r\n!\r\n".encode())


def survivors(session: Planted, records: list[Record]) -> list[str]:
    """Yields the session's secrets that are still in the records, by kind and form."""
    octets = b"".join(record.octets for record in records)
    sides = [b"".join(r.octets for r in records if r.sender is sender) for sender in Sender]
    text = "\n".join(record.event for record in records).encode()
    everywhere = b"\n".join([octets, *sides, text])
    low = bytes(octet & 0x7F for octet in everywhere)
    digits = bytes(octet for octet in low if octet in b"0123456789")
    found = []
    for kind, secret in session.secrets.items():
        plain = secret.encode()
        forms = {"plain": plain, "lower": plain.lower(), "hex": plain.hex().encode(), "reversed": plain[::-1]}
        if kind == "token":
            number = int(secret)
            forms |= {"hex number": f"{number:017X}".encode(), "lower hex number": f"{number:017x}".encode()}
            forms |= {"bcd": bytes.fromhex(secret), "half": plain[:10], "other half": plain[10:]}
            forms["septets"] = bytes(number >> 7 * at & 0x7F for at in reversed(range(10)))
            if plain in digits:
                found.append("token: digits alone")
        found += [f"{kind}: {form}" for form, value in forms.items() if value in everywhere or value in low]
    return found + ["payload" for payload in session.payloads if payload in everywhere]

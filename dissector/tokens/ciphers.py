"""The ciphers of encrypted tokens, and how decoder keys are made.

EA09 is DES, from PyCryptodome (the extra ``keys``), imported when it is used; EA11 is MISTY1. EA07 (STA)
needs tables that are under licence and is not here: whoever has it passes a function of his own
(:attr:`vtctap.dissector.tokens.keys.Keys.decrypt`). Keys and blocks are octets, the first one holding the highest bits.
That order was checked on published tokens for EA11 and DKGA04 and on a published key for DKGA02; for EA09, of which
no token with its key is public, it is assumed to be the same.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Any, Final

from vtctap.dissector.tokens.misty1 import Misty1
from vtctap.extras import extra


def _des(key: bytes) -> Any:
    with extra("keys", "the cipher DES (of EA09 and DKGA02)"):
        from Crypto.Cipher import DES
    return DES.new(key, DES.MODE_ECB)


def require_des() -> None:
    """Raises MissingExtra where there is no DES."""
    _des(bytes(8))


def _decrypt_des(key: bytes, block: bytes) -> bytes:
    return bytes(_des(key).decrypt(block))


def _decrypt_misty1(key: bytes, block: bytes) -> bytes:
    return Misty1(key).decrypt(block)


CIPHERS: Final[Mapping[int, tuple[int, Callable[[bytes, bytes], bytes], str]]] = {
    9: (8, _decrypt_des, "assumed"),
    11: (16, _decrypt_misty1, "confirmed"),
}
"""By encryption algorithm: octets of a decoder key, what decrypts a block with it, and how sure its use here is."""


def dkga02(vending_key: bytes, *, pan: str, sgc: int, ti: int, kt: int, krn: int) -> bytes:
    """The decoder key of 8 octets by algorithm 02, from a vending key of 8 octets (DES)."""
    # The last digits of the issuer's number and the meter's; the check digit at the end is not part of it.
    digits = pan[4:17] if pan.startswith("0000") else pan[6:17]
    issuer = pan[1:4] if pan.startswith("0000") else pan[1:6]
    meter = "0" * len(digits) if kt == 3 else digits
    pan_block = bytes.fromhex(issuer + meter)
    control_block = bytes.fromhex(f"{kt}{sgc:06}{ti:02}{krn}FFFFFF")
    inputs = _xor(pan_block, control_block)
    return _xor(_xor(_des(vending_key).encrypt(inputs), inputs), vending_key)


def dkga04(
    vending_key: bytes, *, pan: str, sgc: int, ti: int, kt: int, krn: int, base: int, ea: int, octets: int
) -> bytes:
    """The decoder key of so many octets by algorithm 04, from a vending key of 20 octets (HMAC-SHA-256)."""

    def words(*texts: str) -> bytes:
        return bytes([len(texts)]) + b"".join(bytes([len(text)]) + text.encode("ascii") for text in texts)

    message = (
        words("04", f"{base % 100:02}", f"{ea:02}", f"{ti:02}")
        + b"\0"
        + words(f"{sgc:06}", str(kt), str(krn), pan)
        + (octets * 8).to_bytes(4)
    )
    return hmac.digest(vending_key, message, hashlib.sha256)[:octets]


def _xor(a: bytes, b: bytes) -> bytes:
    return bytes(x ^ y for x, y in zip(a, b, strict=True))

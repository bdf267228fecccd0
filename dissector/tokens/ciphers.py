"""The ciphers of encrypted tokens, and the derivation of decoder keys.

EA09 is DES from PyCryptodome (the extra ``keys``), imported when used; EA11 is MISTY1. EA07 (STA) needs licensed tables
and is not included: users who have it pass their own function (:attr:`vtctap.dissector.tokens.keys.Keys.decrypt`). Keys
and blocks are octets, the most significant first. Published tokens confirm that order for EA11 and DKGA04, and a
published key confirms it for DKGA02. For EA09 it is assumed, since no token with its key is public.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Any, Final

from vtctap.base.extras import extra
from vtctap.dissector.tokens.misty1 import Misty1


def _des(key: bytes) -> Any:
    with extra("keys", "the cipher DES (of EA09 and DKGA02)"):
        from Crypto.Cipher import DES
    return DES.new(key, DES.MODE_ECB)


def require_des() -> None:
    """Raises MissingExtra where DES is not installed."""
    _des(bytes(8))


def _decrypt_des(key: bytes, block: bytes) -> bytes:
    return bytes(_des(key).decrypt(block))


def _decrypt_misty1(key: bytes, block: bytes) -> bytes:
    return Misty1(key).decrypt(block)


CIPHERS: Final[Mapping[int, tuple[int, Callable[[bytes, bytes], bytes], str]]] = {
    9: (8, _decrypt_des, "assumed"),
    11: (16, _decrypt_misty1, "confirmed"),
}
"""The ciphers by encryption algorithm: octets of a decoder key, the function that decrypts a block, and the
confidence."""


def dkga02(vending_key: bytes, *, pan: str, sgc: int, ti: int, kt: int, krn: int) -> bytes:
    """Derives the decoder key of 8 octets by algorithm 02 from a vending key of 8 octets (DES)."""
    # The last digits of the issuer's number and the meter's, without the check digit at the end.
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
    """Derives a decoder key of ``octets`` octets by algorithm 04 from a vending key of 20 octets (HMAC-SHA-256)."""

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

"""MISTY1, the block cipher of encryption algorithm EA11: 64-bit blocks, 128-bit keys, eight rounds (RFC 2994).

It follows the RFC and its names, since no maintained library has this cipher. It decrypts tokens with keys that the
user holds. It does not resist timing measurements and is no general cryptographic library.
"""

from typing import Final

KEY_OCTETS: Final = 16
BLOCK_OCTETS: Final = 8
_ROUNDS: Final = 8


def _table(text: str) -> tuple[int, ...]:
    return tuple(int(number, 16) for number in text.split())


_S7: Final = _table("""
    1B 32 33 5A 3B 10 17 54 5B 1A 72 73 6B 2C 66 49 1F 24 13 6C 37 2E 3F 4A 5D 0F 40 56 25 51 1C 04
    0B 46 20 0D 7B 35 44 42 2B 1E 41 14 4B 79 15 6F 0E 55 09 36 74 0C 67 53 28 0A 7E 38 02 07 60 29
    19 12 65 2F 30 39 08 68 5F 78 2A 4C 64 45 75 3D 59 48 03 57 7C 4F 62 3C 1D 21 5E 27 6A 70 4D 3A
    01 6D 6E 63 18 77 23 05 26 76 00 31 2D 7A 7F 61 50 22 11 06 47 16 52 4E 71 3E 69 43 34 5C 58 7D
""")
_S9: Final = _table("""
    1C3 0CB 153 19F 1E3 0E9 0FB 035 181 0B9 117 1EB 133 009 02D 0D3 0C7 14A 037 07E 0EB 164 193 1D8
    0A3 11E 055 02C 01D 1A2 163 118 14B 152 1D2 00F 02B 030 13A 0E5 111 138 18E 063 0E3 0C8 1F4 01B
    001 09D 0F8 1A0 16D 1F3 01C 146 07D 0D1 082 1EA 183 12D 0F4 19E 1D3 0DD 1E2 128 1E0 0EC 059 091
    011 12F 026 0DC 0B0 18C 10F 1F7 0E7 16C 0B6 0F9 0D8 151 101 14C 103 0B8 154 12B 1AE 017 071 00C
    047 058 07F 1A4 134 129 084 15D 19D 1B2 1A3 048 07C 051 1CA 023 13D 1A7 165 03B 042 0DA 192 0CE
    0C1 06B 09F 1F1 12C 184 0FA 196 1E1 169 17D 031 180 10A 094 1DA 186 13E 11C 060 175 1CF 067 119
    065 068 099 150 008 007 17C 0B7 024 019 0DE 127 0DB 0E4 1A9 052 109 090 19C 1C1 028 1B3 135 16A
    176 0DF 1E5 188 0C5 16E 1DE 1B1 0C3 1DF 036 0EE 1EE 0F0 093 049 09A 1B6 069 081 125 00B 05E 0B4
    149 1C7 174 03E 13B 1B7 08E 1C6 0AE 010 095 1EF 04E 0F2 1FD 085 0FD 0F6 0A0 16F 083 08A 156 09B
    13C 107 167 098 1D0 1E9 003 1FE 0BD 122 089 0D2 18F 012 033 06A 142 0ED 170 11B 0E2 14F 158 131
    147 05D 113 1CD 079 161 1A5 179 09E 1B4 0CC 022 132 01A 0E8 004 187 1ED 197 039 1BF 1D7 027 18B
    0C6 09C 0D0 14E 06C 034 1F2 06E 0CA 025 0BA 191 0FE 013 106 02F 1AD 172 1DB 0C0 10B 1D6 0F5 1EC
    10D 076 114 1AB 075 10C 1E4 159 054 11F 04B 0C4 1BE 0F7 029 0A4 00E 1F0 077 04D 17A 086 08B 0B3
    171 0BF 10E 104 097 15B 160 168 0D7 0BB 066 1CE 0FC 092 1C5 06F 016 04A 0A1 139 0AF 0F1 190 00A
    1AA 143 17B 056 18D 166 0D4 1FB 14D 194 19A 087 1F8 123 0A7 1B8 141 03C 1F9 140 02A 155 11A 1A1
    198 0D5 126 1AF 061 12E 157 1DC 072 18A 0AA 096 115 0EF 045 07B 08D 145 053 05F 178 0B2 02E 020
    1D5 03F 1C9 1E7 1AC 044 038 014 0B1 16B 0AB 0B5 05A 182 1C8 1D4 018 177 064 0CF 06D 100 199 130
    15A 005 120 1BB 1BD 0E0 04F 0D6 13F 1C4 12A 015 006 0FF 19B 0A6 043 088 050 15F 1E8 121 073 17E
    0BC 0C2 0C9 173 189 1F5 074 1CC 1E6 1A8 195 01F 041 00D 1BA 032 03D 1D1 080 0A8 057 1B9 162 148
    0D9 105 062 07A 021 1FF 112 108 1C0 0A9 11D 1B0 1A6 0CD 0F3 05C 102 05B 1D9 144 1F6 0AD 0A5 03A
    1CB 136 17F 046 0E1 01E 1DD 0E6 137 1FA 185 08C 08F 040 1B5 0BE 078 000 0AC 110 15E 124 002 1BC
    0A2 0EA 070 1FC 116 15C 04C 1C2
""")


def _fi(value: int, key: int) -> int:
    """Computes the function FI (RFC 2994 section 2.3) of 16 bits."""
    d9, d7 = value >> 7, value & 0x7F
    d9 = _S9[d9] ^ d7
    d7 = _S7[d7] ^ d9 & 0x7F
    d7 ^= key >> 9
    d9 = _S9[d9 ^ key & 0x1FF] ^ d7
    return d7 << 9 | d9


class Misty1:
    """The cipher with one key of 16 octets."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_OCTETS:
            raise ValueError(f"a key of MISTY1 has {KEY_OCTETS} octets")
        first = [int.from_bytes(key[at : at + 2]) for at in range(0, KEY_OCTETS, 2)]
        self._key = first + [_fi(first[i], first[(i + 1) % 8]) for i in range(8)]

    def encrypt(self, block: bytes) -> bytes:
        """Encrypts a block of 8 octets."""
        left, right = self._halves(block)
        for number in range(0, _ROUNDS, 2):
            left, right = self._fl(left, number), self._fl(right, number + 1)
            right ^= self._fo(left, number)
            left ^= self._fo(right, number + 1)
        left, right = self._fl(left, _ROUNDS), self._fl(right, _ROUNDS + 1)
        return (right << 32 | left).to_bytes(BLOCK_OCTETS)

    def decrypt(self, block: bytes) -> bytes:
        """Decrypts a block of 8 octets."""
        right, left = self._halves(block)
        left, right = self._fl_inverse(left, _ROUNDS), self._fl_inverse(right, _ROUNDS + 1)
        for number in range(_ROUNDS - 2, -1, -2):
            left ^= self._fo(right, number + 1)
            right ^= self._fo(left, number)
            left, right = self._fl_inverse(left, number), self._fl_inverse(right, number + 1)
        return (left << 32 | right).to_bytes(BLOCK_OCTETS)

    @staticmethod
    def _halves(block: bytes) -> tuple[int, int]:
        if len(block) != BLOCK_OCTETS:
            raise ValueError(f"a block of MISTY1 has {BLOCK_OCTETS} octets")
        return int.from_bytes(block[:4]), int.from_bytes(block[4:])

    def _fo(self, value: int, number: int) -> int:
        """Computes the function FO of 32 bits."""
        key = self._key
        t0, t1 = value >> 16, value & 0xFFFF
        t0 = _fi(t0 ^ key[number], key[(number + 5) % 8 + 8]) ^ t1
        t1 = _fi(t1 ^ key[(number + 2) % 8], key[(number + 1) % 8 + 8]) ^ t0
        t0 = _fi(t0 ^ key[(number + 7) % 8], key[(number + 3) % 8 + 8]) ^ t1
        return (t1 ^ key[(number + 4) % 8]) << 16 | t0

    def _fl_keys(self, number: int) -> tuple[int, int]:
        half = number // 2
        if number % 2:
            return self._key[(half + 2) % 8 + 8], self._key[(half + 4) % 8]
        return self._key[half], self._key[(half + 6) % 8 + 8]

    def _fl(self, value: int, number: int) -> int:
        """Computes the function FL of 32 bits."""
        key_and, key_or = self._fl_keys(number)
        d0, d1 = value >> 16, value & 0xFFFF
        d1 ^= d0 & key_and
        d0 ^= d1 | key_or
        return d0 << 16 | d1

    def _fl_inverse(self, value: int, number: int) -> int:
        key_and, key_or = self._fl_keys(number)
        d0, d1 = value >> 16, value & 0xFFFF
        d0 ^= d1 | key_or
        d1 ^= d0 & key_and
        return d0 << 16 | d1

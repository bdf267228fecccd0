"""Damages an input at random, reproducibly."""

import random


def damaged(seed: bytes, chance: random.Random) -> bytes:
    """Returns the seed with a few parts replaced, removed, doubled or reversed."""
    octets = bytearray(seed)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(octets) + 1)
        size = chance.randrange(1, 9)
        part = octets[at : at + size]
        octets[at : at + size] = chance.choice(
            [chance.randbytes(size), b"", part * 2, bytes(size), b"\xff" * size, bytes(reversed(part)), b'"\\\n(!/']
        )
    return bytes(octets)

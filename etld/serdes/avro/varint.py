"""Integers as Avro writes them: zigzag, seven bits a byte.

https://avro.apache.org/docs/1.12.0/specification/#primitive-types-1
"""

from __future__ import annotations

# Two bytes at a time, both with the bit that says that more follow.
_PAIRS = [bytes((i & 0x7F | 0x80, i >> 7 | 0x80)) for i in range(1 << 14)]


def varint(value: int) -> bytes:
    """The bytes of an integer of up to 64 bits."""
    zigzag = (value << 1) ^ (value >> 63)
    out = bytearray()
    while zigzag > 0x3FFF:
        out += _PAIRS[zigzag & 0x3FFF]
        zigzag >>= 14
    if zigzag > 0x7F:
        out.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    out.append(zigzag)
    return bytes(out)


FEW = 8192
#: The lengths and numbers that come all the time; with the index of the second branch of a union before them.
SMALL = [varint(number) for number in range(FEW)]
SMALL_OPTIONAL = [b"\x02" + number for number in SMALL]


def long(value: int) -> bytes:
    """As `varint`, faster for what is frequent."""
    if 0 <= value < FEW:
        return SMALL[value]
    z = (value << 1) ^ (value >> 63)
    if 1 << 49 <= z < 1 << 56:  # microseconds since 1970, from 1978 to 2541; unrolled, since a loop takes longer
        return bytes(
            (
                z & 127 | 128,
                z >> 7 & 127 | 128,
                z >> 14 & 127 | 128,
                z >> 21 & 127 | 128,
                z >> 28 & 127 | 128,
                z >> 35 & 127 | 128,
                z >> 42 & 127 | 128,
                z >> 49,
            )
        )
    return varint(value)

"""Makes test/goldens/training/philox.json: words of effuse's random streams, by Philox 4x32-10 in Python's big integers.

Checked first against the known answers of Random123 1.14.0 (D. E. Shaw Research), tests/kat_vectors, the lines that begin
`philox4x32 10`: counter, key, result. check_with_tensorflow.py asks TensorFlow's kernel for the same words.
"""

from golden_weights import fnv1a32
from goldens_io import write

MASK = 0xFFFFFFFF
KAT = """
00000000 00000000 00000000 00000000 00000000 00000000 6627e8d5 e169c58d bc57ac4c 9b00dbd8
ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff 408f276d 41c83b0e a20bc7c6 6d5451fd
243f6a88 85a308d3 13198a2e 03707344 a4093822 299f31d0 d16cfe09 94fdcceb 5001e420 24126ea1
"""


def philox4x32(counter: list[int], key: list[int]) -> list[int]:
    """Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011."""
    a, b, c, d = counter
    k0, k1 = key
    for _ in range(10):
        left, right = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = (right >> 32) ^ b ^ k0, right & MASK, (left >> 32) ^ d ^ k1, left & MASK
        k0, k1 = (k0 + 0x9E3779B9) & MASK, (k1 + 0xBB67AE85) & MASK
    return [a, b, c, d]


def stream_key(stream: str) -> int:
    """FNV-1a, then MurmurHash3's finaliser."""
    h = fnv1a32(stream)
    h = ((h ^ (h >> 16)) * 0x85EBCA6B) & MASK
    h = ((h ^ (h >> 13)) * 0xC2B2AE35) & MASK
    return h ^ (h >> 16)


def words(seed: int, stream: str, run: int, replica: int, count: int) -> list[int]:
    made: list[int] = []
    for block in range(-(-count // 4)):
        made += philox4x32([block, run & MASK, run >> 32, replica], [seed, stream_key(stream)])
    return made[:count]


def main() -> None:
    for line in KAT.split("\n"):
        if line:
            numbers = [int(word, 16) for word in line.split()]
            assert philox4x32(numbers[:4], numbers[4:6]) == numbers[6:], line
    cases = []
    for seed in (0, 7, MASK):
        for stream in ("head/dropout", "blocks.11/drop", "größe 🎲"):
            for run, replica in ((0, 0), (1, 0), (0, 3), (2**32 - 1, 1), (2**32 + 5, MASK), (2**53 - 1, 0)):
                cases.append(
                    {
                        "seed": seed,
                        "stream": stream,
                        "runIndex": run,
                        "replica": replica,
                        "streamKey": stream_key(stream),
                        "words": words(seed, stream, run, replica, 10),
                    }
                )
    write("training/philox.json", {"cases": cases})


if __name__ == "__main__":
    main()

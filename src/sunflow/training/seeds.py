"""One seed of the configuration, many independent streams of random numbers."""

import hashlib

_ODD = 0x9E3779B1


def stream_seed(seed: int, purpose: str, index: int) -> int:
    """The 63-bit seed of stream `index` for this purpose, such as the noise of one step or of one crystal.

    PyTorch's generator on a CPU heeds only the low 32 bits of its seed, where hashes of some ten thousand crystals
    would now and then collide. Multiplication by an odd number permutes those bits, so streams of one purpose differ.
    """
    base = int.from_bytes(hashlib.sha256(f"{seed}/{purpose}".encode()).digest()[:8], "big") >> 1
    mixed = int.from_bytes(hashlib.sha256(f"{seed}/{purpose}/{index}".encode()).digest()[:8], "big") >> 1
    return (mixed & ~0xFFFFFFFF) | ((base + index * _ODD) & 0xFFFFFFFF)

"""Philox4x32-10 as in src/engine/philox.ts, for many numbers at once. Run it to compare with the plain one of generate.py.

uniform() gives the very numbers of the engine. normal() takes log, cos and sin from numpy, which may differ from those of
other libraries in the last bit of float64, so once in many millions in that of float32.
"""
import numpy as np

MASK = np.uint64(0xFFFFFFFF)


def words(count, seed, step, stream):
    """uint32 [blocks, 4], enough for count numbers."""
    blocks = (count + 3) // 4
    c0, (c1, c2, c3) = np.arange(blocks, dtype=np.uint64), (np.full(blocks, c, np.uint64) for c in (step, stream, 0))
    k0, k1 = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = (p1 >> np.uint64(32)) ^ c1 ^ np.uint64(k0), p1 & MASK, (p0 >> np.uint64(32)) ^ c3 ^ np.uint64(k1), p0 & MASK
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], axis=1).astype(np.uint32)


def uniform(count, seed, step, stream):
    """float32 [count] in [0, 1)."""
    return ((words(count, seed, step, stream) >> 8).reshape(-1)[:count] * 2.0**-24).astype(np.float32)


def normal(count, seed, step, stream):
    """float32 [count], standard normal."""
    w = (words(count, seed, step, stream).astype(np.float64) + 0.5) / 2.0**32
    radius, angle = np.sqrt(-2 * np.log(w[:, 0::2])), 2 * np.pi * w[:, 1::2]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=2).reshape(-1)[:count].astype(np.float32)


def check():
    """Fails unless both of generate.py's say the same."""
    import generate

    for count, step, stream in ((1, 0, 0), (1003, 7, 2**31 + 5), (20000, 2**32 - 1, 3)):
        plain = np.array(generate.uniform(count, stream, step))
        assert (uniform(count, generate.SEED, step, stream) == plain).all()
        plain = np.array(generate.normal(count, stream, step))
        assert (np.abs(normal(count, generate.SEED, step, stream) - plain) <= 2.0**-23 * np.abs(plain)).all()


if __name__ == "__main__":
    check()
    print("as generate.py's")

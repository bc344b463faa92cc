"""Hashes and draws that are the same in every process, machine and year."""

import hashlib


def stable_hash(*parts):
    """A hash of 64 bits (blake2b)."""
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        data = part
        if not isinstance(data, bytes):
            # Ids may hold half a surrogate pair: JSON can.
            data = str(part).encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(data))
        digest.update(data)
    return int.from_bytes(digest.digest(), "big")


def stable_uniform(seed, *parts):
    """A number of the uniform distribution, a function of its arguments."""
    # 53 bits, as many as a float holds: no rounding up to 1.
    return (stable_hash(seed, *parts) >> 11) * 2.0**-53

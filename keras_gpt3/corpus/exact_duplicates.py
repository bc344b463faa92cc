"""Texts that are the same but for case and white space."""

import hashlib
import unicodedata

import numpy as np

# What stands for a document while equal ones are looked for: a key and a check
# of its digest, the document's number in its cluster (see dedup_plan.py), and
# its place.
DIGEST = np.dtype(
    [
        ("key", "u8"),
        ("check", "u8"),
        ("node", "u8"),
        ("part", "u4"),
        ("row", "u4"),
    ]
)


def text_digest(text):
    """A digest that texts share which are the same to a reader."""
    words = unicodedata.normalize("NFC", text).casefold().split()
    # A text may hold half a surrogate pair: JSON can.
    data = " ".join(words).encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(data, digest_size=16).digest()
    return int.from_bytes(digest[:8]), int.from_bytes(digest[8:])


def equal_pairs(entries):
    """Pair each document with the first of those that have its digest."""
    fields = [entries[name] for name in ("node", "check", "key")]
    order = np.lexsort(fields)
    ordered = entries[order]
    is_first = np.ones(len(order), "bool")
    is_first[1:] = (ordered["key"][1:] != ordered["key"][:-1]) | (
        ordered["check"][1:] != ordered["check"][:-1]
    )
    places = np.arange(len(order))
    firsts = np.maximum.accumulate(np.where(is_first, places, 0))
    pairs = np.stack([order[firsts], order], axis=1)
    return pairs[~is_first]

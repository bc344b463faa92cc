"""Which documents may be near-duplicates: those that agree in a whole band."""

import math

import numpy as np

from keras_gpt3.corpus.dedup.min_hash import mixed_bits

# A band that too many documents agree in is split by further hashes, in pairs:
# on each of LEVELS levels, ALTERNATIVES times, so that near-duplicates meet
# again in at least one of them.
ALTERNATIVES = 3
LEVELS = 3
NUM_FURTHER = ALTERNATIVES * LEVELS
FURTHER_HASHES = 2 * NUM_FURTHER
# Share of near-duplicates missed for too few equal further keys.
_LOST_SHARE = 0.002

# What stands in a band: the key that all of its documents share; the document
# (`node`, see dedup_plan.py) and its place; the size of its set of words;
# its keys by further hashes.
ENTRY = np.dtype(
    [
        ("key", "u8"),
        ("node", "u8"),
        ("part", "u4"),
        ("row", "u4"),
        ("size", "u4"),
        ("further", "u4", NUM_FURTHER),
    ]
)


def band_keys(signatures, bands, namespace=0):
    """Compute one key for each band of signatures."""
    rows = np.split(signatures.astype("uint64"), bands, axis=1)
    keys = [
        np.full(len(signatures), np.uint64(namespace) ^ np.uint64(i), "uint64")
        for i in range(bands)
    ]
    for i, band in enumerate(rows):
        for column in band.T:
            keys[i] = mixed_bits(keys[i] ^ (column + np.uint64(2**33)))
    return np.stack(keys, axis=1)


def scattered(entries, keys, num_blocks):
    """Yield pairs of a block's number and the entries of its keys."""
    blocks = keys % np.uint64(num_blocks)
    for block in np.unique(blocks):
        yield int(block), entries[blocks == block]


def required_agreements(threshold):
    """How many further keys two near-duplicates have in common, at least."""
    equal, below = threshold**2, 0.0
    for count in range(NUM_FURTHER):
        ways = math.comb(NUM_FURTHER, count)
        below += ways * equal**count * (1 - equal) ** (NUM_FURTHER - count)
        if below > _LOST_SHARE:
            return count
    return NUM_FURTHER


def candidate_pairs(entries, max_band_documents, threshold):
    """Find the pairs of documents that are worth comparing.

    Unrelated texts of one language share their frequent words, so that some
    bands hold a fixed share of all documents; their pairs would be a fixed
    share of all pairs. Such bands are split until they are small, and what no
    further hash can split is linked in a chain and a star, a number of pairs
    that is linear.
    """
    plausible = _Plausible(entries, threshold)
    counts = {}
    numbers = np.lexsort((entries["node"], entries["key"]))
    keys, found = entries["key"][numbers], []
    for level in range(LEVELS + 1):
        is_small = _run_lengths(keys) <= max_band_documents
        small = numbers[is_small], keys[is_small]
        found += [plausible(pairs) for pairs in _all_pairs(*small)]
        numbers, keys = numbers[~is_small], keys[~is_small]
        if level == 0:
            counts |= _count("split", numbers, keys)
            numbers, pairs = _without_copies(entries, numbers)
            keys = entries["key"][numbers]
            found.append(plausible(pairs))
        if level < LEVELS:
            numbers, keys = _split(entries, numbers, keys, level)
    counts |= _count("stayed_large", numbers, keys)
    found.append(plausible(_chain_and_star(numbers, keys)))
    return np.unique(np.concatenate(found), axis=0), counts


class _Plausible:
    """Leaves out pairs that need not be compared."""

    def __init__(self, entries, threshold):
        self._threshold = threshold
        self._required = required_agreements(threshold)
        self._sizes = entries["size"].astype("float64")
        self._further = entries["further"]

    def __call__(self, pairs):
        sizes = self._sizes[pairs]
        # Of sets of 8 and of 10, at most 8 / 10 can be common. A rounded
        # product may be a little above what it should be.
        least = self._threshold * sizes.max(axis=1) - 1e-6
        pairs = pairs[sizes.min(axis=1) >= least]
        if not self._required:
            return pairs
        same = self._further[pairs[:, 0]] == self._further[pairs[:, 1]]
        return pairs[same.sum(axis=1) >= self._required]


def _without_copies(entries, order):
    """Documents of the same key and further keys, each linked to the first.

    A text that stands a thousand times with small changes is so compared a
    thousand times, not half a million. It is done in large bands only: in
    others the pairs of all copies are found.
    """
    further = mixed_bits(entries["key"][order])
    for column in entries["further"][order].T:
        further = mixed_bits(further ^ (column + np.uint64(2**33)))
    by_further = np.argsort(further, kind="stable")
    order, further = order[by_further], further[by_further]
    firsts = run_starts(further)
    is_copy = firsts != np.arange(len(order))
    pairs = np.stack([order[firsts], order], axis=1)[is_copy]
    numbers = order[~is_copy]
    # Back into the order of the keys.
    key_order = np.lexsort((entries["node"][numbers], entries["key"][numbers]))
    return numbers[key_order], pairs


def run_starts(*keys):
    """For each of some sorted keys, where its run of equal ones begins."""
    places = np.arange(len(keys[0]))
    is_new = np.ones(len(places), "bool")
    is_new[1:] = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    return np.maximum.accumulate(np.where(is_new, places, 0))


def _run_lengths(keys):
    """For each of some sorted keys, how many are equal to it."""
    _, inverse, counts = np.unique(
        keys, return_inverse=True, return_counts=True
    )
    return counts[inverse]


def _all_pairs(numbers, keys):
    """Yield all pairs of each run, by their distance: no loop over pairs."""
    places = np.arange(len(keys))
    distance = 0
    while len(places):
        distance += 1
        places = places[places + distance < len(keys)]
        places = places[keys[places] == keys[places + distance]]
        yield np.stack([numbers[places], numbers[places + distance]], axis=1)


def _split(entries, numbers, keys, level):
    """The same documents, each under a key of each alternative, sorted."""
    columns = range(level * ALTERNATIVES, (level + 1) * ALTERNATIVES)
    parts = [
        mixed_bits(keys ^ (entries["further"][numbers, i] + np.uint64(2**33)))
        # Another constant each: the same key by two of them means nothing.
        ^ mixed_bits(np.full(1, i + 1, "uint64"))
        for i in columns
    ]
    keys, numbers = np.concatenate(parts), np.tile(numbers, ALTERNATIVES)
    order = np.lexsort((entries["node"][numbers], keys))
    return numbers[order], keys[order]


def _chain_and_star(numbers, keys):
    """Each document of a run with the one before it and with the first."""
    firsts = run_starts(keys)
    others = np.flatnonzero(firsts != np.arange(len(keys)))
    links = np.concatenate([firsts[others], others - 1])
    others = np.tile(others, 2)
    return np.stack([numbers[links], numbers[others]], axis=1)


def _count(name, numbers, keys):
    return {
        f"{name}_bands": len(np.unique(keys)),
        f"{name}_documents": len(np.unique(numbers)),
    }

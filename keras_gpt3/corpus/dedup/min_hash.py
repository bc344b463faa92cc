"""MinHash: signatures that agree as often as sets are similar."""

import functools

import numpy as np

from keras_gpt3.argument_checks import check_integer

# Of an empty set: no number of a feature.
_NONE = np.uint32(2**32 - 1)


class MinHash:
    """The first feature of sets in several random orders of all.

    Two sets have the same first feature in a random order with the probability
    of their Jaccard similarity (Broder 1997). Appendix A of Brown et al. 2020
    takes 10 hashes. The orders are true permutations: no two features share a
    place, so only the features' own hashing can make unlike sets agree.
    """

    def __init__(self, num_features=2**18, num_hashes=10, seed=0):
        check_integer("num_features", num_features, minimum=1)
        check_integer("num_hashes", num_hashes, minimum=1)
        check_integer("seed", seed, minimum=0)
        self.num_features = num_features
        self.num_hashes = num_hashes
        self.seed = seed

    def signatures(self, sets):
        """Compute the signatures of sets."""
        result = np.full((sets.shape[0], self.num_hashes), _NONE)
        starts = sets.indptr[:-1]
        filled = sets.indptr[1:] > starts
        # `reduceat` would give an empty row the value that follows it.
        starts = starts[filled]
        if len(starts):
            for i in range(self.num_hashes):
                order = _random_order(self.num_features, self.seed, i)
                places = order.take(sets.indices)
                result[filled, i] = np.minimum.reduceat(places, starts)
        return result


def mixed_bits(numbers):
    """Scatter numbers over all of 64 bits (the end of SplitMix64).

    NumPy's own generators may give other numbers in its next version; an index
    of signatures has to outlive that.
    """
    mixed = np.asarray(numbers, "uint64")
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


# The orders of one signature; a megabyte each.
@functools.lru_cache(maxsize=64)
def _random_order(num_features, seed, i):
    """The place of each feature in the order number `i`."""
    start = mixed_bits(np.array([seed * 2**32 + i + 1], "uint64"))
    keys = mixed_bits(start + np.arange(num_features, dtype="uint64"))
    order = np.empty(num_features, "uint32")
    order[np.argsort(keys, kind="stable")] = np.arange(num_features)
    return order

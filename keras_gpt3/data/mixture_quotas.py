"""The quotas of a mixture's sets, in closed form (TensorFlow)."""

import fractions
import itertools
import math

import numpy as np

# A block is at least as many samples, so that the sets mix well within it.
_MIN_BLOCK = 1024
_MAX_DENOMINATOR = 2**16
_SHARE_BITS = 32
# A block of 2**22 samples then holds 2 of each set, and rounding to 32 bits
# moves no share by more than 0.05%.
_MIN_SHARE_BITS = 21


class MixtureQuotas:
    """How many samples of each block are of each set, as a closed form.

    The first `k` sets together get `F_k(b)` of the samples of the first `b`
    blocks: their share of these, rounded to the nearest integer.
    """

    def __init__(self, weights):
        exact = {k: fractions.Fraction(str(w)) for k, w in weights.items()}
        total = sum(exact.values())
        parts = [0, *(w / total for w in exact.values())]
        cumulative = list(itertools.accumulate(parts))
        denominator = math.lcm(*(share.denominator for share in cumulative))
        if denominator <= _MAX_DENOMINATOR:
            self.block_size = -(-_MIN_BLOCK // denominator) * denominator
            self._shift = 1  # There is nothing to round.
        else:
            # As block_size is a power of two, F_k(b) needs fewer of the bits.
            cumulative = [_rounded(share) for share in cumulative]
            self.block_size = _block_size(weights, np.diff(cumulative))
            self._shift = _SHARE_BITS - self.block_size.bit_length() + 1
        self.shares = dict(zip(weights, np.diff(cumulative), strict=True))
        scaled = [share * self.block_size for share in cumulative]
        self._whole = np.array([share // 1 for share in scaled], np.int64)
        self._part = np.array(
            [share % 1 * 2**self._shift for share in scaled], np.int64
        )

    def ends(self, blocks):
        """Return `F_k` of numbers of blocks, for all `k` from 0.

        The products fit int64 for up to 2**51 samples.
        """
        half = 2 ** (self._shift - 1)
        rounded = (blocks * self._part + half) // 2**self._shift
        return blocks * self._whole + rounded

    def locate(self, blocks, slots):
        """Return each sample's set and its position among the set's samples.

        The slots of a block are dealt out to the sets one after the other.
        """
        import tensorflow as tf

        before = self.ends(blocks[:, None])
        first_slots = self.ends(blocks[:, None] + 1) - before
        is_past = first_slots[:, 1:-1] <= slots[:, None]
        sets = tf.math.count_nonzero(is_past, axis=1, dtype=tf.int32)
        of_set = before[:, 1:] - before[:, :-1] - first_slots[:, :-1]
        return sets, tf.gather(of_set, sets, batch_dims=1) + slots


def _rounded(share):
    unit = 2**_SHARE_BITS
    return fractions.Fraction(round(share * unit), unit)


def _block_size(weights, shares):
    """The power of two that holds at least 2 samples of each set.

    Two values of `F_k` are off by less than 1 together, so no set's count in a
    block could be negative.
    """
    smallest = min(shares)
    if smallest < fractions.Fraction(1, 2**_MIN_SHARE_BITS):
        raise ValueError(
            f"Each weight must be at least 2**-{_MIN_SHARE_BITS} of their "
            f"sum. Received: weights={weights}. Leave out the smallest set, "
            "which hardly any run would read."
        )
    return max(_MIN_BLOCK, 1 << math.ceil(2 / smallest - 1).bit_length())

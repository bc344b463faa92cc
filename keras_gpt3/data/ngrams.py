"""Words as the paper compares texts by: lowercased, without punctuation."""

import functools
import itertools
import re
import string
import sys
import unicodedata

import numpy as np

from keras_gpt3.argument_checks import check_integer

_CHUNK = re.compile(r"\S+")


def normalized_words(text):
    """Split a text into the words that are compared.

    Appendix C of Brown et al. 2020: "a gram as a lowercase, whitespace
    delimited word with no punctuation". Punctuation is what Unicode calls so,
    and all of ASCII's; a word of nothing else is left out.
    """
    return text.translate(_deleted_characters()).lower().split()


def word_spans(text):
    """Find where the words of a text stand in it."""
    deleted = _deleted_characters()
    return [
        match.span()
        for match in _CHUNK.finditer(text)
        if match.group().translate(deleted)
    ]


def ngrams(words, n):
    """List all runs of `n` words, in order."""
    return list(zip(*(words[i:] for i in range(n)), strict=False))


@functools.cache
def _deleted_characters():
    """A table for `str.translate`."""
    return {
        code: None
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code)).startswith("P")
        or chr(code) in string.punctuation
    }


# Odd, so that no word is lost in the product; further ones if two n-grams have
# the same hash by the first.
_MULTIPLIERS = (0x9E3779B97F4A7C15, 0xD1B54A32D192ED03, 0x8CB92BA72F3D8DD7)
# Rows of words that are compared at a time.
_ROWS = 2**20


class NgramIndex:
    """The n-grams of some texts, to be found in others, exactly.

    An n-gram is looked up by a hash of 64 bits, and what is found is compared
    word by word: a hash that two n-grams share costs time, never a wrong
    answer. It holds the given texts as numbers, and of the searched ones one
    at a time.
    """

    def __init__(self, texts, n):
        check_integer("n", n, minimum=1)
        self.n = n
        # 0 is any other word.
        self._ids = {}
        rows = [
            [self._ids.setdefault(word, len(self._ids) + 1) for word in text]
            for text in texts
        ]
        lengths = np.array([len(row) for row in rows], "int64")
        self._flat = np.fromiter(
            itertools.chain.from_iterable(rows), "int64", lengths.sum()
        )
        counts = np.maximum(lengths - n + 1, 0)
        owners = np.repeat(np.arange(len(rows)), counts)
        ends = np.cumsum(counts)
        within = np.arange(counts.sum()) - np.repeat(ends - counts, counts)
        first = np.cumsum(lengths) - lengths
        self._build(first[owners] + within, owners)

    @property
    def num_ngrams(self):
        """int. The number of different n-grams."""
        return len(self._hashes)

    def find(self, words):
        """Find the n-grams that a text shares."""
        ids = np.fromiter(
            map(self._ids.get, words, itertools.repeat(0)), "int64", len(words)
        )
        positions = self._positions_of_known_words(ids)
        hashes = self._hashes_of(ids, positions)
        numbers = np.searchsorted(self._hashes, hashes)
        kept = numbers < self.num_ngrams
        kept[kept] = self._hashes[numbers[kept]] == hashes[kept]
        positions, numbers = positions[kept], numbers[kept]
        kept = self._same_words(ids, positions, self._starts[numbers])
        return positions[kept], numbers[kept]

    def texts_of(self, numbers):
        """Find the index's own texts that hold n-grams."""
        parts = [
            self._owners[self._bounds[i] : self._bounds[i + 1]]
            for i in np.unique(numbers)
        ]
        return np.unique(np.concatenate([np.zeros(0, "int64"), *parts]))

    def _build(self, starts, owners):
        """Sort the n-grams by hashes, of a multiplier without collisions."""
        for self._multiplier in _MULTIPLIERS:
            hashes = self._hashes_of(self._flat, starts)
            order = np.argsort(hashes, kind="stable")
            hashes, ordered = hashes[order], starts[order]
            is_new = np.ones(len(hashes), "bool")
            is_new[1:] = hashes[1:] != hashes[:-1]
            again = np.flatnonzero(~is_new)
            one, other = ordered[again], ordered[again - 1]
            if self._same_words(self._flat, one, other).all():
                break
        else:
            raise ValueError(
                "The n-grams of the texts must have hashes of their own. "
                f"Received: {len(starts)} n-grams that share some. Divide the "
                "texts among several indexes."
            )
        self._owners = owners[order]
        self._bounds = np.append(np.flatnonzero(is_new), len(hashes))
        self._hashes, self._starts = hashes[is_new], ordered[is_new]

    def _positions_of_known_words(self, ids):
        """Where `n` words begin each of which some n-gram has."""
        if len(ids) < self.n:
            return np.zeros(0, "int64")
        sums = np.concatenate([[0], np.cumsum(ids > 0)])
        return np.flatnonzero(sums[self.n :] - sums[: -self.n] == self.n)

    def _hashes_of(self, ids, positions):
        """Polynomials in the multiplier, modulo 2**64."""
        multiplier = np.uint64(self._multiplier)
        mixed = ids.astype("uint64") * np.uint64(_MULTIPLIERS[-1])
        mixed ^= mixed >> np.uint64(32)
        hashes = np.zeros(len(positions), "uint64")
        for i in range(self.n):
            hashes *= multiplier
            hashes += mixed[positions + i]
        return hashes

    def _same_words(self, ids, positions, starts):
        """Whether the n-grams of `ids` are those of the index, in rows."""
        same = np.empty(len(positions), "bool")
        offsets = np.arange(self.n)
        for i in range(0, len(positions), _ROWS):
            rows = slice(i, i + _ROWS)
            left = ids[positions[rows, None] + offsets]
            right = self._flat[starts[rows, None] + offsets]
            same[rows] = (left == right).all(axis=1)
        return same

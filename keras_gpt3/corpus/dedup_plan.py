"""Which documents are compared with which, and what stands for each."""

import dataclasses
import functools

import numpy as np

from keras_gpt3.corpus.drop_duplicates import read_drops
from keras_gpt3.corpus.exact_duplicates import DIGEST
from keras_gpt3.corpus.locality_bands import ENTRY
from keras_gpt3.corpus.locality_bands import NUM_FURTHER
from keras_gpt3.corpus.locality_bands import band_keys
from keras_gpt3.corpus.min_hash import mixed_bits
from keras_gpt3.corpus.signatures import Signatures
from keras_gpt3.corpus.stable_hash import stable_hash

# Set in the number of a document that may be dropped. Those that others are
# only compared with come before all of these: a cluster's smallest number is
# the document that stays.
OWN = np.uint64(2**63)

# Two documents that may be, or are, duplicates; the one of the smaller number
# first.
PAIR = np.dtype(
    [
        ("nodes", "u8", 2),
        ("parts", "u4", 2),
        ("rows", "u4", 2),
        ("is_exact", "?"),
    ]
)


@dataclasses.dataclass(frozen=True)
class PlannedPart:
    """Signatures, and the data sets whose documents they are compared with."""

    path: str
    source: str
    namespaces: tuple
    drops: str | None = None

    def num_entries(self):
        """How many digests there are to compare, or documents in bands."""
        return Signatures.num_documents(self.path) * len(self.namespaces)

    def digest_entries(self, number):
        """What is equal among these has equal texts."""
        signatures = self.signatures()
        parts = []
        for namespace in self.namespaces:
            entries = self._places(number, namespace, signatures, DIGEST)
            entries["key"] = mixed_bits(
                signatures.digests[:, 0] ^ _constant(namespace)
            )
            entries["check"] = signatures.digests[:, 1]
            parts.append(entries[self._is_there(len(entries))])
        return np.concatenate(parts)

    def band_entries(self, number, num_bands, equal=()):
        """What is equal among these may have similar texts."""
        signatures = self.signatures()
        # Of no words, no set is a duplicate.
        sizes = np.diff(signatures.sets.indptr)
        there = self._is_there(len(sizes)) & (sizes > 0)
        num_hashes = signatures.minima.shape[1] - 2 * NUM_FURTHER
        first, further = np.split(signatures.minima, [num_hashes], axis=1)
        further = band_keys(further, NUM_FURTHER) >> np.uint64(32)
        parts = []
        for namespace in self.namespaces:
            entries = self._places(number, namespace, signatures, ENTRY)
            entries["size"] = sizes
            entries["further"] = further
            kept = there.copy()
            if namespace == self.source and len(equal):
                kept[equal] = False
            keys = band_keys(first, num_bands, _constant(namespace))[kept]
            entries = np.repeat(entries[kept], num_bands)
            entries["key"] = keys.reshape(-1)
            parts.append(entries)
        return np.concatenate(parts)

    def signatures(self):
        """Its file's `Signatures`."""
        return Signatures.load(self.path)

    def _places(self, number, namespace, signatures, dtype):
        """Entries of a dtype with node, part and row."""
        entries = np.zeros(len(signatures.ids), dtype)
        nodes = mixed_bits(signatures.hashes ^ _constant(namespace))
        entries["node"] = nodes >> np.uint64(1)
        if namespace == self.source and self.drops is None:
            entries["node"] |= OWN
        entries["part"] = number
        entries["row"] = np.arange(len(entries))
        return entries

    def _is_there(self, count):
        is_there = np.ones(count, "bool")
        if self.drops is not None:
            is_there[[drop["row"] for drop in read_drops(self.drops)]] = False
        return is_there


def make_pairs(entries, pairs, is_exact=False):
    """Makes records of pairs of entries, without those that nobody may lose."""
    nodes = entries["node"][pairs]
    order = np.argsort(nodes, axis=1)
    pairs = np.take_along_axis(pairs, order, axis=1)
    result = np.zeros(len(pairs), PAIR)
    result["nodes"] = entries["node"][pairs]
    result["parts"] = entries["part"][pairs]
    result["rows"] = entries["row"][pairs]
    result["is_exact"] = is_exact
    return result[result["nodes"][:, 1] >= OWN]


@functools.cache
def _constant(namespace):
    return np.uint64(stable_hash("namespace", namespace))

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
    """Signatures, and the data sets whose documents they are compared with.

    Args:
        path: string. The file of `Signatures`.
        source: string. The data set.
        namespaces: tuple of strings. Names of data sets: its own, if it may
            lose documents, and those that must not hold its documents.
        drops: string. A file of documents that are not there any more, as
            `ChooseDrops` writes it. Defaults to `None`.

    Example:

    ```python
    from keras_gpt3.corpus.dedup_plan import PlannedPart
    from keras_gpt3.corpus.document import Document
    from keras_gpt3.corpus.signatures import Signatures

    documents = [Document("1", "web", "To be"), Document("2", "web", "Not")]
    Signatures.of_documents(documents).save("web.npz")
    part = PlannedPart("web.npz", "web", ("web", "crawl"))
    len(part.digest_entries(0))  # 4: each in two namespaces
    len(part.band_entries(0, 5))  # 20: and each in five bands
    ```
    """

    path: str
    source: str
    namespaces: tuple
    drops: str | None = None

    def num_entries(self):
        """How many digests there are to compare, or documents in bands."""
        return Signatures.num_documents(self.path) * len(self.namespaces)

    def digest_entries(self, number):
        """What is equal among these has equal texts.

        Args:
            number: int. The part's own.

        Returns:
            An array of `DIGEST`.
        """
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
        """What is equal among these may have similar texts.

        Args:
            number: int. The part's own.
            num_bands: int. Bands of a document.
            equal: int array. Rows that need not be compared in the part's own
                namespace. Defaults to none.

        Returns:
            An array of `ENTRY`, one for each document, namespace and band.
        """
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
    """Makes records of pairs of entries, without those that nobody may lose.

    Args:
        entries: array with `node`, `part` and `row`.
        pairs: int array of shape `(pairs, 2)`. Numbers of entries.
        is_exact: bool. Whether their texts are equal. Defaults to `False`.

    Returns:
        An array of `PAIR`.

    Example:

    ```python
    import numpy as np
    from keras_gpt3.corpus.dedup_plan import OWN, make_pairs
    from keras_gpt3.corpus.exact_duplicates import DIGEST

    entries = np.zeros(2, DIGEST)
    entries["node"] = [OWN + np.uint64(1), 7]
    make_pairs(entries, np.array([[0, 1]]))["nodes"]  # [[7, 2**63 + 1]]
    ```
    """
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

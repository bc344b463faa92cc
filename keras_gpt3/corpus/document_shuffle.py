"""One order of all documents of a source, whatever made the parts."""

import itertools

from keras_gpt3.corpus.stable_hash import stable_hash
from keras_gpt3.corpus.tokenized_part import TokenizedPart

_KEYS = 2**64


def shuffle_key(seed, source, document_id):
    """A document's place in the order, as a number of 64 bits."""
    return stable_hash(seed, "shuffle", source, document_id)


def key_range(bucket, num_buckets):
    """The keys of one of several equal parts of the order."""
    return (
        bucket * _KEYS // num_buckets,
        (bucket + 1) * _KEYS // num_buckets,
    )


def shuffled_documents(paths, dtype, bucket, num_buckets):
    """Gathers a bucket's documents from all parts, in the order of their keys.

    It holds one bucket in memory. The engine's own shuffle would hold all of
    a source on one machine, and begin anew after a kill.
    """
    low, high = key_range(bucket, num_buckets)
    parts = (TokenizedPart(path, dtype).read(low, high) for path in paths)
    # Stable: documents that share a key, if ever, stay in the order of parts.
    return sorted(
        itertools.chain.from_iterable(parts), key=lambda document: document[0]
    )

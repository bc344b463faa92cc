"""One order of all documents of a source, whatever made the parts."""

import itertools

from keras_gpt3.corpus.stable_hash import stable_hash
from keras_gpt3.corpus.tokenized_part import TokenizedPart

_KEYS = 2**64


def shuffle_key(seed, source, document_id):
    """A document's place in the order, as a number of 64 bits.

    Args:
        seed: int.
        source: string.
        document_id: string.

    Returns:
        An int from 0 to below 2**64.

    Example:

    ```python
    from keras_gpt3.corpus.document_shuffle import shuffle_key

    shuffle_key(0, "novels", "document-7")
    ```
    """
    return stable_hash(seed, "shuffle", source, document_id)


def key_range(bucket, num_buckets):
    """The keys of one of several equal parts of the order.

    Args:
        bucket: int. From 0 to below `num_buckets`.
        num_buckets: int.

    Returns:
        A pair of ints: the first key, and the one behind the last.

    Example:

    ```python
    from keras_gpt3.corpus.document_shuffle import key_range

    key_range(1, 2)  # (2**63, 2**64)
    ```
    """
    return (
        bucket * _KEYS // num_buckets,
        (bucket + 1) * _KEYS // num_buckets,
    )


def shuffled_documents(paths, dtype, bucket, num_buckets):
    """Gathers a bucket's documents from all parts, in the order of their keys.

    It holds one bucket in memory. The engine's own shuffle would hold all of
    a source on one machine, and begin anew after a kill.

    Args:
        paths: list of paths, as `TokenizedPart` takes them.
        dtype: string. Of the tokens on disk.
        bucket: int. From 0 to below `num_buckets`.
        num_buckets: int.

    Returns:
        A list of triples, as `TokenizedPart.read` gives them.

    Example:

    ```python
    from keras_gpt3.corpus.document_shuffle import shuffle_key
    from keras_gpt3.corpus.document_shuffle import shuffled_documents
    from keras_gpt3.corpus.tokenized_part import TokenizedPart

    keys = [shuffle_key(0, "novels", name) for name in "abc"]
    TokenizedPart("p", "uint16").write((key, [5], False) for key in keys)
    shuffled_documents(["p"], "uint16", bucket=0, num_buckets=1)
    ```
    """
    low, high = key_range(bucket, num_buckets)
    parts = (TokenizedPart(path, dtype).read(low, high) for path in paths)
    # Stable: documents that share a key, if ever, stay in the order of parts.
    return sorted(
        itertools.chain.from_iterable(parts), key=lambda document: document[0]
    )

"""The exact likeness of two sets."""

import numpy as np

# Pairs that are compared at a time: bounds the memory.
_PAIRS = 2**14


def jaccard_similarities(sets, other_sets, rows, other_rows):
    """Compute the Jaccard similarities of pairs of sets.

    Args:
        sets: `scipy.sparse.csr_array`. A row's set is its indices.
        other_sets: `scipy.sparse.csr_array`. Likewise.
        rows: int array. For each pair, the row of `sets`.
        other_rows: int array. For each pair, the row of `other_sets`.

    Returns:
        A float64 array: what both sets of a pair hold, divided by what at
        least one does. Two empty sets have 0: nothing says that they are
        alike.

    Example:

    ```python
    from keras_gpt3.corpus.hashed_features import HashedFeatures
    from keras_gpt3.corpus.jaccard import jaccard_similarities

    sets = HashedFeatures().transform(["a b c", "b c d"])
    jaccard_similarities(sets, sets, [0, 0], [1, 0])  # [0.5, 1.0]
    ```
    """
    rows = np.asarray(rows, "int64")
    other_rows = np.asarray(other_rows, "int64")
    sizes = np.diff(sets.indptr)[rows].astype("int64")
    union = sizes + np.diff(other_sets.indptr)[other_rows]
    common = np.zeros(len(rows), "int64")
    for i in range(0, len(rows), _PAIRS):
        chunk = slice(i, i + _PAIRS)
        common[chunk] = _common(
            sets[rows[chunk]], other_sets[other_rows[chunk]]
        )
    return common / np.maximum(union - common, 1)


def _common(sets, other_sets):
    """How many features both sets of each row hold."""
    for each in (sets, other_sets):
        each.data = np.ones(len(each.indices), "int32")
    return sets.multiply(other_sets).sum(axis=1)

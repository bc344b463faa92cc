"""The exact likeness of two sets."""

import numpy as np

# Pairs that are compared at a time: bounds the memory.
_PAIRS = 2**14


def jaccard_similarities(sets, other_sets, rows, other_rows):
    """Compute the Jaccard similarities of pairs of sets."""
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

"""Finds ids that stand in a data set twice, without the texts."""

import numpy as np

from keras_gpt3.corpus.stable_hash import stable_hash
from keras_gpt3.replaced_file import replaced_file

# Ids that are compared in one go: 16 bytes each, some copies of them.
_BUCKET_IDS = 2**22


def write_ids(path, ids):
    """Writes the hashes of a part's ids, sorted, each with its place."""
    hashes = np.array([stable_hash(name) for name in ids], np.uint64)
    places = np.argsort(hashes, kind="stable")
    with replaced_file(path) as file:
        np.save(file, np.stack([hashes[places], places.astype(np.uint64)]))


def repeated_places(paths, bucket_ids=_BUCKET_IDS):
    """Finds the documents whose id an earlier one has.

    Ids are equal if their hashes of 64 bits are: among a milliard of ids, one
    pair in 40 such data sets is taken for equal by mistake.
    """
    total = sum(np.load(path, mmap_mode="r").shape[1] for path in paths)
    num_buckets = total // bucket_ids + 1
    places = [[] for _ in paths]
    for bucket in range(num_buckets):
        slices = [_slice(path, bucket, num_buckets) for path in paths]
        for part, place in _repeated(slices):
            places[part].append(place)
    return [sorted(part) for part in places]


def _slice(path, bucket, num_buckets):
    """The hashes of a bucket, with their places; hashes are evenly spread."""
    # Opened each time: there may be more parts than files may be open.
    pairs = np.load(path, mmap_mode="r")
    low = np.uint64(2**64 * bucket // num_buckets)
    first = int(np.searchsorted(pairs[0], low))
    last = pairs.shape[1]
    if bucket + 1 < num_buckets:
        high = np.uint64(2**64 * (bucket + 1) // num_buckets)
        last = int(np.searchsorted(pairs[0], high))
    return np.array(pairs[:, first:last])


def _repeated(slices):
    """Pairs of part and place of what stands in the slices not first."""
    if not slices:
        return
    hashes, places = np.concatenate(slices, axis=1)
    parts = np.repeat(np.arange(len(slices)), [s.shape[1] for s in slices])
    # Stable: of equal hashes, the first part and place comes first.
    order = np.argsort(hashes, kind="stable")
    is_again = np.zeros(len(order), bool)
    is_again[1:] = hashes[order][1:] == hashes[order][:-1]
    again = order[is_again]
    yield from zip(parts[again].tolist(), places[again].tolist(), strict=True)

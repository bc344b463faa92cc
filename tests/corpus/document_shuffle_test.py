import numpy as np
import pytest

from keras_gpt3.corpus.shard.tokenize_part import TokenizedPart
from keras_gpt3.corpus.shard.tokenize_part import key_range
from keras_gpt3.corpus.shard.tokenize_part import shuffle_key
from keras_gpt3.corpus.shard.tokenize_part import shuffled_documents


def order(folder, ids, num_parts, num_buckets, seed=0):
    """The numbers of documents as they come out of parts and buckets."""
    folder.mkdir()
    paths = [folder / f"{number}" for number in range(num_parts)]
    for number, path in enumerate(paths):
        TokenizedPart(path, "uint16").write(
            (shuffle_key(seed, "novels", f"{i}"), [i], False)
            for i in ids[number::num_parts]
        )
    return [
        int(tokens[0])
        for bucket in range(num_buckets)
        for _, tokens, _ in shuffled_documents(
            paths, "uint16", bucket, num_buckets
        )
    ]


@pytest.mark.parametrize(("num_parts", "num_buckets"), [(3, 1), (7, 4)])
def test_one_order_whatever_the_parts_and_buckets(
    tmp_path, num_parts, num_buckets
):
    ids = list(range(200))
    expected = sorted(ids, key=lambda i: shuffle_key(0, "novels", f"{i}"))
    found = order(tmp_path / "a", ids, num_parts, num_buckets)
    assert found == expected


def test_seeds_and_sources_have_orders_of_their_own(tmp_path):
    ids = list(range(50))
    orders = [order(tmp_path / f"{s}", ids, 1, 1, seed=s) for s in range(2)]
    assert sorted(orders[0]) == sorted(orders[1]) == ids
    assert orders[0] != orders[1]
    assert shuffle_key(0, "a", "b") != shuffle_key(0, "b", "b")


def test_neighbours_come_from_anywhere():
    keys = [shuffle_key(0, "novels", f"{i}") for i in range(2000)]
    places = np.argsort(np.array(keys, "uint64"))
    correlation = np.corrcoef(places[:-1], places[1:])[0, 1]
    # Its standard deviation is 1 / sqrt(2000) = 0.022.
    assert abs(correlation) < 0.09


@pytest.mark.parametrize("num_buckets", [1, 3, 1000])
def test_ranges_of_keys_meet_and_leave_nothing_out(num_buckets):
    ranges = [key_range(i, num_buckets) for i in range(num_buckets)]
    assert ranges[0][0] == 0 and ranges[-1][1] == 2**64
    assert all(a[1] == b[0] for a, b in zip(ranges, ranges[1:], strict=False))

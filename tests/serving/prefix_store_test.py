import numpy as np
import pytest

from keras_gpt3.serving.slots.prefix_store import BLOCK
from keras_gpt3.serving.slots.prefix_store import PrefixStore

IDS = list(range(3 * BLOCK + 5))
BYTES = 2 * 4 * 2 * BLOCK * 3 * 4  # Of a block of the arrays below.


def arrays(start, length, sign=1):
    """Keys and values (L, T, H, D) that tell their positions."""
    positions = np.arange(start, start + length, dtype="float32")
    keys = np.broadcast_to(positions[:, None, None] * sign, (2, length, 3, 4))
    return keys, -keys


def stored(max_bytes=10**9, ids=IDS, **options):
    store = PrefixStore(max_bytes)
    store.add(ids, 0, *arrays(0, len(ids), **options))
    return store


@pytest.mark.parametrize("length", [0, BLOCK - 1, BLOCK, 2 * BLOCK + 1, 500])
def test_whole_blocks_of_a_beginning_are_found(length):
    ids = (IDS + [7] * 500)[:length]
    known, found = stored().find(ids)
    assert known == min(length // BLOCK, 3) * BLOCK
    if known:
        for one, other in zip(found, arrays(0, known), strict=True):
            np.testing.assert_array_equal(one, other)


def test_another_token_early_on_makes_it_another_beginning():
    ids = [1, *IDS[1:]]
    store = stored()
    assert store.find(ids) == (0, None)
    store.add(ids, 0, *arrays(0, len(ids), sign=-2))
    known, (keys, _) = store.find(ids)
    assert known == 3 * BLOCK and keys[0, 1, 0, 0] == -2
    assert store.find(IDS)[1][0][0, 1, 0, 0] == 1


def test_parts_are_put_together():
    store = PrefixStore(10**9)
    store.add(IDS, 0, *arrays(0, BLOCK))
    store.add(IDS, BLOCK, *arrays(BLOCK, 2 * BLOCK))
    known, (keys, _) = store.find(IDS)
    assert known == 3 * BLOCK
    np.testing.assert_array_equal(keys, arrays(0, known)[0])


def test_what_was_not_used_for_longest_goes_first():
    store = stored(5 * BYTES)
    other = [i + 1000 for i in IDS]
    store.find(IDS)
    store.add(other, 0, *arrays(0, len(other)))
    assert store.num_bytes == 5 * BYTES
    # Of the older prompt the last block was given up.
    assert store.find(IDS)[0] == 2 * BLOCK
    assert store.find(other)[0] == 3 * BLOCK
    store.add([5] * BLOCK, 0, *arrays(0, BLOCK))
    assert store.find(IDS)[0] == BLOCK


def test_nothing_is_kept_where_nothing_may_be():
    store = stored(0)
    assert store.num_bytes == 0 and store.find(IDS) == (0, None)

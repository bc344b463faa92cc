import hashlib

import numpy as np
import pytest

from keras_gpt3.corpus.pipeline.document import stable_hash
from keras_gpt3.corpus.pipeline.document import stable_uniform


def test_hash_is_blake2b_of_the_parts_with_their_lengths():
    digest = hashlib.blake2b(b"2:ab1:7", digest_size=8).digest()
    assert stable_hash("ab", 7) == int.from_bytes(digest, "big")
    assert stable_hash(b"ab", "7") == stable_hash("ab", 7)


@pytest.mark.parametrize(
    ("left", "right"),
    [(("a", "bc"), ("ab", "c")), (("a", "b"), ("b", "a")), (("a",), ("a", ""))],
)
def test_bounds_and_order_count(left, right):
    assert stable_hash(*left) != stable_hash(*right)


def test_half_a_surrogate_pair_has_a_hash():
    assert stable_hash("\ud800") != stable_hash("\ud801")


def test_draws_are_uniform_and_differ_by_seed():
    draws = [stable_uniform(0, "novels", i) for i in range(4000)]
    assert 0 <= min(draws)
    assert max(draws) < 1
    counts, _ = np.histogram(draws, bins=10, range=(0, 1))
    # 400 expected in each, with a deviation of 19: five deviations.
    assert abs(counts - 400).max() < 95
    assert stable_uniform(1, "novels", 0) != draws[0]
    assert stable_uniform(0, "novels", 0) == draws[0]

import numpy as np
import pytest
from scipy.sparse import csr_array

from keras_gpt3.corpus.dedup.min_hash import MinHash
from keras_gpt3.corpus.dedup.min_hash import mixed_bits
from keras_gpt3.corpus.quality.quality_classifier import HashedFeatures


def as_rows(sets, num_features):
    """Sets of features as rows of a matrix."""
    indices = np.concatenate([np.sort(list(s)) for s in sets]).astype("int32")
    indptr = np.cumsum([0, *map(len, sets)])
    return csr_array(
        (np.ones(len(indices)), indices, indptr), (len(sets), num_features)
    )


def random_pairs(count, size, num_features, rng):
    """Pairs of sets of any similarity."""
    for _ in range(count):
        common = rng.integers(1, size)
        drawn = rng.choice(num_features, 2 * size - common, replace=False)
        yield set(drawn[:size]), set(drawn[size - common :])


@pytest.mark.parametrize("num_features", [50, 2**12])
def test_signatures_are_the_first_of_each_order(num_features):
    rng = np.random.default_rng(0)
    sets = [rng.choice(num_features, size, False) for size in (1, 7, 30)]
    received = MinHash(num_features, 4, seed=3).signatures(
        as_rows([[], *sets, []], num_features)
    )
    # The orders themselves, from sets of one feature.
    single = [[feature] for feature in range(num_features)]
    orders = MinHash(num_features, 4, seed=3).signatures(
        as_rows(single, num_features)
    )
    assert (np.sort(orders, axis=0) == np.arange(num_features)[:, None]).all()
    expected = [orders[s].min(axis=0) for s in sets]
    np.testing.assert_array_equal(received[1:-1], expected)
    # An empty set agrees with no other.
    assert (received[[0, -1]] > num_features).all()


def test_agreement_is_distributed_as_a_binomial_of_the_jaccard_similarity():
    rng = np.random.default_rng(0)
    num_hashes, num_features, count = 64, 2**14, 300
    pairs = list(random_pairs(count, 60, num_features, rng))
    signatures = MinHash(num_features, num_hashes).signatures(
        as_rows([s for pair in pairs for s in pair], num_features)
    )
    agreement = (signatures[::2] == signatures[1::2]).mean(axis=1)
    truth = np.array([len(a & b) / len(a | b) for a, b in pairs])
    # Errors in units of a binomial's: mean 0, variance 1.
    scale = np.sqrt(truth * (1 - truth) / num_hashes)
    errors = (agreement - truth)[scale > 0] / scale[scale > 0]
    # Five times the error of the mean and of the variance.
    assert abs(errors.mean()) < 5 / np.sqrt(count)
    assert abs(errors.var() - 1) < 5 * np.sqrt(2 / count)


def test_signatures_are_those_of_earlier_versions():
    sets = HashedFeatures().transform(["To be, or not to be."])
    # An index that was written once has to fit for ever.
    assert MinHash().signatures(sets)[0].tolist() == SIGNATURE
    assert (MinHash(seed=1).signatures(sets)[0] != SIGNATURE).all()
    assert mixed_bits(np.array([1], "uint64")) == [6238072747940578789]


SIGNATURE = [3486, 48809, 34493, 131161, 28293, 95935, 6363, 22007, 6897, 35104]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_features": 0}, "num_features must be an integer of at least 1"),
        ({"num_hashes": 0}, "num_hashes must be an integer of at least 1"),
        ({"seed": -1}, "seed must be an integer of at least 0"),
    ],
)
def test_sizes_that_are_none_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        MinHash(**arguments)

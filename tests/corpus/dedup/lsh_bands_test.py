import numpy as np
import pytest
from scipy.sparse import csr_array

from keras_gpt3.corpus.dedup.lsh_bands import ENTRY
from keras_gpt3.corpus.dedup.lsh_bands import NUM_FURTHER
from keras_gpt3.corpus.dedup.lsh_bands import MinHash
from keras_gpt3.corpus.dedup.lsh_bands import band_keys
from keras_gpt3.corpus.dedup.lsh_bands import candidate_pairs
from keras_gpt3.corpus.dedup.lsh_bands import mixed_bits
from keras_gpt3.corpus.dedup.lsh_bands import required_agreements
from keras_gpt3.corpus.quality.quality_classifier import HashedFeatures
from tests.fixtures.corpus.detection_probability import detection_probability
from tests.fixtures.corpus.planted_duplicates import RATES
from tests.fixtures.corpus.planted_duplicates import edited_copies
from tests.fixtures.corpus.planted_duplicates import find_pairs

# === Lsh bands ===


def made_entries(keys, further=0, size=10):
    """Entries of documents numbered backwards, one band each."""
    entries = np.zeros(len(keys), ENTRY)
    entries["key"] = keys
    entries["node"] = np.arange(len(keys))[::-1]
    entries["size"] = size
    entries["further"] = further
    return entries


def as_set(pairs):
    return {tuple(sorted(pair)) for pair in pairs.tolist()}


# === The planted truth ===


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return find_pairs(tmp_path_factory.mktemp("signatures"), edited_copies())


@pytest.mark.parametrize("rate", RATES)
def test_edited_copies_are_found_as_often_as_theory_says(found, rate):
    is_of_rate = found.rates == rate
    expected = detection_probability(found.similarities[is_of_rate], 5, 2)
    # Five standard deviations of as many draws; a draw where none varies.
    error = 5 * np.sqrt((expected * (1 - expected)).sum()) + 1
    received = found.is_candidate[is_of_rate].sum()
    assert abs(received - expected.sum()) < error


def test_near_duplicates_are_found_and_nothing_else(found):
    assert found.num_wrong == 0
    assert found.recall > 0.99
    is_similar = found.similarities >= 0.8
    # Copies of one, five and ten in a hundred words are near-duplicates.
    assert is_similar.sum() > 450
    assert found.is_found[is_similar].mean() > 0.99
    assert not found.is_found[~is_similar].any()


def test_detection_probability_is_that_of_random_bands():
    rng = np.random.default_rng(0)
    agrees = rng.random((20000, 5, 2)) < 0.6
    received = agrees.all(axis=2).any(axis=1).mean()
    expected = detection_probability(0.6, bands=5, rows=2)
    assert abs(received - expected) < 5 * np.sqrt(0.25 / 20000)
    assert detection_probability(np.array([0, 1]), 5, 2).tolist() == [0, 1]


# === Keys ===


def test_a_key_is_shared_by_equal_rows_of_one_band_only():
    signatures = np.array([[1, 2, 1, 2], [1, 2, 2, 1], [1, 3, 1, 2]], "uint32")
    keys = band_keys(signatures, bands=2)
    assert keys.shape == (3, 2)
    assert len(np.unique(keys)) == 4
    assert keys[0, 0] == keys[1, 0]
    assert keys[0, 1] == keys[2, 1]
    assert not np.isin(band_keys(signatures, 2, namespace=2**63), keys).any()


def test_few_near_duplicates_agree_less_than_required():
    rng = np.random.default_rng(0)
    for similarity in (0.5, 0.8, 0.95):
        agreements = rng.random((20000, NUM_FURTHER)) < similarity**2
        required = required_agreements(similarity)
        lost = (agreements.sum(axis=1) < required).mean()
        # Three standard deviations above the share that may be lost.
        assert lost < 0.002 + 3 * np.sqrt(0.002 / 20000)
    assert required_agreements(0) == 0
    assert required_agreements(1) == NUM_FURTHER


# === Pairs ===


def test_small_bands_give_all_their_pairs():
    entries = made_entries([5, 7, 5, 5, 8, 7])
    pairs, counts = candidate_pairs(entries, 3, threshold=0)
    assert as_set(pairs) == {(0, 2), (0, 3), (2, 3), (1, 5)}
    assert set(counts.values()) == {0}


def test_sets_of_too_different_sizes_are_no_candidates():
    entries = made_entries([5, 5, 5], size=[8, 10, 11])
    pairs, _ = candidate_pairs(entries, 100, threshold=0.8)
    assert as_set(pairs) == {(0, 1), (1, 2)}
    # 0.55 * 20 is more than 11 in floats.
    pairs, _ = candidate_pairs(made_entries([5, 5], size=[11, 20]), 9, 0.55)
    assert as_set(pairs) == {(0, 1)}


def test_pairs_that_no_further_key_joins_are_no_candidates():
    further = [[1] * 9, [1, 1] + [2] * 7, [1] + [3] * 8]
    entries = made_entries([5, 5, 5], further)
    pairs, _ = candidate_pairs(entries, 100, threshold=0.8)
    assert as_set(pairs) == {(0, 1)}
    pairs, _ = candidate_pairs(entries, 100, threshold=0)
    assert len(pairs) == 3


def test_a_large_band_of_strangers_is_split_and_keeps_its_near_duplicates():
    rng = np.random.default_rng(0)
    count = 5000
    further = rng.integers(0, 40, (count, NUM_FURTHER))
    # The second half's first documents resemble the first half's.
    copies = np.arange(100)
    is_same = rng.random((100, NUM_FURTHER)) < 0.8
    further[2500 + copies] = np.where(
        is_same, further[copies], further[2500 + copies]
    )
    entries = made_entries(np.zeros(count), further)
    pairs, counts = candidate_pairs(entries, 50, threshold=0)
    assert counts["split_bands"] == 1
    assert counts["split_documents"] == count
    assert counts["stayed_large_documents"] == 0
    # Of 12 million pairs.
    assert len(pairs) < 50 * count
    found = as_set(pairs)
    assert sum((i, 2500 + i) in found for i in copies) >= 95


def test_a_band_of_copies_costs_a_pair_for_each():
    entries = made_entries([5] * 1000, further=3)
    pairs, counts = candidate_pairs(entries, 10, threshold=0.8)
    assert as_set(pairs) == {(i, 999) for i in range(999)}
    assert counts["stayed_large_documents"] == 0


def test_what_cannot_be_split_is_linked_in_a_chain_and_a_star():
    # All agree in all keys but the last, which splits nothing any more.
    further = np.zeros((40, NUM_FURTHER), "u4")
    further[:, -1] = np.arange(40)
    further[:, -2] = np.arange(40)
    entries = made_entries([5] * 40, further)
    pairs, counts = candidate_pairs(entries, 10, threshold=0.8)
    assert as_set(pairs) == {(i, i + 1) for i in range(39)} | {
        (i, 39) for i in range(39)
    }
    assert counts["stayed_large_documents"] == 40


def test_pairs_are_the_same_in_any_order():
    rng = np.random.default_rng(0)
    further = rng.integers(0, 3, (300, NUM_FURTHER))
    entries = made_entries(rng.integers(0, 4, 300), further)
    pairs, counts = candidate_pairs(entries, 10, threshold=0.8)
    order = rng.permutation(300)
    shuffled, other_counts = candidate_pairs(entries[order], 10, 0.8)
    assert as_set(order[shuffled]) == as_set(pairs)
    assert other_counts == counts


def test_no_documents_have_no_pairs():
    pairs, counts = candidate_pairs(made_entries([]), 10, 0.8)
    assert pairs.shape == (0, 2)
    assert set(counts.values()) == {0}


# === Min hash ===


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

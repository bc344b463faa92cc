import numpy as np
import pytest

from keras_gpt3.corpus.dedup.lsh_bands import ENTRY
from keras_gpt3.corpus.dedup.lsh_bands import NUM_FURTHER
from keras_gpt3.corpus.dedup.lsh_bands import band_keys
from keras_gpt3.corpus.dedup.lsh_bands import candidate_pairs
from keras_gpt3.corpus.dedup.lsh_bands import required_agreements
from tests.fixtures.corpus.detection_probability import detection_probability
from tests.fixtures.corpus.planted_duplicates import RATES
from tests.fixtures.corpus.planted_duplicates import edited_copies
from tests.fixtures.corpus.planted_duplicates import find_pairs


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

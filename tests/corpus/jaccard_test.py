import numpy as np

from keras_gpt3.corpus.dedup import duplicate_pairs
from keras_gpt3.corpus.dedup.duplicate_pairs import jaccard_similarities
from keras_gpt3.corpus.quality.quality_classifier import HashedFeatures

TEXTS = ["a b c", "b c d", "a a A b c", "x y", "", "a"]
SETS = [set(text.lower().split()) for text in TEXTS]


def test_similarities_are_those_of_python_s_sets(monkeypatch):
    # Three pairs at a time: the last chunk is not full.
    monkeypatch.setattr(duplicate_pairs, "_PAIRS", 3)
    sets = HashedFeatures().transform(TEXTS)
    rows, others = np.indices((6, 5)).reshape(2, -1)
    received = jaccard_similarities(sets, sets[:5], rows, others)
    expected = [
        len(SETS[i] & SETS[j]) / max(len(SETS[i] | SETS[j]), 1)
        for i, j in zip(rows, others, strict=True)
    ]
    np.testing.assert_allclose(received, expected)
    # Counts are not sets, and stay what they were.
    assert sets.max() == 3


def test_no_pairs_have_no_similarities():
    sets = HashedFeatures().transform(TEXTS)
    assert jaccard_similarities(sets, sets, [], []).shape == (0,)

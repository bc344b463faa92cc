import numpy as np
import pytest

from keras_gpt3.corpus.quality.quality_classifier import HashedFeatures


def test_words_are_counted_without_case_and_punctuation():
    counts = HashedFeatures().transform(
        ["To be, or not to be.", "TO BE or\nnot", "été 7", ""]
    )
    assert counts.shape == (4, 2**18)
    assert np.diff(counts.indptr).tolist() == [4, 4, 2, 0]
    assert counts.sum(axis=1).tolist() == [6, 4, 2, 0]
    first, second = counts.indices[:4], counts.indices[4:8]
    np.testing.assert_array_equal(first, second)
    assert (np.diff(first) > 0).all()


def test_features_hang_on_no_other_text():
    texts = ["one two", "three", "two four one"]
    together = HashedFeatures(2**10).transform(texts).toarray()
    for text, row in zip(texts, together, strict=True):
        alone = HashedFeatures(2**10).transform([text]).toarray()
        np.testing.assert_array_equal(alone[0], row)


def test_no_texts_have_no_rows():
    assert HashedFeatures(8).transform([]).shape == (0, 8)


def test_too_few_features_are_refused():
    with pytest.raises(ValueError, match="num_features must be an integer of"):
        HashedFeatures(1)

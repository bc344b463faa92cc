import numpy as np
import pytest

from keras_gpt3.corpus.dedup.signatures import DIGEST
from keras_gpt3.corpus.dedup.signatures import equal_pairs
from keras_gpt3.corpus.dedup.signatures import text_digest


@pytest.mark.parametrize(
    ("text", "other", "is_equal"),
    [
        ("To be,\r\nor not ", "to be,\u00a0OR not", True),
        ("\u00e9t\u00e9", "e\u0301te\u0301", True),
        ("Stra\u00dfe", "STRASSE", True),
        ("", " \n", True),
        ("to be", "to be.", False),
        ("to be", "tobe", False),
        ("\ud800", "\ud801", False),
    ],
)
def test_case_space_and_composition_do_not_count(text, other, is_equal):
    assert (text_digest(text) == text_digest(other)) == is_equal
    assert all(0 <= half < 2**64 for half in text_digest(text))


def test_the_first_of_equal_documents_is_paired_with_the_others():
    entries = np.zeros(7, DIGEST)
    entries["key"] = [5, 6, 5, 5, 6, 5, 9]
    # The key alone is no proof.
    entries["check"] = [1, 1, 1, 2, 1, 1, 1]
    entries["node"] = [30, 8, 10, 1, 7, 20, 2]
    pairs = equal_pairs(entries).tolist()
    assert sorted(pairs) == [[2, 0], [2, 5], [4, 1]]


def test_no_documents_have_no_pairs():
    assert equal_pairs(np.zeros(0, DIGEST)).shape == (0, 2)

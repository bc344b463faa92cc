import pytest

from keras_gpt3.corpus.corpus_config import DecontaminateSection
from tests.section_checks import check_minimum


@pytest.mark.parametrize(
    "field, minimum",
    [
        ("ngram", 1),
        ("window", 0),
        ("min_characters", 1),
        ("max_pieces", 1),
        ("max_documents", 1),
    ],
)
def test_an_integer_below_its_minimum_raises(field, minimum):
    check_minimum(DecontaminateSection, f"decontaminate.{field}", minimum)

import pytest

from keras_gpt3.corpus.corpus_config import ReadSection
from tests.section_checks import check_minimum
from tests.section_checks import check_share


@pytest.mark.parametrize(
    "field, minimum", [("min_characters", 0), ("max_line_bytes", 1)]
)
def test_an_integer_below_its_minimum_raises(field, minimum):
    check_minimum(ReadSection, f"read.{field}", minimum)


def test_a_language_s_score_is_a_share():
    check_share(ReadSection, "read.min_language_score")

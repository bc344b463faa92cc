import pytest

from keras_gpt3.corpus.corpus_config import DedupSection
from tests.section_checks import check_minimum
from tests.section_checks import check_share


@pytest.mark.parametrize(
    "field, minimum",
    [
        ("num_hashes", 1),
        ("num_bands", 1),
        ("num_features", 2),
        ("max_band_documents", 2),
    ],
)
def test_an_integer_below_its_minimum_raises(field, minimum):
    required = {"num_bands": 1} if field == "num_hashes" else {}
    check_minimum(DedupSection, f"dedup.{field}", minimum, **required)


def test_the_threshold_is_a_share():
    check_share(DedupSection, "dedup.threshold")


def test_bands_that_do_not_divide_the_hashes_raise():
    message = (
        "^dedup.num_bands must divide dedup.num_hashes. Received: num_bands=3, "
        "num_hashes=10. Choose for example 5 bands of 10 hashes.$"
    )
    with pytest.raises(ValueError, match=message):
        DedupSection(num_bands=3)

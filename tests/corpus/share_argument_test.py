import re

import pytest

from keras_gpt3.corpus.corpus_config import check_share


@pytest.mark.parametrize("value", [0, 0.5, 1])
def test_shares_pass(value):
    check_share("dedup.threshold", value)


@pytest.mark.parametrize("value", [-0.1, 1.5, float("nan")])
def test_another_number_is_an_error_that_names_the_field(value):
    message = (
        "dedup.threshold must be from 0 to 1. Received: dedup.threshold="
        f"{value}. Leave it out for the default."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_share("dedup.threshold", value)

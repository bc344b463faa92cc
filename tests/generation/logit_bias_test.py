import re

import numpy as np
import pytest

from keras_gpt3.generation.sampling_settings import check_logit_bias
from keras_gpt3.generation.sampling_settings import logit_bias_vector


def test_a_bias_comes_back_with_plain_numbers():
    checked = check_logit_bias({np.int64(3): np.float32(0.5), 0: -100})
    assert checked == {3: 0.5, 0: -100.0}
    assert {type(token_id) for token_id in checked} == {int}
    assert {type(bias) for bias in checked.values()} == {float}
    assert check_logit_bias(None) is None
    assert check_logit_bias({}) == {}


def test_the_vector_holds_each_bias_at_its_id():
    vector = logit_bias_vector({0: 1.5, 3: -2.0}, 5)
    assert vector.dtype == "float32"
    np.testing.assert_array_equal(vector, [1.5, 0, 0, -2.0, 0])


IDS = "The ids of logit_bias must be integers of at least 0. Received: id="
BIASES = "The biases of logit_bias must be numbers from -1e9 to 1e9. Received: "


@pytest.mark.parametrize(
    ("logit_bias", "message"),
    [
        (
            [3],
            "logit_bias must be a dict of token ids to numbers. Received: "
            "logit_bias=[3]. Pass {50256: -100.0}, say.",
        ),
        ({-1: 0.0}, f"{IDS}-1. Take ids from the tokenizer."),
        ({"3": 0.0}, f"{IDS}'3'. Take ids from the tokenizer."),
        ({True: 0.0}, f"{IDS}True. Take ids from the tokenizer."),
        ({3: "0"}, f"{BIASES}bias='0'. Use -1e9 to rule a token out."),
        (
            {3: float("-inf")},
            f"{BIASES}bias=-inf. Use -1e9 to rule a token out.",
        ),
        ({3: float("nan")}, f"{BIASES}bias=nan. Use -1e9 to rule a token out."),
    ],
)
def test_what_is_no_bias_raises(logit_bias, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_logit_bias(logit_bias)


def test_an_id_that_the_vocabulary_lacks_raises():
    message = (
        "The ids of logit_bias must be below vocabulary_size=5. Received: "
        "id=5. Take ids from the model's own tokenizer."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        logit_bias_vector({4: 1.0, 5: 1.0}, 5)

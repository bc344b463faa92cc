import re

import pytest

from keras_gpt3.training.step.loss_weights import unpack_batch


@pytest.mark.parametrize("weights", [(), ("weights",)])
def test_a_batch_with_and_without_weights_is_split(weights):
    x, y, sample_weight = unpack_batch(("x", "y", *weights))
    assert (x, y) == ("x", "y")
    assert sample_weight == (weights[0] if weights else None)


def test_a_batch_without_labels_raises():
    message = (
        "y must be given with token ids. Received: y=None. Pass the ids "
        "shifted by one, as packed_dataset returns them."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        unpack_batch(("x",))

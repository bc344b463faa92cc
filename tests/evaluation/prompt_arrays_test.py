import numpy as np
import pytest

from keras_gpt3.evaluation.few_shot.shared_batches import filled_batch
from keras_gpt3.evaluation.few_shot.shared_batches import prompt_arrays


def test_prompts_are_padded_on_the_right():
    arrays = prompt_arrays([(5, 6, 7), [8]])
    np.testing.assert_array_equal(
        arrays["token_ids"], np.array([[5, 6, 7], [8, 0, 0]], "int32")
    )
    np.testing.assert_array_equal(
        arrays["padding_mask"], [[True] * 3, [True, False, False]]
    )
    assert arrays["token_ids"].dtype == "int32"


@pytest.mark.parametrize(
    ("count", "size"), [(1, 1), (2, 2), (3, 4), (5, 6), (6, 6)]
)
def test_batches_have_few_sizes(count, size):
    batch = list(range(count))
    filled = filled_batch(batch, batch_size=6)
    assert filled == batch + [count - 1] * (size - count)
